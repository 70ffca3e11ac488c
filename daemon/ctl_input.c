/* Jobs from a file: one whole, one a line, or the elements of one JSON array. */
#include "ctl_input.h"

#include "json.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_MAX ((size_t)256 << 20) /* bytes: a longer list is better one job a line */

struct input {
    FILE *file;
    const struct input_opts *opts;
    on_input_job fn;
    void *arg;
    struct err_text *e;
};

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static enum sq_err fail_read(const struct input *in)
{
    return err_set(in->e, SQ_ERR_IO, "cannot read %s: %s", in->opts->path, strerror(errno));
}

/* Reads up to end (a byte, or EOF for all). SQ_ERR_NOT_FOUND: nothing was left. */
static enum sq_err read_until(const struct input *in, int end, size_t max, struct buf *out)
{
    int c;

    buf_clear(out);
    out->max = max;
    while ((c = getc_unlocked(in->file)) != EOF) {
        if (c == end)
            return SQ_OK;
        buf_addc(out, (char)c);
        if (out->failed)
            return err_set(in->e, SQ_ERR_TOO_LARGE, "a job may have %zu bytes", max);
    }
    if (ferror(in->file))
        return fail_read(in);
    return out->len > 0 ? SQ_OK : SQ_ERR_NOT_FOUND;
}

static bool is_blank(const struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if (!is_space((unsigned char)b->data[i]))
            return false;
    return true;
}

static enum sq_err one_job(const struct input *in, struct buf *b)
{
    enum sq_err err = read_until(in, EOF, in->opts->max_job, b);

    if (err == SQ_ERR_NOT_FOUND || (err == SQ_OK && is_blank(b)))
        return err_set(in->e, SQ_ERR_INVALID, "there is no job in %s", in->opts->path);
    if (err == SQ_OK)
        in->fn(b->data, b->len, in->arg);
    return err;
}

static enum sq_err each_line(const struct input *in, struct buf *b)
{
    enum sq_err err;

    while ((err = read_until(in, '\n', in->opts->max_job, b)) == SQ_OK) {
        if (b->len > 0 && b->data[b->len - 1] == '\r')
            b->len--;
        if (!is_blank(b) && !in->fn(b->data, b->len, in->arg))
            break;
    }
    return err == SQ_ERR_NOT_FOUND ? SQ_OK : err;
}

/* The end of the value at s: where its comma or the array's bracket stands. The text is valid
 * JSON, so brackets and quotes match. */
static const char *value_end(const char *s)
{
    int depth = 0;
    bool quoted = false;

    for (;; s++) {
        if (quoted && *s == '\\')
            s++;
        else if (*s == '"')
            quoted = !quoted;
        else if (!quoted && depth == 0 && (*s == ',' || *s == ']'))
            return s;
        else if (!quoted && (*s == '{' || *s == '['))
            depth++;
        else if (!quoted && (*s == '}' || *s == ']'))
            depth--;
    }
}

static void each_element(const struct input *in, const char *s)
{
    for (;;) {
        const char *end, *comma;

        while (is_space(*s))
            s++;
        if (*s == ']') /* of an empty array */
            return;
        comma = end = value_end(s);
        while (is_space(end[-1]))
            end--;
        if (!in->fn(s, (size_t)(end - s), in->arg) || *comma == ']')
            return;
        s = comma + 1;
    }
}

static enum sq_err each_of_array(const struct input *in, struct buf *b)
{
    const struct json_limits limits = {.max_bytes = ARRAY_MAX, .max_depth = 512};
    struct err_text why;
    cJSON *j;
    enum sq_err err = read_until(in, EOF, ARRAY_MAX, b);

    if (err != SQ_OK)
        return err;
    if (json_parse(b->data, b->len, &limits, &j, &why) != SQ_OK)
        return err_set(in->e, SQ_ERR_INVALID, "%s is not a JSON array: %s", in->opts->path,
                       why.text);
    json_free(j);
    each_element(in, strchr(b->data, '[') + 1);
    return SQ_OK;
}

/* What the first byte that is no white space says: an array, or lines. */
static enum sq_err each_job(const struct input *in, struct buf *b)
{
    int c;

    while (is_space(c = getc_unlocked(in->file)))
        ;
    if (c == EOF)
        return ferror(in->file) ? fail_read(in) : SQ_OK;
    ungetc(c, in->file);
    return c == '[' ? each_of_array(in, b) : each_line(in, b);
}

enum sq_err input_each_job(const struct input_opts *opts, on_input_job fn, void *arg,
                           struct err_text *e)
{
    bool is_stdin = strcmp(opts->path, "-") == 0;
    struct input in = {.opts = opts, .fn = fn, .arg = arg, .e = e};
    struct buf b = {0};
    enum sq_err err;

    in.file = is_stdin ? stdin : fopen(opts->path, "re");
    if (in.file == NULL)
        return fail_read(&in);
    err = opts->each ? each_job(&in, &b) : one_job(&in, &b);
    buf_free(&b);
    if (!is_stdin)
        (void)fclose(in.file);
    return err;
}

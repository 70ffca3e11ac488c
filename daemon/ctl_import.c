/* sendqctl leads import: CSV or NDJSON into the directory, in batches, with a progress line.
 *
 * A bad row is told with its line and left out; the others go on. What is in Redis and not in the
 * file stays as it is. */
#include "ctl.h"

#include "ctl_leads.h"
#include "lead_row.h"
#include "text.h"
#include "timefmt.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_LEADS 200
#define BATCH_BYTES ((size_t)1 << 20)
#define LINE_MAX_BYTES ((size_t)4 << 20) /* of NDJSON */
#define TOLD_MAX 100                     /* bad rows told one by one */
#define PROGRESS_US 100000

struct import {
    struct ctl *c;
    const char *path, *id_name;
    FILE *file;
    bool dry_run;
    int64_t size, read; /* bytes; size 0 = not known */
    int64_t good, bad, created, updated;
    struct csv csv;
    struct lead_columns columns;
    struct arena names;
    bool has_columns, no_columns; /* the heading was read; it cannot be used */
    struct lead_row row;
    const char **argv; /* of the batch: texts in the ctl's arena */
    size_t argc, cap, bytes;
    unsigned long lines[BATCH_LEADS];
    unsigned leads;
    bool tty;
    int64_t begun_us, shown_us;
};

/* --- progress --- */

static void show_progress(struct import *im)
{
    int64_t now = clock_mono_us(), spent = now - im->begun_us;
    int64_t rate = spent > 0 ? im->good * 1000000 / spent : 0;

    if (!im->tty || now - im->shown_us < PROGRESS_US)
        return;
    im->shown_us = now;
    fprintf(stderr, "\r\033[K");
    if (im->size > 0) {
        int done = (int)(im->read * 100 / im->size);

        fprintf(stderr, "[%.*s%.*s] %3d %%  ", done / 5, "####################", 20 - done / 5,
                "....................", done);
        if (im->read > 0)
            fprintf(stderr, "%lld s left  ",
                    (long long)((im->size - im->read) * spent / im->read / 1000000));
    }
    fprintf(stderr, "%lld leads, %lld a second", (long long)im->good, (long long)rate);
    if (im->bad > 0)
        fprintf(stderr, ", %lld bad rows", (long long)im->bad);
}

static void end_progress(struct import *im)
{
    if (im->tty && im->shown_us > 0)
        fprintf(stderr, "\r\033[K");
    im->shown_us = 0;
}

static void tell_bad(struct import *im, unsigned long line, const char *why)
{
    end_progress(im);
    if (++im->bad <= TOLD_MAX)
        ctl_error("%s:%lu: %s", im->path, line, why);
    else if (im->bad == TOLD_MAX + 1)
        ctl_error("%s: further bad rows are counted only", im->path);
}

/* --- batches --- */

static void put(struct import *im, const char *text)
{
    if (im->argc == im->cap) {
        im->cap = im->cap * 2 + 256;
        im->argv = mem_realloc(im->argv, im->cap * sizeof(*im->argv));
    }
    im->argv[im->argc++] = arena_strdup(&im->c->arena, text);
    im->bytes += strlen(text);
}

static void count_stored(struct import *im, const struct redisReply *r)
{
    for (unsigned i = 0; i < im->leads && r; i++) {
        const char *word = reply_str(reply_at(r, i + 1), NULL);

        im->created += text_eq(word, "created");
        im->updated += text_eq(word, "updated");
        if (text_eq(word, "type")) {
            im->good--;
            tell_bad(im, im->lines[i], "the lead's key holds something else in Redis");
        }
    }
}

static void flush_batch(struct import *im)
{
    if (im->leads > 0 && !im->dry_run)
        count_stored(im, ctl_script(im->c, CTL_SCRIPT_LEADS, im->argv, im->argc));
    ctl_forget(im->c);
    im->leads = 0;
    im->argc = im->bytes = 0;
    show_progress(im);
}

static void add_row(struct import *im, unsigned long line)
{
    const struct lead *l = &im->row.lead;

    put(im, l->id);
    put(im, ctl_text(im->c, l->count));
    for (unsigned i = 0; i < l->count; i++) {
        put(im, l->values[i].name);
        put(im, l->values[i].value);
    }
    put(im, ctl_text(im->c, im->row.remove_count));
    for (unsigned i = 0; i < im->row.remove_count; i++)
        put(im, im->row.removes[i]);
    im->lines[im->leads++] = line;
    im->good++;
    if (im->leads == BATCH_LEADS || im->bytes > BATCH_BYTES)
        flush_batch(im);
}

/* --- CSV --- */

static bool on_row(const struct csv_row *row, void *arg)
{
    struct import *im = arg;
    struct err_text e;

    if (!im->has_columns) {
        im->has_columns = true;
        if (row->error)
            err_set(&e, SQ_ERR_INVALID, "%s", row->error);
        im->no_columns = row->error ||
                         lead_columns_read(row, im->id_name, &im->names, &im->columns, &e) != SQ_OK;
        if (im->no_columns)
            ctl_error("%s:%lu: %s", im->path, row->line, e.text);
        return !im->no_columns;
    }
    if (lead_row_csv(&im->columns, row, &im->row, &e) == SQ_OK)
        add_row(im, row->line);
    else
        tell_bad(im, row->line, e.text);
    return !im->c->failed;
}

static void import_csv(struct import *im)
{
    char piece[65536];
    size_t n;
    bool more = true;

    im->csv.row = on_row;
    im->csv.arg = im;
    while (more && (n = fread(piece, 1, sizeof(piece), im->file)) > 0) {
        if (im->read == 0)
            im->csv.delimiter = csv_guess_delimiter(piece, n);
        im->read += (int64_t)n;
        more = csv_feed(&im->csv, piece, n);
    }
    if (more)
        csv_end(&im->csv);
}

/* --- NDJSON --- */

static void take_line(struct import *im, unsigned long line, char *text, size_t len)
{
    const struct json_limits limits = {.max_bytes = LINE_MAX_BYTES};
    struct err_text e;
    cJSON *j = NULL;

    if (strspn(text, " \t\r\n") == len)
        return;
    if (json_parse(text, len, &limits, &j, &e) == SQ_OK &&
        lead_row_json(j, im->id_name, &im->row, &e) == SQ_OK)
        add_row(im, line);
    else
        tell_bad(im, line, e.text);
    json_free(j);
}

static void import_ndjson(struct import *im)
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;

    for (unsigned long line = 1; !im->c->failed && (n = getline(&text, &cap, im->file)) > 0;
         line++) {
        im->read += n;
        take_line(im, line, text, (size_t)n);
    }
    free(text);
}

/* --- the verb --- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n > m && text_ieq(s + n - m, end);
}

/* True for NDJSON, by --format or the file's name. */
static bool choose_format(struct import *im, bool *ret_is_json)
{
    const char *format = ctl_opt(im->c, "format");

    *ret_is_json = format ? text_eq(format, "ndjson")
                          : ends_with(im->path, ".ndjson") || ends_with(im->path, ".jsonl") ||
                                ends_with(im->path, ".json");
    if (*ret_is_json || text_eq(format, "csv") ||
        (!format && (ends_with(im->path, ".csv") || ends_with(im->path, ".tsv"))))
        return true;
    ctl_error("leads import: --format csv or ndjson is needed%s",
              format ? "" : " where the file's name does not tell");
    return false;
}

static bool open_file(struct import *im)
{
    struct stat st;

    im->file = strcmp(im->path, "-") == 0 ? stdin : fopen(im->path, "re");
    if (im->file == NULL) {
        ctl_error("cannot read %s: %s", im->path, strerror(errno));
        return false;
    }
    if (fstat(fileno(im->file), &st) == 0 && S_ISREG(st.st_mode))
        im->size = st.st_size;
    im->tty = isatty(STDERR_FILENO);
    im->begun_us = clock_mono_us();
    return true;
}

static void report(struct import *im)
{
    struct ctl *c = im->c;

    if (!c->json) {
        buf_addf(&c->out, "%s %lld leads", im->dry_run ? "would import" : "imported",
                 (long long)im->good);
        if (!im->dry_run)
            buf_addf(&c->out, " (%lld new, %lld changed)", (long long)im->created,
                     (long long)im->updated);
        buf_addf(&c->out, ", %lld bad rows\n", (long long)im->bad);
        return;
    }
    json_open(&c->line, '{');
    json_key_int(&c->line, "imported", im->good);
    json_key_int(&c->line, "created", im->created);
    json_key_int(&c->line, "updated", im->updated);
    json_key_int(&c->line, "bad", im->bad);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static enum ctl_exit import(struct import *im)
{
    bool is_json, broken;

    if (!choose_format(im, &is_json) || !open_file(im))
        return CTL_USAGE;
    if (is_json)
        import_ndjson(im);
    else
        import_csv(im);
    broken = ferror(im->file) != 0;
    flush_batch(im);
    end_progress(im);
    if (broken)
        ctl_error("cannot read %s to its end", im->path);
    if (im->file != stdin)
        (void)fclose(im->file);
    if (im->no_columns)
        return CTL_USAGE;
    report(im);
    return broken || im->bad > 0 ? CTL_NEGATIVE : CTL_OK;
}

enum ctl_exit ctl_leads_import(struct ctl *c)
{
    struct import *im = mem_zalloc(sizeof(*im));
    enum ctl_exit status;

    im->c = c;
    im->path = c->args[0];
    im->id_name = ctl_opt(c, "id");
    im->dry_run = ctl_opt(c, "dry-run") != NULL;
    status = import(im);
    csv_done(&im->csv);
    lead_row_free(&im->row);
    arena_free(&im->names);
    free(im->argv);
    free(im);
    return status;
}

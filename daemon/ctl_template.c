/* sendqctl template: stored templates, and what they look like when filled. */
#include "ctl_leads.h"

#include "letter.h"
#include "text.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX ((size_t)16 << 20)

static const struct ctl_field template_fields[] = {
    {"subject", KIND_TEXT}, {"text", KIND_TEXT}, {"html", KIND_TEXT}, {NULL, KIND_TEXT}};

/* --- put --- */

/* A file's text in the arena, or NULL (and said so). */
static const char *read_file(struct ctl *c, const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct buf b = {.max = FILE_MAX};
    char piece[8192];
    const char *text = NULL;
    size_t n;

    if (f == NULL) {
        ctl_error("cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    while (!b.failed && (n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(&b, piece, n);
    if (ferror(f))
        ctl_error("cannot read %s: %s", path, strerror(errno));
    else if (b.failed)
        ctl_error("%s: more than %zu bytes", path, FILE_MAX);
    else if (strlen(buf_str(&b)) != b.len || !text_is_utf8(buf_str(&b), b.len))
        ctl_error("%s: is not UTF-8 text", path);
    else
        text = arena_strndup(&c->arena, buf_str(&b), b.len);
    buf_free(&b);
    if (f != stdin)
        (void)fclose(f);
    return text;
}

static bool read_texts(struct ctl *c, const char *texts[3])
{
    const char *text = ctl_opt(c, "text"), *html = ctl_opt(c, "html");

    texts[0] = ctl_opt(c, "subject");
    if (text && (texts[1] = read_file(c, text)) == NULL)
        return false;
    if (html && (texts[2] = read_file(c, html)) == NULL)
        return false;
    if (texts[0] && (text_has_control(texts[0]) || !text_is_utf8(texts[0], strlen(texts[0])))) {
        ctl_error("--subject must be one line of UTF-8 text");
        return false;
    }
    if (texts[0] || texts[1] || texts[2])
        return true;
    ctl_error("template put: at least one of --subject, --text and --html is needed");
    return false;
}

/* As a whole: what is not given is not in the template afterwards. */
static void store(struct ctl *c, const char *const texts[3])
{
    const char *key = ctl_key(c, KEY_TEMPLATE, c->args[0]);

    ctl_call(c, "MULTI");
    ctl_call(c, "DEL", key);
    for (unsigned i = 0; i < 3; i++)
        if (texts[i])
            ctl_call(c, "HSET", key, template_fields[i].name, texts[i]);
    ctl_call(c, "EXEC");
}

static enum ctl_exit put(struct ctl *c)
{
    const char *texts[3] = {NULL};
    struct letter letter;
    struct err_text e;

    if (!read_texts(c, texts))
        return CTL_USAGE;
    if (letter_compile(texts[0], texts[1], texts[2], &c->arena, &letter, &e) != SQ_OK) {
        ctl_error("template %s: %s", c->args[0], e.text);
        return CTL_USAGE;
    }
    store(c, texts);
    if (!c->json) {
        buf_addf(&c->out, "stored template %s\n", c->args[0]);
        return CTL_OK;
    }
    json_open(&c->line, '{');
    json_key_str(&c->line, "id", c->args[0]);
    json_key_str(&c->line, "result", "stored");
    json_close(&c->line, '}');
    ctl_end_line(c);
    return CTL_OK;
}

/* --- show, render --- */

/* For people: the texts as they are, one after the other. */
static void print_texts(struct ctl *c, const char *const texts[3])
{
    for (unsigned i = 0; i < 3; i++) {
        if (!texts[i])
            continue;
        buf_addf(&c->out, "%s--- %s ---\n", c->out.len > 0 ? "\n" : "", template_fields[i].name);
        for (const char *s = texts[i]; *s;) {
            size_t n = strcspn(s, "\n");

            text_add_visible(&c->out, s, n);
            buf_addc(&c->out, '\n');
            s += n + (s[n] == '\n');
        }
    }
}

static void print(struct ctl *c, const char *const texts[3])
{
    if (!c->json) {
        print_texts(c, texts);
        return;
    }
    json_open(&c->line, '{');
    json_key_str(&c->line, "id", c->args[0]);
    for (unsigned i = 0; i < 3; i++)
        json_opt_str(&c->line, template_fields[i].name, texts[i]);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static bool read_stored(struct ctl *c, const char *texts[3])
{
    const struct redisReply *hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_TEMPLATE, c->args[0]));

    for (unsigned i = 0; i < 3; i++) {
        texts[i] = reply_field(hash, template_fields[i].name);
        if (text_is_empty(texts[i]))
            texts[i] = NULL;
    }
    return reply_count(hash) > 0;
}

static enum ctl_exit show(struct ctl *c)
{
    const char *texts[3];

    if (!read_stored(c, texts))
        return ctl_negative(c, "template %s: not found", c->args[0]);
    print(c, texts);
    return CTL_OK;
}

/* False if there is no such lead, or it cannot be used. */
static bool read_lead(struct ctl *c, const char *id, struct lead *l)
{
    struct err_text e;

    if (ctl_lead_read(c, id, l, &e) == SQ_OK)
        return true;
    ctl_negative(c, "lead %s: %s", id, e.text);
    return false;
}

static enum ctl_exit fill(struct ctl *c, const char *const stored[3], struct lead *l)
{
    struct filter_lead view = lead_view(l);
    struct message m = {.channel = CHANNEL_EMAIL};
    struct letter letter;
    struct err_text e = {.text = ""};
    enum sq_err err = letter_compile(stored[0], stored[1], stored[2], &c->arena, &letter, &e);

    if (!err)
        err = letter_fill(&letter, &view, (enum template_missing)c->config->template_missing,
                          &c->config->job, &m, &e);
    if (!err)
        print(c, (const char *const[]){m.text[MSG_SUBJECT], m.text[MSG_CONTENT], m.text[MSG_HTML]});
    message_clear(&m);
    return err ? ctl_negative(c, "template %s: %s", c->args[0], e.text) : CTL_OK;
}

static enum ctl_exit render(struct ctl *c)
{
    struct lead lead = {.id = NULL};
    const char *stored[3];
    enum ctl_exit status = CTL_NEGATIVE;

    if (!read_stored(c, stored))
        return ctl_negative(c, "template %s: not found", c->args[0]);
    if (read_lead(c, c->args[1], &lead))
        status = fill(c, stored, &lead);
    lead_free(&lead);
    return status;
}

static const struct ctl_verb verbs[] = {
    {"show", "ID", 1, 1, show, "its texts as they are stored"},
    {"put", "ID", 1, 1, put, "stores it, in place of what was there"},
    {"render", "ID LEAD", 2, 2, render, "its texts as a lead would get them"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "subject", .value = "TEXT", .help = "the subject", .verb = "put"},
    {.name = "text", .value = "FILE", .help = "the plain text; - is standard input", .verb = "put"},
    {.name = "html", .value = "FILE", .help = "the HTML", .verb = "put"},
    {.name = NULL},
};

const struct ctl_noun ctl_template = {"template", "texts with {{field}} places", verbs, options};

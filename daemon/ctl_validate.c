/* sendqctl validate: how a job is understood, or why it is not; nothing is sent, no Redis asked. */
#include "ctl.h"

#include "choice.h"
#include "ctl_input.h"
#include "fill.h"
#include "provider.h"
#include "selection.h"
#include "text.h"
#include "timefmt.h"
#include <string.h>

#define SHOWN_MAX 200 /* bytes of a text in the table */

/* Shown in JSON and in the table alike. */
struct view {
    struct ctl *c;
    struct table table;
    enum ctl_exit status;
};

static void add(struct view *v, const char *name, const char *value)
{
    char cut[SHOWN_MAX + 8];
    size_t n;

    if (text_is_empty(value))
        return;
    if (v->c->json) {
        json_key_str(&v->c->line, name, value);
        return;
    }
    n = text_cut(value, SHOWN_MAX);
    memcpy(cut, value, n);
    memcpy(cut + n, value[n] ? "..." : "", value[n] ? 4 : 1);
    table_add(&v->table, name);
    table_add(&v->table, cut);
}

static void add_int(struct view *v, const char *name, int64_t n)
{
    if (v->c->json)
        json_key_int(&v->c->line, name, n);
    else
        add(v, name, ctl_text(v->c, n));
}

static void add_time(struct view *v, const char *name, int64_t ms)
{
    char text[TIME_TEXT];

    time_format(ms, text);
    add(v, name, ms ? text : NULL);
}

static void add_list(struct view *v, const char *name, const struct str_list *list)
{
    struct buf all = {0};

    for (unsigned i = 0; i < list->count; i++)
        buf_addf(&all, "%s%s", i ? ", " : "", list->items[i]);
    add(v, name, buf_str(&all));
    buf_free(&all);
}

/* --- a good job --- */

static void add_selection(struct view *v, const struct selection *s)
{
    if (s->lead_ids.count)
        add_int(v, "lead_ids", s->lead_ids.count);
    if (s->assignees.count)
        add_int(v, "assignees", s->assignees.count);
    add(v, "search_keyword", s->search_keyword);
    add(v, "filters", s->filter ? "yes" : NULL);
}

static void add_attachments(struct view *v, const struct message *m)
{
    struct buf all = {0};

    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];
        const char *where = a->url ? a->url : a->storage_path ? a->storage_path : "base64";

        buf_addf(&all, "%s%s (%s)", i ? ", " : "", a->filename ? a->filename : "unnamed", where);
    }
    add(v, "attachments", buf_str(&all));
    buf_free(&all);
}

static void add_texts(struct view *v, const struct message *m)
{
    for (int f = 0; f < MSG_TEXT_COUNT; f++)
        if (f != MSG_FORMAT && f != MSG_SENDER)
            add(v, msg_text_name((enum msg_text)f), m->text[f]);
}

static void add_lookups(struct view *v, const struct job *j)
{
    const struct message *m = &j->message;

    if (!j->is_bulk && fill_needs_contact(j))
        add(v, "looks_up_contact",
            j->recipient_contact ? j->recipient_contact : m->text[MSG_CONTACT_ID]);
    if (fill_needs_template(j))
        add(v, "looks_up_template", m->text[MSG_TEMPLATE_ID]);
}

static void add_job(struct view *v, const struct job *j, const struct sender *s)
{
    const struct message *m = &j->message;

    add(v, "format", m->text[MSG_FORMAT]);
    add(v, "kind", j->is_bulk ? "bulk" : "single");
    add(v, "id", j->explicit_id ? m->id : NULL);
    add(v, "idempotency_key", j->idempotency_key);
    add(v, "channel", channel_name(m->channel));
    add(v, "sender", s->id);
    add(v, "provider", s->provider ? s->provider->name : NULL);
    add(v, "message_type", message_type_name(m->type));
    add(v, "priority", priority_name(m->priority));
    add_time(v, "scheduled_at", m->scheduled_at);
    add_time(v, "expires_at", m->expires_at);
    add_texts(v, m);
    add_list(v, "cc", &m->list[MSG_CC]);
    add_list(v, "bcc", &m->list[MSG_BCC]);
    add_list(v, "media", &m->list[MSG_MEDIA]);
    add_attachments(v, m);
    add_lookups(v, j);
    if (j->selection)
        add_selection(v, j->selection);
}

/* --- any job --- */

static void add_error(struct view *v, const struct job *j, const struct err_text *e)
{
    add(v, "format", j->message.text[MSG_FORMAT]);
    add(v, "error_code", e->code[0] ? e->code : error_code_name(CODE_VALIDATION_ERROR));
    add(v, "error_message", e->text);
    add(v, "field", e->field);
    v->status = CTL_NEGATIVE;
}

static void begin(struct view *v, bool valid)
{
    if (v->c->json) {
        json_open(&v->c->line, '{');
        json_key_bool(&v->c->line, "valid", valid);
        return;
    }
    if (v->c->out.len > 0)
        buf_addc(&v->c->out, '\n');
    table_begin(&v->table, "|");
    add(v, "valid", valid ? "yes" : "no");
}

static void end(struct view *v)
{
    if (v->c->json) {
        json_close(&v->c->line, '}');
        ctl_end_line(v->c);
    } else {
        ctl_end_table(v->c, &v->table, NULL);
    }
    ctl_forget(v->c);
}

static bool on_job(const char *raw, size_t len, void *arg)
{
    struct view *v = arg;
    const struct config *c = v->c->config;
    const struct sender *s = NULL;
    struct err_text e = {.text = ""};
    struct job j;

    if (job_parse(raw, len, PRIORITY_NORMAL, clock_wall_ms(), &c->job, &j, &e) == SQ_OK)
        s = choice_sender(c, &j.message, &e);
    begin(v, s != NULL);
    if (s)
        add_job(v, &j, s);
    else
        add_error(v, &j, &e);
    end(v);
    job_clear(&j);
    return true;
}

static enum ctl_exit run(struct ctl *c)
{
    struct view v = {.c = c, .status = CTL_OK};
    const struct input_opts opts = {
        .path = c->arg_count > 0 ? c->args[0] : "-",
        .each = ctl_opt(c, "each") != NULL,
        .max_job = c->config->job.max_bytes > c->config->job.max_bulk_bytes
                       ? c->config->job.max_bytes
                       : c->config->job.max_bulk_bytes,
    };
    struct err_text e;

    if (input_each_job(&opts, on_job, &v, &e) != SQ_OK) {
        ctl_error("validate: %s", e.text);
        return CTL_USAGE;
    }
    if (v.status != CTL_OK)
        ctl_error("validate: %s", opts.each ? "not all jobs are valid" : "the job is not valid");
    return v.status;
}

static const struct ctl_verb verbs[] = {
    {NULL, "[FILE|-]", 0, 1, run, "what sendqd would make of a job"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "each", .help = "FILE holds many: one JSON value a line, or one array of them"},
    {.name = NULL},
};

const struct ctl_noun ctl_validate = {"validate", "how a job is understood, without sending it",
                                      verbs, options};

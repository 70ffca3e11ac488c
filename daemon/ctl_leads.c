/* sendqctl leads: the directory of contacts in Redis. */
#include "ctl_leads.h"

static const struct ctl_field lead_fields[] = {
    {"id", KIND_TEXT},        {"first_name", KIND_TEXT},  {"last_name", KIND_TEXT},
    {"name", KIND_TEXT},      {"email", KIND_TEXT},       {"phone", KIND_TEXT},
    {"company", KIND_TEXT},   {"assigned_to", KIND_TEXT}, {"tags", KIND_JSON},
    {"opted_out", KIND_JSON}, {NULL, KIND_TEXT},
};

static void show_one(struct ctl *c, const char *id, const struct redisReply *hash)
{
    struct table t = {0};

    if (c->json) {
        json_open(&c->line, '{');
        json_key_str(&c->line, "id", id);
        ctl_json_hash(c, hash, lead_fields, true);
        json_close(&c->line, '}');
        ctl_end_line(c);
        return;
    }
    if (c->out.len > 0)
        buf_addc(&c->out, '\n');
    table_begin(&t, "|");
    table_add(&t, "id");
    table_add(&t, id);
    ctl_table_hash(&t, hash, lead_fields, true);
    ctl_end_table(c, &t, NULL);
}

static enum ctl_exit show(struct ctl *c)
{
    enum ctl_exit status = CTL_OK;

    for (int i = 0; i < c->arg_count; i++) {
        const struct redisReply *hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_LEAD, c->args[i]));

        if (reply_count(hash) > 0)
            show_one(c, c->args[i], hash);
        else
            status = ctl_negative(c, "lead %s: not found", c->args[i]);
        ctl_forget(c);
    }
    return status;
}

static enum ctl_exit count(struct ctl *c)
{
    const char *assignee = ctl_opt(c, "assignee");
    int64_t n = assignee ? ctl_int(c, "SCARD", ctl_key(c, KEY_ASSIGNEE, assignee))
                         : ctl_int(c, "SCARD", ctl_key(c, KEY_LEADS, NULL));

    if (c->json) {
        json_open(&c->line, '{');
        json_key_int(&c->line, "count", n);
        json_close(&c->line, '}');
        ctl_end_line(c);
    } else {
        buf_addf(&c->out, "%lld\n", (long long)n);
    }
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {"count", NULL, 0, 0, count, "how many there are"},
    {"show", "ID...", 1, -1, show, "every field"},
    {"import", "FILE|-", 1, 1, ctl_leads_import, "adds and changes leads from CSV or NDJSON"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "assignee", .value = "USER", .help = "those assigned to USER", .verb = "count"},
    {.name = "format", .value = "FORMAT", .help = "csv or ndjson", .verb = "import"},
    {.name = "id", .value = "COLUMN", .help = "where the ids stand (id)", .verb = "import"},
    {.name = "dry-run", .help = "reads and checks, stores nothing", .verb = "import"},
    {.name = NULL},
};

const struct ctl_noun ctl_leads = {"leads", "contacts in the directory", verbs, options};

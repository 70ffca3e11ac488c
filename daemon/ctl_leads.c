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

static const struct ctl_verb verbs[] = {
    {"count", NULL, 0, 0, ctl_leads_count, "how many there are, or meet a filter"},
    {"show", "ID...", 1, -1, show, "every field"},
    {"import", "FILE|-", 1, 1, ctl_leads_import, "adds and changes leads from CSV or NDJSON"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "assignee", .value = "USER", .help = "those assigned to USER", .verb = "count"},
    {.name = "filter",
     .value = "JSON|@FILE",
     .help = "those that meet it, `filters` of a bulk",
     .verb = "count"},
    {.name = "format", .value = "FORMAT", .help = "csv or ndjson", .verb = "import"},
    {.name = "id", .value = "COLUMN", .help = "where the ids stand (id)", .verb = "import"},
    {.name = "dry-run", .help = "reads and checks, stores nothing", .verb = "import"},
    {.name = NULL},
};

const struct ctl_noun ctl_leads = {"leads", "contacts in the directory", verbs, options};

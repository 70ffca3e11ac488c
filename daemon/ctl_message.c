/* sendqctl message: what became of messages. */
#include "ctl.h"

/* The contract's order. */
const struct ctl_field ctl_message_fields[] = {
    {"id", KIND_TEXT},
    {"status", KIND_TEXT},
    {"channel", KIND_TEXT},
    {"provider", KIND_TEXT},
    {"sender", KIND_TEXT},
    {"recipient", KIND_TEXT},
    {"subject", KIND_TEXT},
    {"contact_id", KIND_TEXT},
    {"deal_id", KIND_TEXT},
    {"bulk_id", KIND_TEXT},
    {"message_type", KIND_TEXT},
    {"priority", KIND_TEXT},
    {"attempts", KIND_INT},
    {"queued_at", KIND_TEXT},
    {"sending_at", KIND_TEXT},
    {"sent_at", KIND_TEXT},
    {"failed_at", KIND_TEXT},
    {"next_attempt_at", KIND_TEXT},
    {"provider_message_id", KIND_TEXT},
    {"thread_id", KIND_TEXT},
    {"cost", KIND_TEXT},
    {"units", KIND_INT},
    {"error_code", KIND_TEXT},
    {"error_message", KIND_TEXT},
    {"metadata", KIND_JSON},
    {"response", KIND_JSON},
    {NULL, KIND_TEXT},
};

enum ctl_exit ctl_show_message(struct ctl *c, const struct redisReply *hash, bool all)
{
    struct table t = {0};

    if (c->json) {
        json_open(&c->line, '{');
        ctl_json_hash(c, hash, ctl_message_fields, all);
        json_close(&c->line, '}');
        ctl_end_line(c);
        return CTL_OK;
    }
    if (c->out.len > 0)
        buf_addc(&c->out, '\n');
    table_begin(&t, "|");
    ctl_table_hash(&t, hash, ctl_message_fields, all);
    ctl_end_table(c, &t, NULL);
    return CTL_OK;
}

static enum ctl_exit show(struct ctl *c)
{
    enum ctl_exit status = CTL_OK;

    for (int i = 0; i < c->arg_count; i++) {
        const struct redisReply *hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_MESSAGE, c->args[i]));

        if (reply_count(hash) > 0)
            ctl_show_message(c, hash, ctl_opt(c, "all") != NULL);
        else
            status = ctl_negative(c, "message %s: not found", c->args[i]);
        ctl_forget(c);
    }
    return status;
}

static const struct ctl_verb verbs[] = {
    {NULL, "ID...", 1, -1, show, "every public field"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "all", .help = "internal fields too"},
    {.name = NULL},
};

const struct ctl_noun ctl_message = {"message", "what became of messages", verbs, options};

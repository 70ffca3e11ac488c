/* sendqctl bulk: messages to many leads. */
#include "ctl_bulk.h"

#include "crc32.h"
#include "text.h"
#include "timefmt.h"
#include <string.h>

static const struct ctl_field fields[] = {
    {"id", KIND_TEXT},
    {"status", KIND_TEXT},
    {"channel", KIND_TEXT},
    {"sender", KIND_TEXT},
    {"provider", KIND_TEXT},
    {"message_type", KIND_TEXT},
    {"priority", KIND_TEXT},
    {"subject", KIND_TEXT},
    {"total_leads", KIND_INT},
    {"messages_queued", KIND_INT},
    {"messages_sending", KIND_INT},
    {"messages_sent", KIND_INT},
    {"messages_failed", KIND_INT},
    {"messages_cancelled", KIND_INT},
    {"success_rate", KIND_JSON},
    {"duplicates", KIND_INT},
    {"created_at", KIND_TEXT},
    {"updated_at", KIND_TEXT},
    {"finished_at", KIND_TEXT},
    {"error_message", KIND_TEXT},
    {"shards", KIND_INT},
    {"metadata", KIND_JSON},
    {"response", KIND_JSON},
    {NULL, KIND_TEXT},
};

int64_t ctl_bulk_number(const struct redisReply *hash, const char *name)
{
    int64_t n = 0;
    const char *text = reply_field(hash, name);

    return text != NULL && text_to_i64(text, &n) == SQ_OK ? n : 0;
}

const struct redisReply *ctl_bulk_read(struct ctl *c, const char *id)
{
    return ctl_call(c, "HGETALL", ctl_key(c, KEY_BULK, id));
}

/* --- rate --- */

/* Recipients that became final per second, over the whole time so far; 0 = not known yet. */
static double rate_of(struct ctl *c, const struct redisReply *hash)
{
    const char *created = reply_field(hash, "created_at"), *end = reply_field(hash, "finished_at");
    int64_t from = 0, to = 0, done;

    if (created == NULL || time_parse(created, &from) != SQ_OK)
        return 0;
    if (end == NULL || time_parse(end, &to) != SQ_OK)
        to = ctl_now_ms(c);
    done = ctl_bulk_number(hash, "messages_sent") + ctl_bulk_number(hash, "messages_failed");
    return to > from ? (double)done * 1000 / (double)(to - from) : 0;
}

int64_t ctl_bulk_eta(const struct redisReply *hash, double rate)
{
    int64_t left = ctl_bulk_number(hash, "messages_queued");

    if (left == 0)
        return 0;
    return rate > 0 ? (int64_t)((double)left / rate) + 1 : -1;
}

/* --- ls --- */

static void list_json(struct ctl *c, const struct redisReply *hash)
{
    json_open(&c->line, '{');
    ctl_json_hash(c, hash, fields, false);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static void list_row(const struct redisReply *hash, struct table *t)
{
    static const char *const numbers[] = {"total_leads", "messages_queued", "messages_sent",
                                          "messages_failed", "messages_cancelled"};

    table_add(t, reply_field(hash, "id"));
    table_add_time(t, reply_field(hash, "created_at"));
    table_add(t, reply_field(hash, "status"));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        table_add_int(t, ctl_bulk_number(hash, numbers[i]));
    table_add(t, reply_field(hash, "success_rate"));
}

static enum ctl_exit list(struct ctl *c)
{
    const char *last = ctl_text(c, ctl_opt_int(c, "count", 50) - 1);
    const struct redisReply *ids = ctl_call(c, "ZREVRANGE", ctl_key(c, KEY_BULKS, NULL), "0", last);
    struct table t = {0};

    table_begin(&t, "ID|CREATED (UTC)|STATUS|>LEADS|>QUEUED|>SENT|>FAILED|>CANCELLED|>SUCCESS %");
    for (size_t i = 0; i < reply_count(ids); i++) {
        const struct redisReply *hash = ctl_bulk_read(c, reply_str(reply_at(ids, i), NULL));

        if (reply_count(hash) == 0)
            continue; /* expired */
        if (c->json)
            list_json(c, hash);
        else
            list_row(hash, &t);
    }
    ctl_end_table(c, &t, c->json ? NULL : "no bulks");
    return CTL_OK;
}

/* --- show --- */

/* The four words of a ledger's line: status, Unix ms, attempts, provider message id or code. */
static bool read_line(struct arena *a, const char *line, const char *ret[4])
{
    const char *at = line;

    for (int i = 0; i < 4; i++) {
        size_t n = i < 3 ? strcspn(at, " ") : strlen(at);

        ret[i] = arena_strndup(a, at, n);
        at += n;
        if (i < 3 && *at != ' ')
            return false;
        at += i < 3;
    }
    return true;
}

static void show_line(struct ctl *c, const char *lead, const char *line, struct table *t)
{
    const char *word[4];
    char at[TIME_TEXT] = "";
    int64_t ms;
    bool failed;

    if (!read_line(&c->arena, line, word))
        return;
    failed = text_eq(word[0], "failed");
    if (text_to_i64(word[1], &ms) == SQ_OK)
        time_format(ms, at);
    if (!c->json) {
        table_add(t, lead);
        table_add(t, word[0]);
        table_add_time(t, at);
        table_add(t, word[2]);
        table_add(t, word[3]);
        return;
    }
    json_open(&c->line, '{');
    json_key_str(&c->line, "lead", lead);
    json_key_str(&c->line, "status", word[0]);
    json_key_str(&c->line, "at", at);
    json_key(&c->line, "attempts");
    json_val_raw(&c->line, word[2], strlen(word[2]));
    json_opt_str(&c->line, failed ? "error_code" : "provider_message_id", word[3]);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static const char *ledger_key(struct ctl *c, const char *id, int64_t shard)
{
    return arena_printf(&c->arena, "%s:ledger:%lld", ctl_key(c, KEY_BULK, id), (long long)shard);
}

#define LEDGER_HEADS "LEAD|STATUS|AT (UTC)|>ATTEMPTS|~RESULT"

static enum ctl_exit show_lead(struct ctl *c, const char *id, const struct redisReply *hash)
{
    const char *lead = ctl_opt(c, "lead"), *line, *status = reply_field(hash, "status");
    int64_t shards = ctl_bulk_number(hash, "shards"), k;
    struct table t = {0};

    k = shards > 0 ? crc32_of(lead, strlen(lead)) % shards : 0;
    line = reply_str(ctl_call(c, "HGET", ledger_key(c, id, k), lead), NULL);
    if (line == NULL)
        return ctl_negative(c, "bulk %s: lead %s is not in the ledger: %s, or not in the bulk", id,
                            lead, text_eq(status, "cancelled") ? "cancelled" : "still queued");
    table_begin(&t, LEDGER_HEADS);
    show_line(c, lead, line, &t);
    ctl_end_table(c, &t, NULL);
    return CTL_OK;
}

static enum ctl_exit show_failed(struct ctl *c, const char *id, int64_t shards)
{
    struct table t = {0};

    table_begin(&t, LEDGER_HEADS);
    for (int64_t k = 0; k < shards && !c->failed; k++) {
        const struct redisReply *ledger = ctl_call(c, "HGETALL", ledger_key(c, id, k));

        for (size_t i = 0; i + 1 < reply_count(ledger); i += 2) {
            const char *lead = reply_str(reply_at(ledger, i), NULL);
            const char *line = reply_str(reply_at(ledger, i + 1), NULL);

            if (lead != NULL && line != NULL && text_starts(line, "failed "))
                show_line(c, lead, line, &t);
        }
        ctl_forget(c);
    }
    ctl_end_table(c, &t, c->json ? NULL : "nobody failed");
    return CTL_OK;
}

static void show_all(struct ctl *c, const struct redisReply *hash)
{
    bool all = ctl_opt(c, "all") != NULL;
    double rate = rate_of(c, hash);
    int64_t eta = ctl_bulk_eta(hash, rate);
    struct table t = {0};

    if (c->json) {
        json_open(&c->line, '{');
        ctl_json_hash(c, hash, fields, all);
        json_key(&c->line, "rate");
        json_val_num(&c->line, (double)(int64_t)(rate * 10) / 10);
        if (eta >= 0)
            json_key_int(&c->line, "eta_seconds", eta);
        json_close(&c->line, '}');
        ctl_end_line(c);
        return;
    }
    table_begin(&t, "|");
    ctl_table_hash(&t, hash, fields, all);
    table_add(&t, "rate");
    table_add(&t, arena_printf(&c->arena, "%.1f/s", rate));
    if (eta > 0) {
        table_add(&t, "eta");
        table_add(&t, arena_printf(&c->arena, "%lld s", (long long)eta));
    }
    ctl_end_table(c, &t, NULL);
}

static enum ctl_exit show(struct ctl *c)
{
    const char *id = c->args[0];
    const struct redisReply *hash = ctl_bulk_read(c, id);

    if (reply_count(hash) == 0)
        return ctl_negative(c, "bulk %s: not found", id);
    if (ctl_opt(c, "lead") != NULL)
        return show_lead(c, id, hash);
    if (ctl_opt(c, "failed") != NULL)
        return show_failed(c, id, ctl_bulk_number(hash, "shards"));
    show_all(c, hash);
    return CTL_OK;
}

/* --- pause, resume, cancel, retry --- */

static const char *why_not(const char *result)
{
    if (text_eq(result, "not_found"))
        return "not found";
    if (text_eq(result, "nothing"))
        return "there is nothing to retry";
    return NULL;
}

static bool report(struct ctl *c, const char *id, const char *result)
{
    bool good = text_eq(result, "done");
    const char *why = why_not(result);

    if (c->json) {
        json_open(&c->line, '{');
        json_key_str(&c->line, "id", id);
        json_key_str(&c->line, "result", result);
        json_close(&c->line, '}');
        ctl_end_line(c);
    } else if (good) {
        text_add_visible(&c->out, id, strlen(id));
        buf_addf(&c->out, ": %s\n", c->verb->name);
    }
    if (!good && why != NULL)
        ctl_negative(c, "bulk %s: %s", id, why);
    else if (!good)
        ctl_negative(c, "bulk %s: it is %s", id, result != NULL ? result : "of no known form");
    return good;
}

static enum ctl_exit steer(struct ctl *c)
{
    size_t count = (size_t)c->arg_count;
    const char **argv = arena_alloc(&c->arena, (count + 3) * sizeof(*argv));
    const struct redisReply *r;
    bool good = true;

    argv[0] = c->verb->name;
    argv[1] = ctl_text(c, c->config->retention_ms);
    argv[2] = ctl_text(c, c->config->reply_ttl_ms);
    for (size_t i = 0; i < count; i++)
        argv[3 + i] = c->args[i];
    r = ctl_script(c, CTL_SCRIPT_BULK, argv, count + 3);
    for (size_t i = 0; i < count && !c->failed; i++)
        good = report(c, c->args[i], reply_str(reply_at(r, i + 1), NULL)) && good;
    return good ? CTL_OK : CTL_NEGATIVE;
}

static enum ctl_exit retry(struct ctl *c)
{
    if (ctl_opt(c, "failed") == NULL) {
        ctl_error("expected: sendqctl bulk retry --failed ID...");
        return CTL_USAGE;
    }
    return steer(c);
}

static enum ctl_exit explain(struct ctl *c)
{
    return ctl_explain.verbs->run(c);
}

static const struct ctl_verb verbs[] = {
    {"ls", NULL, 0, 0, list, "the newest first"},
    {"show", "ID", 1, 1, show, "its numbers, rate and ETA; or who failed; or one lead"},
    {"watch", "ID", 1, 1, ctl_bulk_watch, "its progress live, until it is over; q ends it"},
    {"preview", "[FILE|-]", 0, 1, ctl_bulk_preview, "whom a job would reach; nothing is sent"},
    {"explain", "ID...", 1, -1, explain, "why it is not sent yet, until when, and the ETA"},
    {"pause", "ID...", 1, -1, steer, "nothing more of it is sent until it is resumed"},
    {"resume", "ID...", 1, -1, steer, "lets it go on"},
    {"cancel", "ID...", 1, -1, steer, "what is not in flight is never sent"},
    {"retry", "--failed ID...", 1, -1, retry, "those that failed are tried again"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    CTL_OPTION_COUNT,
    {.name = "failed", .help = "show: those that failed; retry: these (there are no others yet)"},
    {.name = "lead", .value = "LEAD", .help = "what became of one lead", .verb = "show"},
    {.name = "all", .help = "internal fields too", .verb = "show"},
    {.name = "interval",
     .value = "N",
     .help = "seconds between looks (1)",
     .verb = "watch",
     .min = 1,
     .max = 3600},
    {.name = NULL},
};

const struct ctl_noun ctl_bulk = {"bulk", "messages to many leads", verbs, options};

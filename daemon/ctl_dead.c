/* sendqctl dead: messages that failed for good, to be tried again or given up by hand. */
#include "ctl.h"

#include "text.h"
#include "timefmt.h"
#include <string.h>

#define PAGE 100  /* ids per script call of retry --all */
#define PURGE 500 /* the same of purge */

/* --- ls --- */

static const struct ctl_field listed[] = {
    {"failed_at", KIND_TEXT},     {"sender", KIND_TEXT},  {"channel", KIND_TEXT},
    {"recipient", KIND_TEXT},     {"attempts", KIND_INT}, {"error_code", KIND_TEXT},
    {"error_message", KIND_TEXT},
};

#define LISTED (sizeof(listed) / sizeof(listed[0]))

/* One dead letter; where its hash is gone, the time it came here stands for failed_at. */
static void list_one(struct ctl *c, const char *id, int64_t dead_ms, struct table *t)
{
    const struct redisReply *hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_MESSAGE, id));
    const char *failed_at = reply_field(hash, "failed_at");
    char at[TIME_TEXT];

    time_format(dead_ms, at);
    if (!c->json) {
        table_add(t, id);
        table_add_time(t, failed_at ? failed_at : at);
        table_add(t, reply_field(hash, "sender"));
        table_add(t, reply_field(hash, "error_code"));
        return;
    }
    json_open(&c->line, '{');
    json_key_str(&c->line, "id", id);
    json_key_str(&c->line, "failed_at", failed_at ? failed_at : at);
    for (size_t i = 1; i < LISTED; i++) {
        const char *value = reply_field(hash, listed[i].name);

        if (value)
            ctl_json_field(c, &listed[i], value);
    }
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static enum ctl_exit list(struct ctl *c)
{
    const char *last = ctl_text(c, ctl_opt_int(c, "count", 50) - 1);
    const struct redisReply *ids =
        ctl_call(c, "ZREVRANGE", ctl_key(c, KEY_DEAD, NULL), "0", last, "WITHSCORES");
    struct table t = {0};

    table_begin(&t, "ID|FAILED (UTC)|~SENDER|~ERROR");
    for (size_t i = 0; i + 1 < reply_count(ids); i += 2) {
        const char *id = reply_str(reply_at(ids, i), NULL);

        if (id)
            list_one(c, id, reply_int(reply_at(ids, i + 1), 0), &t);
    }
    ctl_end_table(c, &t, c->json ? NULL : "no dead letters");
    return CTL_OK;
}

/* --- show --- */

static enum ctl_exit show(struct ctl *c)
{
    const char *id = c->args[0];
    const struct redisReply *score, *hash;

    score = ctl_call(c, "ZSCORE", ctl_key(c, KEY_DEAD, NULL), id);
    if (reply_str(score, NULL) == NULL)
        return ctl_negative(c, "dead %s: not found", id);
    hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_MESSAGE, id));
    if (reply_count(hash) == 0)
        return ctl_negative(c, "dead %s: the message is no longer kept", id);
    return ctl_show_message(c, hash, ctl_opt(c, "all") != NULL);
}

/* --- retry --- */

static const char *why_not(const char *result)
{
    if (text_eq(result, "not_found"))
        return "not found";
    if (text_eq(result, "not_failed"))
        return "it has not failed";
    return "its content is no longer kept";
}

static bool report(struct ctl *c, const char *id, const char *result)
{
    bool queued = text_eq(result, "queued");

    if (c->json) {
        json_open(&c->line, '{');
        json_key_str(&c->line, "id", id);
        json_key_str(&c->line, "result", result);
        json_close(&c->line, '}');
        ctl_end_line(c);
    } else if (queued) {
        text_add_visible(&c->out, id, strlen(id));
        buf_adds(&c->out, ": queued\n");
    }
    if (!queued)
        ctl_negative(c, "dead %s: %s", id, why_not(result));
    return queued;
}

/* Retries these; returns how many could not be. What was done is printed at once. */
static size_t retry_ids(struct ctl *c, const char *const *ids, size_t count)
{
    const struct redisReply *r = ctl_script(c, CTL_SCRIPT_RETRY, ids, count);
    size_t refused = 0;

    for (size_t i = 0; i < count && !c->failed; i++)
        refused += !report(c, ids[i], reply_str(reply_at(r, i + 1), NULL));
    ctl_flush(c);
    return refused;
}

/* Those dead by now: what fails again meanwhile is not tried for ever. */
static size_t retry_all(struct ctl *c)
{
    int64_t now = ctl_now_ms(c);
    size_t refused = 0, count;

    do {
        const char *ids[PAGE];
        const struct redisReply *r =
            ctl_call(c, "ZRANGEBYSCORE", ctl_key(c, KEY_DEAD, NULL), "-inf", ctl_text(c, now),
                     "LIMIT", ctl_text(c, (int64_t)refused), ctl_text(c, PAGE));

        count = reply_count(r) < PAGE ? reply_count(r) : PAGE;
        for (size_t i = 0; i < count; i++) {
            const char *id = reply_str(reply_at(r, i), NULL);

            ids[i] = id ? id : "";
        }
        if (count > 0)
            refused += retry_ids(c, ids, count);
        ctl_forget(c);
    } while (count > 0 && !c->failed);
    return refused;
}

static enum ctl_exit retry(struct ctl *c)
{
    bool all = ctl_opt(c, "all") != NULL;
    size_t refused = 0;

    if (all == (c->arg_count > 0)) {
        ctl_error("expected: sendqctl dead retry ID..., or --all");
        return CTL_USAGE;
    }
    if (all)
        refused = retry_all(c);
    for (int i = 0; i < c->arg_count; i += PAGE) {
        int left = c->arg_count - i;

        refused +=
            retry_ids(c, (const char *const *)c->args + i, (size_t)(left < PAGE ? left : PAGE));
    }
    return refused > 0 ? CTL_NEGATIVE : CTL_OK;
}

/* --- purge --- */

static enum ctl_exit purge(struct ctl *c)
{
    const char *older = ctl_opt(c, "older");
    int64_t age = 0, until, total = 0, n;

    if (older && text_to_duration(older, &age) != SQ_OK) {
        ctl_error("--older: expected a duration, such as 12h or 7d");
        return CTL_USAGE;
    }
    until = ctl_now_ms(c) - age;
    do {
        const char *argv[] = {ctl_text(c, until), ctl_text(c, PURGE)};

        n = reply_int(reply_at(ctl_script(c, CTL_SCRIPT_PURGE, argv, 2), 1), 0);
        total += n;
        ctl_forget(c);
    } while (n > 0);
    if (c->json) {
        json_open(&c->line, '{');
        json_key_int(&c->line, "purged", total);
        json_close(&c->line, '}');
        ctl_end_line(c);
    } else {
        buf_addf(&c->out, "purged %lld\n", (long long)total);
    }
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {"ls", NULL, 0, 0, list, "the newest first"},
    {"show", "ID", 1, 1, show, "every public field"},
    {"retry", "ID...|--all", 0, -1, retry, "back to the queue, as if never tried"},
    {"purge", NULL, 0, 0, purge, "give them up: their content is deleted"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    CTL_OPTION_COUNT,
    {.name = "all", .help = "retry: all of them; show: internal fields too"},
    {.name = "older", .value = "AGE", .help = "only those dead for longer (7d)", .verb = "purge"},
    {.name = NULL},
};

const struct ctl_noun ctl_dead = {"dead", "messages that failed for good", verbs, options};

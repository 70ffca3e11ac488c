/* sendqctl explain: why a message or a bulk is not sent yet, until when, and when it might be.
 *
 * What a claim would find is read from the same keys, not asked of a worker: an answer needs none.
 * The ETA takes for granted that what is ahead goes at the rate of the tightest limit. */
#include "ctl_limit.h"

#include "text.h"
#include "timefmt.h"
#include <string.h>

/* What is told of one id. `ahead` -1 = not known; times 0 = not known. */
struct why {
    const char *kind, *status, *sender, *reason, *limit, *error;
    int64_t until_us, ahead, eta_us;
};

/* Reasons in words for people. */
static const struct {
    const char *reason, *words;
} sentences[] = {
    {"done", "nothing is open"},
    {"in_flight", "a worker is sending it"},
    {"scheduled", "its time has not come"},
    {"retry", "an attempt failed; it is tried again"},
    {"quiet_hours", "it is quiet there until then"},
    {"attachments", "other messages' attachments take the room there is"},
    {"paused", "an operator paused it: until it is resumed"},
    {"broken", "the sender's credentials were refused: until they or its configuration change, "
               "or an operator resumes it"},
    {"unknown_sender", "no daemon has published this sender's configuration"},
    {"throttled", "the provider asked to wait"},
    {"breaker", "the provider failed again and again: one message goes to see"},
    {"concurrency", "all places are taken: until a send ends"},
    {"day_cap", "the day's count is used up"},
    {"rate", "the rate has no token left"},
    {"no_worker", "no daemon is running"},
    {"expanding", "its recipients are being looked up"},
    {"turn", "nothing holds it up but what is ahead"},
};

static const char *words_of(const char *reason)
{
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
        if (text_eq(sentences[i].reason, reason))
            return sentences[i].words;
    return NULL;
}

static int64_t number(const struct redisReply *hash, const char *name)
{
    const char *value = reply_field(hash, name);
    int64_t n;

    return value != NULL && text_to_i64(value, &n) == SQ_OK ? n : 0;
}

static int64_t time_of(const struct redisReply *hash, const char *name)
{
    const char *value = reply_field(hash, name);
    int64_t ms;

    return value != NULL && time_parse(value, &ms) == SQ_OK ? ms * 1000 : 0;
}

/* --- the limits that apply --- */

/* How fast the limits let what waits go. */
struct pace {
    double interval_us; /* of the tightest rate */
    int64_t day_cap, day_left, day_next_us;
};

static void add_pace(struct pace *p, const struct ctl_limit *l)
{
    int64_t left = l->day_cap > l->day_used ? l->day_cap - l->day_used : 0;

    if (l->interval_us > p->interval_us)
        p->interval_us = l->interval_us;
    if (l->day_cap > 0 && (p->day_cap == 0 || left < p->day_left)) {
        p->day_cap = l->day_cap;
        p->day_left = left;
        p->day_next_us = l->day_next_us;
    }
}

static const char *reason_of(enum ctl_hold hold)
{
    switch (hold) {
    case HOLD_PAUSE:
        return "throttled";
    case HOLD_BREAKER:
        return "breaker";
    case HOLD_PLACES:
        return "concurrency";
    case HOLD_DAY:
        return "day_cap";
    case HOLD_RATE:
        return "rate";
    default:
        return "turn";
    }
}

/* One limit more: the one that holds longest is the reason. */
static void add_limit(struct ctl *c, const char *name, int64_t now_us, struct why *w,
                      struct pace *p)
{
    struct ctl_limit l;
    enum ctl_hold hold;
    int64_t until;

    if (!ctl_limit_read(c, name, now_us, &l))
        return;
    add_pace(p, &l);
    hold = ctl_limit_holds(&l, now_us, &until);
    if (hold == HOLD_NONE || (w->limit != NULL && until <= w->until_us))
        return;
    w->reason = reason_of(hold);
    w->limit = name;
    w->until_us = until;
}

static void add_limits(struct ctl *c, const char *names, int64_t now_us, struct why *w,
                       struct pace *p)
{
    for (size_t n; names != NULL && *names != '\0'; names += n + (names[n] == ' ')) {
        n = strcspn(names, " ");
        if (n > 0)
            add_limit(c, arena_strndup(&c->arena, names, n), now_us, w, p);
    }
}

/* Those of the message alone: its channel's and its job's tenant's. */
static void add_own(struct ctl *c, const struct redisReply *sender, const struct redisReply *hash,
                    int64_t now_us, struct why *w, struct pace *p)
{
    const char *by = reply_field(sender, "_by"), *channel = reply_field(hash, "channel");
    const char *tenant = reply_field(hash, "_tenant");

    if (by != NULL && strchr(by, 'c') != NULL && channel != NULL)
        add_limit(c, arena_printf(&c->arena, "channel:%s", channel), now_us, w, p);
    if (by != NULL && strchr(by, 't') != NULL && tenant != NULL)
        add_limit(c, arena_printf(&c->arena, "tenant:%s", tenant), now_us, w, p);
}

static bool a_worker_lives(struct ctl *c, int64_t now_us)
{
    return reply_int(ctl_call(c, "ZCOUNT", ctl_key(c, KEY_WORKERS, NULL),
                              ctl_text(c, now_us / 1000), "+inf"),
                     0) > 0;
}

/* When what has `ahead` others in front of it goes, if all goes well. */
static int64_t eta_of(const struct why *w, const struct pace *p, int64_t now_us)
{
    int64_t eta = w->until_us > now_us ? w->until_us : now_us;
    int64_t ahead = w->ahead > 0 ? w->ahead : 0;

    if (p->interval_us <= 0 && p->day_cap == 0 && w->until_us == 0)
        return 0;
    eta += (int64_t)((double)ahead * p->interval_us);
    if (p->day_cap > 0 && ahead >= p->day_left) {
        int64_t days = (ahead - p->day_left) / p->day_cap;
        int64_t day = p->day_next_us + days * INT64_C(86400000000);

        eta = eta > day ? eta : day;
    }
    return eta;
}

/* Why a sender does not send now what waits in its queue. */
static void explain_waiting(struct ctl *c, const struct redisReply *hash, int64_t now_us,
                            struct why *w)
{
    const struct redisReply *sender = ctl_call(c, "HGETALL", ctl_key(c, KEY_SENDER, w->sender));
    const char *state = reply_field(sender, "state"), *buckets = reply_field(sender, "_buckets");
    struct pace pace = {0};

    w->reason = "turn";
    if (buckets == NULL) {
        w->reason = "unknown_sender";
        return;
    }
    w->error = reply_field(sender, "error_message");
    if (text_eq(state, "paused") || text_eq(state, "broken")) {
        w->reason = state;
        return;
    }
    add_limits(c, buckets, now_us, w, &pace);
    add_own(c, sender, hash, now_us, w, &pace);
    if (!a_worker_lives(c, now_us)) {
        w->reason = "no_worker";
        w->limit = NULL;
        w->until_us = 0;
        return;
    }
    w->eta_us = eta_of(w, &pace, now_us);
}

/* --- a message --- */

/* How many are sent before it, as far as the queues tell; lanes take turns. */
static int64_t ahead_of(struct ctl *c, const char *id, const char *sender, const char *class)
{
    const char *key = ctl_key(c, KEY_READY, arena_printf(&c->arena, "%s:%s", sender, class));
    const struct redisReply *at = ctl_call(c, "LPOS", key, id);
    int64_t ahead = reply_int(at, -1), lanes;

    if (ahead < 0)
        return -1;
    lanes = ctl_int(c, "ZCARD",
                    ctl_key(c, KEY_LANES, arena_printf(&c->arena, "%s:%.1s", sender, class)));
    ahead *= lanes > 1 ? lanes : 1;
    for (char k = '0'; k < class[0]; k++)
        ahead +=
            ctl_int(c, "LLEN", ctl_key(c, KEY_READY, arena_printf(&c->arena, "%s:%c", sender, k)));
    return ahead;
}

/* The reason that the last claim put it off for without trying it; NULL = it did not. */
static const char *postponed_for(const struct redisReply *hash)
{
    const char *postponed = reply_field(hash, "_postponed"), *fence = reply_field(hash, "_fence");
    size_t len = fence != NULL ? strlen(fence) : 0;

    if (postponed == NULL || len == 0 || strncmp(postponed, fence, len) != 0 ||
        postponed[len] != ' ')
        return NULL;
    return words_of(postponed + len + 1) != NULL ? postponed + len + 1 : NULL;
}

/* Of those in the delayed set: what made it wait there. */
static void explain_delayed(struct ctl *c, const struct redisReply *hash, int64_t now_us,
                            struct why *w)
{
    const char *lined = reply_field(hash, "_lined"), *code = reply_field(hash, "error_code");
    const char *postponed = postponed_for(hash);
    struct ctl_limit l;
    int64_t until;

    w->until_us = w->eta_us = time_of(hash, "next_attempt_at");
    w->error = reply_field(hash, "error_message");
    if (lined != NULL && strlen(lined) > 1) {
        w->error = NULL;
        w->limit = text_starts(lined, "pair:") ? "recipient" : lined;
        w->reason = "rate";
        if (ctl_limit_read(c, lined, now_us, &l) && ctl_limit_holds(&l, now_us, &until) == HOLD_DAY)
            w->reason = "day_cap";
    } else if (postponed != NULL) {
        w->error = NULL;
        w->reason = postponed;
    } else if (text_eq(code, "rate_limited")) {
        w->limit = "recipient";
        w->reason = "throttled";
    } else if (code != NULL) {
        w->reason = "retry";
    } else {
        w->reason = "scheduled";
    }
}

static void explain_message(struct ctl *c, const char *id, const struct redisReply *hash,
                            int64_t now_us, struct why *w)
{
    const char *class = reply_field(hash, "_priority");

    *w = (struct why){.kind = "message", .ahead = -1};
    w->status = reply_field(hash, "status");
    w->sender = reply_field(hash, "sender");
    if (text_eq(w->status, "sending")) {
        w->reason = "in_flight";
    } else if (text_eq(w->status, "scheduled")) {
        explain_delayed(c, hash, now_us, w);
    } else if (text_eq(w->status, "queued")) {
        w->ahead = ahead_of(c, id, w->sender, text_is_empty(class) ? "2" : class);
        explain_waiting(c, hash, now_us, w);
    } else {
        w->reason = "done";
        w->error = reply_field(hash, "error_message");
    }
}

/* --- a bulk --- */

/* At the rate so far, where no limit says more. */
static int64_t bulk_eta(const struct redisReply *hash, int64_t left, int64_t now_us)
{
    int64_t done = number(hash, "messages_sent") + number(hash, "messages_failed");
    int64_t since = now_us - time_of(hash, "created_at");

    return done > 0 && since > 0 ? now_us + (int64_t)((double)since * (double)left / (double)done)
                                 : 0;
}

static void explain_bulk(struct ctl *c, const struct redisReply *hash, int64_t now_us,
                         struct why *w)
{
    *w = (struct why){.kind = "bulk", .ahead = number(hash, "messages_queued")};
    w->status = reply_field(hash, "status");
    w->sender = reply_field(hash, "sender");
    if (text_eq(w->status, "paused")) {
        w->reason = "paused";
    } else if (text_eq(w->status, "expanding") || text_eq(w->status, "sending")) {
        explain_waiting(c, hash, now_us, w);
        if (text_eq(w->reason, "turn") && w->ahead == number(hash, "messages_sending"))
            w->reason = w->ahead > 0 ? "in_flight" : "expanding";
        if (text_eq(w->reason, "turn") && w->eta_us == 0)
            w->eta_us = bulk_eta(hash, w->ahead, now_us);
    } else {
        w->reason = "done";
        w->error = reply_field(hash, "error_message");
    }
}

const char *ctl_explain_words(struct ctl *c, const struct redisReply *bulk, int64_t now_ms)
{
    struct why w;

    explain_bulk(c, bulk, now_ms * 1000, &w);
    if (text_eq(w.reason, "done") || text_eq(w.reason, "turn") || text_eq(w.reason, "in_flight"))
        return NULL;
    if (w.until_us == 0)
        return arena_printf(&c->arena, "%s: %s", w.reason, words_of(w.reason));
    return arena_printf(&c->arena, "%s until %s: %s", w.reason, ctl_limit_time(c, w.until_us),
                        words_of(w.reason));
}

/* --- saying it --- */

static void print_json(struct ctl *c, const char *id, const struct why *w)
{
    json_open(&c->line, '{');
    json_key_str(&c->line, "id", id);
    json_key_str(&c->line, "kind", w->kind);
    json_key_str(&c->line, "status", w->status != NULL ? w->status : "");
    json_opt_str(&c->line, "sender", w->sender);
    json_key_str(&c->line, "reason", w->reason);
    json_opt_str(&c->line, "limit", w->limit);
    json_opt_str(&c->line, "until", ctl_limit_time(c, w->until_us));
    if (w->ahead >= 0)
        json_key_int(&c->line, "ahead", w->ahead);
    json_opt_str(&c->line, "eta", ctl_limit_time(c, w->eta_us));
    json_opt_str(&c->line, "error_message", w->error);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static void add_text(struct table *t, const char *name, const char *value)
{
    if (text_is_empty(value))
        return;
    table_add(t, name);
    table_add(t, value);
}

static void print_table(struct ctl *c, const char *id, const struct why *w)
{
    struct table t = {0};

    if (c->out.len > 0)
        buf_addc(&c->out, '\n');
    table_begin(&t, "|");
    add_text(&t, w->kind, id);
    add_text(&t, "status", w->status);
    add_text(&t, "sender", w->sender);
    add_text(&t, "reason", arena_printf(&c->arena, "%s: %s", w->reason, words_of(w->reason)));
    add_text(&t, "limit", w->limit);
    add_text(&t, "until", ctl_limit_time(c, w->until_us));
    if (w->ahead >= 0)
        add_text(&t, text_eq(w->kind, "bulk") ? "left" : "ahead", ctl_text(c, w->ahead));
    add_text(&t, "eta", ctl_limit_time(c, w->eta_us));
    add_text(&t, "error_message", w->error);
    ctl_end_table(c, &t, NULL);
}

static bool explain(struct ctl *c, const char *id, struct why *ret)
{
    int64_t now_us = ctl_now_ms(c) * 1000;
    const struct redisReply *hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_MESSAGE, id));

    if (reply_count(hash) > 0) {
        explain_message(c, id, hash, now_us, ret);
        return true;
    }
    hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_BULK, id));
    if (reply_count(hash) > 0)
        explain_bulk(c, hash, now_us, ret);
    return reply_count(hash) > 0;
}

static enum ctl_exit show(struct ctl *c)
{
    enum ctl_exit status = CTL_OK;
    struct why w;

    for (int i = 0; i < c->arg_count; i++) {
        if (!explain(c, c->args[i], &w))
            status = ctl_negative(c, "%s: there is no message or bulk of this id", c->args[i]);
        else if (c->json)
            print_json(c, c->args[i], &w);
        else
            print_table(c, c->args[i], &w);
        ctl_forget(c);
    }
    return status;
}

static const struct ctl_verb verbs[] = {
    {NULL, "ID...", 1, -1, show, "the limit or state that holds it up, until when, and the ETA"},
    {.run = NULL},
};

const struct ctl_noun ctl_explain = {"explain", "why a message or bulk is not sent yet", verbs,
                                     NULL};

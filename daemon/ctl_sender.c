/* sendqctl sender: the senders' state; pausing and resuming them. */
#include "ctl.h"

#include "text.h"
#include <string.h>

/* What is known of one sender. Texts live as long as the replies. */
struct view {
    const char *id, *state, *until, *error;
    int64_t sent_today, day_cap, waiting, in_flight;
};

const struct redisReply *ctl_sender_ids(struct ctl *c)
{
    return ctl_call(c, "SORT", ctl_key(c, KEY_SENDERS, NULL), "ALPHA");
}

static const struct redisReply *read_bucket(struct ctl *c, const char *id)
{
    return ctl_call(c, "HGETALL", ctl_key(c, KEY_BUCKET, arena_printf(&c->arena, "sender:%s", id)));
}

static int64_t number(const struct redisReply *hash, const char *name)
{
    const char *value = reply_field(hash, name);
    int64_t n;

    return value && text_to_i64(value, &n) == SQ_OK ? n : 0;
}

/* False: there is no such sender. */
static bool read_view(struct ctl *c, const char *id, struct view *ret)
{
    const struct redisReply *hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_SENDER, id));
    int64_t ready[PRIORITY_COUNT];

    if (reply_count(hash) == 0)
        return false;
    *ret = (struct view){
        .id = id,
        .state = reply_field(hash, "state"),
        .until = reply_field(hash, "until"),
        .error = reply_field(hash, "error_message"),
        .sent_today = number(hash, "sent_today"),
        .day_cap = number(hash, "day_cap"),
        .in_flight = number(read_bucket(c, id), "busy"),
    };
    ctl_ready(c, id, ready);
    for (int p = 0; p < PRIORITY_COUNT; p++)
        ret->waiting += ready[p];
    /* A state of "ok" is shown with the time of the next turn: of no use to people. */
    if (text_eq(ret->state, "ok"))
        ret->until = NULL;
    return true;
}

/* --- all --- */

static void json_view(struct ctl *c, const struct view *v)
{
    json_key_str(&c->line, "id", v->id);
    json_key_str(&c->line, "state", v->state);
    json_opt_str(&c->line, "until", v->until);
    json_key_int(&c->line, "waiting", v->waiting);
    json_key_int(&c->line, "in_flight", v->in_flight);
    json_key_int(&c->line, "sent_today", v->sent_today);
    json_key_int(&c->line, "day_cap", v->day_cap);
    json_opt_str(&c->line, "error_message", v->error);
}

void ctl_json_senders(struct ctl *c)
{
    const struct redisReply *ids = ctl_sender_ids(c);
    struct view v;

    json_open(&c->line, '[');
    for (size_t i = 0; i < reply_count(ids); i++) {
        const char *id = reply_str(reply_at(ids, i), NULL);

        if (!id || !read_view(c, id, &v))
            continue;
        json_open(&c->line, '{');
        json_view(c, &v);
        json_close(&c->line, '}');
    }
    json_close(&c->line, ']');
}

void ctl_table_senders(struct ctl *c, struct table *t)
{
    const struct redisReply *ids = ctl_sender_ids(c);
    struct view v;

    table_begin(t, "~SENDER|STATE|>WAITING|>IN FLIGHT|>TODAY|>DAY CAP|UNTIL (UTC)");
    for (size_t i = 0; i < reply_count(ids); i++) {
        const char *id = reply_str(reply_at(ids, i), NULL);

        if (!id || !read_view(c, id, &v))
            continue;
        table_add(t, v.id);
        table_add(t, v.state);
        table_add_int(t, v.waiting);
        table_add_int(t, v.in_flight);
        table_add_int(t, v.sent_today);
        table_add(t, v.day_cap > 0 ? ctl_text(c, v.day_cap) : NULL);
        table_add_time(t, v.until);
    }
}

static enum ctl_exit list(struct ctl *c)
{
    const struct redisReply *ids;
    struct table t = {0};
    struct view v;

    if (!c->json) {
        ctl_table_senders(c, &t);
        ctl_end_table(c, &t, "no sender has been configured");
        return CTL_OK;
    }
    ids = ctl_sender_ids(c);
    for (size_t i = 0; i < reply_count(ids); i++) {
        const char *id = reply_str(reply_at(ids, i), NULL);

        if (!id || !read_view(c, id, &v))
            continue;
        json_open(&c->line, '{');
        json_view(c, &v);
        json_close(&c->line, '}');
        ctl_end_line(c);
    }
    return CTL_OK;
}

/* --- one --- */

struct limits {
    double rate; /* sends a second; 0 = none */
    int64_t burst, concurrency;
    const char *zone;
};

static struct limits read_limits(struct ctl *c, const char *id)
{
    const struct redisReply *bucket = read_bucket(c, id);
    int64_t interval = number(bucket, "interval");

    return (struct limits){
        .rate = interval > 0 ? 1e6 / (double)interval : 0,
        .burst = interval > 0 ? number(bucket, "tolerance") / interval + 1 : 0,
        .concurrency = number(bucket, "conc"),
        .zone = reply_field(bucket, "zone"),
    };
}

static void json_one(struct ctl *c, const struct view *v, const struct limits *l)
{
    json_open(&c->line, '{');
    json_view(c, v);
    json_key(&c->line, "rate");
    json_val_num(&c->line, l->rate);
    json_key_int(&c->line, "burst", l->burst);
    json_key_int(&c->line, "concurrency", l->concurrency);
    json_opt_str(&c->line, "day_zone", v->day_cap > 0 ? l->zone : NULL);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static void add_number(struct table *t, const char *name, int64_t n)
{
    table_add(t, name);
    table_add_int(t, n);
}

static void add_text(struct table *t, const char *name, const char *value)
{
    if (text_is_empty(value))
        return;
    table_add(t, name);
    table_add(t, value);
}

static void table_one(struct ctl *c, const struct view *v, const struct limits *l)
{
    struct table t = {0};

    table_begin(&t, "|");
    add_text(&t, "id", v->id);
    add_text(&t, "state", v->state);
    add_text(&t, "until", v->until);
    add_text(&t, "error_message", v->error);
    add_number(&t, "waiting", v->waiting);
    add_number(&t, "in_flight", v->in_flight);
    add_number(&t, "sent_today", v->sent_today);
    if (v->day_cap > 0)
        add_text(
            &t, "day_cap",
            arena_printf(&c->arena, "%lld (%s)", (long long)v->day_cap, l->zone ? l->zone : "UTC"));
    if (l->rate > 0)
        add_text(&t, "rate",
                 arena_printf(&c->arena, "%g/s burst %lld", l->rate, (long long)l->burst));
    if (l->concurrency > 0)
        add_number(&t, "concurrency", l->concurrency);
    ctl_end_table(c, &t, NULL);
}

static enum ctl_exit show(struct ctl *c)
{
    struct limits limits;
    struct view v;

    if (!read_view(c, c->args[0], &v))
        return ctl_negative(c, "sender %s: not found", c->args[0]);
    limits = read_limits(c, v.id);
    if (c->json)
        json_one(c, &v, &limits);
    else
        table_one(c, &v, &limits);
    return CTL_OK;
}

/* --- pause, resume --- */

static void report_change(struct ctl *c, const char *id, const char *before, const char *after)
{
    if (c->json) {
        json_open(&c->line, '{');
        json_key_str(&c->line, "id", id);
        json_key_str(&c->line, "before", before);
        json_key_str(&c->line, "state", after);
        json_close(&c->line, '}');
        ctl_end_line(c);
        return;
    }
    text_add_visible(&c->out, id, strlen(id));
    buf_adds(&c->out, ": ");
    text_add_visible(&c->out, before, strlen(before));
    buf_addf(&c->out, " -> %s\n", after);
}

static enum ctl_exit change(struct ctl *c, const char *verb, const char *after)
{
    size_t argc = (size_t)c->arg_count + 1;
    const char **argv = arena_alloc(&c->arena, argc * sizeof(*argv));
    const struct redisReply *r;
    enum ctl_exit status = CTL_OK;

    argv[0] = verb;
    for (size_t i = 1; i < argc; i++)
        argv[i] = c->args[i - 1];
    r = ctl_script(c, CTL_SCRIPT_SENDER, argv, argc);
    for (size_t i = 1; i < argc; i++) {
        const char *before = reply_str(reply_at(r, i), NULL);

        if (text_is_empty(before))
            status = ctl_negative(c, "sender %s: not found", argv[i]);
        else
            report_change(c, argv[i], before, after);
    }
    return status;
}

static enum ctl_exit pause_senders(struct ctl *c)
{
    return change(c, "pause", "paused");
}

static enum ctl_exit resume_senders(struct ctl *c)
{
    return change(c, "resume", "ok");
}

static const struct ctl_verb verbs[] = {
    {"ls", NULL, 0, 0, list, "state, waiting messages and today's count of each"},
    {"show", "ID", 1, 1, show, "one sender with its limits"},
    {"pause", "ID...", 1, -1, pause_senders, "send nothing more; what is in flight ends"},
    {"resume", "ID...", 1, -1, resume_senders, "go on; mends a broken or throttled one too"},
    {.run = NULL},
};

const struct ctl_noun ctl_sender = {"sender", "the senders' state", verbs, NULL};

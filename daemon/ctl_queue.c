/* sendqctl queue: how much waits where. */
#include "ctl.h"

#include "text.h"
#include <string.h>

static const struct {
    const char *name;
    enum priority priority;
} classes[] = {{"high", PRIORITY_HIGH}, {"normal", PRIORITY_NORMAL}, {"low", PRIORITY_LOW}};

#define CLASSES (sizeof(classes) / sizeof(classes[0]))

int64_t ctl_leased(struct ctl *c, const char *worker)
{
    const struct redisReply *refs = ctl_call(c, "HGETALL", ctl_key(c, KEY_REFS, worker));
    int64_t n = ctl_int(c, "SCARD", ctl_key(c, KEY_LEASE, worker));

    for (size_t i = 0; i + 1 < reply_count(refs); i += 2) {
        const char *field = reply_str(reply_at(refs, i), NULL);
        const char *places = reply_str(reply_at(refs, i + 1), NULL);

        if (field == NULL || places == NULL || strchr(field, '.') == NULL)
            continue; /* the slice itself */
        for (; *places != '\0'; places++)
            n += *places != '0';
    }
    return n;
}

void ctl_read_depths(struct ctl *c, struct ctl_depths *ret)
{
    const struct redisReply *workers =
        ctl_call(c, "ZRANGE", ctl_key(c, KEY_WORKERS, NULL), "0", "-1");

    *ret = (struct ctl_depths){.delayed = ctl_int(c, "ZCARD", ctl_key(c, KEY_DELAYED, NULL))};
    for (size_t i = 0; i < CLASSES; i++)
        ret->jobs[classes[i].priority] =
            ctl_int(c, "LLEN", ctl_key(c, key_jobs(classes[i].priority), NULL));
    for (size_t i = 0; i < reply_count(workers); i++) {
        const char *id = reply_str(reply_at(workers, i), NULL);
        int64_t taken = ctl_int(c, "LLEN", ctl_key(c, KEY_CLAIMED, id));

        ret->taken += taken > 0 ? taken - 1 : 0; /* the first element is the batch's tag */
        ret->in_flight += ctl_leased(c, id);
    }
}

/* Adds up by class what the sender's bulks have ready, of the newest ones; returns the sum. */
static int64_t read_bulks(struct ctl *c, const char *sender, int64_t ret[PRIORITY_COUNT])
{
    const struct redisReply *ids = ctl_call(c, "ZREVRANGE", ctl_key(c, KEY_BULKS, NULL), "0", "99");
    int64_t sum = 0;

    for (size_t i = 0; i < reply_count(ids); i++) {
        const char *key = ctl_key(c, KEY_BULK, reply_str(reply_at(ids, i), NULL));
        const struct redisReply *b = ctl_call(c, "HMGET", key, "sender", "_ready", "priority");
        int64_t ready = reply_int(reply_at(b, 1), 0);
        const char *name = reply_str(reply_at(b, 2), NULL);
        enum priority p;

        if (ready <= 0 || name == NULL || !priority_parse(name, &p) ||
            !text_eq(reply_str(reply_at(b, 0), NULL), sender))
            continue;
        ret[p] += ready;
        sum += ready;
    }
    return sum;
}

/* An element of a queue may be many recipients. How many more that makes is known of all classes
 * together: each gets as much of it as it has of the bulks that wait. */
static void add_extra(struct ctl *c, const char *sender, int64_t extra, int64_t ret[PRIORITY_COUNT])
{
    int64_t bulks[PRIORITY_COUNT] = {0}, all = read_bulks(c, sender, bulks), left = extra;
    int most = PRIORITY_NORMAL;

    for (int p = 0; p < PRIORITY_COUNT && all > 0; p++) {
        int64_t part = (int64_t)((double)extra * (double)bulks[p] / (double)all);

        ret[p] += part;
        left -= part;
        most = bulks[p] > bulks[most] ? p : most;
    }
    ret[most] += left;
}

/* One class of a sender, with its lanes. */
static int64_t ready_of(struct ctl *c, const char *class)
{
    const struct redisReply *lanes = ctl_call(c, "ZRANGE", ctl_key(c, KEY_LANES, class), "0", "-1");
    int64_t n = ctl_int(c, "LLEN", ctl_key(c, KEY_READY, class));

    for (size_t i = 0; i < reply_count(lanes); i++) {
        const char *lane = reply_str(reply_at(lanes, i), NULL);

        n += ctl_int(
            c, "LLEN",
            ctl_key(c, KEY_READY, arena_printf(&c->arena, "%s/%s", class, lane ? lane : "")));
    }
    return n;
}

void ctl_ready(struct ctl *c, const char *sender, int64_t ret[PRIORITY_COUNT])
{
    int64_t extra = reply_int(ctl_call(c, "HGET", ctl_key(c, KEY_SENDER, sender), "_extra"), 0);

    for (int p = 0; p < PRIORITY_COUNT; p++) {
        ret[p] = 0;
        for (int marketing = 0; marketing < 2; marketing++)
            ret[p] += ready_of(c, arena_printf(&c->arena, "%s:%s", sender ? sender : "",
                                               key_queue((enum priority)p, marketing, false)));
    }
    if (extra > 0)
        add_extra(c, sender, extra, ret);
}

void ctl_json_depths(struct ctl *c, const struct ctl_depths *d)
{
    json_key(&c->line, "jobs");
    json_open(&c->line, '{');
    for (size_t i = 0; i < CLASSES; i++)
        json_key_int(&c->line, classes[i].name, d->jobs[classes[i].priority]);
    json_close(&c->line, '}');
    json_key_int(&c->line, "taken", d->taken);
    json_key_int(&c->line, "delayed", d->delayed);
    json_key_int(&c->line, "in_flight", d->in_flight);
}

static void json_ready(struct ctl *c)
{
    const struct redisReply *ids = ctl_sender_ids(c);

    json_key(&c->line, "ready");
    json_open(&c->line, '{');
    for (size_t i = 0; i < reply_count(ids); i++) {
        const char *id = reply_str(reply_at(ids, i), NULL);

        int64_t n[PRIORITY_COUNT];

        ctl_ready(c, id, n);
        json_key(&c->line, id ? id : "");
        json_open(&c->line, '{');
        for (size_t k = 0; k < CLASSES; k++)
            json_key_int(&c->line, classes[k].name, n[classes[k].priority]);
        json_close(&c->line, '}');
    }
    json_close(&c->line, '}');
}

static void add_row(struct table *t, const char *name, const int64_t n[PRIORITY_COUNT])
{
    int64_t sum = 0;

    table_add(t, name);
    for (size_t i = 0; i < CLASSES; i++) {
        table_add_int(t, n[classes[i].priority]);
        sum += n[classes[i].priority];
    }
    table_add_int(t, sum);
}

static void add_total(struct table *t, const char *name, int64_t n)
{
    table_add(t, name);
    for (size_t i = 0; i < CLASSES; i++)
        table_add(t, NULL);
    table_add_int(t, n);
}

static void table_all(struct ctl *c, const struct ctl_depths *d)
{
    const struct redisReply *ids = ctl_sender_ids(c);
    struct table t = {0};

    table_begin(&t, "QUEUE|>HIGH|>NORMAL|>LOW|>ALL");
    add_row(&t, "jobs", d->jobs);
    add_total(&t, "taken", d->taken);
    for (size_t i = 0; i < reply_count(ids); i++) {
        const char *id = reply_str(reply_at(ids, i), NULL);
        int64_t n[PRIORITY_COUNT];

        ctl_ready(c, id, n);
        add_row(&t, arena_printf(&c->arena, "ready %s", id ? id : ""), n);
    }
    add_total(&t, "in flight", d->in_flight);
    add_total(&t, "delayed", d->delayed);
    ctl_end_table(c, &t, NULL);
}

static enum ctl_exit show(struct ctl *c)
{
    struct ctl_depths d;

    ctl_read_depths(c, &d);
    if (!c->json) {
        table_all(c, &d);
        return CTL_OK;
    }
    json_open(&c->line, '{');
    ctl_json_depths(c, &d);
    json_ready(c);
    json_close(&c->line, '}');
    ctl_end_line(c);
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {NULL, NULL, 0, 0, show, "jobs, ready messages by sender and priority, delayed ones"},
    {.run = NULL},
};

const struct ctl_noun ctl_queue = {"queue", "how much waits where", verbs, NULL};

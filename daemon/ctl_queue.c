/* sendqctl queue: how much waits where. */
#include "ctl.h"

static const struct {
    const char *name;
    enum priority priority;
} classes[] = {{"high", PRIORITY_HIGH}, {"normal", PRIORITY_NORMAL}, {"low", PRIORITY_LOW}};

#define CLASSES (sizeof(classes) / sizeof(classes[0]))

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
        ret->in_flight += ctl_int(c, "SCARD", ctl_key(c, KEY_LEASE, id));
    }
}

int64_t ctl_ready(struct ctl *c, const char *sender, enum priority p)
{
    int64_t n = 0;

    for (int marketing = 0; marketing < 2; marketing++)
        n += ctl_int(c, "LLEN",
                     ctl_key(c, KEY_READY,
                             arena_printf(&c->arena, "%s:%s", sender ? sender : "",
                                          key_queue(p, marketing, false))));
    return n;
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

        json_key(&c->line, id ? id : "");
        json_open(&c->line, '{');
        for (size_t k = 0; k < CLASSES; k++)
            json_key_int(&c->line, classes[k].name, ctl_ready(c, id, classes[k].priority));
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

        for (size_t k = 0; k < CLASSES; k++)
            n[classes[k].priority] = ctl_ready(c, id, classes[k].priority);
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

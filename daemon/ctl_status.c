/* sendqctl status: all that an operator asks first, on one page. */
#include "ctl.h"

#include "ctl_day.h"
#include "timefmt.h"

struct overview {
    int64_t now_ms, dead, rejected;
    struct ctl_depths depths;
    struct ctl_day today;
};

static void read_overview(struct ctl *c, struct overview *o)
{
    o->now_ms = ctl_now_ms(c);
    o->dead = ctl_int(c, "ZCARD", ctl_key(c, KEY_DEAD, NULL));
    o->rejected = ctl_int(c, "XLEN", ctl_key(c, KEY_REJECTED, NULL));
    ctl_read_depths(c, &o->depths);
    ctl_read_day(c, o->now_ms, &o->today);
}

static void json_all(struct ctl *c, const struct overview *o)
{
    char at[TIME_TEXT];

    time_format(o->now_ms, at);
    json_open(&c->line, '{');
    json_key_str(&c->line, "namespace", c->ns);
    json_key_str(&c->line, "at", at);
    ctl_json_depths(c, &o->depths);
    json_key_int(&c->line, "dead", o->dead);
    json_key_int(&c->line, "rejected", o->rejected);
    json_key(&c->line, "today");
    ctl_json_counts(c, &o->today.total);
    json_key(&c->line, "senders");
    ctl_json_senders(c);
    json_key(&c->line, "workers");
    ctl_json_workers(c);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static void add(struct table *t, const char *name, const char *value)
{
    table_add(t, name);
    table_add(t, value);
}

static void table_overview(struct ctl *c, const struct overview *o)
{
    const struct ctl_depths *d = &o->depths;
    const struct ctl_count *n = &o->today.total;
    struct table t = {0};
    char at[TIME_TEXT];

    time_format_seconds(o->now_ms, at);
    table_begin(&t, "|");
    add(&t, "namespace", c->ns);
    add(&t, "at", at);
    add(&t, "jobs",
        arena_printf(&c->arena, "%lld high, %lld normal, %lld low, %lld being accepted",
                     (long long)d->jobs[PRIORITY_HIGH], (long long)d->jobs[PRIORITY_NORMAL],
                     (long long)d->jobs[PRIORITY_LOW], (long long)d->taken));
    add(&t, "in flight", ctl_text(c, d->in_flight));
    add(&t, "delayed", ctl_text(c, d->delayed));
    add(&t, "dead letters", ctl_text(c, o->dead)); /* "dead" would be coloured as a worker's end */
    add(&t, "rejected", ctl_text(c, o->rejected));
    add(&t, "today",
        arena_printf(&c->arena, "%lld sent, %lld failed", (long long)n->sent,
                     (long long)n->failed));
    ctl_end_table(c, &t, NULL);
}

static enum ctl_exit show(struct ctl *c)
{
    struct table t = {0};
    struct overview o;

    read_overview(c, &o);
    if (c->json) {
        json_all(c, &o);
        return CTL_OK;
    }
    table_overview(c, &o);
    buf_addc(&c->out, '\n');
    ctl_table_senders(c, &t);
    ctl_end_table(c, &t, "no sender has been configured");
    buf_addc(&c->out, '\n');
    ctl_table_workers(c, &t);
    ctl_end_table(c, &t, "no worker");
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {NULL, NULL, 0, 0, show, "queues, senders, workers, today's counts"},
    {.run = NULL},
};

const struct ctl_noun ctl_status = {"status", "everything at a glance", verbs, NULL};

/* sendqctl worker: who works, and whose lease ran out. */
#include "ctl.h"

#include "text.h"
#include <string.h>

/* One worker: a lease (NS:workers) and what it says of itself (NS:worker:<name>). */
struct view {
    const char *id, *name;
    const struct redisReply *hash; /* NULL: it has been silent for too long */
    int64_t lease_ms;              /* what is left of it; < 0: it ran out */
    int64_t taken, in_flight;
};

struct workers {
    const struct redisReply *leases; /* id, end in Unix ms, ... */
    const struct redisReply *names;
    const struct redisReply **hashes; /* by name */
    int64_t now_ms;
};

static void read_workers(struct ctl *c, struct workers *w)
{
    w->now_ms = ctl_now_ms(c);
    w->leases = ctl_call(c, "ZRANGE", ctl_key(c, KEY_WORKERS, NULL), "0", "-1", "WITHSCORES");
    w->names = ctl_call(c, "ZRANGE", ctl_key(c, KEY_WORKER_NAMES, NULL), "0", "-1");
    w->hashes = arena_alloc(&c->arena, (reply_count(w->names) + 1) * sizeof(*w->hashes));
    for (size_t i = 0; i < reply_count(w->names); i++)
        w->hashes[i] =
            ctl_call(c, "HGETALL", ctl_key(c, KEY_WORKER, reply_str(reply_at(w->names, i), NULL)));
}

static void read_view(struct ctl *c, const struct workers *w, size_t i, struct view *ret)
{
    int64_t taken;

    *ret = (struct view){.id = reply_str(reply_at(w->leases, 2 * i), NULL)};
    ret->lease_ms = reply_int(reply_at(w->leases, 2 * i + 1), 0) - w->now_ms;
    taken = ctl_int(c, "LLEN", ctl_key(c, KEY_CLAIMED, ret->id));
    ret->taken = taken > 0 ? taken - 1 : 0; /* the first element is the batch's tag */
    ret->in_flight = ctl_leased(c, ret->id);
    for (size_t k = 0; k < reply_count(w->names); k++) {
        if (text_eq(reply_field(w->hashes[k], "_id"), ret->id)) {
            ret->name = reply_str(reply_at(w->names, k), NULL);
            ret->hash = w->hashes[k];
        }
    }
}

static const char *state_of(const struct view *v)
{
    if (v->lease_ms <= 0)
        return "dead";
    return v->hash ? reply_field(v->hash, "state") : "unknown";
}

static void json_number(struct ctl *c, const char *name, const char *value)
{
    struct ctl_field f = {name, KIND_JSON};

    if (value)
        ctl_json_field(c, &f, value);
}

static void json_view(struct ctl *c, const struct view *v)
{
    json_open(&c->line, '{');
    json_key_str(&c->line, "name", v->name);
    json_key_str(&c->line, "id", v->id);
    json_key_str(&c->line, "state", state_of(v));
    json_key_int(&c->line, "lease_ms", v->lease_ms);
    json_key_int(&c->line, "taken", v->taken);
    json_key_int(&c->line, "in_flight", v->in_flight);
    json_number(c, "rate", reply_field(v->hash, "rate"));
    json_opt_str(&c->line, "host", reply_field(v->hash, "host"));
    json_number(c, "pid", reply_field(v->hash, "pid"));
    json_opt_str(&c->line, "version", reply_field(v->hash, "version"));
    json_opt_str(&c->line, "started_at", reply_field(v->hash, "started_at"));
    json_close(&c->line, '}');
}

void ctl_json_workers(struct ctl *c)
{
    struct workers w;
    struct view v;

    read_workers(c, &w);
    json_open(&c->line, '[');
    for (size_t i = 0; i < reply_count(w.leases) / 2; i++) {
        read_view(c, &w, i, &v);
        json_view(c, &v);
    }
    json_close(&c->line, ']');
}

void ctl_table_workers(struct ctl *c, struct table *t)
{
    struct workers w;
    struct view v;

    read_workers(c, &w);
    table_begin(t, "~WORKER|STATE|>LEASE|>IN FLIGHT|>RATE|VERSION|STARTED (UTC)");
    for (size_t i = 0; i < reply_count(w.leases) / 2; i++) {
        read_view(c, &w, i, &v);
        table_add(t, v.name ? v.name : v.id);
        table_add(t, state_of(&v));
        table_add(t, arena_printf(&c->arena, "%.1fs", (double)v.lease_ms / 1000));
        table_add_int(t, v.in_flight);
        table_add(t, reply_field(v.hash, "rate"));
        table_add(t, reply_field(v.hash, "version"));
        table_add_time(t, reply_field(v.hash, "started_at"));
    }
}

static enum ctl_exit list(struct ctl *c)
{
    struct table t = {0};
    struct workers w;
    struct view v;

    if (!c->json) {
        ctl_table_workers(c, &t);
        ctl_end_table(c, &t, "no worker");
        return CTL_OK;
    }
    read_workers(c, &w);
    for (size_t i = 0; i < reply_count(w.leases) / 2; i++) {
        read_view(c, &w, i, &v);
        json_view(c, &v);
        ctl_end_line(c);
    }
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {"ls", NULL, 0, 0, list, "each worker, what is left of its lease, what it holds"},
    {.run = NULL},
};

const struct ctl_noun ctl_worker = {"worker", "who works", verbs, NULL};

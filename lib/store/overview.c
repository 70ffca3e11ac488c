/* Reads the answer of overview.lua: flat arrays become typed rows, all texts copied. */
#include "overview.h"

#include "store_impl.h"
#include <stdlib.h>

/* Values of a row, in the order of overview.lua. */
enum { NUMBERS = 10, DAY_ROW = 3, SENDER_ROW = 10, WORKER_ROW = 6, BULK_ROW = 9, FAILURE_ROW = 7 };

struct call {
    const char *const *providers;
    overview_cb cb;
    void *arg;
};

/* Where the next value is read. */
struct cursor {
    struct arena *arena;
    const struct redisReply *array;
    size_t at;
};

static const char *next_text(struct cursor *c)
{
    const char *text = reply_str(reply_at(c->array, c->at++), NULL);

    return arena_strdup(c->arena, text != NULL ? text : "");
}

static int64_t next_int(struct cursor *c)
{
    return reply_int(reply_at(c->array, c->at++), 0);
}

static void *rows(struct overview *o, size_t count, size_t size)
{
    return arena_alloc(&o->arena, (count + 1) * size);
}

static void read_numbers(struct overview *o, const struct redisReply *array)
{
    struct cursor c = {&o->arena, array, 0};
    int64_t *const into[NUMBERS] = {&o->jobs_high, &o->jobs,        &o->jobs_low, &o->taken,
                                    &o->ready,     &o->leased,      &o->delayed,  &o->dead,
                                    &o->rejected,  &o->sender_total};

    for (size_t i = 0; i < NUMBERS; i++)
        *into[i] = next_int(&c);
}

static void read_days(struct overview *o, const struct redisReply *array,
                      const char *const *providers)
{
    struct cursor c = {&o->arena, array, 0};

    o->days = rows(o, reply_count(array) / DAY_ROW, sizeof(*o->days));
    for (size_t i = 0; i < reply_count(array) / DAY_ROW && providers[i] != NULL; i++) {
        struct overview_day *d = &o->days[o->day_count++];

        d->provider = providers[i];
        d->sent = next_int(&c);
        d->failed = next_int(&c);
        d->cancelled = next_int(&c);
    }
}

static void read_senders(struct overview *o, const struct redisReply *array)
{
    struct cursor c = {&o->arena, array, 0};

    o->sender_count = reply_count(array) / SENDER_ROW;
    o->senders = rows(o, o->sender_count, sizeof(*o->senders));
    for (size_t i = 0; i < o->sender_count; i++) {
        struct overview_sender *s = &o->senders[i];

        s->id = next_text(&c);
        s->waiting = next_int(&c);
        s->state = next_text(&c);
        s->until = next_text(&c);
        s->error = next_text(&c);
        s->sent_today = next_int(&c);
        s->day_cap = next_int(&c);
        s->in_flight = next_int(&c);
        s->sent = next_int(&c);
        s->failed = next_int(&c);
    }
}

static void read_workers(struct overview *o, const struct redisReply *array)
{
    struct cursor c = {&o->arena, array, 0};

    o->worker_count = reply_count(array) / WORKER_ROW;
    o->workers = rows(o, o->worker_count, sizeof(*o->workers));
    for (size_t i = 0; i < o->worker_count; i++) {
        struct overview_worker *w = &o->workers[i];

        w->name = next_text(&c);
        w->state = next_text(&c);
        w->in_flight = next_int(&c);
        w->rate = next_text(&c);
        w->version = next_text(&c);
        w->started_at = next_text(&c);
    }
}

static void read_bulks(struct overview *o, const struct redisReply *array)
{
    struct cursor c = {&o->arena, array, 0};

    o->bulk_count = reply_count(array) / BULK_ROW;
    o->bulks = rows(o, o->bulk_count, sizeof(*o->bulks));
    for (size_t i = 0; i < o->bulk_count; i++) {
        struct overview_bulk *b = &o->bulks[i];

        b->id = next_text(&c);
        b->status = next_text(&c);
        b->total = next_int(&c);
        b->queued = next_int(&c);
        b->sent = next_int(&c);
        b->failed = next_int(&c);
        b->cancelled = next_int(&c);
        b->success_rate = next_text(&c);
        b->created_at = next_text(&c);
    }
}

static void read_failures(struct overview *o, const struct redisReply *array)
{
    struct cursor c = {&o->arena, array, 0};

    o->failure_count = reply_count(array) / FAILURE_ROW;
    o->failures = rows(o, o->failure_count, sizeof(*o->failures));
    for (size_t i = 0; i < o->failure_count; i++) {
        struct overview_failure *f = &o->failures[i];

        f->id = next_text(&c);
        f->failed_at = next_text(&c);
        f->sender = next_text(&c);
        f->channel = next_text(&c);
        f->attempts = next_int(&c);
        f->error_code = next_text(&c);
        f->error = next_text(&c);
    }
}

static void read_hour(struct overview *o, const struct redisReply *array)
{
    struct cursor c = {&o->arena, array, 0};

    for (size_t i = 0; i < OVERVIEW_MINUTES; i++) {
        o->hour[i].sent = next_int(&c);
        o->hour[i].errors = next_int(&c);
    }
}

static struct overview *read_all(const struct redisReply *r, const char *const *providers)
{
    struct overview *o = mem_zalloc(sizeof(*o));

    o->at_ms = reply_int(reply_at(r, 1), 0) / 1000;
    read_numbers(o, reply_at(r, 2));
    read_days(o, reply_at(r, 3), providers);
    read_senders(o, reply_at(r, 4));
    read_workers(o, reply_at(r, 5));
    read_bulks(o, reply_at(r, 6));
    read_failures(o, reply_at(r, 7));
    read_hour(o, reply_at(r, 8));
    return o;
}

static void deliver(struct store *s, struct store_call *call, enum store_status st,
                    const struct redisReply *r)
{
    struct call *c = call->arg;

    (void)s;
    c->cb(st, st == STORE_OK ? read_all(r, c->providers) : NULL, c->arg);
    free(c);
}

enum sq_err overview_read(struct store *s, const char *const *providers, overview_cb cb, void *arg)
{
    struct call *c = mem_alloc(sizeof(*c));
    enum sq_err err;

    *c = (struct call){providers, cb, arg};
    struct resp *a = args_begin(s, &s->args, SCRIPT_OVERVIEW);

    resp_add_int(a, OVERVIEW_SENDERS);
    resp_add_int(a, OVERVIEW_WORKERS);
    resp_add_int(a, OVERVIEW_BULKS);
    resp_add_int(a, OVERVIEW_FAILURES);
    for (size_t i = 0; providers[i] != NULL; i++)
        resp_adds(a, providers[i]);
    err = args_send(s, &s->args, SCRIPT_OVERVIEW, deliver, NULL, c);
    if (err != SQ_OK)
        free(c);
    return err;
}

void overview_free(struct overview *o)
{
    if (o == NULL)
        return;
    arena_free(&o->arena);
    free(o);
}

/* Recover: one script call per third of a lease renews this worker and reaps dead ones. */
#include "recover.h"

#include "timefmt.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ERROR_PAUSE_US 500000
/* Between two pieces of what others held: Redis is for everybody. */
#define MORE_PAUSE_US 10000

struct recover_stage {
    struct loop *loop;
    struct store *store;
    struct attempts *attempts;
    struct recover_ops ops;
    struct timer *timer;
    int64_t lease_us;
    int64_t asked_us; /* when the call under way was sent: the lease runs from there at least */
    char host[256], pid[16], started[TIME_TEXT];
    bool registered, calling;
};

/* What is published, as text. */
struct status_text {
    char in_flight[16], rate[32];
    struct store_field fields[7];
};

static void fill_status(struct recover_stage *r, struct status_text *t)
{
    struct worker_status s = {.state = "running"};

    r->ops.status(&s, r->ops.arg);
    snprintf(t->in_flight, sizeof(t->in_flight), "%u", s.in_flight);
    snprintf(t->rate, sizeof(t->rate), "%.1f", s.rate);
    t->fields[0] = (struct store_field){"host", r->host};
    t->fields[1] = (struct store_field){"pid", r->pid};
    t->fields[2] = (struct store_field){"version", SENDQ_VERSION};
    t->fields[3] = (struct store_field){"started_at", r->started};
    t->fields[4] = (struct store_field){"in_flight", t->in_flight};
    t->fields[5] = (struct store_field){"rate", t->rate};
    t->fields[6] = (struct store_field){"state", s.state};
}

static void succeeded(struct recover_stage *r, const struct store_recovered *in)
{
    bool first = !r->registered;
    int64_t until = r->asked_us + r->lease_us;

    r->registered = true;
    for (size_t i = 0; i < in->adopted_count; i++)
        r->ops.adopted(&in->adopted[i], r->ops.arg);
    if (in->jobs + in->messages > 0)
        r->ops.brought_back(in->jobs, in->messages, r->ops.arg);
    timer_set_us(r->timer, in->more ? MORE_PAUSE_US : r->lease_us / 3);
    if (first)
        r->ops.registered(until, r->ops.arg);
    r->ops.renewed(until, in->next_us, r->ops.arg);
}

static void on_recovered(enum store_status st, const struct store_recovered *in, void *arg)
{
    struct recover_stage *r = arg;

    r->calling = false;
    switch (st) {
    case STORE_OK:
        succeeded(r, in);
        break;
    case STORE_FENCED:
        r->ops.fenced(r->ops.arg);
        recover_register(r);
        break;
    case STORE_AGAIN:
        timer_set_us(r->timer, 0);
        break;
    case STORE_ERROR:
        r->ops.problem(store_error(r->store), r->ops.arg);
        timer_set_us(r->timer, ERROR_PAUSE_US);
        break;
    default: /* lost: recover_register comes with the next connection */
        break;
    }
}

void recover_register(struct recover_stage *r)
{
    struct status_text text;
    struct store_lease *keep;
    struct arena texts = {0};
    char scratch[ATTEMPT_LEASE];
    size_t n = 0;

    if (r->calling)
        return;
    r->registered = false;
    fill_status(r, &text);
    keep = mem_alloc((r->attempts->count + 1) * sizeof(*keep));
    LIST_EACH(node, &r->attempts->all)
    {
        const struct attempt *t = LIST_ENTRY(node, struct attempt, all);

        const char *lease = attempt_lease(t, scratch);

        keep[n++] = (struct store_lease){lease == scratch ? arena_strdup(&texts, scratch) : lease,
                                         t->fence};
    }
    r->asked_us = loop_now_us(r->loop);
    r->calling = store_register(r->store, text.fields, 7, keep, n, on_recovered, r) == SQ_OK;
    free(keep);
    arena_free(&texts);
}

static void on_timer(void *arg)
{
    struct recover_stage *r = arg;
    struct status_text text;

    if (r->calling)
        return;
    if (!r->registered) {
        recover_register(r);
        return;
    }
    fill_status(r, &text);
    r->asked_us = loop_now_us(r->loop);
    r->calling = store_beat(r->store, text.fields, 7, on_recovered, r) == SQ_OK;
}

void recover_stop(struct recover_stage *r)
{
    timer_cancel(r->timer);
    r->registered = false;
}

struct recover_stage *recover_new(struct loop *loop, struct store *store, struct attempts *attempts,
                                  int64_t lease_ms, const struct recover_ops *ops)
{
    struct recover_stage *r = mem_zalloc(sizeof(*r));

    r->loop = loop;
    r->store = store;
    r->attempts = attempts;
    r->ops = *ops;
    r->lease_us = lease_ms * 1000;
    r->timer = timer_new(loop, on_timer, r);
    if (gethostname(r->host, sizeof(r->host) - 1) != 0)
        snprintf(r->host, sizeof(r->host), "unknown");
    snprintf(r->pid, sizeof(r->pid), "%d", (int)getpid());
    time_format(clock_wall_ms(), r->started);
    return r;
}

void recover_free(struct recover_stage *r)
{
    if (r == NULL)
        return;
    timer_free(r->timer);
    free(r);
}

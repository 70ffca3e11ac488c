/* Intake: take, hand over, wait until that is accepted, take again; the doorbell when idle. */
#include "intake.h"

#include "doorbell.h"
#include <stdlib.h>

#define ERROR_PAUSE_US 500000

struct intake_stage {
    struct loop *loop;
    struct store *store;
    struct intake_ops ops;
    struct doorbell *bell;
    struct timer *again;
    unsigned batch;
    size_t max_bytes, max_job;
    uint64_t tag;
    bool open, taking, handed_out;
    bool asleep; /* the doorbell is armed */
};

static void take(struct intake_stage *in);

static void on_taken(enum store_status st, const struct store_raw *jobs, size_t count, void *arg)
{
    struct intake_stage *in = arg;

    in->taking = false;
    switch (st) {
    case STORE_OK:
        if (count == 0) {
            in->asleep = true;
            doorbell_arm(in->bell);
            return;
        }
        in->handed_out = true;
        in->ops.jobs(in->tag, jobs, count, in->ops.arg);
        break;
    case STORE_AGAIN:
        take(in);
        break;
    case STORE_FENCED:
        in->ops.fenced(in->ops.arg);
        break;
    case STORE_ERROR:
        in->ops.problem(store_error(in->store), in->ops.arg);
        timer_set_us(in->again, ERROR_PAUSE_US);
        break;
    default: /* lost: opened again after the next registration, which puts the batch back */
        break;
    }
}

static void take(struct intake_stage *in)
{
    if (!in->open || in->taking || in->handed_out)
        return;
    in->taking = store_take(in->store, ++in->tag, in->batch, in->max_bytes, in->max_job, on_taken,
                            in) == SQ_OK;
}

static void on_ring(void *arg)
{
    struct intake_stage *in = arg;

    in->asleep = false;
    take(in);
}

static void on_again(void *arg)
{
    take(arg);
}

struct intake_stage *intake_new(struct loop *loop, struct store *store,
                                const struct redis_addr *addr, const struct config *c,
                                const struct intake_ops *ops)
{
    struct intake_stage *in = mem_zalloc(sizeof(*in));

    in->loop = loop;
    in->store = store;
    in->ops = *ops;
    in->bell = doorbell_new(loop, addr, c->ns, c->redis_timeout_ms, on_ring, in);
    in->again = timer_new(loop, on_again, in);
    intake_set_config(in, c);
    return in;
}

void intake_free(struct intake_stage *in)
{
    if (in == NULL)
        return;
    doorbell_free(in->bell);
    timer_free(in->again);
    free(in);
}

void intake_set_login(struct intake_stage *in, const struct redis_addr *addr)
{
    doorbell_set_login(in->bell, addr);
}

void intake_set_config(struct intake_stage *in, const struct config *c)
{
    in->batch = c->take_batch;
    in->max_bytes = c->take_bytes;
    in->max_job = c->job.max_bytes;
}

void intake_set_open(struct intake_stage *in, bool open)
{
    in->open = open;
    take(in);
}

void intake_nudge(struct intake_stage *in)
{
    if (!in->asleep)
        take(in);
}

void intake_continue(struct intake_stage *in)
{
    in->handed_out = false;
    take(in);
}

bool intake_is_busy(const struct intake_stage *in)
{
    return in->taking || in->handed_out;
}

/* The doorbell: a blocking wait on each job list.
 *
 * Its answer is the job itself. A large one is not read to its end: the link is given up, and rings
 * when it is up again. */
#include "doorbell.h"

#include "keys.h"
#include "redis_reply.h"
#include "store.h"
#include <stdlib.h>

/* A blocking wait ends by itself after this long and is begun anew, so that a dead peer shows. */
#define WAIT_SECONDS "30"
#define WAIT_LIMIT_MS 40000
/* After a refusal (loading, busy script, no permission): not at once again. */
#define REFUSED_US 1000000

struct wire {
    struct doorbell *bell;
    struct redis_link *link;
    struct timer *again;
    struct buf key;
    bool waiting;
};

struct doorbell {
    struct wire wires[PRIORITY_COUNT];
    bool armed;
    bool closing;
    void (*ring)(void *arg);
    void *arg;
};

static void ring(struct doorbell *d)
{
    if (!d->armed || d->closing)
        return;
    d->armed = false;
    d->ring(d->arg);
}

static void wire_wait(struct wire *w);

static void on_again(void *arg)
{
    struct wire *w = arg;

    if (w->bell->armed)
        wire_wait(w);
}

static void on_moved(struct redisReply *reply, void *arg)
{
    struct wire *w = arg;

    w->waiting = false;
    if (w->bell->closing || reply == NULL)
        return; /* a link that went down waits again when it is up */
    if (reply_is_error(reply))
        timer_set_us(w->again, REFUSED_US);
    else if (!reply_is_nil(reply))
        ring(w->bell);
    else if (w->bell->armed)
        wire_wait(w);
}

static void wire_wait(struct wire *w)
{
    const char *argv[] = {"BLMOVE", w->key.data, w->key.data, "RIGHT", "RIGHT", WAIT_SECONDS};
    const size_t lens[] = {6, w->key.len, w->key.len, 5, 5, sizeof(WAIT_SECONDS) - 1};

    if (w->waiting || !redis_link_is_up(w->link))
        return;
    w->waiting = true;
    if (redis_link_command(w->link, on_moved, w, 6, argv, lens) != SQ_OK)
        w->waiting = false;
}

static void on_wire_state(struct redis_link *l, bool up, const char *why, void *arg)
{
    struct wire *w = arg;

    (void)l, (void)why;
    if (up)
        ring(w->bell); /* whatever came while it was down */
}

struct doorbell *doorbell_new(struct loop *loop, const struct redis_addr *addr, const char *ns,
                              int64_t connect_timeout_ms, void (*ring_cb)(void *arg), void *arg)
{
    struct doorbell *d = mem_zalloc(sizeof(*d));
    static const char *const names[PRIORITY_COUNT] = {"doorbell-high", "doorbell", "doorbell-low"};

    d->ring = ring_cb;
    d->arg = arg;
    for (int i = 0; i < PRIORITY_COUNT; i++) {
        struct wire *w = &d->wires[i];
        struct redis_link_opts opts = {
            .name = names[i],
            .connect_timeout_ms = connect_timeout_ms,
            .command_timeout_ms = WAIT_LIMIT_MS,
            .backoff_base_ms = 50,
            .backoff_max_ms = 2000,
            .max_reply = STORE_LARGE,
            .on_state = on_wire_state,
            .arg = w,
        };

        w->bell = d;
        w->again = timer_new(loop, on_again, w);
        key_make(&w->key, ns, key_jobs((enum priority)i), NULL);
        opts.key = w->key.data;
        w->link = redis_link_new(loop, addr, &opts);
    }
    return d;
}

void doorbell_set_login(struct doorbell *d, const struct redis_addr *addr)
{
    for (int i = 0; i < PRIORITY_COUNT; i++)
        redis_link_set_login(d->wires[i].link, addr);
}

void doorbell_free(struct doorbell *d)
{
    if (d == NULL)
        return;
    d->closing = true;
    for (int i = 0; i < PRIORITY_COUNT; i++) {
        redis_link_free(d->wires[i].link);
        timer_free(d->wires[i].again);
        buf_free(&d->wires[i].key);
    }
    free(d);
}

void doorbell_arm(struct doorbell *d)
{
    d->armed = true;
    for (int i = 0; i < PRIORITY_COUNT; i++)
        wire_wait(&d->wires[i]);
}

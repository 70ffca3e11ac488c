/* The event loop over libevent: a cached clock, one-shot timers, signals, after-turn work.
 *
 * A turn is one pass of event_base_loop (poll, then the callbacks of what became ready) followed
 * by the after-turn work. The clock is read at its first use in a turn and then stands until the
 * next poll, so that all decisions of one turn see the same time and reading it costs nothing.
 *
 * After-turn work asked for by after-turn work runs in the same turn if it has not run yet, else
 * in the next one, which then only polls and does not wait. So a chain (transfer done -> record
 * requested -> command written) ends in the turn it began in, and no cycle can starve sockets. */
#include "loop.h"

#include "buf.h"
#include "list.h"
#include "timefmt.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

/* Behind a pointer, so that a const loop can answer for the time. */
struct loop_clock {
    bool mono_read, wall_read; /* in this turn */
    int64_t mono_us, wall_ms;
};

struct loop {
    struct event_base *base;
    struct loop_clock *clock;
    struct list after, after_again; /* struct after: to run in this turn, in the next one */
    struct list signals;            /* struct loop_signal */
    uint64_t turn;
    bool stop;
};

struct timer {
    struct loop *loop;
    struct event *ev;
    timer_cb cb;
    void *arg;
    int64_t due_us; /* by the loop's clock */
};

struct after {
    struct loop *loop;
    struct list node; /* points to itself when not requested */
    timer_cb cb;
    void *arg;
    uint64_t ran_turn;
};

struct loop_signal {
    struct list node;
    struct event *ev;
    timer_cb cb;
    void *arg;
};

/* Small system objects: without them there is nothing the process could do. */
static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

struct loop *loop_new(void)
{
    struct loop *l = mem_zalloc(sizeof(*l));

    l->base = must(event_base_new());
    l->clock = mem_zalloc(sizeof(*l->clock));
    list_init(&l->after);
    list_init(&l->after_again);
    list_init(&l->signals);
    l->turn = 1;
    signal(SIGPIPE, SIG_IGN); /* hiredis and OpenSSL write() to sockets the peer may have closed */
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    LIST_EACH(node, &l->signals)
    {
        struct loop_signal *s = LIST_ENTRY(node, struct loop_signal, node);

        event_free(s->ev);
        free(s);
    }
    event_base_free(l->base);
    free(l->clock);
    free(l);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

/* ---- clock ---- */

int64_t loop_now_us(const struct loop *l)
{
    struct loop_clock *c = l->clock;

    if (!c->mono_read) {
        c->mono_us = clock_mono_us();
        c->mono_read = true;
    }
    return c->mono_us;
}

int64_t loop_wall_ms(const struct loop *l)
{
    struct loop_clock *c = l->clock;

    if (!c->wall_read) {
        c->wall_ms = clock_wall_ms();
        c->wall_read = true;
    }
    return c->wall_ms;
}

/* ---- turns ---- */

static void run_after(struct loop *l)
{
    struct list *node;

    while ((node = list_pop(&l->after)) != NULL) {
        struct after *a = LIST_ENTRY(node, struct after, node);

        if (a->ran_turn == l->turn) {
            list_add_tail(&l->after_again, node);
            continue;
        }
        a->ran_turn = l->turn;
        a->cb(a->arg); /* may free a */
    }
    while ((node = list_pop(&l->after_again)) != NULL)
        list_add_tail(&l->after, node);
}

static void run_turn(struct loop *l)
{
    int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

    if (!list_is_empty(&l->after))
        flags |= EVLOOP_NONBLOCK;
    l->turn++;
    l->clock->mono_read = l->clock->wall_read = false;
    event_base_loop(l->base, flags);
    run_after(l);
}

void loop_run(struct loop *l)
{
    while (!l->stop)
        run_turn(l);
    l->stop = false;
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}

/* ---- timers ---- */

static void timer_arm(struct timer *t, int64_t delay_us)
{
    struct timeval tv = {0, 0};

    if (delay_us > 0) {
        tv.tv_sec = delay_us / 1000000;
        tv.tv_usec = delay_us % 1000000;
    }
    event_add(t->ev, &tv);
}

/* libevent counts with a coarse clock and may be some milliseconds early by ours: then the rest is
 * waited for, so that no caller finds its own deadline still ahead. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct timer *t = arg;
    int64_t left = t->due_us - loop_now_us(t->loop);

    (void)fd;
    (void)what;
    if (left > 0)
        timer_arm(t, left);
    else
        t->cb(t->arg); /* may free t */
}

struct timer *timer_new(struct loop *l, timer_cb cb, void *arg)
{
    struct timer *t = mem_zalloc(sizeof(*t));

    t->loop = l;
    t->cb = cb;
    t->arg = arg;
    t->ev = must(evtimer_new(l->base, on_timer, t));
    return t;
}

void timer_set_us(struct timer *t, int64_t delay_us)
{
    int64_t now = loop_now_us(t->loop);

    if (delay_us < 0)
        delay_us = 0;
    if (__builtin_add_overflow(now, delay_us, &t->due_us))
        t->due_us = INT64_MAX;
    timer_arm(t, delay_us);
}

void timer_cancel(struct timer *t)
{
    event_del(t->ev);
}

bool timer_is_set(const struct timer *t)
{
    return evtimer_pending(t->ev, NULL) != 0;
}

void timer_free(struct timer *t)
{
    if (t == NULL)
        return;
    event_free(t->ev);
    free(t);
}

/* ---- after-turn work ---- */

struct after *after_new(struct loop *l, timer_cb cb, void *arg)
{
    struct after *a = mem_zalloc(sizeof(*a));

    a->loop = l;
    a->cb = cb;
    a->arg = arg;
    list_init(&a->node);
    return a;
}

void after_request(struct after *a)
{
    if (list_is_empty(&a->node))
        list_add_tail(&a->loop->after, &a->node);
}

void after_free(struct after *a)
{
    if (a == NULL)
        return;
    list_del(&a->node);
    free(a);
}

/* ---- signals ---- */

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct loop_signal *s = arg;

    (void)fd;
    (void)what;
    s->cb(s->arg);
}

void loop_on_signal(struct loop *l, int signo, timer_cb cb, void *arg)
{
    struct loop_signal *s = mem_zalloc(sizeof(*s));

    s->cb = cb;
    s->arg = arg;
    s->ev = must(evsignal_new(l->base, signo, on_signal, s));
    /* What the event puts back when it is freed: a signal that comes while the process ends must
     * not make an orderly exit another one. */
    signal(signo, SIG_IGN);
    event_add(s->ev, NULL);
    list_add_tail(&l->signals, &s->node);
}

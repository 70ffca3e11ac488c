/* The event loop: one event_base, a clock read once per turn, timers, signals, after-turn work. */
#ifndef SENDQ_IO_LOOP_H
#define SENDQ_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;

/* Aborts when the system has no memory or no epoll. Ignores SIGPIPE for the process. */
struct loop *loop_new(void);
void loop_free(struct loop *l); /* NULL is fine; timers and after work must be gone by then */
struct event_base *loop_base(struct loop *l); /* for lib/io and the admin server only */

/* Runs until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Read once a turn (at the first call in it), so one turn sees one time. */
int64_t loop_now_us(const struct loop *l);  /* CLOCK_MONOTONIC */
int64_t loop_wall_ms(const struct loop *l); /* CLOCK_REALTIME */

/* One-shot timers. The callback runs once per set; setting again moves it. A timer whose delay is
 * <= 0 runs in the next turn, never from inside timer_set. */
struct timer;
typedef void (*timer_cb)(void *arg);
struct timer *timer_new(struct loop *l, timer_cb cb, void *arg);
void timer_set_us(struct timer *t, int64_t delay_us);
void timer_cancel(struct timer *t);
bool timer_is_set(const struct timer *t);
void timer_free(struct timer *t); /* NULL is fine */

/* Work that runs after the events of this turn, at most once per turn however often asked for
 * (PgBouncer's main_loop_once): batching of claims and records hangs on it. Asked for by other
 * after-turn work, it still runs in this turn if it has not yet, else in the next. */
struct after;
struct after *after_new(struct loop *l, timer_cb cb, void *arg);
void after_request(struct after *a);
void after_free(struct after *a); /* NULL is fine; may be called from its own callback */

/* Runs cb in the loop when the signal comes. Freed with the loop. */
void loop_on_signal(struct loop *l, int signo, timer_cb cb, void *arg);

#endif

/* Timers, after-turn work, signals and the clock of the loop. */
#include "unit.h"

#include "loop.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct after *after, *other;
    struct timer *timer;
    char log[64]; /* one letter per event, in order */
    int64_t seen_us;
    int count;
};

static void note(struct fixture *f, char c)
{
    size_t n = strlen(f->log);

    assert_true(n + 1 < sizeof(f->log));
    f->log[n] = c;
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.loop = loop_new();
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_free(f->timer);
    after_free(f->after);
    after_free(f->other);
    loop_free(f->loop);
    return 0;
}

static void on_stop(void *arg)
{
    struct fixture *f = arg;

    note(f, 's');
    loop_stop(f->loop);
}

static void test_timer_runs_once_and_not_at_once(void **state)
{
    struct fixture *f = *state;

    f->timer = timer_new(f->loop, on_stop, f);
    assert_false(timer_is_set(f->timer));
    timer_set_us(f->timer, -5);
    timer_set_us(f->timer, 0);
    assert_string_equal(f->log, "");
    assert_true(timer_is_set(f->timer));
    loop_run(f->loop);
    assert_string_equal(f->log, "s");
    assert_false(timer_is_set(f->timer));
}

static int64_t mono_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void on_due(void *arg)
{
    struct fixture *f = arg;

    assert_true(loop_now_us(f->loop) >= f->seen_us);
    if (++f->count == 20) {
        loop_stop(f->loop);
        return;
    }
    f->seen_us = loop_now_us(f->loop) + 1700;
    timer_set_us(f->timer, 1700);
}

static void on_spin(void *arg)
{
    timer_set_us(*(struct timer **)arg, 0);
}

/* Also in a loop that turns all the time, where libevent's coarse clock jumps past deadlines. */
static void test_timer_is_never_early(void **state)
{
    struct fixture *f = *state;
    struct timer *spin;

    spin = timer_new(f->loop, on_spin, &spin);
    timer_set_us(spin, 0);
    f->timer = timer_new(f->loop, on_due, f);
    f->seen_us = mono_us() + 1700;
    timer_set_us(f->timer, 1700);
    loop_run(f->loop);
    assert_int_equal(f->count, 20);
    timer_free(spin);
}

static void on_never(void *arg)
{
    note(arg, '!');
}

static void test_cancelled_timer_stays_silent(void **state)
{
    struct fixture *f = *state;
    struct timer *stop = timer_new(f->loop, on_stop, f);

    f->timer = timer_new(f->loop, on_never, f);
    timer_set_us(f->timer, 0);
    timer_cancel(f->timer);
    timer_set_us(stop, 2000);
    loop_run(f->loop);
    assert_string_equal(f->log, "s");
    timer_free(stop);
}

static void on_free_itself(void *arg)
{
    struct fixture *f = arg;

    timer_free(f->timer);
    f->timer = NULL;
    loop_stop(f->loop);
}

static void test_timer_may_free_itself(void **state)
{
    struct fixture *f = *state;

    f->timer = timer_new(f->loop, on_free_itself, f);
    timer_set_us(f->timer, 0);
    loop_run(f->loop);
    assert_null(f->timer);
}

static void on_ask(void *arg)
{
    struct fixture *f = arg;

    note(f, 't');
    after_request(f->after);
    after_request(f->after);
    after_request(f->after);
}

static void test_after_work_runs_once_a_turn(void **state)
{
    struct fixture *f = *state;

    f->after = after_new(f->loop, on_stop, f);
    f->timer = timer_new(f->loop, on_ask, f);
    timer_set_us(f->timer, 0);
    loop_run(f->loop);
    assert_string_equal(f->log, "ts");
}

/* a asks for b and for itself: b follows in this turn, a in the next, after what became ready. */
static void on_a(void *arg)
{
    struct fixture *f = arg;

    note(f, 'a');
    if (++f->count == 2) {
        loop_stop(f->loop);
        return;
    }
    timer_set_us(f->timer, 0);
    after_request(f->after);
    after_request(f->other);
}

static void on_b(void *arg)
{
    note(arg, 'b');
}

static void on_tick(void *arg)
{
    note(arg, 't');
}

static void test_after_work_chains_and_cannot_starve(void **state)
{
    struct fixture *f = *state;

    f->after = after_new(f->loop, on_a, f);
    f->other = after_new(f->loop, on_b, f);
    f->timer = timer_new(f->loop, on_tick, f);
    after_request(f->after);
    loop_run(f->loop);
    assert_string_equal(f->log, "abta");
}

static void on_free_after(void *arg)
{
    struct fixture *f = arg;

    after_request(f->after);
    after_free(f->other);
    f->other = NULL;
    after_free(f->after);
    f->after = NULL;
    loop_stop(f->loop);
}

static void test_after_work_may_be_freed_while_asked_for(void **state)
{
    struct fixture *f = *state;

    f->after = after_new(f->loop, on_free_after, f);
    f->other = after_new(f->loop, on_never, f);
    after_request(f->after);
    after_request(f->other);
    loop_run(f->loop);
    assert_string_equal(f->log, "");
}

static void test_signal_comes_through_the_loop(void **state)
{
    struct fixture *f = *state;

    loop_on_signal(f->loop, SIGUSR1, on_stop, f);
    kill(getpid(), SIGUSR1);
    assert_string_equal(f->log, "");
    loop_run(f->loop);
    assert_string_equal(f->log, "s");
}

static void on_clock(void *arg)
{
    struct fixture *f = arg;
    int64_t first = loop_now_us(f->loop), wall = loop_wall_ms(f->loop), start = mono_us();

    while (mono_us() < start + 2000)
        ;
    assert_true(loop_now_us(f->loop) == first);
    assert_true(loop_wall_ms(f->loop) == wall);
    if (f->seen_us != 0) {
        assert_true(first >= f->seen_us + 2000);
        loop_stop(f->loop);
    }
    f->seen_us = first;
    timer_set_us(f->timer, 0);
}

static void test_time_stands_within_a_turn(void **state)
{
    struct fixture *f = *state;

    f->timer = timer_new(f->loop, on_clock, f);
    timer_set_us(f->timer, 0);
    loop_run(f->loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timer_runs_once_and_not_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_is_never_early, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled_timer_stays_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_may_free_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_work_runs_once_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_work_chains_and_cannot_starve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_work_may_be_freed_while_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_signal_comes_through_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_stands_within_a_turn, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

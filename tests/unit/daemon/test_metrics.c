/* The process's counters: each attempt counted once, histograms by their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metrics.h"

static void test_an_attempt_counts_once(void **state)
{
    const struct provider *p = provider_find("sandbox");
    struct metrics m = {0};
    unsigned i = 0;

    (void)state;
    while (provider_at(i) != p)
        i++;
    metrics_attempt(&m, p, VERDICT_SENT, 7000);
    metrics_attempt(&m, p, VERDICT_RETRY, 30000);
    metrics_attempt(&m, p, VERDICT_FAILED, -1); /* refused before it began */
    assert_int_equal(m.attempts[i][VERDICT_SENT], 1);
    assert_int_equal(m.attempts[i][VERDICT_RETRY], 1);
    assert_int_equal(m.attempts[i][VERDICT_FAILED], 1);
    assert_int_equal(m.latency[i].total, 2);
    assert_int_equal(m.latency[i].sum_us, 37000);
}

static void test_without_a_provider(void **state)
{
    struct metrics m = {0};

    (void)state;
    metrics_attempt(&m, NULL, VERDICT_FAILED, 1000);
    assert_int_equal(m.attempts[METRICS_PROVIDERS][VERDICT_FAILED], 1);
    for (unsigned i = 0; i < METRICS_PROVIDERS; i++)
        assert_int_equal(m.latency[i].total, 0);
}

static void test_bounds_are_inclusive(void **state)
{
    struct metrics m = {0};
    const struct histogram *h = &m.wait[PRIORITY_HIGH];

    (void)state;
    metrics_wait(&m, PRIORITY_HIGH, metrics_bounds_us[0]);
    metrics_wait(&m, PRIORITY_HIGH, metrics_bounds_us[0] + 1);
    metrics_wait(&m, PRIORITY_HIGH, INT64_MAX / 2);
    metrics_wait(&m, PRIORITY_HIGH, -5); /* a clock was set back */
    assert_int_equal(h->counts[0], 2);
    assert_int_equal(h->counts[1], 1);
    assert_int_equal(h->counts[METRICS_BOUNDS], 1);
    assert_int_equal(h->total, 4);
    for (int i = 1; i < METRICS_BOUNDS; i++)
        assert_true(metrics_bounds_us[i] > metrics_bounds_us[i - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_attempt_counts_once),
        cmocka_unit_test(test_without_a_provider),
        cmocka_unit_test(test_bounds_are_inclusive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Repetitions of log lines: held back by text, counted, and told of when they pass again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "repeats.h"
#include <stdio.h>

static void test_once_in_a_while(void **state)
{
    struct repeats r = {0};
    unsigned held = 99;

    (void)state;
    assert_true(repeats_pass(&r, "a", 1, &held));
    assert_int_equal(held, 0);
    for (int i = 0; i < 7; i++)
        assert_false(repeats_pass(&r, "a", 2 + i, &held));
    assert_false(repeats_pass(&r, "a", REPEATS_US, &held));
    assert_true(repeats_pass(&r, "a", REPEATS_US + 1, &held));
    assert_int_equal(held, 8);
    assert_false(repeats_pass(&r, "a", REPEATS_US + 2, &held));
}

static void test_texts_that_alternate(void **state)
{
    struct repeats r = {0};
    unsigned held;
    int passed = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        passed += repeats_pass(&r, i % 2 ? "a" : "b", i, &held);
    assert_int_equal(passed, 2);
}

static void test_more_texts_than_it_remembers(void **state)
{
    struct repeats r = {0};
    char text[16];
    unsigned held;

    (void)state;
    for (int i = 0; i < 3 * REPEATS_TEXTS; i++) {
        snprintf(text, sizeof(text), "t%d", i);
        assert_true(repeats_pass(&r, text, i, &held));
        assert_false(repeats_pass(&r, text, i, &held));
    }
    assert_true(repeats_pass(&r, "t0", 1000, &held)); /* forgotten */
    assert_false(repeats_pass(&r, text, 1000, &held));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_in_a_while),
        cmocka_unit_test(test_texts_that_alternate),
        cmocka_unit_test(test_more_texts_than_it_remembers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

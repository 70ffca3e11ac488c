/* The distance of two clocks from delayed answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock_offset.h"

static void check(const struct clock_offset *o, int64_t low, int64_t high)
{
    assert_true(o->known);
    assert_int_equal(o->low, low);
    assert_int_equal(o->high, high);
    assert_int_equal(clock_offset_spread_us(o), high - low);
}

static void test_one_answer(void **state)
{
    struct clock_offset o = {0};

    (void)state;
    clock_offset_see(&o, 5000, 100, 160);
    check(&o, 4840, 4900);
}

static void test_answers_narrow_it(void **state)
{
    struct clock_offset o = {0};

    (void)state;
    clock_offset_see(&o, 5000, 100, 160);   /* [4840, 4900] */
    clock_offset_see(&o, 5990, 1100, 1130); /* [4860, 4890] */
    check(&o, 4860, 4890);
    clock_offset_see(&o, 70000, 60000, 90000); /* slow: says nothing new */
    check(&o, 4860, 4890);
}

/* An answer that took long must not move the estimate: sends would come closer together. */
static void test_a_slow_answer_moves_nothing(void **state)
{
    struct clock_offset o = {0};

    (void)state;
    clock_offset_see(&o, 5000, 99, 100);
    clock_offset_see(&o, 105000, 100099, 160000);
    check(&o, 4900, 4901);
}

static void test_a_moved_clock_begins_anew(void **state)
{
    struct clock_offset o = {0};

    (void)state;
    clock_offset_see(&o, 5000, 99, 100);
    clock_offset_see(&o, 3605000, 199, 200);
    check(&o, 3604800, 3604801);
    clock_offset_see(&o, 1000, 299, 300);
    check(&o, 700, 701);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_answer),
        cmocka_unit_test(test_answers_narrow_it),
        cmocka_unit_test(test_a_slow_answer_moves_nothing),
        cmocka_unit_test(test_a_moved_clock_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

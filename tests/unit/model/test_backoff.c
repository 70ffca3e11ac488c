/* Back-off delays and the end of trying. */
#include "model_test.h"

#include "backoff.h"

#define HALF (UINT64_C(1) << 63)

static const struct {
    int64_t base, max;
    unsigned attempt;
    int64_t floor;
    uint64_t random;
    int64_t delay;
} delay_cases[] = {
    {1000, 600000, 1, 0, UINT64_MAX, 1000},
    {1000, 600000, 2, 0, UINT64_MAX, 2000},
    {1000, 600000, 8, 0, UINT64_MAX, 128000},
    {1000, 600000, 10, 0, UINT64_MAX, 512000},
    {1000, 600000, 11, 0, UINT64_MAX, 600000},
    {1000, 600000, 4000000000, 0, UINT64_MAX, 600000},
    {1000, 600000, 1, 0, 0, 1},
    {1000, 600000, 3, 0, HALF, 2000},
    {1000, 600000, 1, 5000, UINT64_MAX, 5000}, /* a Retry-After is a floor */
    {1000, 600000, 5, 5000, UINT64_MAX, 16000},
    {1000, 600000, 1, 900000, 0, 900000}, /* ... and may pass the maximum */
    {1000, 500, 1, 0, UINT64_MAX, 500},
    {0, 600000, 5, 0, UINT64_MAX, 1},
    {1000, 0, 5, 0, UINT64_MAX, 1},
    {1000, 600000, 0, 0, UINT64_MAX, 1000},
    {1, INT64_MAX, 4000, 0, UINT64_MAX, INT64_MAX},
    {INT64_MAX / 2 + 2, INT64_MAX, 2, 0, UINT64_MAX, INT64_MAX},
};

static void test_delay(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(delay_cases); i++)
        assert_true(backoff_delay(delay_cases[i].base, delay_cases[i].max, delay_cases[i].attempt,
                                  delay_cases[i].floor,
                                  delay_cases[i].random) == delay_cases[i].delay);
}

static const struct {
    unsigned attempts, max_attempts;
    int64_t queued, max_age, expires, due;
    bool over;
} over_cases[] = {
    {1, 8, 1000, 5000, 0, 2000, false},
    {7, 8, 1000, 5000, 0, 2000, false},
    {8, 8, 1000, 5000, 0, 2000, true},
    {9, 8, 1000, 5000, 0, 2000, true},
    {1, 1, 1000, 5000, 0, 2000, true},
    {1, 8, 1000, 5000, 0, 6000, false}, /* just old enough */
    {1, 8, 1000, 5000, 0, 6001, true},
    {1, 8, 1000, 0, 0, 999999999, false}, /* no maximum age */
    {1, 8, 1000, 5000, 3000, 2999, false},
    {1, 8, 1000, 5000, 3000, 3000, true}, /* not sent at or after its expiry */
    {0, 8, 0, 5000, 0, 0, false},
};

static void test_is_over(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(over_cases); i++)
        assert_int_equal(backoff_is_over(over_cases[i].attempts, over_cases[i].max_attempts,
                                         over_cases[i].queued, over_cases[i].max_age,
                                         over_cases[i].expires, over_cases[i].due),
                         over_cases[i].over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

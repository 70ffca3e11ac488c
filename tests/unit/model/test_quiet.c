/* Unit tests of quiet hours: over midnight, and where the clocks change. */
#include "model_test.h"

#include "quiet.h"

static int64_t at(int y, int m, int d, int h, int min)
{
    int64_t days = 0;

    for (int year = 1970; year < y; year++)
        days += 365 + (year % 4 == 0);
    for (int month = 1; month < m; month++)
        days += month == 2 ? 28 + (y % 4 == 0) : 30 + (month + (month > 7)) % 2;
    return (((days + d - 1) * 24 + h) * 60 + min) * INT64_C(60000);
}

static void expect(const char *hours, const char *zone, int64_t when, int64_t end)
{
    struct quiet_hours q;
    struct tz z;

    assert_int_equal(quiet_parse(hours, &q, NULL), 0);
    assert_int_equal(tz_load(zone, &z), 0);
    assert_int_equal(quiet_end(&q, &z, when), end);
    tz_free(&z);
}

static void test_by_day(void **state)
{
    (void)state;
    expect("12:00-13:30", "UTC", at(2026, 7, 1, 11, 59), at(2026, 7, 1, 11, 59));
    expect("12:00-13:30", "UTC", at(2026, 7, 1, 12, 0), at(2026, 7, 1, 13, 30));
    expect("12:00-13:30", "UTC", at(2026, 7, 1, 13, 29) + 59999, at(2026, 7, 1, 13, 30));
    expect("12:00-13:30", "UTC", at(2026, 7, 1, 13, 30), at(2026, 7, 1, 13, 30));
}

static void test_over_midnight(void **state)
{
    (void)state;
    expect("22:00-08:00", "UTC", at(2026, 7, 1, 21, 59), at(2026, 7, 1, 21, 59));
    expect("22:00-08:00", "UTC", at(2026, 7, 1, 22, 0), at(2026, 7, 2, 8, 0));
    expect("22:00-08:00", "UTC", at(2026, 12, 31, 23, 59), at(2027, 1, 1, 8, 0));
    expect("22:00-08:00", "UTC", at(2026, 7, 2, 0, 0), at(2026, 7, 2, 8, 0));
    expect("22:00-24:00", "UTC", at(2026, 7, 1, 23, 0), at(2026, 7, 2, 0, 0));
}

/* Berlin: 29 March 2026 at 02:00 it is 03:00; 25 October at 03:00 it is 02:00. */
static void test_clock_changes(void **state)
{
    const char *z = "Europe/Berlin";

    (void)state;
    expect("22:00-08:00", z, at(2026, 3, 28, 22, 0), at(2026, 3, 29, 6, 0));   /* 23:00 to 08:00 */
    expect("22:00-08:00", z, at(2026, 10, 24, 22, 0), at(2026, 10, 25, 7, 0)); /* 00:00 to 08:00 */
    expect("22:00-02:30", z, at(2026, 3, 28, 23, 0), at(2026, 3, 29, 1, 0)); /* 02:30 never comes */
    /* 02:30 comes twice, and so do the quiet minutes before it. */
    expect("22:00-02:30", z, at(2026, 10, 24, 23, 0), at(2026, 10, 25, 0, 30));
    expect("22:00-02:30", z, at(2026, 10, 25, 1, 0), at(2026, 10, 25, 1, 30));
}

static void test_bad_words(void **state)
{
    static const char *const bad[] = {"",           "22:00",       "22:00-8:00",  "22:00-22:00",
                                      "a2:00",      "22:60-08:00", "25:00-08:00", "22:00 08:00",
                                      "00:00-24:00"};
    struct quiet_hours q;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_not_equal(quiet_parse(bad[i], &q, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_day),
        cmocka_unit_test(test_over_midnight),
        cmocka_unit_test(test_clock_changes),
        cmocka_unit_test(test_bad_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rates and day caps in words, and the days they count by. */
#include "model_test.h"

#include "rate.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    int64_t count, period_ms, burst; /* count 0: refused */
    const char *error;
} rate_cases[] = {
    {"10/s", 10, 1000, 0, NULL},
    {"10/sec", 10, 1000, 0, NULL},
    {"10/second", 10, 1000, 0, NULL},
    {"10/S", 10, 1000, 0, NULL},
    {"100/min", 100, 60000, 0, NULL},
    {"100/minute", 100, 60000, 0, NULL},
    {"5/h", 5, 3600000, 0, NULL},
    {"5/hour", 5, 3600000, 0, NULL},
    {"2000/day", 2000, 86400000, 0, NULL},
    {"10/s burst 20", 10, 1000, 20, NULL},
    {"  10/s   BURST\t20 ", 10, 1000, 20, NULL},
    {"10/s burst 0", 10, 1000, 0, NULL},
    {"1000000000/s", 1000000000, 1000, 0, NULL},
    {"1000000001/s", 0, 0, 0, "count"},
    {"99999999999999999999/s", 0, 0, 0, "count"},
    {"0/s", 0, 0, 0, "count"},
    {"-1/s", 0, 0, 0, "count"},
    {"1.5/s", 0, 0, 0, "count"},
    {"/s", 0, 0, 0, "count"},
    {"ten/s", 0, 0, 0, "count"},
    {"10", 0, 0, 0, "expected a rate"},
    {"10 /s", 0, 0, 0, "expected a rate"},
    {"", 0, 0, 0, "expected a rate"},
    {"   ", 0, 0, 0, "expected a rate"},
    {NULL, 0, 0, 0, "expected a rate"},
    {"10/", 0, 0, 0, "period"},
    {"10/m", 0, 0, 0, "period"}, /* minute or month? */
    {"10/week", 0, 0, 0, "period"},
    {"10/s/s", 0, 0, 0, "period"},
    {"10/s 20", 0, 0, 0, "burst"},
    {"10/s burst", 0, 0, 0, "burst"},
    {"10/s burst x", 0, 0, 0, "burst"},
    {"10/s burst -1", 0, 0, 0, "burst"},
    {"10/s burst 5 5", 0, 0, 0, "burst"},
    {"10/s burst 5 5 5 5 5", 0, 0, 0, "expected a rate"},
};

static void test_rate_parse(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(rate_cases); i++) {
        struct rate r = {.count = -7};
        struct err_text e = {.text = ""};
        enum sq_err err = rate_parse(rate_cases[i].text, &r, &e);

        if (rate_cases[i].error) {
            assert_int_equal(err, SQ_ERR_INVALID);
            assert_non_null(strstr(e.text, rate_cases[i].error));
            assert_int_equal(r.count, -7);
        } else {
            assert_int_equal(err, SQ_OK);
            assert_int_equal(r.count, rate_cases[i].count);
            assert_int_equal(r.period_ms, rate_cases[i].period_ms);
            assert_int_equal(r.burst, rate_cases[i].burst);
        }
    }
}

static const struct {
    const char *text;
    int64_t count; /* 0: refused */
    enum day_mode mode;
    const char *zone, *error;
} cap_cases[] = {
    {"2000", 2000, DAY_CALENDAR, "UTC", NULL},
    {"2000/day", 2000, DAY_CALENDAR, "UTC", NULL},
    {"2000/Day Calendar", 2000, DAY_CALENDAR, "UTC", NULL},
    {"2000/day calendar Europe/Berlin", 2000, DAY_CALENDAR, "Europe/Berlin", NULL},
    {"1 calendar Etc/GMT+1", 1, DAY_CALENDAR, "Etc/GMT+1", NULL},
    {"2000/day rolling", 2000, DAY_ROLLING, "UTC", NULL},
    {"2000 rolling", 2000, DAY_ROLLING, "UTC", NULL},
    {"", 0, 0, NULL, "expected a cap"},
    {NULL, 0, 0, NULL, "expected a cap"},
    {"0/day", 0, 0, NULL, "count"},
    {"x/day", 0, 0, NULL, "count"},
    {"5/s", 0, 0, NULL, "per day"},
    {"5/", 0, 0, NULL, "per day"},
    {"5/day weekly", 0, 0, NULL, "calendar"},
    {"5/day rolling UTC", 0, 0, NULL, "rolling"},
    {"5/day calendar ../../etc/passwd", 0, 0, NULL, "time zone"},
    {"5/day calendar /etc/passwd", 0, 0, NULL, "time zone"},
    {"5/day calendar Europe/../UTC", 0, 0, NULL, "time zone"},
    {"5/day calendar Europe/", 0, 0, NULL, "time zone"},
    {"5/day calendar UTC UTC", 0, 0, NULL, "time zone"},
    {"5/day calendar "
     "Aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg",
     0, 0, NULL, "time zone"},
};

static void test_day_cap_parse(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(cap_cases); i++) {
        struct day_cap d = {.count = -7};
        struct err_text e = {.text = ""};
        enum sq_err err = day_cap_parse(cap_cases[i].text, &d, &e);

        if (cap_cases[i].error) {
            assert_int_equal(err, SQ_ERR_INVALID);
            assert_non_null(strstr(e.text, cap_cases[i].error));
            assert_int_equal(d.count, -7);
        } else {
            assert_int_equal(err, SQ_OK);
            assert_int_equal(d.count, cap_cases[i].count);
            assert_int_equal(d.mode, cap_cases[i].mode);
            assert_string_equal(d.zone, cap_cases[i].zone);
        }
    }
}

/* The starts of four days running, in Unix seconds. */
static const struct {
    const char *zone, *what;
    int64_t start[4];
} day_cases[] = {
    {"UTC", "plain", {1795132800, 1795219200, 1795305600, 1795392000}},
    {"Europe/Berlin", "winter", {1795129200, 1795215600, 1795302000, 1795388400}},
    {"Europe/Berlin", "23 hours", {1774652400, 1774738800, 1774821600, 1774908000}},
    {"Europe/Berlin", "25 hours", {1792792800, 1792879200, 1792969200, 1793055600}},
    {"Australia/Lord_Howe", "24.5 hours", {1775221200, 1775307600, 1775395800, 1775482200}},
    {"Asia/Kathmandu", "odd offset", {1767118500, 1767204900, 1767291300, 1767377700}},
    {"America/Sao_Paulo", "begins at 01:00", {1541214000, 1541300400, 1541383200, 1541469600}},
    {"America/Havana", "midnight comes twice", {1793419200, 1793505600, 1793595600, 1793682000}},
    {"America/St_Johns", "back over midnight", {1289010600, 1289097000, 1289187000, 1289273400}},
    {"Africa/Casablanca", "two changes a year", {1771023600, 1771110000, 1771200000, 1771286400}},
    /* December 30, 2011 did not exist: from the 28th the next days are 29, 31, 1. */
    {"Pacific/Apia", "skipped date", {1325066400, 1325152800, 1325239200, 1325325600}},
    {"Pacific/Apia", "after it", {1325152800, 1325239200, 1325325600, 1325412000}},
    /* Beyond the table's end: the footer's rule. */
    {"America/New_York", "2050", {2530674000, 2530760400, 2530843200, 2530929600}},
    {"Pacific/Chatham", "2040", {2216715300, 2216801700, 2216891700, 2216978100}},
    {"Europe/Dublin", "2044", {2342563200, 2342649600, 2342732400, 2342818800}},
};

static void check_day(unsigned i, int64_t unix_ms)
{
    int64_t bounds[4];

    assert_int_equal(day_bounds(day_cases[i].zone, unix_ms, bounds), SQ_OK);
    for (unsigned k = 0; k < 4; k++)
        if (bounds[k] != day_cases[i].start[k] * 1000)
            fail_msg("%s, %s: bound %u is %lld", day_cases[i].zone, day_cases[i].what, k,
                     (long long)bounds[k]);
}

static void test_day_bounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(day_cases); i++) {
        int64_t first = day_cases[i].start[1] * 1000, last = day_cases[i].start[2] * 1000 - 1;

        check_day(i, first);
        check_day(i, first + 1);
        check_day(i, first + (last - first) / 2);
        check_day(i, last);
        /* Where the clock is set back around midnight a date shows twice, but no instant is in
         * two days. */
        for (int64_t at = first; at <= last; at += 599000)
            check_day(i, at);
    }
}

static void test_day_bounds_leaves_tz_alone(void **state)
{
    int64_t bounds[4];

    (void)state;
    setenv("TZ", "Asia/Tokyo", 1);
    assert_int_equal(day_bounds("Europe/Berlin", 1795215600000, bounds), SQ_OK);
    assert_string_equal(getenv("TZ"), "Asia/Tokyo");
    assert_true(bounds[1] == 1795215600000);
    unsetenv("TZ");
}

static void test_day_bounds_refused(void **state)
{
    int64_t bounds[4] = {-7};

    (void)state;
    assert_int_equal(day_bounds("Europe/Nowhere", 0, bounds), SQ_ERR_NOT_FOUND);
    assert_int_equal(day_bounds("../../etc/passwd", 0, bounds), SQ_ERR_NOT_FOUND);
    assert_int_equal(day_bounds("", 0, bounds), SQ_ERR_NOT_FOUND);
    assert_int_equal(day_bounds(NULL, 0, bounds), SQ_ERR_NOT_FOUND);
    assert_int_equal(day_bounds("Europe", 0, bounds), SQ_ERR_INVALID); /* a directory */
    assert_int_equal(day_bounds("UTC", -1, bounds), SQ_ERR_INVALID);
    assert_int_equal(day_bounds("UTC", INT64_MAX, bounds), SQ_ERR_INVALID);
    assert_int_equal(bounds[0], -7);
}

/* The edges of time itself. */
static void test_day_bounds_edges(void **state)
{
    int64_t bounds[4];

    (void)state;
    assert_int_equal(day_bounds("UTC", 0, bounds), SQ_OK);
    assert_true(bounds[0] == -86400000 && bounds[1] == 0 && bounds[2] == 86400000);
    assert_int_equal(day_bounds("America/New_York", 0, bounds), SQ_OK);
    assert_true(bounds[1] == -68400000);
    assert_int_equal(day_bounds("Europe/Berlin", INT64_C(253402300799999), bounds), SQ_OK);
    assert_true(bounds[1] == INT64_C(253402297200000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_parse),
        cmocka_unit_test(test_day_cap_parse),
        cmocka_unit_test(test_day_bounds),
        cmocka_unit_test(test_day_bounds_leaves_tz_alone),
        cmocka_unit_test(test_day_bounds_refused),
        cmocka_unit_test(test_day_bounds_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

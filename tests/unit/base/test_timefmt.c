/* Times: printing, strict RFC 3339, HTTP dates, checked against libc's calendar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "timefmt.h"
#include <string.h>
#include <time.h>

static void test_format(void **state)
{
    char text[TIME_TEXT];

    (void)state;
    time_format(1795252211123, text);
    assert_string_equal(text, "2026-11-21T09:10:11.123Z");
    time_format_seconds(1795252211999, text);
    assert_string_equal(text, "2026-11-21T09:10:11Z");
    time_format_day(1795252211123, text);
    assert_string_equal(text, "2026-11-21");
}

static void test_format_clamps(void **state)
{
    char text[TIME_TEXT];

    (void)state;
    time_format(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    time_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void test_calendar_agrees_with_libc(void **state)
{
    char ours[TIME_TEXT], libc[TIME_TEXT];

    (void)state;
    /* Every day up to 2400: century and leap rules fail on single days. */
    for (time_t t = 0; t < 13569465600; t += 86400) {
        struct tm tm;
        int64_t back;

        gmtime_r(&t, &tm);
        strftime(libc, sizeof(libc), "%Y-%m-%dT%H:%M:%SZ", &tm);
        time_format_seconds((int64_t)t * 1000, ours);
        assert_string_equal(ours, libc);
        assert_int_equal(time_parse(ours, &back), SQ_OK);
        assert_int_equal(back, (int64_t)t * 1000);
    }
}

static void test_parse_accepts(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T09:10:11.123Z", 1795252211123},
        {"2026-11-21t09:10:11.123456789z", 1795252211123},
        {"2026-11-21 09:10:11.1Z", 1795252211100},
        {"2026-11-21T10:40:11.12+01:30", 1795252211120},
        {"2026-11-20T23:10:11-10:00", 1795252211000},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2000-02-29T00:00:00-00:00", 951782400000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"2016-12-31T23:59:60Z", 1483228799999},
        {"2017-01-01T00:59:60.5+01:00", 1483228799999},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t ms = 77;

        assert_int_equal(time_parse(cases[i].text, &ms), SQ_OK);
        assert_true(ms == cases[i].ms);
    }
}

static void test_parse_refuses(void **state)
{
    static const char *const bad[] = {
        "",
        "2026-11-21",
        "2026-11-21T09:10:11",
        "2026-11-21T09:10Z",
        "2026-11-21T09:10:11.Z",
        "2026-11-21T09:10:11,5Z",
        "2026-11-21T09:10:11Z ",
        " 2026-11-21T09:10:11Z",
        "2026-11-21T09:10:11+1:00",
        "2026-11-21T09:10:11+0100",
        "2026-11-21T09:10:11+24:00",
        "2026-11-21T09:10:11+01:60",
        "2026-13-21T09:10:11Z",
        "2026-00-21T09:10:11Z",
        "2026-11-31T09:10:11Z",
        "2026-11-00T09:10:11Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T09:60:00Z",
        "2026-11-21T09:10:61Z",
        "2026-11-21T09:10:60Z",
        "2026-11-21T09:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "26-11-21T09:10:11Z",
        "+2026-11-21T09:10:11Z",
        "2026-1-21T09:10:11Z",
        "2026-11-21_09:10:11Z",
    };
    int64_t ms = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(time_parse(bad[i], &ms), SQ_ERR_INVALID);
    assert_int_equal(time_parse(NULL, &ms), SQ_ERR_INVALID);
    assert_int_equal(ms, 77);
}

static void test_http_dates(void **state)
{
    static const char *const good[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    static const char *const bad[] = {
        "",
        "120",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
    };
    int64_t ms = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(time_parse_http(bad[i], &ms), SQ_ERR_INVALID);
    assert_int_equal(time_parse_http(NULL, &ms), SQ_ERR_INVALID);
    assert_int_equal(ms, 77);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(time_parse_http(good[i], &ms), SQ_OK);
        assert_int_equal(ms, 784111777000);
    }
    assert_int_equal(time_parse_http("Wed Nov 16 08:49:37 2011", &ms), SQ_OK);
    assert_int_equal(ms, 1321433377000);
    assert_int_equal(time_parse_http("Monday, 01-Jan-69 00:00:00 GMT", &ms), SQ_OK);
    assert_int_equal(ms, 3124224000000); /* 2069 */
}

static void test_monotonic_clock_does_not_go_back(void **state)
{
    int64_t before = clock_mono_us();

    (void)state;
    assert_true(clock_mono_us() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_clamps),
        cmocka_unit_test(test_calendar_agrees_with_libc),
        cmocka_unit_test(test_parse_accepts),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_http_dates),
        cmocka_unit_test(test_monotonic_clock_does_not_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

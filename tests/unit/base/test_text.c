/* Text: UTF-8, comparisons, strict numbers, escapes for URLs and log lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "text.h"
#include <string.h>

static void test_utf8_bounds(void **state)
{
    static const char *const good[] = {
        "",
        "plain",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };
    static const char *const bad[] = {
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xef\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xe2\x28\xa1",
        "\xf0\x90\x80\x28",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
    assert_false(text_is_utf8("\xc3\xa9", 1));
    assert_true(text_is_utf8("a\0b", 3));
}

static void test_chars_and_cut(void **state)
{
    const char *s = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"; /* 1, 2, 3 and 4 bytes */

    (void)state;
    assert_int_equal(text_chars(s), 4);
    assert_int_equal(text_cut(s, 0), 0);
    assert_int_equal(text_cut(s, 1), 1);
    assert_int_equal(text_cut(s, 2), 1);
    assert_int_equal(text_cut(s, 3), 3);
    assert_int_equal(text_cut(s, 5), 3);
    assert_int_equal(text_cut(s, 6), 6);
    assert_int_equal(text_cut(s, 9), 6);
    assert_int_equal(text_cut(s, 10), 10);
    assert_int_equal(text_cut(s, 99), 10);
    assert_int_equal(text_cut("\x80\x80\x80\x80\x80\x80", 5), 5);
}

static void test_controls(void **state)
{
    (void)state;
    assert_false(text_has_control("caf\xc3\xa9 \xc2\xa0"));
    assert_true(text_has_control("a\tb"));
    assert_true(text_has_control("\x7f"));
    assert_true(text_has_control("a\xc2\x85"));
    assert_true(text_has_control("\xc2\x9f"));
    assert_true(text_has_crlf("a\rb"));
    assert_true(text_has_crlf("a\n"));
    assert_false(text_has_crlf("a\tb"));
}

static void test_comparisons(void **state)
{
    char s[] = "MiXed-\xc3\x89";

    (void)state;
    assert_true(text_eq(NULL, NULL));
    assert_false(text_eq("", NULL));
    assert_true(text_eq("a", "a"));
    assert_true(text_ieq("Content-TYPE", "content-type"));
    assert_false(text_ieq("content", "content-type"));
    assert_false(text_ieq("@", "`"));
    assert_false(text_ieq(NULL, "x"));
    assert_true(text_starts("https://x", "https://"));
    assert_false(text_starts("http", "https://"));
    assert_false(text_starts(NULL, "a"));
    assert_true(text_is_empty(NULL) && text_is_empty("") && !text_is_empty(" "));
    text_lower(s);
    assert_string_equal(s, "mixed-\xc3\x89");
}

static void test_i64_is_strict(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "9223372036854775808",
                                      "--1",
                                      "1e3",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    int64_t v = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(text_to_i64(bad[i], &v), SQ_ERR_INVALID);
    assert_int_equal(text_to_i64(NULL, &v), SQ_ERR_INVALID);
    assert_int_equal(v, 77);
    assert_int_equal(text_to_i64("9223372036854775807", &v), SQ_OK);
    assert_true(v == INT64_MAX);
    assert_int_equal(text_to_i64("-9223372036854775808", &v), SQ_OK);
    assert_true(v == INT64_MIN);
    assert_int_equal(text_to_i64("-0", &v), SQ_OK);
    assert_true(v == 0);
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"250ms", 250},    {"1s", 1000},  {"10m", 600000}, {"24h", 86400000},
                {"7d", 604800000}, {"30", 30000}, {"0", 0}};
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "1.5s",
                                      "1 s",
                                      "1S",
                                      "1w",
                                      "s1",
                                      "9223372036854775807d",
                                      "9223372036854775"
                                      "808ms"};
    int64_t ms = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(text_to_duration(bad[i], &ms), SQ_ERR_INVALID);
    assert_int_equal(ms, 77);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(text_to_duration(good[i].text, &ms), SQ_OK);
        assert_int_equal(ms, good[i].ms);
    }
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"512", 512},      {"64KiB", 65536}, {"25MiB", 26214400},
                {"1GiB", 1 << 30}, {"10kB", 10000},  {"25MB", 25000000},
                {"0", 0}};
    static const char *const bad[] = {"",     "KiB", "-1",  "1.5MiB",
                                      "1 MB", "1mb", "1TB", "18446744073709551615KiB"};
    uint64_t bytes = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(text_to_size(bad[i], &bytes), SQ_ERR_INVALID);
    assert_int_equal(bytes, 77);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(text_to_size(good[i].text, &bytes), SQ_OK);
        assert_int_equal(bytes, good[i].bytes);
    }
}

static void test_urlencoded(void **state)
{
    struct buf b = {0};

    (void)state;
    text_add_urlencoded(&b, "aZ09-._~ +&=/\xc3\xa9%\n");
    assert_string_equal(buf_str(&b), "aZ09-._~%20%2B%26%3D%2F%C3%A9%25%0A");
    buf_free(&b);
}

static void assert_logsafe(const char *s, size_t max, const char *expected)
{
    struct buf b = {0};

    text_add_logsafe(&b, s, max);
    assert_string_equal(buf_str(&b), expected);
    buf_free(&b);
}

static void test_logsafe(void **state)
{
    (void)state;
    assert_logsafe("plain-caf\xc3\xa9", 99, "plain-caf\xc3\xa9");
    assert_logsafe("", 99, "\"\"");
    assert_logsafe("two words", 99, "\"two words\"");
    assert_logsafe("a=b", 99, "\"a=b\"");
    assert_logsafe("say \"hi\" \\", 99, "\"say \\\"hi\\\" \\\\\"");
    assert_logsafe("a\nlevel=error\r\t\x01\x7f", 99, "\"a\\nlevel=error\\r\\t\\u0001\\u007f\"");
    assert_logsafe("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9", 99, "\"\\u0085\\u2028\\u2029\"");
    assert_logsafe("\xe2\x80\xaa\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9", 99,
                   "\"\\u202a\\u202e\\u2066\\u2069\"");
    assert_logsafe("\xe2\x80\xaf", 99, "\xe2\x80\xaf"); /* the one after the range */
    assert_logsafe("bad\xff\xc3", 99, "\"bad\\ufffd\\ufffd\"");
    assert_logsafe("abcdef", 3, "abc...");
    assert_logsafe("a cdef", 3, "\"a c...\"");
    assert_logsafe("ab\xc3\xa9", 3, "ab...");
    assert_logsafe("abc", 3, "abc");
}

static void test_visible(void **state)
{
    static const char raw[] = "a\0 \"\\\n\r\t\033\x7f\xc2\x9b\xe2\x80\xae\xff caf\xc3\xa9";
    struct buf b = {0};

    (void)state;
    text_add_visible(&b, raw, sizeof(raw) - 1);
    assert_string_equal(buf_str(&b), "a\\u0000 \"\\\\n\\r\\t\\u001b\\u007f\\u009b\\u202e\\xff "
                                     "caf\xc3\xa9");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_bounds),   cmocka_unit_test(test_chars_and_cut),
        cmocka_unit_test(test_controls),      cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_i64_is_strict), cmocka_unit_test(test_durations),
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_urlencoded),
        cmocka_unit_test(test_logsafe),       cmocka_unit_test(test_visible),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

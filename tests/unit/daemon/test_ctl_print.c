/* Tables and JSON lines of sendqctl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl_print.h"
#include "json.h"
#include <string.h>

static void assert_table(const struct table *t, unsigned width, bool colour, const char *expected)
{
    const struct paper p = {.width = width, .colour = colour};
    struct buf out = {0};

    table_print(t, &p, &out);
    assert_string_equal(buf_str(&out), expected);
    buf_free(&out);
}

static void test_columns_are_aligned(void **state)
{
    struct table t = {0};

    (void)state;
    table_begin(&t, "ID|>N|NAME");
    table_add(&t, "a");
    table_add_int(&t, 5);
    table_add(&t, "caf\xc3\xa9");
    table_add(&t, "long-id");
    table_add_int(&t, -1200);
    table_add(&t, NULL);
    assert_int_equal(table_rows(&t), 2);
    assert_table(&t, 0, false,
                 "ID           N  NAME\n"
                 "a            5  caf\xc3\xa9\n"
                 "long-id  -1200  -\n");
    table_free(&t);
}

/* A character counts as one column, however many bytes it has. */
static void test_widths_count_characters(void **state)
{
    struct table t = {0};

    (void)state;
    table_begin(&t, "|");
    table_add(&t, "\xc3\xa9\xc3\xa9");
    table_add(&t, "x");
    table_add(&t, "abc");
    table_add(&t, "");
    assert_table(&t, 0, false, "\xc3\xa9\xc3\xa9   x\nabc  -\n");
    table_free(&t);
}

static void test_only_flexible_columns_are_cut(void **state)
{
    struct table t = {0};

    (void)state;
    table_begin(&t, "KEEP|~CUT|~LESS");
    table_add(&t, "0123456789");
    table_add(&t, "\xc3\xa9 text that is far too long for it");
    table_add(&t, "shorter");
    assert_table(&t, 30, false,
                 "KEEP        CUT        LESS\n"
                 "0123456789  \xc3\xa9 text...  shorter\n");
    /* There is a narrowest: lines grow longer than the paper rather than say nothing. */
    assert_table(&t, 10, false,
                 "KEEP        CUT       LESS\n"
                 "0123456789  \xc3\xa9 tex...  shorter\n");
    table_free(&t);
}

static void test_times_are_short(void **state)
{
    struct table t = {0};

    (void)state;
    table_begin(&t, "");
    table_add_time(&t, "2026-11-21T09:10:11.123Z");
    table_add_time(&t, "2026-11-21\x1b"
                       "09:10:11.123Z");
    table_add_time(&t, "soon");
    table_add_time(&t, NULL);
    assert_table(&t, 0, false, "2026-11-21 09:10:11\n2026-11-21\\u001b09:10:11.123Z\nsoon\n-\n");
    table_free(&t);
}

static void test_cells_hold_no_control_characters(void **state)
{
    struct table t = {0};

    (void)state;
    table_begin(&t, "A|B");
    table_add(&t, "\033[31mred\n\x7f");
    table_add(&t, "\xc2\x9b"
                  "2J \xe2\x80\xae \xff");
    assert_table(&t, 0, false,
                 "A                      B\n"
                 "\\u001b[31mred\\n\\u007f  \\u009b2J \\u202e \\xff\n");
    table_free(&t);
}

static void test_colours(void **state)
{
    struct table t = {0};

    (void)state;
    table_begin(&t, "S|X");
    table_add(&t, "failed");
    table_add(&t, "failed once");
    assert_table(&t, 0, true,
                 "\033[1mS\033[0m       \033[1mX\033[0m\n"
                 "\033[31mfailed\033[0m  failed once\n");
    assert_table(&t, 0, false, "S       X\nfailed  failed once\n");
    table_free(&t);
}

static void test_json_lines_are_safe(void **state)
{
    static const char text[] = "\xc2\x9b\x7f\033 \"\\ \xe2\x80\xae \xff caf\xc3\xa9";
    struct buf json = {0}, out = {0};
    struct err_text e;
    cJSON *j;

    (void)state;
    json_open(&json, '{');
    json_key_str(&json, "a", text);
    json_close(&json, '}');
    print_json_line(&json, &out);
    assert_string_equal(buf_str(&out),
                        "{\"a\":\"\\u009b\\u007f\\u001b \\\"\\\\ \\u202e \xef\xbf\xbd "
                        "caf\xc3\xa9\"}\n");
    assert_int_equal(json_parse(out.data, out.len, NULL, &j, &e), SQ_OK);
    assert_string_equal(json_str(j, "a"),
                        "\xc2\x9b\x7f\033 \"\\ \xe2\x80\xae \xef\xbf\xbd caf\xc3\xa9");
    json_free(j);
    buf_free(&json);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_aligned),
        cmocka_unit_test(test_widths_count_characters),
        cmocka_unit_test(test_only_flexible_columns_are_cut),
        cmocka_unit_test(test_times_are_short),
        cmocka_unit_test(test_cells_hold_no_control_characters),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_json_lines_are_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

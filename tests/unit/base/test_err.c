/* Error texts: formatting, the field, the cut at a character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "err.h"
#include <string.h>

static void test_set_formats_and_clears_the_rest(void **state)
{
    struct err_text e = {.field = "old", .code = "old"};

    (void)state;
    assert_int_equal(err_set(&e, SQ_ERR_IO, "port %d", 25), SQ_ERR_IO);
    assert_string_equal(e.text, "port 25");
    assert_string_equal(e.field, "");
    assert_string_equal(e.code, "");
}

static void test_set_field_puts_the_field_in_front(void **state)
{
    struct err_text e;

    (void)state;
    assert_int_equal(err_set_field(&e, SQ_ERR_INVALID, "message_data.to", "is %s", "empty"),
                     SQ_ERR_INVALID);
    assert_string_equal(e.text, "message_data.to: is empty");
    assert_string_equal(e.field, "message_data.to");
}

static void test_null_error_is_fine(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, SQ_ERR_STATE, "x"), SQ_ERR_STATE);
    assert_int_equal(err_set_field(NULL, SQ_ERR_NOMEM, "f", "x"), SQ_ERR_NOMEM);
}

static void test_own_text_may_be_an_argument(void **state)
{
    struct err_text e;

    (void)state;
    err_set_field(&e, SQ_ERR_INVALID, "port", "is no number");
    err_set(&e, SQ_ERR_INVALID, "line 3: %s", e.text);
    assert_string_equal(e.text, "line 3: port: is no number");
    err_set_field(&e, SQ_ERR_INVALID, "port", "bad");
    err_set_field(&e, SQ_ERR_INVALID, e.field, "again %s", e.text);
    assert_string_equal(e.text, "port: again port: bad");
}

static void test_long_text_is_cut_at_a_character(void **state)
{
    char text[300];
    struct err_text e;

    (void)state;
    /* Bytes 254 and 255 hold an e-acute, and 255 is the last that fits. */
    memset(text, 'a', sizeof(text));
    memcpy(text + 254, "\xc3\xa9", 2);
    text[sizeof(text) - 1] = '\0';
    err_set(&e, SQ_ERR_INVALID, "%s", text);
    assert_int_equal(strlen(e.text), 254);
    err_set(&e, SQ_ERR_INVALID, "%s", text + 1);
    assert_int_equal(strlen(e.text), 255);
    err_set_field(&e, SQ_ERR_INVALID, text, "x");
    assert_int_equal(strlen(e.field), 95);
}

static void test_names_are_distinct(void **state)
{
    (void)state;
    for (int a = SQ_OK; a <= SQ_ERR_STATE; a++) {
        for (int b = SQ_OK; b < a; b++)
            assert_string_not_equal(err_name((enum sq_err)a), err_name((enum sq_err)b));
    }
    assert_string_equal(err_name(SQ_ERR_TOO_LARGE), "too_large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_formats_and_clears_the_rest),
        cmocka_unit_test(test_set_field_puts_the_field_in_front),
        cmocka_unit_test(test_null_error_is_fine),
        cmocka_unit_test(test_own_text_may_be_an_argument),
        cmocka_unit_test(test_long_text_is_cut_at_a_character),
        cmocka_unit_test(test_names_are_distinct),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

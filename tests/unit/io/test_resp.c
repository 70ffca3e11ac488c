/* RESP: the exact bytes of commands. */
#include "resp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_c_strings(void **state)
{
    const char *argv[] = {"SET", "key", ""};
    struct buf out = {0};

    (void)state;
    assert_true(resp_format(&out, 3, argv, NULL));
    assert_string_equal(buf_str(&out), "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n");
    buf_free(&out);
}

static void test_bytes_with_lengths(void **state)
{
    static const char expected[] = "*2\r\n$12\r\na\0b\r\nccccccc\r\n$0\r\n\r\n";
    const char *argv[] = {"a\0b\r\nccccccc", NULL};
    const size_t lens[] = {12, 0};
    struct buf out = {0};

    (void)state;
    buf_adds(&out, "what was there before");
    assert_true(resp_format(&out, 2, argv, lens));
    assert_int_equal(out.len, sizeof(expected) - 1);
    assert_memory_equal(out.data, expected, out.len);
    buf_free(&out);
}

static void test_too_much_is_refused(void **state)
{
    const char *argv[] = {"x"};
    const size_t lens[] = {(size_t)600 << 20};
    struct buf out = {0};

    (void)state;
    assert_false(resp_format(&out, 1, argv, lens)); /* and nothing of it was read */
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c_strings),
        cmocka_unit_test(test_bytes_with_lengths),
        cmocka_unit_test(test_too_much_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Jobs from a file, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "buf.h"
#include "ctl_input.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct seen {
    struct buf text; /* jobs in brackets */
    unsigned left;   /* how many are wanted */
};

static bool on_job(const char *raw, size_t len, void *arg)
{
    struct seen *s = arg;

    buf_addc(&s->text, '<');
    buf_add(&s->text, raw, len);
    buf_addc(&s->text, '>');
    return --s->left > 0;
}

static enum sq_err read_bytes(const char *bytes, size_t len, bool each, struct seen *s,
                              struct err_text *e)
{
    char path[] = "/tmp/sendq-input-XXXXXX";
    int fd = mkstemp(path);
    const struct input_opts opts = {.path = path, .each = each, .max_job = 20};
    enum sq_err err;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(close(fd), 0);
    buf_clear(&s->text);
    s->left = s->left ? s->left : 100;
    err = input_each_job(&opts, on_job, s, e);
    assert_int_equal(unlink(path), 0);
    return err;
}

static void assert_jobs(const char *bytes, bool each, const char *expected)
{
    struct seen s = {.left = 0};
    struct err_text e = {0};

    assert_int_equal(read_bytes(bytes, strlen(bytes), each, &s, &e), SQ_OK);
    assert_string_equal(buf_str(&s.text), expected);
    buf_free(&s.text);
}

static void test_one_job_is_all_bytes(void **state)
{
    struct seen s = {.left = 0};
    struct err_text e;

    (void)state;
    assert_jobs("{\"a\": 1}\n", false, "<{\"a\": 1}\n>");
    assert_jobs("12345678901234567890", false, "<12345678901234567890>");
    assert_int_equal(read_bytes("a\0b", 3, false, &s, &e), SQ_OK);
    assert_int_equal(s.text.len, 5);
    assert_memory_equal(s.text.data, "<a\0b>", 5);
    buf_free(&s.text);
}

static void test_lines(void **state)
{
    (void)state;
    assert_jobs("{\"a\":1}\n\n{broken\r\n  \n{\"b\":2}", true, "<{\"a\":1}><{broken><{\"b\":2}>");
    assert_jobs("", true, "");
    assert_jobs(" \n", true, "");
}

static void test_elements_keep_their_bytes(void **state)
{
    (void)state;
    assert_jobs(" [ {\"a\": [1,2]} ,\"],\\\"[\", 1.50 ]\n", true,
                "<{\"a\": [1,2]}><\"],\\\"[\"><1.50>");
    assert_jobs("[]", true, "");
    assert_jobs("[{}]", true, "<{}>");
}

static void test_stops_when_told(void **state)
{
    struct seen s = {.left = 2};
    struct err_text e;

    (void)state;
    assert_int_equal(read_bytes("1\n2\n3", 5, true, &s, &e), SQ_OK);
    assert_string_equal(buf_str(&s.text), "<1><2>");
    s.left = 1;
    assert_int_equal(read_bytes("[1,2]", 5, true, &s, &e), SQ_OK);
    assert_string_equal(buf_str(&s.text), "<1>");
    buf_free(&s.text);
}

static void assert_fault(const char *bytes, bool each, enum sq_err err, const char *jobs)
{
    struct seen s = {.left = 0};
    struct err_text e = {0};

    assert_int_equal(read_bytes(bytes, strlen(bytes), each, &s, &e), err);
    assert_string_not_equal(e.text, "");
    assert_string_equal(buf_str(&s.text), jobs);
    buf_free(&s.text);
}

static void test_faults(void **state)
{
    const struct input_opts opts = {.path = "/nonexistent", .max_job = 1};
    struct err_text e;

    (void)state;
    assert_fault("", false, SQ_ERR_INVALID, "");
    assert_fault("\n", false, SQ_ERR_INVALID, "");
    assert_fault("123456789012345678901", false, SQ_ERR_TOO_LARGE, "");
    assert_fault("{}\n123456789012345678901\n{}", true, SQ_ERR_TOO_LARGE, "<{}>");
    assert_fault("[1, 2", true, SQ_ERR_INVALID, "");
    assert_fault("[1] 2", true, SQ_ERR_INVALID, "");
    assert_int_equal(input_each_job(&opts, on_job, NULL, &e), SQ_ERR_IO);
    assert_non_null(strstr(e.text, "No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_job_is_all_bytes),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_elements_keep_their_bytes),
        cmocka_unit_test(test_stops_when_told),
        cmocka_unit_test(test_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* RESP: the exact bytes of commands. */
#include "resp.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The linker leads reallocations here. */
static bool no_memory;

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_realloc(void *p, size_t size)
{
    return no_memory ? NULL : __real_realloc(p, size);
}

static void assert_command(struct resp *r, const char *expected, size_t expected_len)
{
    size_t len = 0;
    const char *text = resp_end(r, &len);

    assert_non_null(text);
    assert_int_equal(len, expected_len);
    assert_memory_equal(text, expected, len);
}

#define ASSERT_COMMAND(r, text) assert_command(r, text, sizeof(text) - 1)

static void test_texts_and_numbers(void **state)
{
    struct resp r = {.count = 0};

    (void)state;
    resp_begin(&r);
    resp_adds(&r, "SET");
    resp_adds(&r, NULL);
    resp_add_int(&r, 0);
    resp_add_int(&r, -1234567890123);
    resp_add_int(&r, INT64_MIN);
    ASSERT_COMMAND(&r, "*5\r\n$3\r\nSET\r\n$0\r\n\r\n$1\r\n0\r\n$14\r\n-1234567890123\r\n"
                       "$20\r\n-9223372036854775808\r\n");
    ASSERT_COMMAND(&r, "*5\r\n$3\r\nSET\r\n$0\r\n\r\n$1\r\n0\r\n$14\r\n-1234567890123\r\n"
                       "$20\r\n-9223372036854775808\r\n"); /* again: it stands */
    resp_free(&r);
}

static void test_bytes(void **state)
{
    struct resp r = {.count = 0};

    (void)state;
    resp_begin(&r);
    resp_adds(&r, "what was there before");
    resp_begin(&r);
    resp_add(&r, "a\0b\r\nccccccc", 12);
    resp_add(&r, NULL, 0);
    ASSERT_COMMAND(&r, "*2\r\n$12\r\na\0b\r\nccccccc\r\n$0\r\n\r\n");
    resp_free(&r);
}

static void test_many(void **state)
{
    static const char head[] = "*100000\r\n$4\r\nPING\r\n";
    struct resp r = {.count = 0};
    size_t len = 0;
    const char *text;

    (void)state;
    resp_begin(&r);
    for (int i = 0; i < 100000; i++)
        resp_adds(&r, "PING");
    text = resp_end(&r, &len);
    assert_int_equal(len, 9 + 100000 * 10);
    assert_memory_equal(text, head, sizeof(head) - 1);
    resp_trim(&r);
    assert_int_not_equal(r.out.cap, 0); /* not unusual */
    resp_free(&r);
}

static void test_too_much_is_refused(void **state)
{
    struct resp r = {.count = 0};
    size_t len;

    (void)state;
    resp_begin(&r);
    resp_add(&r, "x", (size_t)600 << 20); /* nothing of it is read */
    assert_null(resp_end(&r, &len));
    resp_begin(&r); /* and the next one is well */
    resp_adds(&r, "PING");
    ASSERT_COMMAND(&r, "*1\r\n$4\r\nPING\r\n");
    resp_free(&r);
}

/* Refused like too much, it would be tried again, and again. */
static void test_no_memory_ends_the_process(void **state)
{
    struct resp r = {.count = 0};
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        no_memory = true;
        close(STDERR_FILENO);
        resp_begin(&r);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_and_numbers),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_too_much_is_refused),
        cmocka_unit_test(test_no_memory_ends_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

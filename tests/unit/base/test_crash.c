/* The crash hook, in child processes that may die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crash.h"
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SENDQ_CRASH_POINTS

/* Runs `passes` passings of finish.before, and some of others, under SENDQ_CRASH=spec. */
static bool is_killed(const char *spec, int passes)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("SENDQ_CRASH", spec, 1);
        for (int i = 0; i < 5; i++) {
            CRASH_POINT("finish", ".after");
            CRASH_POINT("start", ".before");
            CRASH_POINT("finish", "");
        }
        for (int i = 0; i < passes; i++)
            CRASH_POINT("finish", ".before");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        assert_int_equal(WTERMSIG(status), SIGKILL);
    return WIFSIGNALED(status);
}

static void test_dies_at_the_nth_passing(void **state)
{
    (void)state;
    assert_false(is_killed("finish.before:2", 1));
    assert_true(is_killed("finish.before:2", 2));
    assert_true(is_killed("finish.before", 1));
}

static void test_other_points_do_not_count(void **state)
{
    (void)state;
    assert_false(is_killed("finish.before:1", 0));
    assert_false(is_killed("finish.befor:1", 5));
    assert_false(is_killed("finish.before2:1", 5));
    assert_false(is_killed("", 5));
}

#else

static void test_points_are_compiled_out(void **state)
{
    (void)state;
    setenv("SENDQ_CRASH", "finish.before:1", 1);
    CRASH_POINT("finish", ".before");
    unsetenv("SENDQ_CRASH");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef SENDQ_CRASH_POINTS
        cmocka_unit_test(test_dies_at_the_nth_passing),
        cmocka_unit_test(test_other_points_do_not_count),
#else
        cmocka_unit_test(test_points_are_compiled_out),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

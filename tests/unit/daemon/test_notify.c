/* What is sent to systemd, by a path and by an abstract name, and when nothing is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    char name[100]; /* as in $NOTIFY_SOCKET */
    int fd;         /* systemd's end */
    struct notify n;
    char text[1024];
};

static void listen_at(struct fixture *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(f->name));

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", f->name);
    if (a.sun_path[0] == '@')
        a.sun_path[0] = '\0';
    else
        len++;
    f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(f->fd, (struct sockaddr *)&a, len), 0);
    setenv("NOTIFY_SOCKET", f->name, 1);
    notify_init(&f->n);
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/sendq-test-XXXXXX");
    f.fd = f.n.fd = -1;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (mkdtemp(f.dir) == NULL)
        return -1;
    snprintf(f.name, sizeof(f.name), "%s/notify", f.dir);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    notify_done(&f->n);
    notify_done(&f->n);
    if (f->fd >= 0)
        close(f->fd);
    unlink(f->name);
    rmdir(f->dir);
    return 0;
}

static const char *received(struct fixture *f)
{
    ssize_t n = recv(f->fd, f->text, sizeof(f->text) - 1, 0);

    f->text[n > 0 ? n : 0] = '\0';
    return f->text;
}

static void test_each_message(void **state)
{
    struct fixture *f = *state;

    listen_at(f);
    assert_true(notify_is_on(&f->n));
    notify_ready(&f->n);
    assert_string_equal(received(f), "READY=1");
    notify_stopping(&f->n);
    assert_string_equal(received(f), "STOPPING=1");
    notify_watchdog(&f->n);
    assert_string_equal(received(f), "WATCHDOG=1");
    notify_status(&f->n, "%d in flight", 3);
    assert_string_equal(received(f), "STATUS=3 in flight");
    assert_string_equal(received(f), "");
}

static void test_reloading_tells_the_time(void **state)
{
    struct fixture *f = *state;
    struct timespec before, after;
    static const char start[] = "RELOADING=1\nMONOTONIC_USEC=";
    int64_t us;

    listen_at(f);
    clock_gettime(CLOCK_MONOTONIC, &before);
    notify_reloading(&f->n);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_int_equal(strncmp(received(f), start, strlen(start)), 0);
    us = strtoll(f->text + strlen(start), NULL, 10);
    assert_true(us >= (int64_t)before.tv_sec * 1000000 + before.tv_nsec / 1000);
    assert_true(us <= (int64_t)after.tv_sec * 1000000 + after.tv_nsec / 1000);
}

static void test_status_is_one_line(void **state)
{
    struct fixture *f = *state;
    char longest[2000];

    memset(longest, 'l', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    listen_at(f);
    notify_status(&f->n, "all %s", "well\nREADY=1");
    assert_string_equal(received(f), "STATUS=all well");
    notify_status(&f->n, "%s", longest);
    assert_int_equal(strlen(received(f)), 511);
}

static void test_abstract_socket(void **state)
{
    struct fixture *f = *state;

    snprintf(f->name, sizeof(f->name), "@%s/abstract", f->dir);
    listen_at(f);
    notify_ready(&f->n);
    assert_string_equal(received(f), "READY=1");
}

static void test_off(void **state)
{
    struct fixture *f = *state;
    char longest[200];

    memset(longest, '/', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *const names[] = {NULL, "", "@", "/", "relative", "vsock:2:1", longest};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i] != NULL)
            setenv("NOTIFY_SOCKET", names[i], 1);
        notify_init(&f->n);
        assert_false(notify_is_on(&f->n));
        notify_ready(&f->n);
        notify_status(&f->n, "x");
    }
}

static void test_nobody_listens(void **state)
{
    struct fixture *f = *state;

    setenv("NOTIFY_SOCKET", f->name, 1);
    notify_init(&f->n);
    notify_ready(&f->n); /* must neither fail nor kill */
    assert_true(notify_is_on(&f->n));
}

static int64_t watchdog(struct fixture *f, const char *usec, const char *pid)
{
    int64_t us;

    setenv("NOTIFY_SOCKET", f->name, 1);
    setenv("WATCHDOG_USEC", usec, 1);
    if (pid != NULL)
        setenv("WATCHDOG_PID", pid, 1);
    else
        unsetenv("WATCHDOG_PID");
    notify_init(&f->n);
    us = f->n.watchdog_us;
    notify_done(&f->n);
    return us;
}

static void test_watchdog(void **state)
{
    struct fixture *f = *state;
    char self[16], other[16];

    snprintf(self, sizeof(self), "%d", (int)getpid());
    snprintf(other, sizeof(other), "%d", (int)getppid());
    assert_int_equal(watchdog(f, "30000000", NULL), 30000000);
    assert_int_equal(watchdog(f, "30000000", self), 30000000);
    assert_int_equal(watchdog(f, "30000000", other), 0);
    assert_int_equal(watchdog(f, "30000000", "x"), 0);
    assert_int_equal(watchdog(f, "0", NULL), 0);
    assert_int_equal(watchdog(f, "-5", NULL), 0);
    assert_int_equal(watchdog(f, "soon", NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_each_message),
        TEST(test_reloading_tells_the_time),
        TEST(test_status_is_one_line),
        TEST(test_abstract_socket),
        TEST(test_off),
        TEST(test_nobody_listens),
        TEST(test_watchdog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

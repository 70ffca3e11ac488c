/* Names looked up beside the loop: found, not found, given up, and slow. */
#include "unit.h"

#include "name_lookup.h"

#include <netdb.h>
#include <poll.h>
#include <string.h>

struct seen {
    struct loop *loop;
    struct name_found found;
    struct timer *tick;
    int answers, ticks;
};

/* The system's, in place of which "slow." waits as an unreachable server makes it wait. */
int __real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret)
{
    if (strcmp(name, "slow.") == 0) {
        poll(NULL, 0, 300);
        name = "localhost";
    }
    return __real_getaddrinfo(name, service, hints, ret);
}

static void on_found(const struct name_found *found, void *arg)
{
    struct seen *s = arg;

    s->found = *found;
    s->answers++;
    loop_stop(s->loop);
}

static struct seen look_up(const char *name)
{
    struct seen s = {.loop = loop_new()};

    assert_non_null(name_lookup_new(s.loop, name, on_found, &s));
    assert_int_equal(s.answers, 0);
    loop_run(s.loop);
    loop_free(s.loop);
    return s;
}

static void test_found(void **state)
{
    struct seen s = look_up("localhost");

    (void)state;
    assert_int_equal(s.answers, 1);
    assert_in_range(s.found.count, 1, NAME_ADDRESSES);
    assert_true(name_is_address(s.found.address[0]));
}

static void test_not_found(void **state)
{
    struct seen s = look_up("no such name.invalid");

    (void)state;
    assert_int_equal(s.answers, 1);
    assert_int_equal(s.found.count, 0);
    assert_true(s.found.why[0] != '\0');
}

static void on_tick(void *arg)
{
    struct seen *s = arg;

    s->ticks++;
    timer_set_us(s->tick, 5000);
}

static void test_slow_name_does_not_hold_up_the_loop(void **state)
{
    struct seen s = {.loop = loop_new()};

    (void)state;
    s.tick = timer_new(s.loop, on_tick, &s);
    timer_set_us(s.tick, 0);
    assert_non_null(name_lookup_new(s.loop, "slow.", on_found, &s));
    loop_run(s.loop);
    assert_true(s.ticks > 5);
    assert_true(s.found.count > 0);
    timer_free(s.tick);
    loop_free(s.loop);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void test_given_up(void **state)
{
    struct seen s = {.loop = loop_new()};
    struct timer *t = timer_new(s.loop, stop, s.loop);

    (void)state;
    name_lookup_free(name_lookup_new(s.loop, "slow.", on_found, &s));
    timer_set_us(t, 400000); /* long enough for the thread's answer to go nowhere */
    loop_run(s.loop);
    assert_int_equal(s.answers, 0);
    timer_free(t);
    loop_free(s.loop);
    name_lookup_free(NULL);
}

static void test_addresses(void **state)
{
    (void)state;
    assert_true(name_is_address("127.0.0.1"));
    assert_true(name_is_address("::1"));
    assert_true(name_is_address("fe80::1%lo"));
    assert_false(name_is_address("localhost"));
    assert_false(name_is_address("127.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_slow_name_does_not_hold_up_the_loop),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

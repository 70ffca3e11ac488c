/* Where a connection goes next, and what servers say of it. */
#include "unit.h"

#include "redis_route.h"

#include <string.h>

static struct redis_addr addr_of(const char *url)
{
    struct redis_addr a;

    assert_int_equal(redis_addr_parse(url, &a, NULL), SQ_OK);
    return a;
}

static void assert_goes_to(struct redis_route *r, const char *name, int port)
{
    redis_route_begin(r);
    assert_string_equal(r->to.name, name);
    assert_int_equal(r->to.port, port);
}

static void test_hosts_in_turn(void **state)
{
    struct redis_addr a = addr_of("redis://a,b:7");
    struct redis_route r;

    (void)state;
    redis_route_init(&r, &a);
    assert_false(redis_route_is_asking(&r));
    assert_goes_to(&r, "a", 6379);
    redis_route_fail(&r);
    assert_goes_to(&r, "b", 7);
    redis_route_fail(&r);
    assert_goes_to(&r, "a", 6379);
}

static void test_sentinel_is_asked_anew(void **state)
{
    struct redis_addr a = addr_of("sentinel://s1,s2/main");
    const struct redis_host primary = {"p", 1};
    struct redis_route r;

    (void)state;
    redis_route_init(&r, &a);
    assert_true(redis_route_is_asking(&r));
    assert_goes_to(&r, "s1", 26379);
    assert_true(redis_route_follow(&r, &primary));
    assert_false(redis_route_is_asking(&r));
    assert_goes_to(&r, "p", 1);
    redis_route_stand(&r);
    redis_route_fail(&r);
    assert_true(redis_route_is_asking(&r));
    assert_goes_to(&r, "s2", 26379);
}

static void test_circles_end(void **state)
{
    struct redis_addr a = addr_of("redis://a");
    const struct redis_host to = {"b", 1};
    struct redis_route r;
    int hops = 0;

    (void)state;
    redis_route_init(&r, &a);
    while (hops < 100 && redis_route_follow(&r, &to))
        hops++;
    assert_in_range(hops, 2, 10);
    redis_route_stand(&r);
    assert_true(redis_route_follow(&r, &to));
}

static void test_moved(void **state)
{
    static const struct {
        const char *error, *name;
        int port; /* 0 = not understood */
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6381", "127.0.0.1", 6381},
        {"MOVED 3999 node.internal:6381", "node.internal", 6381},
        {"MOVED 3999 2001:db8::1:6381", "2001:db8::1", 6381},
        {"MOVED 3999 :6381", "here", 6381},
        {"MOVED 3999 ?:6381", "here", 6381},
        {"MOVED 3999", "", 0},
        {"MOVED 3999 nowhere", "", 0},
        {"MOVED 3999 h:0", "", 0},
        {"MOVED 3999 h:65536", "", 0},
        {"MOVED 3999 h:x", "", 0},
        {"MOVED ", "", 0},
        {"ASK 3999 127.0.0.1:6381", "", 0},
        {"", "", 0},
    };
    struct redis_addr a = addr_of("redis://here");
    struct redis_route r;
    char longest[400] = "MOVED 1 ";

    (void)state;
    redis_route_init(&r, &a);
    redis_route_begin(&r);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct redis_host to = {.port = -1};

        if (redis_route_read_moved(&r, cases[i].error, &to) != (cases[i].port != 0))
            fail_msg("%s", cases[i].error);
        assert_int_equal(to.port, cases[i].port != 0 ? cases[i].port : -1);
        assert_string_equal(to.name, cases[i].name);
    }
    memset(longest + 8, 'h', 300);
    strcat(longest, ":1");
    assert_false(redis_route_read_moved(&r, longest, &r.to));
}

static void test_elsewhere(void **state)
{
    (void)state;
    assert_true(redis_error_is_elsewhere("MOVED 1 h:1"));
    assert_true(redis_error_is_elsewhere("ASK 1 h:1"));
    assert_true(redis_error_is_elsewhere("READONLY You can't write against a read only replica."));
    assert_true(redis_error_is_elsewhere("CLUSTERDOWN Hash slot not served"));
    assert_false(redis_error_is_elsewhere("ERR unknown command"));
    assert_false(redis_error_is_elsewhere("MOVEDX"));
    assert_false(redis_error_is_elsewhere(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_in_turn), cmocka_unit_test(test_sentinel_is_asked_anew),
        cmocka_unit_test(test_circles_end),   cmocka_unit_test(test_moved),
        cmocka_unit_test(test_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

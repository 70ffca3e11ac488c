/* The doorbell: rings for a job in any list, once per arming, and moves nothing. */
#include "redis_rig.h"

#include "doorbell.h"

struct bell_rig {
    struct rig *g;
    struct doorbell *bell;
    int rings, wanted;
};

static void on_ring(void *arg)
{
    struct bell_rig *b = arg;

    if (++b->rings == b->wanted)
        loop_stop(b->g->loop);
}

static int setup(void **state)
{
    struct bell_rig *b = calloc(1, sizeof(*b));

    b->g = *state;
    rig_begin(b->g);
    b->bell = doorbell_new(b->g->loop, &b->g->server.addr, "t", 5000, on_ring, b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bell_rig *b = *state;

    doorbell_free(b->bell);
    rig_end(b->g);
    *state = b->g;
    free(b);
    return 0;
}

/* Armed, and all three lists are being waited for. Coming up rings by itself: arms again. */
static void arm(struct bell_rig *b)
{
    doorbell_arm(b->bell);
    while (REDIS_INT(b->g, "EVAL",
                     "local _, n = string.gsub(redis.call('INFO', 'clients'), "
                     "'blocked_clients:3', '') return n",
                     "0") != 1) {
        rig_turn(b->g);
        doorbell_arm(b->bell);
    }
    b->rings = 0;
}

static void wait_for_ring(struct bell_rig *b)
{
    b->wanted = b->rings + 1;
    loop_run(b->g->loop);
}

static void check_list(struct bell_rig *b, const char *list)
{
    arm(b);
    REDIS(b->g, "LPUSH", list, "one", "two", "three");
    wait_for_ring(b);
    assert_string_equal(REDIS(b->g, "LRANGE", list, "0", "-1"), "three two one");
    REDIS(b->g, "DEL", list);
}

static void test_every_list(void **state)
{
    struct bell_rig *b = *state;

    check_list(b, "t:jobs");
    check_list(b, "t:jobs:high");
    check_list(b, "t:jobs:low");
    check_list(b, "t:jobs");
}

static void test_once_per_arming(void **state)
{
    struct bell_rig *b = *state;

    arm(b);
    REDIS(b->g, "LPUSH", "t:jobs", "one");
    REDIS(b->g, "LPUSH", "t:jobs:high", "two");
    REDIS(b->g, "LPUSH", "t:jobs:low", "three");
    wait_for_ring(b);
    for (int i = 0; i < 20; i++)
        rig_turn(b->g);
    assert_int_equal(b->rings, 1);
    doorbell_arm(b->bell); /* there is something still */
    wait_for_ring(b);
    assert_int_equal(b->rings, 2);
}

static void test_rings_when_the_connection_is_back(void **state)
{
    struct bell_rig *b = *state;

    arm(b);
    REDIS(b->g, "CLIENT", "KILL", "TYPE", "normal");
    wait_for_ring(b);
    check_list(b, "t:jobs");
}

/* Of which the answer is not read to its end. */
static void test_a_large_job(void **state)
{
    struct bell_rig *b = *state;

    arm(b);
    REDIS(b->g, "EVAL", "return redis.call('LPUSH', KEYS[1], string.rep('x', 10000000))", "1",
          "t:jobs");
    wait_for_ring(b);
    assert_string_equal(REDIS(b->g, "LLEN", "t:jobs"), "1");
    REDIS(b->g, "DEL", "t:jobs");
    check_list(b, "t:jobs");
}

static void test_free_while_waiting(void **state)
{
    struct bell_rig *b = *state;

    arm(b);
    doorbell_free(b->bell);
    b->bell = NULL;
    rig_turn(b->g);
    assert_int_equal(b->rings, 0);
    doorbell_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_list),
        TEST(test_once_per_arming),
        TEST(test_rings_when_the_connection_is_back),
        TEST(test_a_large_job),
        TEST(test_free_while_waiting),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}

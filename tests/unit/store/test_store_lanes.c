/* Lanes: the tenants of one sender take turns, whatever each has waiting. */
#include "store_rig.h"

/* Queues n messages <prefix>1.. of sender "s"; lane NULL = none. */
static void queue_lane(struct store_rig *r, const char *prefix, unsigned n, const char *lane)
{
    static char queue[KEY_QUEUE_SIZE];
    char id[65];

    key_queue_lane("2", lane, queue);
    for (unsigned k = 0; k < n; k++) {
        snprintf(id, sizeof(id), "%s%u", prefix, k + 1);
        a_job(r, k, id);
        r->jobs[k].priority = PRIORITY_NORMAL;
        r->jobs[k].queue = queue;
        r->fields[k][5] = (struct store_field){"_priority", queue};
        r->jobs[k].field_count = 6;
    }
    accept_n(r, n);
}

static void expect_nothing_waits(struct store_rig *r)
{
    assert_string_equal(REDIS(r->g, "ZSCORE", "t:turn", "s"), "(nil)");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "_in_lanes"), "0");
    assert_string_equal(REDIS(r->g, "EXISTS", "t:lanes:s:2"), "0");
}

/* Without a rate each gets an equal share of what is claimed at once. */
static void test_an_equal_share(void **state)
{
    struct store_rig *r = *state;

    queue_lane(r, "a", 900, "acme");
    queue_lane(r, "b", 4, "bolt");
    queue_lane(r, "n", 2, NULL);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "_in_lanes"), "904");
    expect_claims(r, 9, "a1 a2 a3 b1 b2 b3 n1 n2 a4");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "waiting"), "897");
    expect_claims(r, 3, "b4 a5 a6");
}

/* With a rate they go one by one. */
static void test_turns(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 1000, .tolerance_us = HOUR_US);
    queue_lane(r, "a", 500, "acme");
    queue_lane(r, "b", 3, "bolt");
    queue_lane(r, "n", 2, NULL);
    expect_claims(r, 4, "a1 b1 n1 a2");
    queue_lane(r, "c", 1, "core");
    expect_claims(r, 6, "b2 n2 a3 c1 b3 a4");
}

static void test_all_go_and_nothing_is_left(void **state)
{
    struct store_rig *r = *state;

    queue_lane(r, "a", 3, "acme");
    queue_lane(r, "b", 3, "bolt");
    expect_claims(r, 6, "a1 a2 a3 b1 b2 b3");
    expect_nothing_waits(r);
}

static void test_back_to_its_lane(void **state)
{
    struct store_rig *r = *state;

    queue_lane(r, "a", 2, "acme");
    expect_claims(r, 2, "a1 a2");
    assert_int_equal(worker_finish(r->a, FINISH_RELEASE, "a2", 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2/acme", "0", "-1"), "a2");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "_in_lanes"), "1");
    expect_claims(r, 2, "a2");
    expect_nothing_waits(r);
}

/* The count has gone with the sender's hash: publishing the limits counts anew. */
static void test_counted_anew(void **state)
{
    struct store_rig *r = *state;

    queue_lane(r, "a", 3, "acme");
    queue_lane(r, "b", 2, "bolt");
    REDIS(r->g, "DEL", "t:sender:s");
    LIMIT(r, .interval_us = 0);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "_in_lanes"), "5");
    expect_claims(r, 9, "a1 a2 a3 b1 b2");
    expect_nothing_waits(r);
}

/* Somebody has deleted the queues: no turn is given for ever. */
static void test_deleted_lanes(void **state)
{
    struct store_rig *r = *state;

    queue_lane(r, "a", 3, "acme");
    REDIS(r->g, "DEL", "t:lanes:s:2", "t:ready:s:2/acme");
    expect_claims(r, 9, "");
    expect_nothing_waits(r);
    queue_lane(r, "b", 3, "bolt");
    REDIS(r->g, "DEL", "t:ready:s:2/bolt");
    expect_claims(r, 9, "");
    expect_claims(r, 9, "");
    expect_nothing_waits(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_an_equal_share),
        STORE_TEST(test_turns),
        STORE_TEST(test_all_go_and_nothing_is_left),
        STORE_TEST(test_back_to_its_lane),
        STORE_TEST(test_counted_anew),
        STORE_TEST(test_deleted_lanes),
    };

    return STORE_TESTS_RUN(tests);
}

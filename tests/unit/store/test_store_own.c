/* claim's buckets that are a message's own: of its recipient, its channel, its job's tenant. */
#include "store_rig.h"

#define SECOND INT64_C(1000000)

/* Sender "s", unlimited, with what its messages have of their own. */
static void own_limits(struct store_rig *r, const char *by, const char *pair)
{
    const struct store_bucket own = {.name = "sender:s", .zone = "UTC"};
    const struct store_bucket shared[] = {
        {.name = "channel:email", .interval_us = 10 * SECOND, .zone = "UTC"},
        {.name = "tenant:acme", .interval_us = 20 * SECOND, .zone = "UTC"},
        {.name = "tenant:*", .interval_us = 30 * SECOND, .zone = "UTC"}};
    const struct store_sender s = {
        .id = "s", .fingerprint = "f1", .buckets = "sender:s", .by = by, .pair = pair};

    assert_int_equal(worker_configure(r->a, shared, 3, NULL, 0), STORE_OK);
    assert_int_equal(worker_configure(r->a, &own, 1, &s, 1), STORE_OK);
}

/* When each of m1.. that stands in line is due, in seconds from the claim. */
static int64_t due_in(struct store_rig *r, const char *id)
{
    return (REDIS_INT(r->g, "ZSCORE", "t:delayed", id) * 1000 - r->a->now_us + SECOND / 2) / SECOND;
}

/* What is over its recipient's rate leaves the queue, each for a time of its own; what waits behind
 * it goes. Seen from the second claim on, those are all due in order. */
static void test_pair_rate(void **state)
{
    struct store_rig *r = *state;

    own_limits(r, "", "10000000 0");
    queue_n(r, "m", 5, "s", PRIORITY_NORMAL);
    REDIS(r->g, "HSET", "t:message:m4", "recipient", "other@x");
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 2);
    assert_string_equal(r->a->claims[0].id, "m1");
    assert_true(r->a->claims[0].capped);
    assert_string_equal(r->a->claims[1].id, "m4");
    assert_int_equal(due_in(r, "m2"), 10);
    assert_int_equal(due_in(r, "m3"), 20);
    assert_int_equal(due_in(r, "m5"), 30);
    assert_string_equal(REDIS(r->g, "HGET", "t:message:m2", "status"), "scheduled");
    assert_string_equal(REDIS(r->g, "HGET", "t:message:m2", "attempts"), "0");
    /* A later message stands behind them. */
    a_job(r, 0, "m6");
    accept_n(r, 1);
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    assert_in_range(due_in(r, "m6"), 38, 40);
    assert_in_range(
        REDIS_INT(r->g, "PTTL",
                  REDIS(r->g, "EVAL", "return 't:pair:s:' .. redis.sha1hex('to@x')", "0")),
        30000, 51000);
}

/* One of the line comes back when its time has come, and is not sent behind those that came later.
 */
static void test_back_from_the_line(void **state)
{
    struct store_rig *r = *state;

    own_limits(r, "", "2000 0"); /* two milliseconds */
    queue_n(r, "m", 40, "s", PRIORITY_NORMAL);
    for (unsigned sent = 0; sent < 40;) {
        assert_int_equal(worker_claim(r->a, 40), STORE_OK);
        for (size_t i = 0; i < r->a->claim_count; i++) {
            char id[8];

            snprintf(id, sizeof(id), "m%u", ++sent);
            assert_string_equal(r->a->claims[i].id, id);
        }
    }
}

static void test_channel_and_tenant(void **state)
{
    struct store_rig *r = *state;

    own_limits(r, "ct", NULL);
    queue_n(r, "m", 6, "s", PRIORITY_NORMAL);
    REDIS(r->g, "HSET", "t:message:m2", "channel", "sms");
    REDIS(r->g, "HSET", "t:message:m3", "channel", "sms", "_tenant", "acme");
    REDIS(r->g, "HSET", "t:message:m4", "channel", "sms", "_tenant", "acme");
    REDIS(r->g, "HSET", "t:message:m5", "channel", "sms", "_tenant", "two");
    REDIS(r->g, "HSET", "t:message:m6", "channel", "sms", "_tenant", "two");
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 4); /* m1, m2 (sms is not limited), m3, m5 */
    assert_int_equal(due_in(r, "m4"), 20);
    assert_int_equal(due_in(r, "m6"), 30);
    assert_true(REDIS_INT(r->g, "PTTL", "t:bucket:tenant:two") > 0);
    assert_string_equal(REDIS(r->g, "PTTL", "t:bucket:tenant:acme"), "-1");
}

/* A line that one bucket made is not the line of another. */
static void test_lines_do_not_mix(void **state)
{
    struct store_rig *r = *state;

    own_limits(r, "c", "100000000 0");
    queue_n(r, "m", 4, "s", PRIORITY_NORMAL);
    REDIS(r->g, "HSET", "t:message:m4", "recipient", "other@x");
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
    assert_int_equal(due_in(r, "m2"), 100);
    assert_int_equal(due_in(r, "m3"), 200);
    assert_int_equal(due_in(r, "m4"), 10);
}

/* A limit that nobody has any more is gone. */
static void test_shared_limit_taken_away(void **state)
{
    struct store_rig *r = *state;
    const struct store_bucket one = {.name = "tenant:*", .interval_us = 7, .zone = "UTC"};

    own_limits(r, "ct", NULL);
    assert_int_equal(worker_configure(r->a, &one, 1, NULL, 0), STORE_OK);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:tenant:acme", "interval"), "(nil)");
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:tenant:*", "interval"), "7");
    assert_string_equal(REDIS(r->g, "SMEMBERS", "t:shared_buckets"), "tenant:*");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_pair_rate),
        STORE_TEST(test_back_from_the_line),
        STORE_TEST(test_channel_and_tenant),
        STORE_TEST(test_lines_do_not_mix),
        STORE_TEST(test_shared_limit_taken_away),
    };

    return STORE_TESTS_RUN(tests);
}

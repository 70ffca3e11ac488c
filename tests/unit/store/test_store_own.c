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

/* A day of this many for the tenant "acme", of senders "s" and "z" or of their jobs. */
static void share_a_day(struct store_rig *r, int64_t cap, bool jobs)
{
    const struct store_bucket b[] = {{.name = "sender:s", .zone = "UTC"},
                                     {.name = "sender:z", .zone = "UTC"},
                                     {.name = "tenant:acme", .day_cap = cap, .zone = "rolling"}};
    const struct store_sender s[] = {
        {.id = "s",
         .fingerprint = "f1",
         .buckets = jobs ? "sender:s" : "sender:s tenant:acme",
         .by = jobs ? "t" : ""},
        {.id = "z", .fingerprint = "f2", .buckets = "sender:z tenant:acme"}};

    assert_int_equal(worker_configure(r->a, &b[2], 1, NULL, 0), STORE_OK);
    assert_int_equal(worker_configure(r->a, b, 2, s, 2), STORE_OK);
}

static void never_left(struct store_rig *r, const char *id)
{
    struct store_finish f = an_outcome(FINISH_RETRY, id, 1);

    f.refund = true;
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    assert_int_equal(r->a->recorded, 1);
}

/* Whose send never left does not get its part of the day for itself. */
static void test_a_shared_day_given_back(void **state)
{
    struct store_rig *r = *state;

    share_a_day(r, 3, false);
    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 3);
    queue_n(r, "z", 9, "z", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    assert_true(REDIS_INT(r->g, "ZSCORE", "t:turn", "z") > r->a->now_us + HOUR_US);
    for (int n = 1; n <= 2; n++) {
        never_left(r, n == 1 ? "m1" : "m2");
        assert_int_equal(worker_claim(r->a, 9), STORE_OK);
        assert_int_equal(r->a->claim_count, 1);
        assert_string_equal(r->a->claims[0].id, n == 1 ? "z1" : "z2");
    }
    assert_int_equal(worker_claim(r->a, 9), STORE_OK); /* sees that it is full again */
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:parked:tenant:acme", "0", "-1"), "~z");
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:tenant:acme", "used"), "3");
    assert_true(REDIS_INT(r->g, "PTTL", "t:parked:tenant:acme") > 0);
}

/* ... and one that stands in a line of its own until the day ends comes back. */
static void test_a_day_of_its_own_given_back(void **state)
{
    struct store_rig *r = *state;

    share_a_day(r, 1, true);
    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    for (int n = 1; n <= 3; n++)
        REDIS(r->g, "HSET",
              n == 1   ? "t:message:m1"
              : n == 2 ? "t:message:m2"
                       : "t:message:m3",
              "_tenant", "acme");
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
    assert_false(r->a->claims[0].capped); /* no rate: no slot to keep */
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:parked:tenant:acme", "0", "-1"), "m2 m3");
    never_left(r, "m1");
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
    assert_string_equal(r->a->claims[0].id, "m2");
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:parked:tenant:acme", "0", "-1"), "m3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_pair_rate),
        STORE_TEST(test_back_from_the_line),
        STORE_TEST(test_channel_and_tenant),
        STORE_TEST(test_lines_do_not_mix),
        STORE_TEST(test_shared_limit_taken_away),
        STORE_TEST(test_a_shared_day_given_back),
        STORE_TEST(test_a_day_of_its_own_given_back),
    };

    return STORE_TESTS_RUN(tests);
}

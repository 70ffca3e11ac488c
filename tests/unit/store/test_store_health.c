/* What outcomes say of a provider: parked buckets, the rate that throttling leaves, the breaker. */
#include "store_rig.h"

#define SECOND INT64_C(1000000)

static void ahead(struct store_rig *r, unsigned seconds)
{
    char shift[32];

    snprintf(shift, sizeof(shift), "%u", seconds);
    REDIS(r->g, "SET", "t:test_clock", shift);
    assert_int_equal(worker_register(r->a), STORE_OK);
}

/* Claims one and gives it this outcome. */
static void send_one(struct store_rig *r, enum store_finish_kind kind, int health, int64_t delay_ms)
{
    struct store_finish f;

    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
    f = an_outcome(kind, r->a->claims[0].id, r->a->claims[0].fence);
    f.health = health;
    f.delay_ms = delay_ms;
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    assert_int_equal(r->a->recorded, 1);
}

static size_t claimed(struct store_rig *r, unsigned want)
{
    assert_int_equal(worker_claim(r->a, want), STORE_OK);
    return r->a->claim_count;
}

/* --- parking --- */

static void two_senders(struct store_rig *r, const char *names_a, const char *names_b)
{
    const struct store_bucket b[] = {{.name = "sender:s", .zone = "UTC"},
                                     {.name = "sender:q", .zone = "UTC"},
                                     {.name = "account:x", .zone = "UTC"}};
    const struct store_sender s[] = {{.id = "s", .fingerprint = "f", .buckets = names_a},
                                     {.id = "q", .fingerprint = "f", .buckets = names_b}};

    assert_int_equal(worker_configure(r->a, b, 3, s, 2), STORE_OK);
}

/* A throttled account is throttled for all its senders. */
static void test_account_is_parked(void **state)
{
    struct store_rig *r = *state;

    two_senders(r, "sender:s account:x", "sender:q account:x");
    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    send_one(r, FINISH_THROTTLED, 1, 60000);
    queue_n(r, "n", 2, "q", PRIORITY_NORMAL);
    assert_int_equal(claimed(r, 9), 0);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:q", "state"), "throttled");
    ahead(r, 61);
    assert_int_equal(claimed(r, 9), 4);
}

static void test_recipient_is_parked(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 5, "s", PRIORITY_NORMAL);
    REDIS(r->g, "HSET", "t:message:m4", "recipient", "other@x");
    send_one(r, FINISH_WAIT, 1, 60000);
    assert_int_equal(claimed(r, 9), 1);
    assert_string_equal(r->a->claims[0].id, "m4");
    assert_string_equal(REDIS(r->g, "HGET", "t:message:m2", "status"), "scheduled");
    ahead(r, 61); /* m4's lease has run out by then */
    assert_int_equal(claimed(r, 9), 5);
    assert_false(r->a->claims[0].capped); /* and nobody looks at recipients any more */
}

/* The last of a quota: the message is sent, the sender waits. */
static void test_used_up_quota(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    send_one(r, FINISH_SENT, 1, 30000);
    assert_string_equal(REDIS(r->g, "HGET", "t:message:m1", "status"), "sent");
    assert_int_equal(claimed(r, 9), 0);
    ahead(r, 31);
    assert_int_equal(claimed(r, 9), 2);
    assert_int_equal(r->a->claims[1].slot_us, r->a->now_us); /* at the full rate */
}

/* --- the effective rate --- */

static int64_t spacing(struct store_rig *r)
{
    assert_int_equal(claimed(r, 2), 2);
    return r->a->claims[1].slot_us - r->a->claims[0].slot_us;
}

static void test_repeated_throttling_halves_the_rate(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = SECOND);
    queue_n(r, "m", 20, "s", PRIORITY_NORMAL);
    send_one(r, FINISH_THROTTLED, 1, 1000);
    ahead(r, 2);
    assert_int_equal(spacing(r), SECOND); /* once is no reason */
    ahead(r, 10);
    send_one(r, FINISH_THROTTLED, 1, 1000);
    ahead(r, 12);
    assert_in_range(spacing(r), 19 * SECOND / 10, 2 * SECOND);
    assert_memory_equal(REDIS(r->g, "HGET", "t:sender:s", "effective_rate"), "0.50", 4);
    ahead(r, 90);
    assert_in_range(spacing(r), 12 * SECOND / 10, 14 * SECOND / 10); /* 1/2 + 78 s of 300 s */
    ahead(r, 200);
    assert_int_equal(spacing(r), SECOND);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "effective_rate"), "(nil)");
}

/* Without a rate of its own the rate is what was seen. */
static void test_rate_of_the_unlimited(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 40, "s", PRIORITY_NORMAL);
    assert_int_equal(claimed(r, 1), 1);
    REDIS(r->g, "HSET", "t:bucket:sender:s", "pace", "1 1 20000"); /* 50 a second */
    send_one(r, FINISH_THROTTLED, 1, 1000);
    ahead(r, 2);
    assert_int_equal(spacing(r), 0);
    ahead(r, 10);
    send_one(r, FINISH_THROTTLED, 1, 1000);
    ahead(r, 12);
    assert_in_range(spacing(r), 38000, 40000);
    assert_true(r->a->claims[0].capped);
    ahead(r, 400);
    assert_int_equal(spacing(r), 0);
}

static void test_rate_has_a_floor(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = SECOND);
    queue_n(r, "m", 20, "s", PRIORITY_NORMAL);
    for (unsigned i = 0; i < 12; i++) {
        send_one(r, FINISH_THROTTLED, 1, 1000);
        ahead(r, 200 * (i + 1));
        REDIS(r->g, "HSET", "t:bucket:sender:s", "tat", "0");
    }
    assert_true(spacing(r) < 64 * SECOND);
}

/* --- the breaker --- */

#define TRIP .trip = "3 10000 30000"

static const char *breaker(struct store_rig *r)
{
    return REDIS(r->g, "HMGET", "t:sender:s", "state", "breaker");
}

static void test_breaker(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, TRIP);
    queue_n(r, "m", 30, "s", PRIORITY_NORMAL);
    send_one(r, FINISH_RETRY, -1, 1000000);
    send_one(r, FINISH_RETRY, -1, 1000000);
    send_one(r, FINISH_SENT, 1, 0); /* in a row, it says */
    send_one(r, FINISH_RETRY, -1, 1000000);
    send_one(r, FINISH_RETRY, -1, 1000000);
    send_one(r, FINISH_FAILED, 0, 0); /* says nothing of the provider */
    assert_string_equal(breaker(r), "ok (nil)");
    send_one(r, FINISH_RETRY, -1, 1000000);
    assert_string_equal(breaker(r), "throttled open");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "error_message"), "it said no");
    assert_int_equal(claimed(r, 9), 0);
    ahead(r, 11);
    assert_int_equal(claimed(r, 9), 1); /* goes to see, alone */
    assert_int_equal(claimed(r, 9), 0);
    worker_finish(r->a, FINISH_RELEASE, r->a->claims[0].id, 1);
}

/* The probe fails: twice as long, up to the longest. Then it succeeds: all go. */
static void test_breaker_probes(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, TRIP);
    queue_n(r, "m", 30, "s", PRIORITY_NORMAL);
    for (unsigned i = 0; i < 3; i++)
        send_one(r, FINISH_RETRY, -1, 1000000);
    ahead(r, 11);
    send_one(r, FINISH_RETRY, -1, 1000000);
    ahead(r, 11 + 19);
    assert_int_equal(claimed(r, 9), 0);
    ahead(r, 11 + 21);
    send_one(r, FINISH_RETRY, -1, 1000000);
    ahead(r, 32 + 31); /* not 40 */
    send_one(r, FINISH_SENT, 1, 0);
    assert_int_equal(claimed(r, 9), 9);
    assert_string_equal(breaker(r), "ok (nil)");
}

/* What was sent before it opened does not count against it, or for it. */
static void test_stragglers(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f[6];

    LIMIT(r, TRIP);
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    assert_int_equal(claimed(r, 6), 6);
    for (unsigned i = 0; i < 6; i++) {
        f[i] = an_outcome(FINISH_RETRY, r->ids[i], 1);
        f[i].health = -1;
    }
    assert_int_equal(worker_finish_all(r->a, f, 6), STORE_OK);
    assert_memory_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "trouble"), "3 ", 2);
}

static void test_an_operator_resumes(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, TRIP);
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    for (unsigned i = 0; i < 3; i++)
        send_one(r, FINISH_RETRY, -1, 1000000);
    REDIS(r->g, "HDEL", "t:bucket:sender:s", "pause", "trouble");
    REDIS(r->g, "ZADD", "t:turn", "1", "s");
    assert_int_equal(claimed(r, 9), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_account_is_parked),
        STORE_TEST(test_recipient_is_parked),
        STORE_TEST(test_used_up_quota),
        STORE_TEST(test_repeated_throttling_halves_the_rate),
        STORE_TEST(test_rate_of_the_unlimited),
        STORE_TEST(test_rate_has_a_floor),
        STORE_TEST(test_breaker),
        STORE_TEST(test_breaker_probes),
        STORE_TEST(test_stragglers),
        STORE_TEST(test_an_operator_resumes),
    };

    return STORE_TESTS_RUN(tests);
}

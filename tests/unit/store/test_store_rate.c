/* claim's limits: spacing, bursts, several buckets, days, pauses, places. Slots are granted up to
 * an hour ahead and intervals are long, so that the time a test takes does not matter. */
#include "store_rig.h"

#define SECOND INT64_C(1000000)

static const int64_t *slots(struct worker *w)
{
    static int64_t at[RIG_CLAIMS];

    for (size_t i = 0; i < w->claim_count; i++)
        at[i] = w->claims[i].slot_us;
    return at;
}

static void test_strict(void **state)
{
    struct store_rig *r = *state;
    int64_t first;

    LIMIT(r, .interval_us = 10 * SECOND);
    queue_n(r, "m", 8, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_int_equal(r->a->claim_count, 5);
    first = r->a->claims[0].slot_us;
    assert_int_equal(first, r->a->now_us);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(slots(r->a)[i], first + i * 10 * SECOND);
        assert_true(r->a->claims[i].capped);
    }
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    assert_int_equal(slots(r->a)[0], first + 50 * SECOND);
    assert_int_equal(slots(r->a)[1], first + 60 * SECOND);
}

/* What was not used is not saved up. */
static void test_strict_after_idling(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 10 * SECOND);
    REDIS(r->g, "HSET", "t:bucket:sender:s", "tat", "1000000");
    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 3), STORE_OK);
    assert_int_equal(slots(r->a)[0], r->a->now_us);
    assert_int_equal(slots(r->a)[1], r->a->now_us + 10 * SECOND);
    assert_int_equal(slots(r->a)[2], r->a->now_us + 20 * SECOND);
}

static void test_burst(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 10 * SECOND, .tolerance_us = 40 * SECOND);
    queue_n(r, "m", 8, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 8), STORE_OK);
    for (int i = 0; i < 8; i++)
        assert_int_equal(slots(r->a)[i], r->a->now_us + (i < 5 ? 0 : (i - 4) * 10 * SECOND));
}

static void test_burst_after_idling_is_no_deeper(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 10 * SECOND, .tolerance_us = 10 * SECOND);
    REDIS(r->g, "HSET", "t:bucket:sender:s", "tat", "1000000");
    queue_n(r, "m", 4, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 4), STORE_OK);
    assert_int_equal(slots(r->a)[1], r->a->now_us);
    assert_int_equal(slots(r->a)[2], r->a->now_us + 10 * SECOND);
    assert_int_equal(slots(r->a)[3], r->a->now_us + 20 * SECOND);
}

static void test_horizon(void **state)
{
    struct store_rig *r = *state;
    const struct store_claim req = {
        .want = 9, .quantum = 9, .horizon_us = 25 * SECOND, .channels = ""};

    LIMIT(r, .interval_us = 10 * SECOND);
    queue_n(r, "m", 5, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim_by(r->a, &req), STORE_OK);
    assert_int_equal(r->a->claim_count, 3);
    /* The fourth comes in 30 s; it is within the horizon in 5 s (and a microsecond for its place).
     */
    assert_in_range(r->a->next_us - r->a->now_us, 5 * SECOND, 5 * SECOND + 64);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "2");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "throttled");
}

/* Two senders under a common bucket: each keeps its own distance, all keep the common one. */
static void test_several_buckets(void **state)
{
    struct store_rig *r = *state;
    const struct store_bucket b[] = {
        {.name = "global", .interval_us = 4 * SECOND, .zone = "UTC"},
        {.name = "sender:p", .interval_us = 10 * SECOND, .zone = "UTC"},
        {.name = "sender:q", .interval_us = SECOND, .tolerance_us = 9 * SECOND, .zone = "UTC"}};
    const struct store_sender s[] = {{.id = "p", .fingerprint = "f", .buckets = "sender:p global"},
                                     {.id = "q", .fingerprint = "f", .buckets = "sender:q global"}};
    int64_t t;

    worker_configure(r->a, b, 3, s, 2);
    queue_n(r, "p", 3, "p", PRIORITY_NORMAL);
    queue_n(r, "q", 3, "q", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 6), STORE_OK);
    assert_int_equal(r->a->claim_count, 6);
    t = r->a->now_us;
    assert_int_equal(slots(r->a)[0], t);
    assert_int_equal(slots(r->a)[1], t + 10 * SECOND);
    assert_int_equal(slots(r->a)[2], t + 20 * SECOND);
    assert_int_equal(slots(r->a)[3], t + 24 * SECOND);
    assert_int_equal(slots(r->a)[4], t + 28 * SECOND);
    assert_int_equal(slots(r->a)[5], t + 32 * SECOND);
}

/* Two workers see one state. */
static void test_two_workers(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);
    int64_t first;

    LIMIT(r, .interval_us = 10 * SECOND);
    queue_n(r, "m", 4, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    first = slots(r->a)[0];
    assert_int_equal(worker_claim(b, 2), STORE_OK);
    assert_int_equal(slots(b)[0], first + 20 * SECOND);
    assert_int_equal(slots(b)[1], first + 30 * SECOND);
}

/* No token is spent on an empty queue. */
static void test_empty_queue_costs_nothing(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 10 * SECOND, .day_cap = 5);
    REDIS(r->g, "ZADD", "t:turn", "1", "s");
    worker_claim(r->a, 5);
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:sender:s", "tat", "used", "busy"),
                        "(nil) (nil) (nil)");
}

/* Queues n messages m1.. of these units each. */
static void queue_units(struct store_rig *r, unsigned n, const char *units)
{
    char key[80];

    queue_n(r, "m", n, "s", PRIORITY_NORMAL);
    for (unsigned i = 1; i <= n; i++) {
        snprintf(key, sizeof(key), "t:message:m%u", i);
        REDIS(r->g, "HSET", key, "_units", units);
    }
}

/* A message of three units costs three intervals, and starts when the bucket holds three. */
static void test_rate_counts_units(void **state)
{
    struct store_rig *r = *state;
    int64_t t;

    LIMIT(r, .interval_us = 10 * SECOND, .tolerance_us = 30 * SECOND, .rate_units = true);
    queue_units(r, 3, "3");
    assert_int_equal(worker_claim(r->a, 3), STORE_OK);
    t = r->a->now_us;
    assert_int_equal(r->a->claim_count, 3);
    assert_int_equal(slots(r->a)[0], t); /* four tokens: one is left */
    assert_int_equal(slots(r->a)[1], t + 20 * SECOND);
    assert_int_equal(slots(r->a)[2], t + 50 * SECOND);
}

/* What no bucket could ever hold takes a full one, and pays in full. */
static void test_more_units_than_the_burst(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 10 * SECOND, .tolerance_us = 10 * SECOND, .rate_units = true);
    queue_units(r, 2, "5");
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    assert_int_equal(slots(r->a)[0], r->a->now_us);
    assert_int_equal(slots(r->a)[1], r->a->now_us + 50 * SECOND);
}

/* Not within the horizon: it goes back to where it was, at no cost. */
static void test_units_beyond_the_horizon(void **state)
{
    struct store_rig *r = *state;
    const struct store_claim req = {
        .want = 9, .quantum = 9, .horizon_us = 15 * SECOND, .channels = ""};

    LIMIT(r, .interval_us = 10 * SECOND, .tolerance_us = 30 * SECOND, .rate_units = true);
    queue_units(r, 3, "3");
    assert_int_equal(worker_claim_by(r->a, &req), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
    assert_in_range(r->a->next_us - r->a->now_us, 5 * SECOND, 5 * SECOND + 64);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m2 m3");
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "used"), "1");
}

/* A rate of messages does not care. */
static void test_rate_of_messages_with_units(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 10 * SECOND, .day_units = true);
    queue_units(r, 2, "3");
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    assert_int_equal(slots(r->a)[1], r->a->now_us + 10 * SECOND);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "used"), "6");
}

/* --- days: the bounds come with the call --- */

/* A day that began `since` hours before Redis' time and has 24. */
static void claim_in_day(struct store_rig *r, unsigned want, const char *zone, int64_t since)
{
    int64_t start = REDIS_INT(r->g, "TIME") * 1000 - since * 3600000;
    const struct store_zone z[] = {
        {"Elsewhere", {0, 1, 2, 3}},
        {zone, {start - 86400000, start, start + 86400000, start + 2 * 86400000}}};
    const struct store_claim req = {.want = want,
                                    .quantum = 99,
                                    .horizon_us = HOUR_US,
                                    .channels = "",
                                    .zones = z,
                                    .zone_count = 2};

    REDIS(r->g, "ZADD", "t:turn", "1", "s"); /* due, whatever it waits for */
    assert_int_equal(worker_claim_by(r->a, &req), STORE_OK);
}

static void test_day_cap(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 3, .zone = "Test/Zone");
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    claim_in_day(r, 2, "Test/Zone", 1);
    assert_int_equal(r->a->claim_count, 2);
    assert_false(r->a->claims[0].capped); /* no rate: no slot to keep */
    claim_in_day(r, 9, "Test/Zone", 1);
    assert_int_equal(r->a->claim_count, 1);
    claim_in_day(r, 9, "Test/Zone", 1);
    assert_int_equal(r->a->claim_count, 0);
    assert_in_range((r->a->next_us - r->a->now_us) / SECOND, 23 * 3600 - 60, 23 * 3600);
    assert_string_equal(
        REDIS(r->g, "HMGET", "t:sender:s", "state", "sent_today", "day_cap", "waiting"),
        "day_cap 3 3 6");
    assert_memory_equal(REDIS(r->g, "HGET", "t:sender:s", "until"), "2", 1);
}

static void test_next_day(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 3, .zone = "Test/Zone");
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    claim_in_day(r, 9, "Test/Zone", 20);
    assert_int_equal(r->a->claim_count, 3);
    claim_in_day(r, 9, "Test/Zone", 2);
    assert_int_equal(r->a->claim_count, 3);
    /* Back in the day before, which is used up: its count is not opened again. */
    claim_in_day(r, 9, "Test/Zone", 20);
    assert_int_equal(r->a->claim_count, 0);
}

/* The caller's clock is a day off either way: the bounds still cover Redis' time. */
static void test_neighbour_days_are_covered(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 1, .zone = "Test/Zone");
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    claim_in_day(r, 9, "Test/Zone", 26); /* its next day began two hours ago */
    assert_int_equal(r->a->claim_count, 1);
    claim_in_day(r, 9, "Test/Zone", -23); /* its day before began an hour ago */
    assert_int_equal(r->a->claim_count, 1);
}

static void test_bounds_that_do_not_cover_grant_nothing(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 3, .zone = "Test/Zone");
    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    claim_in_day(r, 9, "Test/Zone", 49);
    assert_int_equal(r->a->claim_count, 0);
    claim_in_day(r, 9, "Test/Zone", -25);
    assert_int_equal(r->a->claim_count, 0);
    claim_in_day(r, 9, "Other/Zone", 1);
    assert_int_equal(r->a->claim_count, 0);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "1");
}

static void finish_one(struct store_rig *r, enum store_finish_kind kind, const char *id,
                       bool refund)
{
    struct store_finish f = an_outcome(kind, id, 1);

    f.refund = refund;
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    assert_int_equal(r->a->recorded, 1);
}

/* What never left is given back to the day it was counted in. */
static void test_refund(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 4, .zone = "Test/Zone");
    queue_n(r, "m", 4, "s", PRIORITY_NORMAL);
    claim_in_day(r, 4, "Test/Zone", 1);
    finish_one(r, FINISH_RETRY, "m1", true);
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:sender:s", "used", "busy"), "3 3");
    finish_one(r, FINISH_RETRY, "m2", false);
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:sender:s", "used", "busy"), "3 2");
    finish_one(r, FINISH_RELEASE, "m3", true);
    finish_one(r, FINISH_SENT, "m4", false);
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:sender:s", "used", "busy"), "2 0");
}

/* A day that counts units takes none that would pass its cap, and gets them back whole. */
static void test_day_counts_units(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 7, .zone = "Test/Zone", .day_units = true);
    queue_units(r, 4, "3");
    claim_in_day(r, 9, "Test/Zone", 1);
    assert_int_equal(r->a->claim_count, 2);
    assert_string_equal(REDIS(r->g, "HMGET", "t:sender:s", "state", "sent_today", "waiting"),
                        "day_cap 6 2");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m3 m4");
    finish_one(r, FINISH_RELEASE, "m1", true);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "used"), "3");
    claim_in_day(r, 9, "Test/Zone", 1);
    assert_int_equal(r->a->claim_count, 1);
    assert_string_equal(r->a->claims[0].id, "m1");
    /* The cap was lowered below what one of them has: it takes a day of its own. */
    LIMIT(r, .day_cap = 2, .zone = "Test/Zone", .day_units = true);
    claim_in_day(r, 9, "Test/Zone", 0);
    assert_int_equal(r->a->claim_count, 1);
}

/* ... not to the next one, whose cap would then be passed. */
static void test_refund_of_yesterday(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 3, .zone = "Test/Zone");
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    claim_in_day(r, 1, "Test/Zone", 20);
    REDIS(r->g, "HSET", "t:message:m1", "sending_at", "2026-01-01T10:00:00.000Z");
    claim_in_day(r, 2, "Test/Zone", 2);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "used"), "2");
    finish_one(r, FINISH_RELEASE, "m1", true);
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:sender:s", "used", "busy"), "2 2");
}

/* --- pause --- */

static void test_pause(void **state)
{
    struct store_rig *r = *state;
    int64_t until;
    struct store_finish shorter = an_outcome(FINISH_THROTTLED, "m2", 1);

    shorter.delay_ms = 1000;
    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    finish_one(r, FINISH_THROTTLED, "m1", false);
    worker_finish_all(r->a, &shorter, 1); /* does not shorten it */
    until = REDIS_INT(r->g, "HGET", "t:bucket:sender:s", "pause");
    assert_in_range((until - r->a->now_us) / SECOND, 60, 120);
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    assert_int_equal(r->a->next_us, until);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "throttled");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m2 m1 m3");
    /* Also when its turn comes too early. */
    REDIS(r->g, "ZADD", "t:turn", "1", "s");
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    REDIS(r->g, "HSET", "t:bucket:sender:s", "pause", "5");
    REDIS(r->g, "ZADD", "t:turn", "1", "s");
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_int_equal(r->a->claim_count, 3);
    assert_int_equal(r->a->claims[0].attempts, 1); /* the throttled attempt did not count */
}

/* --- places --- */

static void test_concurrency(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    LIMIT(r, .concurrency = 3);
    queue_n(r, "m", 6, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    assert_int_equal(worker_claim(b, 9), STORE_OK);
    assert_int_equal(b->claim_count, 1);
    assert_int_equal(worker_claim(b, 1), STORE_OK);
    assert_int_equal(b->claim_count, 0);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "throttled");
    assert_true(REDIS_INT(r->g, "ZSCORE", "t:turn", "s") > b->now_us + SECOND / 2);
    /* The place that comes free gives the turn back at once. */
    finish_one(r, FINISH_SENT, "m1", false);
    assert_true(REDIS_INT(r->g, "ZSCORE", "t:turn", "s") < b->now_us + SECOND / 2);
    assert_int_equal(worker_claim(b, 9), STORE_OK);
    assert_int_equal(b->claim_count, 1);
    finish_one(r, FINISH_RETRY, "m2", false);
    assert_int_equal(worker_claim(b, 9), STORE_OK);
    assert_int_equal(b->claim_count, 1);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "busy"), "3");
}

/* A cap that was lowered below what is in flight frees nothing before it is kept. */
static void test_concurrency_lowered(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .concurrency = 3);
    queue_n(r, "m", 6, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 3);
    LIMIT(r, .concurrency = 1);
    finish_one(r, FINISH_SENT, "m1", false);
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    finish_one(r, FINISH_SENT, "m2", false);
    finish_one(r, FINISH_SENT, "m3", false);
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_strict),
        STORE_TEST(test_strict_after_idling),
        STORE_TEST(test_burst),
        STORE_TEST(test_burst_after_idling_is_no_deeper),
        STORE_TEST(test_horizon),
        STORE_TEST(test_several_buckets),
        STORE_TEST(test_two_workers),
        STORE_TEST(test_empty_queue_costs_nothing),
        STORE_TEST(test_rate_counts_units),
        STORE_TEST(test_more_units_than_the_burst),
        STORE_TEST(test_units_beyond_the_horizon),
        STORE_TEST(test_rate_of_messages_with_units),
        STORE_TEST(test_day_cap),
        STORE_TEST(test_day_counts_units),
        STORE_TEST(test_next_day),
        STORE_TEST(test_neighbour_days_are_covered),
        STORE_TEST(test_bounds_that_do_not_cover_grant_nothing),
        STORE_TEST(test_refund),
        STORE_TEST(test_refund_of_yesterday),
        STORE_TEST(test_pause),
        STORE_TEST(test_concurrency),
        STORE_TEST(test_concurrency_lowered),
    };

    return STORE_TESTS_RUN(tests);
}

/* The queues' classes: MARKETING behind all else, and what fails rather than waits; fallbacks. */
#include "store_rig.h"

#define SECOND INT64_C(1000000)

/* Queues n messages <prefix>1.. of sender "s" in a class of their own. */
static void queue_class(struct store_rig *r, const char *prefix, unsigned n, enum priority p,
                        bool marketing, bool fail_on_limit)
{
    char id[65];

    for (unsigned k = 0; k < n; k++) {
        snprintf(id, sizeof(id), "%s%u", prefix, k + 1);
        a_job(r, k, id);
        r->jobs[k].priority = p;
        r->jobs[k].marketing = marketing;
        r->jobs[k].fail_on_limit = fail_on_limit;
        r->fields[k][5] = (struct store_field){"_priority", key_queue(p, marketing, fail_on_limit)};
        r->jobs[k].field_count = 6;
    }
    accept_n(r, n);
}

/* Not even a HIGH one goes before a LOW one of another type. */
static void test_marketing_never_delays(void **state)
{
    struct store_rig *r = *state;

    queue_class(r, "M", 3, PRIORITY_HIGH, true, false);
    queue_class(r, "m", 3, PRIORITY_NORMAL, true, false);
    queue_class(r, "low", 2, PRIORITY_LOW, false, false);
    queue_class(r, "n", 2, PRIORITY_NORMAL, false, false);
    expect_claims(r, 3, "n1 n2 low1");
    expect_claims(r, 3, "low2 M1 m1"); /* by priority each fifth is a normal one */
    expect_claims(r, 9, "M2 M3 m2 m3");
    assert_string_equal(REDIS(r->g, "ZSCORE", "t:turn", "s"), "(nil)");
}

static void test_marketing_returns_to_its_queue(void **state)
{
    struct store_rig *r = *state;

    queue_class(r, "m", 2, PRIORITY_NORMAL, true, false);
    expect_claims(r, 1, "m1");
    assert_int_equal(worker_finish(r->a, FINISH_RELEASE, "m1", 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:5", "0", "-1"), "m1 m2");
}

static void test_what_does_not_wait_goes_first(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 4 * HOUR_US, .count = 7);
    queue_class(r, "n", 2, PRIORITY_HIGH, false, false);
    queue_class(r, "f", 3, PRIORITY_LOW, false, true);
    expect_claims(r, 9, "f1 f2 f3");
    assert_false(r->a->claims[0].limited);
    assert_true(r->a->claims[1].limited && r->a->claims[2].limited);
    assert_int_equal(r->a->claims[0].left.limit, 7);
    assert_int_equal(r->a->claims[0].left.remaining, 6);
    assert_int_equal(r->a->claims[1].left.remaining, 0);
    assert_in_range(r->a->claims[1].left.reset_s - r->a->now_us / SECOND, 3 * 3600 - 2,
                    3 * 3600 + 2);
}

/* The sender's turn is hours away; it is told at once all the same, and the others wait on. */
static void test_told_at_once(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 4 * HOUR_US, .count = 1);
    queue_class(r, "n", 3, PRIORITY_HIGH, false, false);
    expect_claims(r, 9, "n1");
    queue_class(r, "f", 1, PRIORITY_NORMAL, false, true);
    expect_claims(r, 9, "f1");
    assert_true(r->a->claims[0].limited);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:1"), "2");
    assert_true(REDIS_INT(r->g, "ZSCORE", "t:turn", "s") > r->a->now_us + HOUR_US);
}

/* Wherever the count of those served stands, one that comes while only others wait is the next;
 * many of them leave the others their share. */
static void test_an_urgent_one_is_next(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = SECOND, .tolerance_us = 10 * HOUR_US);
    queue_class(r, "n", 64, PRIORITY_NORMAL, false, false);
    for (unsigned k = 0; k < 21; k++) {
        char id[8];

        assert_int_equal(worker_claim(r->a, 1), STORE_OK);
        assert_memory_equal(r->a->claims[0].id, "n", 1);
        snprintf(id, sizeof(id), "h%u-", k);
        queue_class(r, id, 1, PRIORITY_HIGH, false, false);
        assert_int_equal(worker_claim(r->a, 1), STORE_OK);
        assert_memory_equal(r->a->claims[0].id, id, strlen(id));
    }
    REDIS(r->g, "HSET", "t:sender:s", "_served", "40");
    queue_class(r, "H", 9, PRIORITY_HIGH, false, false);
    expect_claims(r, 9, "H1 H2 H3 H4 n22 H5 H6 H7 H8");
}

/* --- fallback --- */

static struct store_finish handed_over(const char *id, bool broken)
{
    struct store_finish f = an_outcome(FINISH_FALLBACK, id, 1);

    f.next = (struct store_next){.sender = "q",
                                 .provider = "other",
                                 .units = 3,
                                 .packed = "repacked",
                                 .packed_len = 8,
                                 .broken = broken};
    return f;
}

static void second_sender(struct store_rig *r)
{
    const struct store_bucket b = {.name = "sender:q", .zone = "UTC"};
    const struct store_sender s = {.id = "q", .fingerprint = "f", .buckets = "sender:q"};

    assert_int_equal(worker_configure(r->a, &b, 1, &s, 1), STORE_OK);
}

static void test_fallback(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f[2] = {handed_over("m1", false), an_outcome(FINISH_SENT, "m2", 1)};

    second_sender(r);
    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    expect_claims(r, 2, "m1 m2");
    assert_int_equal(worker_finish_all(r->a, f, 2), STORE_OK); /* what follows is read right */
    assert_int_equal(r->a->recorded, 2);
    assert_string_equal(
        REDIS(r->g, "HMGET", "t:message:m1", "status", "sender", "provider", "attempts", "_units"),
        "queued q other 0 3");
    assert_non_null(strstr(REDIS(r->g, "HGET", "t:message:m1", "trail"), "\"sender\":\"s\""));
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "busy"), "0");
    expect_claims(r, 2, "m1");
    assert_string_equal(r->a->claims[0].packed, "repacked");
    assert_int_equal(r->a->claims[0].fence, 2);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "ok");
}

static void test_fallback_of_a_broken_sender(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f = handed_over("m1", true);

    second_sender(r);
    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    expect_claims(r, 1, "m1");
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "broken");
    assert_string_equal(REDIS(r->g, "HGET", "t:message:m1", "sender"), "q");
}

/* A worker died while it was being sent: nobody knows, and nobody else tries. */
static void test_no_fallback_after_a_crash(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f = handed_over("m1", false);

    second_sender(r);
    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    expect_claims(r, 1, "m1");
    REDIS(r->g, "ZADD", "t:workers", "1", store_worker_id(r->a->store));
    (void)store_rig_second(r); /* finds it dead */
    assert_int_equal(worker_claim(r->b, 1), STORE_OK);
    assert_int_equal(r->b->claim_count, 1);
    f.fence = 2;
    assert_int_equal(worker_finish_all(r->b, &f, 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "sender"), "failed s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_marketing_never_delays),
        STORE_TEST(test_marketing_returns_to_its_queue),
        STORE_TEST(test_what_does_not_wait_goes_first),
        STORE_TEST(test_told_at_once),
        STORE_TEST(test_an_urgent_one_is_next),
        STORE_TEST(test_fallback),
        STORE_TEST(test_fallback_of_a_broken_sender),
        STORE_TEST(test_no_fallback_after_a_crash),
    };

    return STORE_TESTS_RUN(tests);
}

/* start and finish: what each outcome leaves behind, once, and whose word counts. */
#include "store_rig.h"

static const char *today(struct store_rig *r)
{
    char day[64] = "";

    snprintf(day, sizeof(day), "%s", REDIS(r->g, "KEYS", "t:stats:*"));
    return key_of(r, day, "");
}

#define PLACES(r) REDIS_INT((r)->g, "HGET", "t:bucket:sender:s", "busy")

/* --- start --- */

static void test_start(void **state)
{
    struct store_rig *r = *state;

    claim_one(r);
    assert_int_equal(worker_start(r->a, "m1", 1), STORE_OK);
    assert_true(r->a->ok);
    assert_string_equal(FIELD(r, "m1", "_started"), "1");
    assert_int_equal(worker_start(r->a, "m1", 1), STORE_OK);
    assert_true(r->a->ok);
}

static void test_start_of_a_lost_lease(void **state)
{
    struct store_rig *r = *state;

    claim_one(r);
    assert_int_equal(worker_start(r->a, "m1", 2), STORE_OK);
    assert_false(r->a->ok);
    assert_int_equal(worker_start(r->a, "nobody", 1), STORE_OK);
    assert_false(r->a->ok);
    worker_finish(r->a, FINISH_RETRY, "m1", 1);
    assert_int_equal(worker_start(r->a, "m1", 1), STORE_OK);
    assert_false(r->a->ok);
    assert_string_equal(FIELD(r, "m1", "_started"), "(nil)");
    assert_string_equal(REDIS(r->g, "EXISTS", "t:message:nobody"), "0");
}

/* --- each kind --- */

static void test_sent(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f = an_outcome(FINISH_SENT, "m1", 1);

    claim_one(r);
    f.contact = "c1";
    f.deal = "d1";
    f.answer = "{\"ok\":1}";
    f.answer_len = 8;
    f.reply_queue = "q";
    f.fields[f.field_count++] = (struct store_field){"provider_message_id", "p-1"};
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    assert_int_equal(r->a->recorded, 1);
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "attempts", "response",
                              "provider_message_id", "failed_at"),
                        "sent 1 {\"ok\":1} p-1 (nil)");
    assert_memory_equal(FIELD(r, "m1", "sent_at"), "2", 1);
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:message:m1"), 1, 7 * 86400000);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:content:m1", LEASE(r, r->a), "t:dead"), "0");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:reply:q", "0", "-1"), "{\"ok\":1}");
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:reply:q"), 1, 3600000);
    assert_string_equal(REDIS(r->g, "HMGET", today(r), "provider:sandbox:sent",
                              "channel:email:sent", "sender:s:sent"),
                        "1 1 1");
    assert_in_range(REDIS_INT(r->g, "PTTL", today(r)), 1, INT64_C(90) * 86400000);
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:timeline:contact:c1", "-", "+"),
                           "id m1 status sent channel email provider sandbox at 2"));
    assert_string_equal(REDIS(r->g, "XLEN", "t:timeline:deal:d1"), "1");
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:timeline:deal:d1"), 1, 7 * 86400000);
    assert_int_equal(PLACES(r), 0);
}

/* Of whoever made the day's hash: it ends. */
static void test_the_days_counts_end(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 2);
    worker_finish(r->a, FINISH_SENT, "m1", 1);
    REDIS(r->g, "PERSIST", today(r));
    worker_finish(r->a, FINISH_SENT, "m2", 1);
    assert_in_range(REDIS_INT(r->g, "PTTL", today(r)), 1, INT64_C(90) * 86400000);
}

static void test_failed(void **state)
{
    struct store_rig *r = *state;

    claim_one(r);
    assert_int_equal(worker_finish(r->a, FINISH_FAILED, "m1", 1), STORE_OK);
    assert_string_equal(
        REDIS(r->g, "HMGET", "t:message:m1", "status", "error_code", "error_message", "sent_at"),
        "failed provider_error it said no (nil)");
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:message:m1"), 1, 7 * 86400000);
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:content:m1"), 1, 7 * 86400000);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:dead", "0", "-1"), "m1");
    assert_string_equal(REDIS(r->g, "HGET", today(r), "sender:s:failed"), "1");
    assert_non_null(
        strstr(REDIS(r->g, "XREVRANGE", "t:events", "+", "-", "COUNT", "1"), "message.failed"));
    assert_non_null(strstr(REDIS(r->g, "XREVRANGE", "t:events", "+", "-", "COUNT", "1"),
                           "error_code provider_error"));
}

static void test_content_can_be_kept(void **state)
{
    struct store_rig *r = *state;

    r->settings.keep_content = true;
    store_set_settings(r->a->store, &r->settings);
    claim_one(r);
    worker_finish(r->a, FINISH_SENT, "m1", 1);
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:content:m1"), 1, 7 * 86400000);
}

static void test_retry(void **state)
{
    struct store_rig *r = *state;
    int64_t due;

    claim_one(r);
    assert_int_equal(worker_finish(r->a, FINISH_RETRY, "m1", 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "attempts", "error_code"),
                        "scheduled 1 provider_error");
    due = REDIS_INT(r->g, "ZSCORE", "t:delayed", "m1");
    assert_in_range(due - r->a->now_us / 1000, 60000, 120000);
    assert_string_equal(REDIS(r->g, "EXISTS", LEASE(r, r->a), "t:stats", "t:turn"), "0");
    assert_string_equal(REDIS(r->g, "TTL", "t:message:m1"), "-1");
    assert_string_equal(REDIS(r->g, "GET", "t:content:m1"), "packed-m1");
    REDIS(r->g, "ZADD", "t:delayed", "1", "m1");
    worker_claim(r->a, 1);
    assert_int_equal(r->a->claims[0].attempts, 2);
    assert_int_equal(r->a->claims[0].fence, 2);
    worker_finish(r->a, FINISH_SENT, "m1", 2);
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "error_code",
                              "error_message", "next_attempt_at"),
                        "sent (nil) (nil) (nil)");
}

static void test_wait(void **state)
{
    struct store_rig *r = *state;

    claim_one(r);
    assert_int_equal(worker_finish(r->a, FINISH_WAIT, "m1", 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "attempts"), "scheduled 0");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "ok");
}

static void test_release(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 3, "s", PRIORITY_HIGH);
    worker_claim(r->a, 1);
    assert_int_equal(worker_finish(r->a, FINISH_RELEASE, "m1", 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:1", "0", "-1"), "m1 m2 m3");
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "attempts"), "queued 0");
    assert_string_equal(REDIS(r->g, "EXISTS", LEASE(r, r->a)), "0");
    worker_claim(r->a, 3);
    assert_int_equal(r->a->claims[0].fence, 2);
}

static void test_release_gives_the_turn(void **state)
{
    struct store_rig *r = *state;

    claim_one(r);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:turn"), "0");
    worker_finish(r->a, FINISH_RELEASE, "m1", 1);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:turn", "0", "-1"), "s");
}

static void test_broken(void **state)
{
    struct store_rig *r = *state;
    const struct store_bucket b = {.name = "sender:s", .zone = "UTC"};
    struct store_sender s = {.id = "s", .fingerprint = "f1", .buckets = "sender:s"};

    claim_one(r);
    assert_int_equal(worker_finish(r->a, FINISH_BROKEN, "m1", 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "HMGET", "t:sender:s", "state", "error_message"),
                        "broken it said no");
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "attempts"), "queued 0");
    worker_claim(r->a, 1);
    assert_int_equal(r->a->claim_count, 0);
    worker_configure(r->a, &b, 1, &s, 1); /* the same account: still broken */
    worker_claim(r->a, 1);
    assert_int_equal(r->a->claim_count, 0);
    snprintf(s.fingerprint, sizeof(s.fingerprint), "f2");
    worker_configure(r->a, &b, 1, &s, 1);
    assert_string_equal(REDIS(r->g, "HMGET", "t:sender:s", "state", "error_message"), "ok (nil)");
    worker_claim(r->a, 1);
    assert_int_equal(r->a->claim_count, 1);
}

/* What an operator or refused credentials stopped is not started by a mere throttle. */
static void test_throttle_of_a_stopped_sender(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 3);
    worker_finish(r->a, FINISH_BROKEN, "m1", 1);
    worker_finish(r->a, FINISH_THROTTLED, "m2", 1);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "broken");
    REDIS(r->g, "HSET", "t:sender:s", "state", "paused");
    worker_finish(r->a, FINISH_THROTTLED, "m3", 1);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "paused");
    worker_claim(r->a, 3);
    assert_int_equal(r->a->claim_count, 0);
}

static void test_refused_credentials_of_a_paused_sender(void **state)
{
    struct store_rig *r = *state;

    claim_one(r);
    REDIS(r->g, "HSET", "t:sender:s", "state", "paused");
    worker_finish(r->a, FINISH_BROKEN, "m1", 1);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "paused");
    assert_string_equal(FIELD(r, "m1", "status"), "queued");
}

/* --- once --- */

/* Every kind, executed twice: the second changes nothing but is counted as stale. */
static void test_each_kind_twice(void **state)
{
    static const enum store_finish_kind kinds[] = {FINISH_SENT,   FINISH_FAILED,    FINISH_RETRY,
                                                   FINISH_WAIT,   FINISH_THROTTLED, FINISH_BROKEN,
                                                   FINISH_RELEASE};
    struct store_rig *r = *state;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char before[600], id[16];

        REDIS(r->g, "DEL", "t:sender:s", "t:bucket:sender:s", "t:delayed");
        LIMIT(r, .concurrency = 9, .day_cap = 0);
        snprintf(id, sizeof(id), "k%zu", i);
        a_job(r, 0, id);
        a_job(r, 1, "other");
        accept_n(r, 2);
        worker_claim(r->a, 2);
        assert_int_equal(worker_finish(r->a, kinds[i], id, 1), STORE_OK);
        assert_int_equal(r->a->recorded, 1);
        snprintf(before, sizeof(before), "%s|%lld|%s|%s|%s", FIELD(r, id, "status"), PLACES(r),
                 REDIS(r->g, "HGETALL", today(r)), REDIS(r->g, "LLEN", "t:ready:s:2"),
                 REDIS(r->g, "ZRANGE", "t:delayed", "0", "-1", "WITHSCORES"));
        assert_int_equal(worker_finish(r->a, kinds[i], id, 1), STORE_OK);
        assert_int_equal(r->a->recorded, 0);
        assert_int_equal(r->a->stale, 1);
        {
            char after[600];

            snprintf(after, sizeof(after), "%s|%lld|%s|%s|%s", FIELD(r, id, "status"), PLACES(r),
                     REDIS(r->g, "HGETALL", today(r)), REDIS(r->g, "LLEN", "t:ready:s:2"),
                     REDIS(r->g, "ZRANGE", "t:delayed", "0", "-1", "WITHSCORES"));
            assert_string_equal(after, before);
        }
        REDIS(r->g, "DEL", "t:message:other", "t:ready:s:2", LEASE(r, r->a), "t:turn");
    }
}

static void test_twice_in_one_batch(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f[2] = {an_outcome(FINISH_SENT, "m1", 1), an_outcome(FINISH_SENT, "m1", 1)};

    LIMIT(r, .concurrency = 9);
    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 3);
    assert_int_equal(worker_finish_all(r->a, f, 2), STORE_OK);
    assert_int_equal(r->a->recorded, 1);
    assert_int_equal(r->a->stale, 1);
    assert_int_equal(PLACES(r), 2);
    assert_string_equal(REDIS(r->g, "HGET", today(r), "sender:s:sent"), "1");
}

static void test_a_batch(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f[3];

    LIMIT(r, .concurrency = 9);
    queue_n(r, "m", 4, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 4);
    f[0] = an_outcome(FINISH_SENT, "m1", 1);
    f[1] = an_outcome(FINISH_FAILED, "m2", 1);
    f[2] = an_outcome(FINISH_SENT, "m3", 1);
    assert_int_equal(worker_finish_all(r->a, f, 3), STORE_OK);
    assert_int_equal(r->a->recorded, 3);
    assert_string_equal(REDIS(r->g, "HMGET", today(r), "sender:s:sent", "sender:s:failed"), "2 1");
    assert_int_equal(PLACES(r), 1);
    assert_string_equal(REDIS(r->g, "SMEMBERS", LEASE(r, r->a)), "m4");
}

/* --- whose word counts --- */

/* The lease was lost and the message waits again: a late "sent" is true and ends it. */
static void test_late_evidence(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 2);
    worker_finish(r->a, FINISH_RELEASE, "m1", 1);
    worker_finish(r->a, FINISH_RETRY, "m2", 1);
    worker_finish(r->a, FINISH_SENT, "m1", 1);
    assert_int_equal(r->a->recorded, 1);
    worker_finish(r->a, FINISH_SENT, "m2", 1);
    assert_int_equal(r->a->recorded, 1);
    assert_string_equal(FIELD(r, "m1", "status"), "sent");
    assert_string_equal(FIELD(r, "m2", "status"), "sent");
    assert_string_equal(FIELD(r, "m2", "next_attempt_at"), "(nil)");
    assert_string_equal(REDIS(r->g, "EXISTS", "t:delayed"), "0");
    worker_claim(r->a, 5);
    assert_int_equal(r->a->claim_count, 0);
    assert_string_equal(REDIS(r->g, "HGET", today(r), "sender:s:sent"), "2");
}

static void test_late_words_that_are_no_evidence(void **state)
{
    static const enum store_finish_kind kinds[] = {FINISH_FAILED,    FINISH_RETRY,  FINISH_WAIT,
                                                   FINISH_THROTTLED, FINISH_BROKEN, FINISH_RELEASE};
    struct store_rig *r = *state;

    claim_one(r);
    worker_finish(r->a, FINISH_RELEASE, "m1", 1);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_int_equal(worker_finish(r->a, kinds[i], "m1", 1), STORE_OK);
        assert_int_equal(r->a->recorded, 0);
    }
    assert_string_equal(FIELD(r, "m1", "status"), "queued");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "ok");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m1");
}

/* Somebody leased it since: not even "sent" of the earlier lease counts. */
static void test_an_earlier_fence(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    LIMIT(r, .concurrency = 5);
    claim_one(r);
    kill_worker(r, r->a);
    worker_beat(b);
    worker_claim(b, 1);
    assert_int_equal(b->claims[0].fence, 2);
    assert_int_equal(worker_finish(r->a, FINISH_SENT, "m1", 1), STORE_OK);
    assert_int_equal(r->a->stale, 1);
    assert_string_equal(FIELD(r, "m1", "status"), "sending");
    assert_int_equal(PLACES(r), 1);
    assert_string_equal(REDIS(r->g, "SMEMBERS", LEASE(r, b)), "m1");
}

/* The same worker leased it again while its first attempt was still under way: the late outcome of
 * the first takes neither the second's lease nor its place. */
static void test_an_earlier_fence_of_the_same_worker(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    LIMIT(r, .concurrency = 5);
    claim_one(r);
    kill_worker(r, r->a);
    worker_beat(b);
    worker_register(r->a);
    worker_claim(r->a, 1);
    assert_int_equal(r->a->claims[0].fence, 2);
    assert_int_equal(worker_finish(r->a, FINISH_RETRY, "m1", 1), STORE_OK);
    assert_int_equal(r->a->stale, 1);
    assert_string_equal(REDIS(r->g, "SMEMBERS", LEASE(r, r->a)), "m1");
    assert_int_equal(PLACES(r), 1);
    assert_int_equal(worker_finish(r->a, FINISH_SENT, "m1", 2), STORE_OK);
    assert_int_equal(r->a->recorded, 1);
    assert_int_equal(PLACES(r), 0);
}

/* A message whose hash is gone holds no place for ever. */
static void test_of_a_vanished_message(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .concurrency = 1);
    claim_one(r);
    REDIS(r->g, "DEL", "t:message:m1");
    assert_int_equal(worker_finish(r->a, FINISH_SENT, "m1", 1), STORE_OK);
    assert_int_equal(r->a->stale, 1);
    assert_int_equal(PLACES(r), 0);
    assert_string_equal(REDIS(r->g, "EXISTS", LEASE(r, r->a), "t:message:m1"), "0");
}

/* Its content could not be read, so that the caller does not know whose it was. */
static void test_of_an_unreadable_message(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f = an_outcome(FINISH_FAILED, "m1", 1);

    LIMIT(r, .concurrency = 1);
    claim_one(r);
    f.sender = f.channel = "";
    f.provider = "none";
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    assert_int_equal(PLACES(r), 0);
    assert_string_equal(REDIS(r->g, "HMGET", today(r), "sender:s:failed", "provider:sandbox:failed",
                              "channel:email:failed"),
                        "1 1 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_start),
        STORE_TEST(test_start_of_a_lost_lease),
        STORE_TEST(test_sent),
        STORE_TEST(test_the_days_counts_end),
        STORE_TEST(test_failed),
        STORE_TEST(test_content_can_be_kept),
        STORE_TEST(test_retry),
        STORE_TEST(test_wait),
        STORE_TEST(test_release),
        STORE_TEST(test_release_gives_the_turn),
        STORE_TEST(test_broken),
        STORE_TEST(test_throttle_of_a_stopped_sender),
        STORE_TEST(test_refused_credentials_of_a_paused_sender),
        STORE_TEST(test_each_kind_twice),
        STORE_TEST(test_twice_in_one_batch),
        STORE_TEST(test_a_batch),
        STORE_TEST(test_late_evidence),
        STORE_TEST(test_late_words_that_are_no_evidence),
        STORE_TEST(test_an_earlier_fence),
        STORE_TEST(test_an_earlier_fence_of_the_same_worker),
        STORE_TEST(test_of_a_vanished_message),
        STORE_TEST(test_of_an_unreadable_message),
    };

    return STORE_TESTS_RUN(tests);
}

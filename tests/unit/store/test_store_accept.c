/* accept: a batch becomes messages, duplicates and rejected jobs, once. */
#include "store_rig.h"

#include "timefmt.h"

static void test_a_message(void **state)
{
    struct store_rig *r = *state;
    int64_t now;

    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    assert_int_equal(r->a->accepted, 2);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m1 m2");
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:turn", "0", "-1"), "s");
    assert_string_equal(REDIS(r->g, "GET", "t:content:m1"), "packed-m1");
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "id", "status", "attempts", "channel",
                              "recipient", "next_attempt_at", "_hash"),
                        "m1 queued 0 email to@x (nil) (nil)");
    assert_int_equal(time_parse(FIELD(r, "m1", "queued_at"), &now), SQ_OK);
    assert_string_equal(REDIS(r->g, "TTL", "t:message:m1"), "-1");
    assert_string_equal(REDIS(r->g, "TTL", "t:content:m1"), "-1");
    assert_string_equal(REDIS(r->g, "EXISTS", CLAIMED(r, r->a), "t:jobs"), "0");
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:events", "-", "+"), "type message.queued"));
}

static void test_priorities_have_queues(void **state)
{
    struct store_rig *r = *state;

    for (unsigned k = 0; k < 3; k++) {
        a_job(r, k, k == 0 ? "h" : k == 1 ? "n" : "l");
        set_priority(r, k, (enum priority)k);
    }
    accept_n(r, 3);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:1", "0", "-1"), "h");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "n");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:3", "0", "-1"), "l");
}

/* The answer got lost and it is called again: the batch is gone, nothing is doubled. */
static void test_twice(void **state)
{
    struct store_rig *r = *state;
    uint64_t tag;

    a_job(r, 0, "m1");
    tag = take_n(r, r->a, 1);
    assert_int_equal(worker_accept(r->a, tag, r->jobs, 1), STORE_OK);
    assert_int_equal(worker_accept(r->a, tag, r->jobs, 1), STORE_GONE);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "1");
}

static void test_only_its_own_batch(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);
    uint64_t tag;

    a_job(r, 0, "m1");
    tag = take_n(r, r->a, 1);
    assert_int_equal(worker_accept(b, tag, r->jobs, 1), STORE_GONE);
    assert_int_equal(worker_accept(r->a, tag + 1, r->jobs, 1), STORE_GONE);
    assert_int_equal(worker_accept(r->a, tag / 10, r->jobs, 1), STORE_GONE);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:message:m1", "t:turn"), "0");
    assert_int_equal(worker_accept(r->a, tag, r->jobs, 1), STORE_OK);
}

static void test_scheduled(void **state)
{
    struct store_rig *r = *state;
    const int64_t due = INT64_C(4102444800123); /* 2100-01-01T00:00:00.123Z */

    a_job(r, 0, "later")->due_ms = due;
    a_job(r, 1, "past")->due_ms = 1000;
    accept_n(r, 2);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:delayed", "0", "-1", "WITHSCORES"),
                        "later 4102444800123");
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:later", "status", "next_attempt_at"),
                        "scheduled 2100-01-01T00:00:00.123Z");
    assert_string_equal(FIELD(r, "past", "status"), "queued");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "past");
    REDIS(r->g, "ZADD", "t:delayed", "5", "later");
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_int_equal(r->a->claim_count, 2);
    assert_string_equal(r->a->claims[1].id, "later");
    assert_string_equal(FIELD(r, "later", "next_attempt_at"), "(nil)");
    assert_string_equal(REDIS(r->g, "EXISTS", "t:delayed"), "0");
}

/* The scripts' own calendar against the C one: every month's ends, and odd instants, to 2500. */
static void test_dates(void **state)
{
    static const int64_t parts[] = {0, 86399999, 45296789};
    struct store_rig *r = *state;
    int64_t from, day;
    unsigned n = 0;
    char id[32], expected[TIME_TEXT];

    assert_int_equal(time_parse("2099-12-27T00:00:00Z", &from), SQ_OK);
    for (day = 0; n + 3 < RIG_JOBS; day += n % 7 == 0 ? 11 : n < 60 ? 1 : 443)
        for (size_t i = 0; i < 3; i++, n++) {
            snprintf(id, sizeof(id), "m%u", n);
            a_job(r, n, id)->due_ms = from + day * 86400000 + parts[i];
        }
    accept_n(r, n);
    for (unsigned k = 0; k < n; k++) {
        time_format(r->jobs[k].due_ms, expected);
        assert_string_equal(FIELD(r, r->ids[k], "next_attempt_at"), expected);
    }
}

static void test_leap_days(void **state)
{
    static const char *const days[] = {
        "2096-02-28T23:59:59.999Z", "2096-02-29T00:00:00.000Z", "2096-02-29T23:59:59.999Z",
        "2096-03-01T00:00:00.000Z", "2100-02-28T23:59:59.999Z", "2100-03-01T00:00:00.000Z",
        "2100-12-31T23:59:59.999Z", "2101-01-01T00:00:00.000Z", "2104-02-29T12:34:56.789Z",
        "2399-12-31T23:59:59.999Z", "2400-02-29T23:59:59.001Z", "2400-03-01T00:00:00.010Z",
        "2401-02-28T23:59:59.100Z", "9999-12-31T23:59:59.999Z",
    };
    const unsigned n = sizeof(days) / sizeof(days[0]);
    struct store_rig *r = *state;
    char id[32];

    for (unsigned k = 0; k < n; k++) {
        snprintf(id, sizeof(id), "m%u", k);
        assert_int_equal(time_parse(days[k], &a_job(r, k, id)->due_ms), SQ_OK);
    }
    accept_n(r, n);
    for (unsigned k = 0; k < n; k++)
        assert_string_equal(FIELD(r, r->ids[k], "next_attempt_at"), days[k]);
}

static void keyed(struct store_rig *r, unsigned k, const char *id, const char *key,
                  const char *hash)
{
    struct store_accept *j = a_job(r, k, id);

    j->idempotency_key = key;
    j->body_hash = hash;
    j->reply_queue = "q";
    j->conflict_answer = "conflict!";
    j->conflict_len = 9;
}

static void test_same_key_same_body(void **state)
{
    struct store_rig *r = *state;

    keyed(r, 0, "m1", "k", "h");
    keyed(r, 1, "m2", "k", "h"); /* in the same batch already */
    accept_n(r, 2);
    assert_int_equal(r->a->accepted, 1);
    assert_int_equal(r->a->duplicates, 1);
    keyed(r, 0, "m3", "k", "h");
    accept_n(r, 1);
    assert_int_equal(r->a->duplicates, 1);
    assert_int_equal(r->a->accepted, 0);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m1");
    assert_string_equal(REDIS(r->g, "EXISTS", "t:message:m2", "t:message:m3"), "0");
    assert_string_equal(REDIS(r->g, "GET", "t:idem:k"), "m1 h");
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:idem:k"), 1, 86400000);
}

static void test_same_key_other_body(void **state)
{
    struct store_rig *r = *state;

    keyed(r, 0, "m1", "k", "h");
    keyed(r, 1, "m2", "k", "other");
    accept_n(r, 2);
    assert_int_equal(r->a->accepted, 1);
    assert_int_equal(r->a->rejected, 1);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:reply:q", "0", "-1"), "conflict!");
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:rejected", "-", "+"),
                           "raw raw2 error_code idempotency_conflict"));
    assert_string_equal(REDIS(r->g, "EXISTS", "t:message:m2"), "0");
}

static void test_same_id(void **state)
{
    struct store_rig *r = *state;
    struct store_accept *j;

    j = a_job(r, 0, "mine");
    j->explicit_id = true;
    j->body_hash = "h";
    r->jobs[1] = r->jobs[2] = *j;
    r->jobs[1].index = 2;
    r->jobs[2].index = 3;
    r->jobs[2].body_hash = "other";
    accept_n(r, 3);
    assert_int_equal(r->a->accepted, 1);
    assert_int_equal(r->a->duplicates, 1);
    assert_int_equal(r->a->rejected, 1);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "1");
}

/* An id that a message got by itself: nobody can say that the body is the same. */
static void test_id_of_a_message_without_one(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    a_job(r, 0, "m1")->explicit_id = true;
    r->jobs[0].body_hash = "h";
    accept_n(r, 1);
    assert_int_equal(r->a->rejected, 1);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "1");
}

/* A duplicate gets the first one's answer: when that is final, or at once if it is. */
static void test_duplicates_are_answered(void **state)
{
    struct store_rig *r = *state;
    struct store_finish f;

    keyed(r, 0, "m1", "k", "h");
    keyed(r, 1, "m2", "k", "h");
    r->jobs[1].reply_queue = "q2";
    keyed(r, 2, "m3", "k", "h");
    r->jobs[2].reply_queue = "q3";
    accept_n(r, 3);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:reply:q", "t:reply:q2"), "0");
    worker_claim(r->a, 1);
    f = an_outcome(FINISH_SENT, "m1", 1);
    f.reply_queue = "q";
    f.answer = "done";
    f.answer_len = 4;
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:reply:q", "0", "-1"), "done");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:reply:q2", "0", "-1"), "done");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:reply:q3", "0", "-1"), "done");
    keyed(r, 0, "m4", "k", "h");
    r->jobs[0].reply_queue = "q4";
    accept_n(r, 1);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:reply:q4", "0", "-1"), "done");
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:reply:q4"), 1, 3600000);
}

/* So many may wait; the next one is told that it does not. */
static void test_too_many_repeats(void **state)
{
    struct store_rig *r = *state;

    keyed(r, 0, "m1", "k", "h");
    accept_n(r, 1);
    for (int i = 0; i < 100; i++) {
        keyed(r, 0, "m2", "k", "h");
        accept_n(r, 1);
        assert_int_equal(r->a->duplicates, 1);
    }
    r->jobs[0].conflict_answer = "came before with another body";
    r->jobs[0].conflict_len = strlen(r->jobs[0].conflict_answer);
    accept_n(r, 1);
    assert_int_equal(r->a->rejected, 1);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:reply:q", "0", "-1"),
                        "came before and 100 repeats wait for its answer");
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:rejected", "-", "+"), "100 repeats wait"));
    r->jobs[0].reply_queue = ""; /* who wants no answer need not wait for it */
    accept_n(r, 1);
    assert_int_equal(r->a->duplicates, 1);
}

static void test_rejected(void **state)
{
    struct store_rig *r = *state;

    a_job(r, 0, "m1");
    r->jobs[1] = (struct store_accept){.index = 2,
                                       .rejected = true,
                                       .reply_queue = "q",
                                       .error_code = "validation_error",
                                       .error_message = "must be a string",
                                       .field = "to",
                                       .answer = "no!",
                                       .answer_len = 3};
    accept_n(r, 2);
    assert_int_equal(r->a->accepted, 1);
    assert_int_equal(r->a->rejected, 1);
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:rejected", "-", "+"),
                           "raw raw2 error_code validation_error error_message must be a string "
                           "field to at 2"));
    assert_string_equal(REDIS(r->g, "LLEN", "t:reply:q"), "1");
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:reply:q"), 1, 3600000);
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:events", "-", "+"), "type job.rejected at 2"));
}

static void test_events_final_and_off(void **state)
{
    struct store_rig *r = *state;

    r->settings.events = "final";
    store_set_settings(r->a->store, &r->settings);
    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:events"), "0");
    r->jobs[0] = (struct store_accept){.index = 1, .rejected = true, .error_code = "x"};
    accept_n(r, 1);
    assert_string_equal(REDIS(r->g, "XLEN", "t:events"), "1");
    r->settings.events = "off";
    store_set_settings(r->a->store, &r->settings);
    accept_n(r, 1);
    assert_string_equal(REDIS(r->g, "XLEN", "t:events"), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_message),
        STORE_TEST(test_priorities_have_queues),
        STORE_TEST(test_twice),
        STORE_TEST(test_only_its_own_batch),
        STORE_TEST(test_scheduled),
        STORE_TEST(test_dates),
        STORE_TEST(test_leap_days),
        STORE_TEST(test_same_key_same_body),
        STORE_TEST(test_same_key_other_body),
        STORE_TEST(test_same_id),
        STORE_TEST(test_id_of_a_message_without_one),
        STORE_TEST(test_duplicates_are_answered),
        STORE_TEST(test_too_many_repeats),
        STORE_TEST(test_rejected),
        STORE_TEST(test_events_final_and_off),
    };

    return STORE_TESTS_RUN(tests);
}

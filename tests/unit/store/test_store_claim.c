/* claim: who is served, in which order, and what a claimed message looks like. */
#include "store_rig.h"

/* Senders a, b, c with no limits, or what the test says. */
static void three_senders(struct store_rig *r, const char *buckets_of_c)
{
    const struct store_bucket b[] = {{.name = "sender:a", .zone = "UTC"},
                                     {.name = "sender:b", .zone = "UTC"},
                                     {.name = "sender:c", .zone = "UTC"}};
    const struct store_sender s[] = {{.id = "a", .fingerprint = "f", .buckets = "sender:a"},
                                     {.id = "b", .fingerprint = "f", .buckets = "sender:b"},
                                     {.id = "c", .fingerprint = "f", .buckets = buckets_of_c}};

    assert_int_equal(worker_configure(r->a, b, 3, s, 3), STORE_OK);
}

/* The ids claimed, joined by spaces. */
static const char *ids(struct store_rig *r)
{
    struct buf *b = &r->g->texts[r->g->next_text++ % RIG_TEXTS];

    buf_clear(b);
    for (size_t i = 0; i < r->a->claim_count; i++)
        buf_addf(b, "%s%s", i > 0 ? " " : "", r->a->claims[i].id);
    return buf_str(b);
}

static void claim_by_quantum(struct store_rig *r, unsigned want, unsigned prefetch,
                             unsigned quantum)
{
    const struct store_claim req = {.want = want,
                                    .prefetch = prefetch,
                                    .quantum = quantum,
                                    .horizon_us = HOUR_US,
                                    .channels = ""};

    assert_int_equal(worker_claim_by(r->a, &req), STORE_OK);
}

static void test_nothing(void **state)
{
    struct store_rig *r = *state;

    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    assert_int_equal(r->a->next_us, 0);
    assert_false(r->a->unknown);
}

static void test_a_lease(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_string_equal(ids(r), "m1");
    assert_string_equal(r->a->claims[0].packed, "packed-m1");
    assert_int_equal(r->a->claims[0].fence, 1);
    assert_int_equal(r->a->claims[0].attempts, 1);
    assert_false(r->a->claims[0].capped);
    assert_false(r->a->claims[0].suppressed);
    assert_int_equal(r->a->claims[0].slot_us, r->a->now_us);
    assert_true(r->a->next_us > 0 && r->a->next_us <= r->a->now_us + 1);
    assert_string_equal(REDIS(r->g, "SMEMBERS", LEASE(r, r->a)), "m1");
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "attempts", "_fence"),
                        "sending 1 1");
    assert_memory_equal(FIELD(r, "m1", "sending_at"), "2", 1);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m2");
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:events", "-", "+"), "type message.sending"));
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_string_equal(ids(r), "m2");
    assert_int_equal(r->a->next_us, 0);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:turn"), "0");
}

/* Of 20 sends at least one is low and three are normal, also when they go one by one. */
static void check_shares(struct store_rig *r)
{
    unsigned n[3] = {0};

    for (size_t i = 0; i < r->a->claim_count; i++)
        n[r->a->claims[i].id[0] == 'h' ? 0 : r->a->claims[i].id[0] == 'n' ? 1 : 2]++;
    assert_int_equal(n[0], 32);
    assert_int_equal(n[1], 6);
    assert_int_equal(n[2], 2);
}

static void queue_three_priorities(struct store_rig *r, unsigned n)
{
    queue_n(r, "low", n, "s", PRIORITY_LOW);
    queue_n(r, "normal", n, "s", PRIORITY_NORMAL);
    queue_n(r, "high", n, "s", PRIORITY_HIGH);
}

static void test_shares_of_priorities(void **state)
{
    struct store_rig *r = *state;

    queue_three_priorities(r, 50);
    claim_by_quantum(r, 40, 0, 100);
    check_shares(r);
    assert_string_equal(r->a->claims[0].id, "high1");
}

static void test_shares_of_priorities_by_slots(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 1000);
    queue_three_priorities(r, 50);
    claim_by_quantum(r, 40, 0, 100);
    check_shares(r);
}

static void test_shares_go_on_over_calls(void **state)
{
    struct store_rig *r = *state;
    unsigned low = 0, normal = 0;

    queue_three_priorities(r, 50);
    for (int i = 0; i < 40; i++) {
        claim_by_quantum(r, 1, 0, 100);
        low += r->a->claims[0].id[0] == 'l';
        normal += r->a->claims[0].id[0] == 'n';
    }
    assert_int_equal(low, 2);
    assert_int_equal(normal, 6);
}

static void test_unused_shares_go_to_others(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "low", 12, "s", PRIORITY_LOW);
    queue_n(r, "high", 4, "s", PRIORITY_HIGH);
    claim_by_quantum(r, 15, 0, 100);
    assert_int_equal(r->a->claim_count, 15);
    assert_string_equal(r->a->claims[3].id, "high4");
    assert_string_equal(r->a->claims[4].id, "low1");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:3", "0", "-1"), "low12");
}

static void test_senders_in_turn(void **state)
{
    struct store_rig *r = *state;

    three_senders(r, "sender:c");
    queue_n(r, "a", 5, "a", PRIORITY_NORMAL);
    queue_n(r, "b", 5, "b", PRIORITY_NORMAL);
    queue_n(r, "c", 5, "c", PRIORITY_HIGH); /* priority is among a sender's own */
    claim_by_quantum(r, 3, 0, 2);
    assert_string_equal(ids(r), "a1 a2 b1");
    claim_by_quantum(r, 3, 0, 2);
    assert_string_equal(ids(r), "c1 c2 a3");
    claim_by_quantum(r, 6, 0, 2);
    assert_string_equal(ids(r), "b2 b3 c3 c4 a4 a5");
    claim_by_quantum(r, 9, 0, 2);
    assert_string_equal(ids(r), "b4 b5 c5");
    assert_int_equal(r->a->next_us, 0);
}

static void test_prefetch_is_for_senders_without_rate(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 10, "s", PRIORITY_NORMAL);
    claim_by_quantum(r, 2, 3, 100);
    assert_int_equal(r->a->claim_count, 5);
    LIMIT(r, .interval_us = 1000);
    claim_by_quantum(r, 2, 3, 100);
    assert_int_equal(r->a->claim_count, 2);
    assert_true(r->a->claims[1].capped);
}

/* All transfers busy: the stock can be filled nevertheless, but not from a sender with a rate. */
static void test_prefetch_alone(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 10, "s", PRIORITY_NORMAL);
    claim_by_quantum(r, 0, 3, 100);
    assert_string_equal(ids(r), "m1 m2 m3");
    LIMIT(r, .interval_us = 1000);
    claim_by_quantum(r, 0, 3, 100);
    assert_int_equal(r->a->claim_count, 0);
    claim_by_quantum(r, 1, 0, 100);
    assert_string_equal(ids(r), "m4");
}

static void test_prefetch_is_shared(void **state)
{
    struct store_rig *r = *state;

    three_senders(r, "sender:c");
    queue_n(r, "a", 5, "a", PRIORITY_NORMAL);
    queue_n(r, "b", 5, "b", PRIORITY_NORMAL);
    claim_by_quantum(r, 4, 3, 5);
    assert_string_equal(ids(r), "a1 a2 a3 a4 a5 b1 b2");
}

/* Another worker is told when this one cannot take all that is due. */
static void test_bell(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    while (strcmp(REDIS(r->g, "PUBSUB", "NUMSUB", "t:bell"), "t:bell 2") != 0)
        rig_turn(r->g);
    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 3), STORE_OK);
    assert_string_equal(REDIS(r->g, "PUBLISH", "t:bell", "x"), "2");
    b->wait_bells = b->bells + 1;
    while (b->bells < b->wait_bells)
        loop_run(r->g->loop);
    assert_int_equal(b->bells, 1); /* all was taken: only the test rang */
    queue_n(r, "n", 3, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    b->wait_bells = 2;
    while (b->bells < b->wait_bells)
        loop_run(r->g->loop);
}

static void test_unknown_sender(void **state)
{
    struct store_rig *r = *state;

    a_job(r, 0, "m1");
    set_sender(r, 0, "stranger");
    accept_n(r, 1);
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_true(r->a->unknown);
    assert_int_equal(r->a->claim_count, 0);
    assert_int_equal(r->a->next_us, r->a->now_us + 5000000);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:stranger:2", "0", "-1"), "m1");
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_false(r->a->unknown); /* asked once, not with every claim */
}

/* Its hash is there, its numbers are not: just as unknown. */
static void test_lost_bucket(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    REDIS(r->g, "DEL", "t:bucket:sender:s");
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_true(r->a->unknown);
    assert_int_equal(r->a->claim_count, 0);
    LIMIT(r, 0);
    REDIS(r->g, "ZADD", "t:turn", "1", "s");
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_string_equal(ids(r), "m1");
}

static void check_stopped(struct store_rig *r, const char *word)
{
    queue_n(r, word, 2, "s", PRIORITY_NORMAL);
    REDIS(r->g, "HSET", "t:sender:s", "state", word);
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:turn"), "0");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), word);
}

static void test_paused_and_broken(void **state)
{
    struct store_rig *r = *state;

    check_stopped(r, "paused");
    check_stopped(r, "broken");
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "waiting"), "4");
}

static void test_suppressed(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    REDIS(r->g, "SADD", "t:suppressed:sms", "to@x");
    REDIS(r->g, "HSET", "t:message:m1", "recipient", "other@x");
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_false(r->a->claims[0].suppressed);
    REDIS(r->g, "SADD", "t:suppressed:email", "to@x");
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_true(r->a->claims[0].suppressed);
    assert_string_equal(FIELD(r, "m2", "status"), "sending");
}

static void test_suppressed_ignored(void **state)
{
    struct store_rig *r = *state;
    const struct store_bucket b = {.name = "sender:s", .zone = "UTC"};
    const struct store_sender s = {
        .id = "s", .fingerprint = "f1", .buckets = "sender:s", .ignore_suppressed = true};

    worker_configure(r->a, &b, 1, &s, 1);
    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    REDIS(r->g, "SADD", "t:suppressed:email", "to@x");
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_false(r->a->claims[0].suppressed);
}

/* One that will not be sent takes no slot from one that will. */
static void test_suppressed_costs_no_slot(void **state)
{
    struct store_rig *r = *state;
    int64_t first;

    LIMIT(r, .interval_us = 10 * 1000000);
    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    REDIS(r->g, "SADD", "t:suppressed:email", "bad@x");
    REDIS(r->g, "HSET", "t:message:m2", "recipient", "bad@x");
    assert_int_equal(worker_claim(r->a, 3), STORE_OK);
    assert_string_equal(ids(r), "m1 m2 m3");
    first = r->a->claims[0].slot_us;
    assert_true(r->a->claims[1].suppressed);
    assert_int_equal(r->a->claims[1].slot_us, first);
    assert_int_equal(r->a->claims[2].slot_us, first + 10 * 1000000);
}

/* Ids whose message is no longer waiting (cancelled, sent by late evidence) are passed over. */
static void test_stale_ids(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 4, "s", PRIORITY_NORMAL);
    REDIS(r->g, "HSET", "t:message:m1", "status", "cancelled");
    REDIS(r->g, "DEL", "t:message:m3");
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    assert_string_equal(ids(r), "m2 m4");
}

/* However many there are, one call looks at a bounded number. */
static void test_many_stale_ids(void **state)
{
    struct store_rig *r = *state;
    const char *script = "for i = 1, 20000 do redis.call('LPUSH', KEYS[1], 'gone' .. i) end";

    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    REDIS(r->g, "EVAL", script, "1", "t:ready:s:2");
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    assert_true(REDIS_INT(r->g, "LLEN", "t:ready:s:2") > 1000);
    assert_true(r->a->next_us <= r->a->now_us + 1); /* and goes on at once */
    for (int i = 0; i < 200 && r->a->claim_count == 0; i++)
        assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    assert_string_equal(ids(r), "m1");
}

static void test_lost_content(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    REDIS(r->g, "DEL", "t:content:m1");
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_string_equal(r->a->claims[0].packed, "");
}

static void test_promotion(void **state)
{
    struct store_rig *r = *state;

    for (unsigned k = 0; k < 3; k++) {
        a_job(r, k,
              k == 0   ? "due"
              : k == 1 ? "cancelled"
                       : "future")
            ->due_ms = INT64_C(4102444800000) + k;
        set_priority(r, k, PRIORITY_HIGH);
    }
    accept_n(r, 3);
    REDIS(r->g, "ZADD", "t:delayed", "1", "due", "2", "cancelled", "3", "gone");
    REDIS(r->g, "HSET", "t:message:cancelled", "status", "cancelled");
    assert_int_equal(worker_claim(r->a, 5), STORE_OK);
    assert_string_equal(ids(r), "due");
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:delayed", "0", "-1"), "future");
    assert_string_equal(FIELD(r, "cancelled", "status"), "cancelled");
    assert_int_equal(r->a->next_us, INT64_C(4102444800002000));
}

static void test_fenced(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    kill_worker(r, r->a);
    assert_int_equal(worker_claim(r->a, 1), STORE_FENCED);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "1");
}

/* More than Lua can unpack in one go. */
static void test_a_large_claim(void **state)
{
    struct store_rig *r = *state;

    for (unsigned i = 0; i < 2; i++)
        queue_n(r, i == 0 ? "m" : "n", 700, "s", PRIORITY_NORMAL);
    claim_by_quantum(r, 1400, 0, 4096);
    assert_int_equal(r->a->claim_count, 1400);
    assert_string_equal(r->a->claims[1399].id, "n700");
    assert_string_equal(REDIS(r->g, "SCARD", LEASE(r, r->a)), "1400");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_nothing),
        STORE_TEST(test_a_lease),
        STORE_TEST(test_shares_of_priorities),
        STORE_TEST(test_shares_of_priorities_by_slots),
        STORE_TEST(test_shares_go_on_over_calls),
        STORE_TEST(test_unused_shares_go_to_others),
        STORE_TEST(test_senders_in_turn),
        STORE_TEST(test_prefetch_is_for_senders_without_rate),
        STORE_TEST(test_prefetch_alone),
        STORE_TEST(test_prefetch_is_shared),
        STORE_TEST(test_bell),
        STORE_TEST(test_unknown_sender),
        STORE_TEST(test_lost_bucket),
        STORE_TEST(test_paused_and_broken),
        STORE_TEST(test_suppressed),
        STORE_TEST(test_suppressed_ignored),
        STORE_TEST(test_suppressed_costs_no_slot),
        STORE_TEST(test_stale_ids),
        STORE_TEST(test_many_stale_ids),
        STORE_TEST(test_lost_content),
        STORE_TEST(test_promotion),
        STORE_TEST(test_fenced),
        STORE_TEST(test_a_large_claim),
    };

    return STORE_TESTS_RUN(tests);
}

/* References of bulks, put there by hand: shares of lanes where nothing bounds a claim, and what
 * comes back of those that never left. */
#include "store_rig.h"

/* --- shares --- */

struct seen {
    struct worker *w;
    struct buf leads;
    int64_t fence; /* of the last slice */
};

static void on_slices(enum store_status st, const struct store_claims *c, void *arg)
{
    struct seen *seen = arg;

    buf_clear(&seen->leads);
    for (size_t i = 0; i < c->count; i++) {
        const struct store_claimed *s = &c->items[i];

        assert_non_null(s->bulk);
        seen->fence = s->fence;
        for (const char *at = s->packed; at < s->packed + s->packed_len; at += strlen(at) + 1)
            buf_addf(&seen->leads, "%s ", at);
    }
    worker_done(seen->w, st);
}

/* Returns the fence of the last slice. */
static int64_t expect_leads(struct store_rig *r, unsigned want, const char *leads)
{
    const struct store_claim req = {
        .want = want, .quantum = 4096, .horizon_us = HOUR_US, .channels = "email"};
    struct seen seen = {.w = r->a};

    assert_int_equal(worker_wait(r->a, store_claim(r->a->store, &req, on_slices, &seen)), STORE_OK);
    assert_string_equal(buf_str(&seen.leads), leads);
    buf_free(&seen.leads);
    return seen.fence;
}

/* A bulk whose five recipients wait in one element of its tenant's lane. */
static void queue_five(struct store_rig *r, const char *lane)
{
    static const char script[] =
        "local l = ARGV[1] local leads = '' "
        "for n = 1, 5 do leads = leads .. l .. n .. '\\0' end "
        "redis.call('HSET', 't:bulk:' .. l, 'status', 'sending', 'sender', 's', '_priority', "
        "'2/' .. l, '_ready', 5, 'total_leads', 5, 'messages_queued', 5, 'shards', 1, "
        "'channel', 'email') "
        "redis.call('RPUSH', 't:ready:s:2/' .. l, '*' .. l .. '\\0000\\0005\\0' .. leads) "
        "redis.call('ZADD', 't:lanes:s:2', 1, l) "
        "redis.call('HINCRBY', 't:sender:s', '_in_lanes', 1) "
        "redis.call('HINCRBY', 't:sender:s', '_extra', 4) "
        "redis.call('ZADD', 't:turn', 1, 's')";

    REDIS(r->g, "EVAL", script, "0", lane);
}

static void expect_nothing_waits(struct store_rig *r)
{
    assert_string_equal(REDIS(r->g, "HMGET", "t:sender:s", "_in_lanes", "_extra"), "0 0");
    assert_string_equal(REDIS(r->g, "ZSCORE", "t:turn", "s"), "(nil)");
    assert_string_equal(REDIS(r->g, "EXISTS", "t:lanes:s:2", "t:ready:s:2/a", "t:ready:s:2/b"),
                        "0");
}

/* Nothing bounds it: the rest of an element goes at once, from each lane, and nobody twice. */
static void test_lanes_without_bounds(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 0);
    queue_five(r, "a");
    queue_five(r, "b");
    expect_leads(r, 4, "a1 a2 b1 b2 ");
    assert_string_equal(REDIS(r->g, "HMGET", "t:sender:s", "_in_lanes", "_extra", "waiting"),
                        "2 4 6");
    expect_leads(r, 4, "a3 a4 a5 b3 b4 b5 ");
    expect_leads(r, 4, "");
    expect_nothing_waits(r);
}

/* A place each: not one more than there are, whatever the elements hold. */
static void test_lanes_with_places(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .concurrency = 3);
    queue_five(r, "a");
    queue_five(r, "b");
    expect_leads(r, 9, "a1 b1 a2 ");
    assert_string_equal(REDIS(r->g, "HMGET", "t:sender:s", "_in_lanes", "_extra"), "2 5");
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "busy"), "3");
    REDIS(r->g, "HSET", "t:bucket:sender:s", "busy", "0", "conc", "100");
    REDIS(r->g, "ZADD", "t:turn", "1", "s");
    expect_leads(r, 7, "b2 b3 b4 a3 a4 a5 b5 ");
    expect_leads(r, 4, "");
    expect_nothing_waits(r);
}

/* --- a tenant's day --- */

/* A lane that waits for its tenant's day to end goes on with what is given back of it, and what
 * else the sender has is not held up. */
static void test_a_day_given_back_wakes_the_lane(void **state)
{
    struct store_rig *r = *state;
    const struct store_bucket b[] = {{.name = "sender:s", .zone = "UTC"},
                                     {.name = "tenant:a", .day_cap = 2, .zone = "rolling"}};
    const struct store_sender s = {
        .id = "s", .fingerprint = "f1", .buckets = "sender:s", .by = "t"};
    struct store_finish f;
    int64_t fence;

    assert_int_equal(worker_configure(r->a, &b[1], 1, NULL, 0), STORE_OK);
    assert_int_equal(worker_configure(r->a, b, 1, &s, 1), STORE_OK);
    queue_five(r, "a");
    REDIS(r->g, "HSET", "t:bulk:a", "_tenant", "a");
    fence = expect_leads(r, 9, "a1 a2 ");
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:parked:tenant:a", "0", "-1"), "=s 2/a");
    assert_string_equal(REDIS(r->g, "ZSCORE", "t:turn", "s"), "(nil)");
    queue_five(r, "b");
    expect_leads(r, 9, "b1 b2 b3 b4 b5 ");
    assert_string_equal(REDIS(r->g, "ZSCORE", "t:turn", "s"), "(nil)");
    f = an_outcome(FINISH_RETRY, "", fence);
    f.bulk = "a";
    f.lead = "a1";
    f.place = 1;
    f.refund = true;
    f.delay_ms = HOUR_US / 1000;
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    expect_leads(r, 9, "a4 "); /* the one that found no room went behind the others */
    expect_leads(r, 9, "");
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:tenant:a", "used"), "2");
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:parked:tenant:a", "0", "-1"), "=s 2/a");
}

/* --- refunds --- */

/* Four that are leased, of which each has cost what was found out about it. */
static void lease_four(struct store_rig *r, bool day_units)
{
    static const char script[] =
        "redis.call('HSET', 't:refs:' .. ARGV[1], '7', table.concat({'s', '2', 'b1', '1', "
        "'2030-01-01T00:00:00.000Z', 'l1', 'l2', 'l3', 'l4', ''}, '\\0'), '7.', '1111')";

    LIMIT(r, .day_cap = 20, .zone = "UTC", .day_units = day_units);
    REDIS(r->g, "HSET", "t:bucket:sender:s", "used", "15", "busy", "4");
    REDIS(r->g, "EVAL", script, "0", store_worker_id(r->a->store));
}

static void finish_four(struct store_rig *r)
{
    static const struct {
        int units, health;
        bool refund;
    } of[] = {{0, 1, true}, {12, -1, true}, {-1, 0, true}, {11, 1, false}};
    struct store_finish f[4];
    static const char *const leads[] = {"l1", "l2", "l3", "l4"};

    for (unsigned i = 0; i < 4; i++) {
        f[i] = an_outcome(FINISH_RELEASE, "", 7);
        f[i].bulk = "b1";
        f[i].lead = leads[i];
        f[i].place = i + 1;
        f[i].units = of[i].units;
        f[i].health = of[i].health;
        f[i].refund = of[i].refund;
    }
    assert_int_equal(worker_finish_all(r->a, f, 4), STORE_OK);
    worker_finish_all(r->a, f, 4); /* said twice: they are nobody's any more */
}

/* Twelve where it was charged, one where nobody had asked yet, none where charge gave it back. */
static void test_units_given_back(void **state)
{
    struct store_rig *r = *state;

    lease_four(r, true);
    finish_four(r);
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:sender:s", "used", "busy"), "2 0");
}

/* Where messages are counted each is one, whatever it was charged. */
static void test_messages_given_back(void **state)
{
    struct store_rig *r = *state;

    lease_four(r, false);
    finish_four(r);
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:sender:s", "used", "busy"), "12 0");
}

/* Their owner comes back under another identity and has started none of them: their places are
 * free, and their messages count for nothing. What they had been charged is not known any more. */
static void expect_used(struct store_rig *r, bool day_units, const char *used)
{
    lease_four(r, day_units);
    assert_int_equal(worker_register(r->a), STORE_OK);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "used"), used);
}

static void test_units_of_an_earlier_identity(void **state)
{
    expect_used(*state, true, "15");
}

static void test_messages_of_an_earlier_identity(void **state)
{
    expect_used(*state, false, "11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_lanes_without_bounds),
        STORE_TEST(test_lanes_with_places),
        STORE_TEST(test_a_day_given_back_wakes_the_lane),
        STORE_TEST(test_units_given_back),
        STORE_TEST(test_messages_given_back),
        STORE_TEST(test_units_of_an_earlier_identity),
        STORE_TEST(test_messages_of_an_earlier_identity),
    };

    return STORE_TESTS_RUN(tests);
}

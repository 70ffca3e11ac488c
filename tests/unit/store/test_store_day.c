/* The rolling day, over which tests travel by the scripts' movable clock; and places that are
 * counted anew. */
#include "store_rig.h"

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define SLOT (15 * MINUTE)

/* Moves the scripts' clock to `seconds` after the beginning of a slot far ahead. Leases end by
 * that: the worker registers anew. */
static void travel(struct store_rig *r, int64_t seconds)
{
    int64_t now = REDIS_INT(r->g, "TIME"), start = (now / SLOT + 1000) * SLOT;
    char shift[32];

    snprintf(shift, sizeof(shift), "%lld", (long long)(start + seconds - now));
    REDIS(r->g, "SET", "t:test_clock", shift);
    REDIS(r->g, "DEL", "t:healed");
    assert_int_equal(worker_register(r->a), STORE_OK);
    REDIS(r->g, "ZADD", "t:turn", "1", "s");
}

static size_t claim(struct store_rig *r, unsigned want)
{
    assert_int_equal(worker_claim(r->a, want), STORE_OK);
    for (size_t i = 0; i < r->a->claim_count; i++)
        assert_int_equal(
            worker_finish(r->a, FINISH_SENT, r->a->claims[i].id, r->a->claims[i].fence), STORE_OK);
    return r->a->claim_count;
}

static void test_rolling(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 6, .zone = "rolling");
    queue_n(r, "m", 30, "s", PRIORITY_NORMAL);
    travel(r, 10);
    assert_int_equal(claim(r, 4), 4);
    travel(r, 10 * HOUR);
    assert_int_equal(claim(r, 9), 2);
    assert_int_equal(claim(r, 9), 0);
    assert_string_equal(REDIS(r->g, "HMGET", "t:sender:s", "state", "sent_today"), "day_cap 6");
    /* At the end of the first slot and a day, not before: it could have been its last second. */
    assert_int_equal(r->a->next_us / 1000000 % SLOT, 0);
    travel(r, 24 * HOUR + SLOT - 2);
    assert_int_equal(claim(r, 9), 0);
    travel(r, 24 * HOUR + SLOT + 1);
    assert_int_equal(claim(r, 9), 4);
    travel(r, 34 * HOUR + SLOT - 2);
    assert_int_equal(claim(r, 9), 0);
    travel(r, 34 * HOUR + SLOT + 1);
    assert_int_equal(claim(r, 9), 2);
}

/* No window of 24 hours holds more than the cap, whatever the times of sending. */
static void test_no_window_is_passed(void **state)
{
    struct store_rig *r = *state;
    int64_t at[400];
    size_t n = 0;

    LIMIT(r, .day_cap = 7, .zone = "rolling");
    queue_n(r, "m", 60, "s", PRIORITY_NORMAL);
    for (int64_t t = 0; t < 3 * 24 * HOUR; t += 47 * MINUTE + t % 911) {
        travel(r, t);
        for (size_t sent = claim(r, 1 + (unsigned)(t % 3)); sent > 0; sent--)
            at[n++] = t;
    }
    assert_true(n > 2 * 7);
    for (size_t i = 7; i < n; i++)
        assert_true(at[i] - at[i - 7] >= 24 * HOUR);
}

static void finish_unsent(struct store_rig *r, const char *id)
{
    struct store_finish f = an_outcome(FINISH_RELEASE, id, 1);

    f.refund = true;
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
}

/* What never left is taken out of the slot it was counted in. */
static void test_refund(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 3, .zone = "rolling");
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    travel(r, 5);
    assert_int_equal(worker_claim(r->a, 3), STORE_OK);
    finish_unsent(r, "m2");
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "used"), "2");
    assert_non_null(strstr(REDIS(r->g, "HGET", "t:bucket:sender:s", "ring"), ":2"));
    assert_int_equal(worker_claim(r->a, 3), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
}

/* A slot that the clock has left keeps its count when the clock steps back. */
static void test_clock_steps_back(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .day_cap = 3, .zone = "rolling");
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    travel(r, 2 * HOUR);
    assert_int_equal(claim(r, 9), 3);
    travel(r, HOUR);
    assert_int_equal(claim(r, 9), 0);
}

/* --- places --- */

static void test_places_heal(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .concurrency = 3);
    queue_n(r, "m", 9, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    REDIS(r->g, "HSET", "t:bucket:sender:s", "busy", "3");
    assert_int_equal(worker_claim(r->a, 9), STORE_OK);
    assert_int_equal(r->a->claim_count, 0);
    REDIS(r->g, "DEL", "t:healed");
    assert_int_equal(worker_beat(r->a), STORE_OK);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "busy"), "2");
    assert_int_equal(worker_claim(r->a, 9), STORE_OK); /* its turn came back with the place */
    assert_int_equal(r->a->claim_count, 1);
    /* Not at every beat: it costs time. */
    REDIS(r->g, "HSET", "t:bucket:sender:s", "busy", "7");
    assert_int_equal(worker_beat(r->a), STORE_OK);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "busy"), "7");
}

/* A message that somebody deleted while it was being sent. */
static void test_place_of_a_deleted_message(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .concurrency = 1);
    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 2), STORE_OK);
    REDIS(r->g, "DEL", "t:message:m1");
    REDIS(r->g, "DEL", "t:healed");
    assert_int_equal(worker_beat(r->a), STORE_OK);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "busy"), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_rolling),     STORE_TEST(test_no_window_is_passed),
        STORE_TEST(test_refund),      STORE_TEST(test_clock_steps_back),
        STORE_TEST(test_places_heal), STORE_TEST(test_place_of_a_deleted_message),
    };

    return STORE_TESTS_RUN(tests);
}

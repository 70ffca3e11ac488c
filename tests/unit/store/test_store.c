/* The store itself: its connection, calls that come home without an answer, settings, the boot
 * check, configure. */
#include "store_rig.h"

static void test_calls_while_down(void **state)
{
    struct store_rig *r = *state;
    struct store *s = r->a->store;
    const struct store_claim req = {.want = 1, .quantum = 1, .channels = ""};
    const struct store_finish f = an_outcome(FINISH_SENT, "m1", 1);
    struct resp call = {.count = 0};

    store_close(s);
    assert_false(store_is_up(s));
    assert_int_equal(store_take(s, 1, 1, 1, 1, on_worker_taken, r->a), SQ_ERR_STATE);
    store_accept_begin(s, &call, 1, 0, false);
    assert_int_equal(store_accept_send(s, &call, on_worker_accepted, r->a), SQ_ERR_STATE);
    resp_free(&call);
    assert_int_equal(store_claim(s, &req, on_worker_claimed, r->a), SQ_ERR_STATE);
    assert_int_equal(store_start(s, "m", 1, on_worker_started, r->a), SQ_ERR_STATE);
    assert_int_equal(store_finish(s, &f, 1, on_worker_finished, r->a), SQ_ERR_STATE);
    assert_int_equal(store_configure(s, NULL, 0, NULL, 0, on_worker_simple, r->a), SQ_ERR_STATE);
    assert_int_equal(store_register(s, NULL, 0, NULL, 0, on_worker_recovered, r->a), SQ_ERR_STATE);
    assert_int_equal(store_beat(s, NULL, 0, on_worker_recovered, r->a), SQ_ERR_STATE);
    store_unregister(s);
    store_close(s);
}

/* Closing brings every pending call home, once. */
static void test_close_with_calls_pending(void **state)
{
    struct store_rig *r = *state;
    struct store *s = r->a->store;
    unsigned before = r->a->calls;

    assert_int_equal(store_take(s, 1, 1, 1, 1, on_worker_taken, r->a), SQ_OK);
    assert_int_equal(store_beat(s, NULL, 0, on_worker_recovered, r->a), SQ_OK);
    assert_int_equal(store_configure(s, NULL, 0, NULL, 0, on_worker_simple, r->a), SQ_OK);
    assert_int_equal(r->a->calls, before);
    store_close(s);
    assert_int_equal(r->a->calls, before + 3);
    assert_int_equal(r->a->status, STORE_LOST);
}

static void break_connection(struct store_rig *r)
{
    assert_string_not_equal(REDIS(r->g, "CLIENT", "KILL", "TYPE", "normal"), "0");
}

static void wait_until_up_again(struct store_rig *r)
{
    int ups = r->a->ups;

    while (r->a->ups == ups || !store_is_up(r->a->store))
        loop_run(r->g->loop);
}

/* A take that ran, its answer lost: the next registration puts the batch back. */
static void test_lost_take(void **state)
{
    struct store_rig *r = *state;

    REDIS(r->g, "LPUSH", "t:jobs", "one", "two");
    assert_int_equal(worker_take(r->a, 1, 2), STORE_OK);
    break_connection(r);
    assert_int_equal(worker_accept(r->a, 1, NULL, 0), STORE_LOST);
    wait_until_up_again(r);
    assert_int_equal(r->a->downs, 1);
    assert_int_equal(worker_register(r->a), STORE_OK);
    assert_int_equal(r->a->jobs, 2);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:jobs", "0", "-1"), "two one");
    assert_int_equal(worker_accept(r->a, 1, NULL, 0), STORE_GONE);
}

/* Registrations whose answers got lost: the one that arrives retires all before it. */
static void test_lost_registrations(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 1);
    for (int i = 0; i < 3; i++) {
        break_connection(r);
        assert_int_equal(worker_wait(r->a, store_register(r->a->store, NULL, 0, NULL, 0,
                                                          on_worker_recovered, r->a)),
                         STORE_LOST);
        wait_until_up_again(r);
        /* As if it had run after all. */
        REDIS(r->g, "ZADD", "t:workers", "9000000000000", store_worker_id(r->a->store));
    }
    assert_int_equal(worker_register(r->a), STORE_OK);
    assert_int_equal(r->a->messages, 1);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:workers", "0", "-1"),
                        store_worker_id(r->a->store));
}

static void test_the_bell_survives(void **state)
{
    struct store_rig *r = *state;

    break_connection(r);
    REDIS(r->g, "CLIENT", "KILL", "TYPE", "pubsub");
    wait_until_up_again(r);
    while (strcmp(REDIS(r->g, "PUBSUB", "NUMSUB", "t:bell"), "t:bell 1") != 0)
        rig_turn(r->g);
    REDIS(r->g, "PUBLISH", "t:bell", "x");
    r->a->wait_bells = 1;
    while (r->a->bells == 0)
        loop_run(r->g->loop);
}

static void test_clock(void **state)
{
    struct store_rig *r = *state;

    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_true(store_now_us(r->a->store) >= r->a->now_us);
    assert_true(store_now_ms(r->a->store) >= r->a->now_us / 1000);
    assert_true(store_now_us(r->a->store) - r->a->now_us < 20 * 1000000);
}

/* --- configure --- */

static void test_configure(void **state)
{
    struct store_rig *r = *state;
    const struct store_bucket b[] = {{.name = "sender:p",
                                      .interval_us = 10,
                                      .tolerance_us = 20,
                                      .day_cap = 30,
                                      .zone = "Europe/Berlin",
                                      .concurrency = 40,
                                      .day_units = true},
                                     {.name = "global", .interval_us = 50, .tolerance_us = 60}};
    const struct store_sender s = {.id = "p",
                                   .fingerprint = "0123456789abcdef",
                                   .buckets = "sender:p global",
                                   .ignore_suppressed = true};

    assert_int_equal(worker_configure(r->a, b, 2, &s, 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:sender:p", "interval", "tolerance",
                              "day_cap", "zone", "conc", "units"),
                        "10 20 30 Europe/Berlin 40 2");
    assert_string_equal(REDIS(r->g, "HMGET", "t:bucket:global", "interval", "tolerance"), "50 60");
    assert_string_equal(REDIS(r->g, "HMGET", "t:sender:p", "state", "_fingerprint", "_buckets",
                              "_ignore_suppressed"),
                        "ok 0123456789abcdef sender:p global 1");
    assert_string_equal(REDIS(r->g, "SISMEMBER", "t:senders", "p"), "1");
}

/* Done again at any time: what was counted stays. */
static void test_configure_again(void **state)
{
    struct store_rig *r = *state;

    LIMIT(r, .interval_us = 10, .day_cap = 0, .concurrency = 5);
    claim_one(r);
    LIMIT(r, .interval_us = 99, .concurrency = 6);
    assert_string_equal(
        REDIS(r->g, "HMGET", "t:bucket:sender:s", "interval", "conc", "busy", "used"), "99 6 1 1");
    assert_string_not_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "tat"), "0");
    REDIS(r->g, "HSET", "t:sender:s", "state", "paused");
    LIMIT(r, .interval_us = 99);
    assert_string_equal(REDIS(r->g, "HGET", "t:sender:s", "state"), "paused");
}

/* Messages that waited for their sender's configuration get their turn. */
static void test_configure_gives_turns(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 1, "s", PRIORITY_LOW);
    REDIS(r->g, "DEL", "t:turn");
    LIMIT(r, 0);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:turn", "0", "-1"), "s");
}

/* --- boot check --- */

static void on_warning(const char *text, void *arg)
{
    struct worker *w = arg;

    buf_addf(&w->warnings, "%s\n", text);
}

static const char *warnings(struct store_rig *r)
{
    buf_clear(&r->a->warnings);
    store_check_server(r->a->store, on_warning, r->a);
    worker_beat(r->a); /* answered after it */
    return buf_str(&r->a->warnings);
}

static void test_boot_check(void **state)
{
    struct store_rig *r = *state;

    assert_non_null(strstr(warnings(r), "appendonly is off"));
    assert_null(strstr(warnings(r), "maxmemory-policy"));
    assert_null(strstr(warnings(r), "too old"));
    REDIS(r->g, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    assert_non_null(strstr(warnings(r), "maxmemory-policy is allkeys-lru"));
    REDIS(r->g, "CONFIG", "SET", "maxmemory-policy", "noeviction");
    REDIS(r->g, "CONFIG", "SET", "appendonly", "yes");
    assert_string_equal(warnings(r), "");
    REDIS(r->g, "CONFIG", "SET", "appendonly", "no");
    store_close(r->a->store);
    store_check_server(r->a->store, on_warning, r->a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_calls_while_down),
        STORE_TEST(test_close_with_calls_pending),
        STORE_TEST(test_lost_take),
        STORE_TEST(test_lost_registrations),
        STORE_TEST(test_the_bell_survives),
        STORE_TEST(test_clock),
        STORE_TEST(test_configure),
        STORE_TEST(test_configure_again),
        STORE_TEST(test_configure_gives_turns),
        STORE_TEST(test_boot_check),
    };

    return STORE_TESTS_RUN(tests);
}

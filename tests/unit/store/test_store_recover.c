/* recover: registering, renewing, and what dead workers held. */
#include "store_rig.h"

#define PLACES(r) REDIS_INT((r)->g, "HGET", "t:bucket:sender:s", "busy")

static const char *keep_of(struct store_rig *r, struct worker *w)
{
    return REDIS(r->g, "SMEMBERS", LEASE(r, w));
}

/* --- this worker --- */

static void test_register(void **state)
{
    struct store_rig *r = *state;

    assert_string_equal(REDIS(r->g, "ZRANGE", "t:workers", "0", "-1"),
                        store_worker_id(r->a->store));
    assert_string_equal(REDIS(r->g, "HMGET", "t:worker:alpha", "host", "state"), "here running");
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:worker:alpha"), 1, 60000);
    assert_int_equal(strlen(store_worker_id(r->a->store)), 32);
    assert_true(store_now_us(r->a->store) / 1000000 - REDIS_INT(r->g, "TIME") < 5);
}

static void test_beat(void **state)
{
    struct store_rig *r = *state;
    const char *id = key_of(r, "", store_worker_id(r->a->store));
    int64_t score;

    kill_worker(r, r->a); /* run out, but nobody has noticed: it goes on */
    assert_int_equal(worker_beat(r->a), STORE_OK);
    assert_string_equal(store_worker_id(r->a->store), id);
    score = REDIS_INT(r->g, "ZSCORE", "t:workers", id);
    assert_in_range(score - REDIS_INT(r->g, "TIME") * 1000, 20000, 31000);
}

static void test_beat_tells_what_is_due(void **state)
{
    struct store_rig *r = *state;

    worker_beat(r->a);
    assert_int_equal(r->a->next_us, 0);
    a_job(r, 0, "later")->due_ms = INT64_C(4102444800123);
    accept_n(r, 1);
    worker_beat(r->a);
    assert_int_equal(r->a->next_us, INT64_C(4102444800123000));
    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    worker_beat(r->a);
    assert_int_equal(r->a->next_us, REDIS_INT(r->g, "ZSCORE", "t:turn", "s"));
    REDIS(r->g, "ZADD", "t:turn", "4200000000000000", "s"); /* it waits even longer */
    worker_beat(r->a);
    assert_int_equal(r->a->next_us, INT64_C(4102444800123000));
}

static void test_fenced(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    kill_worker(r, r->a);
    assert_int_equal(worker_beat(b), STORE_OK);
    assert_int_equal(worker_beat(r->a), STORE_FENCED);
    assert_int_equal(worker_claim(r->a, 1), STORE_FENCED);
    assert_int_equal(worker_take(r->a, 1, 1), STORE_FENCED);
    assert_int_equal(worker_register(r->a), STORE_OK);
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "ZCARD", "t:workers"), "2");
}

/* A new identity keeps the leases named; what else the old one held was never begun. */
static void test_register_retires_the_old_identity(void **state)
{
    struct store_rig *r = *state;
    const struct store_lease keep[] = {{"m2", 1}, {"nobody", 1}, {"m3", 2}};
    const char *old;

    LIMIT(r, .concurrency = 9);
    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 3);
    REDIS(r->g, "HSET", "t:message:m1", "_uncertain", "fail", "_started", "1");
    old = key_of(r, "", store_worker_id(r->a->store));
    take_n(r, r->a, 2);
    assert_int_equal(
        worker_wait(r->a, store_register(r->a->store, NULL, 0, keep, 3, on_worker_recovered, r->a)),
        STORE_OK);
    assert_string_not_equal(store_worker_id(r->a->store), old);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:workers", "0", "-1"),
                        store_worker_id(r->a->store));
    assert_int_equal(r->a->jobs, 2);
    assert_int_equal(r->a->messages, 2);
    assert_int_equal(r->a->claim_count, 0); /* its own are not adopted: it knows them */
    assert_string_equal(keep_of(r, r->a), "m2");
    assert_string_equal(FIELD(r, "m2", "status"), "sending");
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "attempts"), "queued 0");
    assert_string_equal(
        REDIS(r->g, "EXISTS", key_of(r, "t:lease:", old), key_of(r, "t:claimed:", old)), "0");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:jobs", "0", "-1"), "raw2 raw1");
    assert_int_equal(PLACES(r), 1);
    assert_int_equal(worker_finish(r->a, FINISH_SENT, "m2", 1), STORE_OK);
    assert_int_equal(PLACES(r), 0);
}

/* Registrations that Redis refuses are tried with one and the same identity. */
static void test_refused_registrations_leave_nothing(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 1);
    REDIS(r->g, "RENAME", "t:workers", "t:kept");
    REDIS(r->g, "SET", "t:workers", "of another type");
    for (int i = 0; i < 20; i++)
        assert_int_equal(worker_register(r->a), STORE_ERROR);
    REDIS(r->g, "RENAME", "t:kept", "t:workers");
    REDIS(r->g, "CONFIG", "RESETSTAT");
    assert_int_equal(worker_register(r->a), STORE_OK);
    assert_int_equal(r->a->messages, 1);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:workers", "0", "-1"),
                        store_worker_id(r->a->store));
    assert_non_null(strstr(REDIS(r->g, "INFO", "commandstats"), "cmdstat_spop:calls=1,"));
}

/* What it still holds when it leaves is the next one's at once. */
static void test_unregister(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 1);
    take_n(r, r->a, 1);
    store_unregister(r->a->store);
    assert_int_equal(worker_claim(r->a, 1), STORE_FENCED);
    assert_int_equal(worker_beat(r->a), STORE_FENCED);
    assert_int_equal(worker_beat(b), STORE_OK);
    assert_int_equal(b->jobs, 1);
    assert_int_equal(b->messages, 1);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:workers", "0", "-1"), store_worker_id(b->store));
    assert_string_equal(REDIS(r->g, "EXISTS", "t:worker:alpha"), "0");
}

/* --- dead workers --- */

static void test_leases_come_back(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    LIMIT(r, .concurrency = 9, .day_cap = 0);
    queue_n(r, "h", 1, "s", PRIORITY_HIGH);
    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 2); /* h1, m1 */
    kill_worker(r, r->a);
    assert_int_equal(worker_beat(b), STORE_OK);
    assert_int_equal(b->messages, 2);
    assert_int_equal(b->jobs, 0);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:1", "0", "-1"), "h1");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m1 m2");
    assert_string_equal(REDIS(r->g, "HMGET", "t:message:m1", "status", "attempts"), "queued 1");
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:turn", "0", "-1"), "s");
    assert_int_equal(PLACES(r), 0);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:workers", "0", "-1"), store_worker_id(b->store));
    assert_int_equal(worker_beat(b), STORE_OK);
    assert_int_equal(b->messages, 0);
    worker_claim(b, 1);
    assert_int_equal(b->claims[0].attempts, 2); /* the crash counts as an attempt */
    assert_int_equal(b->claims[0].fence, 2);
}

static void test_the_days_count_stays(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    claim_one(r);
    kill_worker(r, r->a);
    worker_beat(b);
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "used"), "1");
}

/* The claimed list goes back, each job to its list and place. */
static void test_claimed_jobs_come_back(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    REDIS(r->g, "LPUSH", "t:jobs:high", "h1", "h2", "h3");
    REDIS(r->g, "LPUSH", "t:jobs", "n1", "n2", "n3", "n4");
    REDIS(r->g, "LPUSH", "t:jobs:low", "l1", "l2");
    worker_take(r->a, 1, 6);
    assert_string_equal(buf_str(&r->a->raws), "1:h1 1:h2 1:h3 2:n1 2:n2 2:n3");
    kill_worker(r, r->a);
    worker_beat(b);
    assert_int_equal(b->jobs, 6);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:jobs:high", "0", "-1"), "h3 h2 h1");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:jobs", "0", "-1"), "n4 n3 n2 n1");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:jobs:low", "0", "-1"), "l2 l1");
    assert_string_equal(REDIS(r->g, "EXISTS", CLAIMED(r, r->a)), "0");
    assert_int_equal(worker_accept(r->a, 1, NULL, 0), STORE_GONE);
}

static void test_recovery_rings_the_bell(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    while (strcmp(REDIS(r->g, "PUBSUB", "NUMSUB", "t:bell"), "t:bell 2") != 0)
        rig_turn(r->g);
    claim_one(r);
    kill_worker(r, r->a);
    worker_beat(b);
    r->a->wait_bells = 1;
    while (r->a->bells == 0)
        loop_run(r->g->loop);
}

static void uncertain(struct store_rig *r, const char *id, const char *started)
{
    REDIS(r->g, "HSET", key_of(r, "t:message:", id), "_uncertain", "fail");
    if (started != NULL)
        REDIS(r->g, "HSET", key_of(r, "t:message:", id), "_started", started);
}

/* Perhaps sent, and not to be sent twice: the one who finds it records it. */
static void test_adoption(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    LIMIT(r, .concurrency = 9);
    queue_n(r, "m", 4, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 4);
    uncertain(r, "m1", "1");                              /* begun */
    uncertain(r, "m2", NULL);                             /* not begun */
    uncertain(r, "m3", "0");                              /* an earlier attempt was */
    REDIS(r->g, "HSET", "t:message:m4", "_started", "1"); /* begun, but may be repeated */
    kill_worker(r, r->a);
    worker_beat(b);
    assert_int_equal(b->messages, 4);
    assert_int_equal(b->claim_count, 1);
    assert_string_equal(b->claims[0].id, "m1");
    assert_string_equal(b->claims[0].packed, "packed-m1");
    assert_int_equal(b->claims[0].fence, 1);
    assert_int_equal(b->claims[0].attempts, 1);
    assert_string_equal(keep_of(r, b), "m1");
    assert_string_equal(FIELD(r, "m1", "status"), "sending");
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "3");
    assert_int_equal(PLACES(r), 1);
    assert_int_equal(worker_finish(b, FINISH_FAILED, "m1", 1), STORE_OK);
    assert_int_equal(b->recorded, 1);
    assert_int_equal(PLACES(r), 0);
}

/* Slices of bulks, each of whose requests had left: all are told of. */
static void test_many_adoptions(void **state)
{
    struct store_rig *r = *state;

    REDIS(r->g, "ZADD", "t:workers", "1", "dead");
    REDIS(r->g, "EVAL",
          "for n = 1, 16 do "
          "redis.call('HSET', KEYS[1], n, 's\\0' .. '2\\0b1\\0' .. '1\\0then\\0' .. "
          "string.rep('lead\\0', 140), n .. '.', string.rep('2', 140)) end",
          "1", "t:refs:dead");
    assert_int_equal(worker_beat(r->a), STORE_OK);
    assert_int_equal(r->a->claim_count, 16 * 140);
    assert_string_equal(r->a->claims[0].id, "@b1");
}

/* The adopter dies as well: the next one finds it. */
static void test_adoption_by_the_next(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);
    struct worker *c = store_rig_worker(r, 2, "gamma");

    claim_one(r);
    uncertain(r, "m1", "1");
    kill_worker(r, r->a);
    worker_beat(b);
    assert_int_equal(b->claim_count, 1);
    kill_worker(r, b);
    worker_register(c);
    assert_int_equal(c->claim_count, 1);
    assert_string_equal(c->claims[0].id, "m1");
    /* The first was no corpse after all, and its word is true. */
    assert_int_equal(worker_finish(r->a, FINISH_SENT, "m1", 1), STORE_OK);
    assert_int_equal(r->a->recorded, 1);
    assert_int_equal(worker_finish(c, FINISH_FAILED, "m1", 1), STORE_OK);
    assert_int_equal(c->stale, 1);
    assert_string_equal(FIELD(r, "m1", "status"), "sent");
    assert_int_equal(PLACES(r), 0);
}

/* A lease whose message is final or gone frees its place and nothing else. */
static void test_leases_of_what_is_over(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    LIMIT(r, .concurrency = 9);
    queue_n(r, "m", 2, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 2);
    REDIS(r->g, "HSET", "t:message:m1", "status", "cancelled");
    REDIS(r->g, "DEL", "t:message:m2");
    kill_worker(r, r->a);
    assert_int_equal(worker_beat(b), STORE_OK);
    assert_int_equal(b->messages, 0);
    assert_string_equal(FIELD(r, "m1", "status"), "cancelled");
    assert_string_equal(REDIS(r->g, "EXISTS", "t:ready:s:2", "t:message:m2", LEASE(r, r->a)), "0");
    assert_int_equal(PLACES(r), 1); /* nobody knows whose m2 was */
}

/* More leases than one call takes: the dead one is dead from the first of them, and its place
 * among the workers stays until the last. */
static void test_many_leases(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    queue_n(r, "m", 300, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 300);
    kill_worker(r, r->a);
    worker_beat(b);
    assert_true(b->messages > 0 && b->messages < 300);
    assert_int_equal(worker_beat(r->a), STORE_FENCED);
    assert_int_equal(worker_claim(r->a, 1), STORE_FENCED);
    for (unsigned back = b->messages; back < 300; back += b->messages) {
        assert_true(b->more);
        assert_int_equal(worker_beat(b), STORE_OK);
    }
    assert_false(b->more);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "300");
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:workers", "0", "-1"), store_worker_id(b->store));
}

/* The same of an earlier identity: each piece comes back uncounted, though others look for dead
 * workers meanwhile and another identity follows; what is kept is so from the first call on. */
static void test_retiring_in_pieces(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);
    const struct store_lease keep[] = {{"m7", 1}, {"m299", 1}};
    unsigned back;

    queue_n(r, "m", 400, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 400);
    assert_int_equal(
        worker_wait(r->a, store_register(r->a->store, NULL, 0, keep, 2, on_worker_recovered, r->a)),
        STORE_OK);
    assert_true(r->a->more && r->a->messages > 0 && r->a->messages <= 128);
    assert_string_equal(REDIS(r->g, "SCARD", LEASE(r, r->a)), "2");
    back = r->a->messages;
    assert_int_equal(worker_beat(b), STORE_OK);
    assert_int_equal(b->messages, 0);
    assert_int_equal(
        worker_wait(r->a, store_register(r->a->store, NULL, 0, keep, 2, on_worker_recovered, r->a)),
        STORE_OK);
    for (back += r->a->messages; r->a->more; back += r->a->messages)
        assert_int_equal(worker_beat(r->a), STORE_OK);
    assert_int_equal(back, 398);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "398");
    assert_string_equal(REDIS(r->g, "SCARD", LEASE(r, r->a)), "2");
    assert_string_equal(REDIS(r->g, "ZCARD", "t:workers"), "2");
    for (int i = 1; i <= 400; i++) {
        bool kept = i == 7 || i == 299;
        char id[16];

        snprintf(id, sizeof(id), "m%d", i);
        assert_string_equal(FIELD(r, id, "attempts"), kept ? "1" : "0");
        assert_string_equal(FIELD(r, id, "status"), kept ? "sending" : "queued");
    }
}

/* Half drained, and then it comes back to life: what it still holds is its own again. */
static void test_register_while_being_drained(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);
    unsigned back;

    queue_n(r, "m", 300, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 300);
    kill_worker(r, r->a);
    worker_beat(b);
    back = b->messages;
    assert_int_equal(worker_register(r->a), STORE_OK);
    for (back += r->a->messages; r->a->more; back += r->a->messages)
        assert_int_equal(worker_beat(r->a), STORE_OK);
    assert_int_equal(back, 300);
    assert_string_equal(REDIS(r->g, "LLEN", "t:ready:s:2"), "300");
}

/* --- what is kept for a time --- */

static void test_trimming(void **state)
{
    struct store_rig *r = *state;
    int64_t now = REDIS_INT(r->g, "TIME") * 1000;
    char old[32], young[32];

    snprintf(old, sizeof(old), "%" PRId64, now - INT64_C(8) * 86400000);
    snprintf(young, sizeof(young), "%" PRId64, now - INT64_C(6) * 86400000);
    REDIS(r->g, "ZADD", "t:dead", old, "old", young, "young");
    for (int i = 0; i < 300; i++)
        REDIS(r->g, "XADD", "t:rejected", key_of(r, old, "-*"), "raw", "old");
    REDIS(r->g, "XADD", "t:rejected", young, "raw", "young");
    assert_int_equal(worker_beat(r->a), STORE_OK);
    assert_string_equal(REDIS(r->g, "ZRANGE", "t:dead", "0", "-1"), "young");
    assert_true(REDIS_INT(r->g, "XLEN", "t:rejected") < 200); /* whole nodes of 100 go */
    assert_non_null(strstr(REDIS(r->g, "XREVRANGE", "t:rejected", "+", "-"), "raw young"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_register),
        STORE_TEST(test_beat),
        STORE_TEST(test_beat_tells_what_is_due),
        STORE_TEST(test_fenced),
        STORE_TEST(test_register_retires_the_old_identity),
        STORE_TEST(test_retiring_in_pieces),
        STORE_TEST(test_refused_registrations_leave_nothing),
        STORE_TEST(test_unregister),
        STORE_TEST(test_leases_come_back),
        STORE_TEST(test_the_days_count_stays),
        STORE_TEST(test_claimed_jobs_come_back),
        STORE_TEST(test_recovery_rings_the_bell),
        STORE_TEST(test_adoption),
        STORE_TEST(test_many_adoptions),
        STORE_TEST(test_adoption_by_the_next),
        STORE_TEST(test_leases_of_what_is_over),
        STORE_TEST(test_many_leases),
        STORE_TEST(test_register_while_being_drained),
        STORE_TEST(test_trimming),
    };

    return STORE_TESTS_RUN(tests);
}

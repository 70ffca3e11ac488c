/* take: which jobs, in which order, and that none is ever nowhere. */
#include "store_rig.h"

static void push(struct store_rig *r, const char *list, const char *prefix, unsigned n)
{
    char raw[32];

    for (unsigned i = 1; i <= n; i++) {
        snprintf(raw, sizeof(raw), "%s%u", prefix, i);
        REDIS(r->g, "LPUSH", list, raw);
    }
}

static unsigned taken(const struct worker *w, char class)
{
    unsigned n = 0;

    for (const char *p = buf_str(&((struct worker *)w)->raws); *p != '\0'; p++)
        n += p[0] == class && p[1] == ':';
    return n;
}

static void test_nothing(void **state)
{
    struct store_rig *r = *state;

    assert_int_equal(worker_take(r->a, 1, 8), STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), "");
    assert_string_equal(REDIS(r->g, "EXISTS", CLAIMED(r, r->a)), "0");
}

static void test_first_in_first_out(void **state)
{
    struct store_rig *r = *state;

    push(r, "t:jobs", "n", 5);
    assert_int_equal(worker_take(r->a, 7, 3), STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), "2:n1 2:n2 2:n3");
    assert_string_equal(REDIS(r->g, "LRANGE", CLAIMED(r, r->a), "0", "-1"), "7:0:3:0 n1 n2 n3");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:jobs", "0", "-1"), "n5 n4");
}

static void test_lists_by_priority(void **state)
{
    struct store_rig *r = *state;

    push(r, "t:jobs:low", "l", 2);
    push(r, "t:jobs", "n", 2);
    push(r, "t:jobs:high", "h", 2);
    assert_int_equal(worker_take(r->a, 1, 8), STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), "1:h1 1:h2 2:n1 2:n2 3:l1 3:l2");
    assert_string_equal(REDIS(r->g, "LINDEX", CLAIMED(r, r->a), "0"), "1:2:2:2");
}

/* Of 16 places two are kept for each lower list. */
static void test_no_list_starves(void **state)
{
    struct store_rig *r = *state;

    push(r, "t:jobs:high", "h", 40);
    push(r, "t:jobs", "n", 40);
    push(r, "t:jobs:low", "l", 40);
    assert_int_equal(worker_take(r->a, 1, 16), STORE_OK);
    assert_int_equal(taken(r->a, '1'), 12);
    assert_int_equal(taken(r->a, '2'), 2);
    assert_int_equal(taken(r->a, '3'), 2);
}

static void test_kept_places_are_filled(void **state)
{
    struct store_rig *r = *state;

    push(r, "t:jobs:high", "h", 40);
    assert_int_equal(worker_take(r->a, 1, 16), STORE_OK);
    assert_int_equal(taken(r->a, '1'), 16);
    REDIS(r->g, "DEL", "t:jobs:high");
    push(r, "t:jobs", "n", 40);
    assert_int_equal(worker_take(r->a, 2, 16), STORE_OK);
    /* The first batch was never accepted: it went back, and comes again. */
    assert_int_equal(taken(r->a, '1') + taken(r->a, '2'), 16);
    assert_int_equal(taken(r->a, '1'), 12);
}

/* A take whose answer got lost: the next puts its batch back, each list in its order, and takes
 * the very same jobs again. */
static void test_again_after_a_lost_answer(void **state)
{
    struct store_rig *r = *state;
    char first[256];

    push(r, "t:jobs:high", "h", 3);
    push(r, "t:jobs", "n", 3);
    push(r, "t:jobs:low", "l", 3);
    assert_int_equal(worker_take(r->a, 1, 8), STORE_OK);
    snprintf(first, sizeof(first), "%s", buf_str(&r->a->raws));
    assert_int_equal(worker_take(r->a, 2, 8), STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), first);
    assert_memory_equal(REDIS(r->g, "LINDEX", CLAIMED(r, r->a), "0"), "2:", 2);
    assert_string_equal(REDIS(r->g, "LLEN", CLAIMED(r, r->a)), "9");
    assert_int_equal(worker_accept(r->a, 1, NULL, 0), STORE_GONE);
}

static void test_bytes_bound_the_batch(void **state)
{
    struct store_rig *r = *state;
    char raw[1001];

    memset(raw, 'x', 1000);
    raw[1000] = '\0';
    for (int i = 0; i < 20; i++)
        REDIS(r->g, "LPUSH", "t:jobs", raw);
    assert_int_equal(
        worker_wait(r->a, store_take(r->a->store, 1, 20, 2500, 4000, on_worker_taken, r->a)),
        STORE_OK);
    /* The job that passes the bound is the last: nobody knows its size before. */
    assert_int_equal(taken(r->a, '2'), 3);
    assert_string_equal(REDIS(r->g, "LLEN", "t:jobs"), "17");
}

static void test_what_is_over_goes_back_in_order(void **state)
{
    struct store_rig *r = *state;

    push(r, "t:jobs", "job", 6);
    assert_int_equal(
        worker_wait(r->a, store_take(r->a->store, 1, 6, 6, 4000, on_worker_taken, r->a)), STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), "2:job1 2:job2");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:jobs", "0", "-1"), "job6 job5 job4 job3");
}

static void test_too_large_is_rejected_untouched(void **state)
{
    struct store_rig *r = *state;

    REDIS(r->g, "LPUSH", "t:jobs", "small", "larger than ten", "also");
    assert_int_equal(
        worker_wait(r->a, store_take(r->a->store, 1, 8, 1000, 10, on_worker_taken, r->a)),
        STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), "2:small 2:also");
    assert_string_equal(REDIS(r->g, "LRANGE", CLAIMED(r, r->a), "0", "-1"), "1:0:2:0 small also");
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:rejected", "-", "+"),
                           "raw larger than ten error_code too_large error_message the job has 15 "
                           "bytes; the cap is 10 at 2"));
    assert_non_null(strstr(REDIS(r->g, "XRANGE", "t:events", "-", "+"), "type job.rejected"));
}

/* All of it too large: nothing is claimed, so that the next take has nothing to put back. */
static void test_only_too_large(void **state)
{
    struct store_rig *r = *state;

    REDIS(r->g, "LPUSH", "t:jobs:low", "larger than ten", "this one as well");
    assert_int_equal(
        worker_wait(r->a, store_take(r->a->store, 1, 8, 1000, 10, on_worker_taken, r->a)),
        STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), "");
    assert_string_equal(REDIS(r->g, "EXISTS", CLAIMED(r, r->a)), "0");
    assert_string_equal(REDIS(r->g, "XLEN", "t:rejected"), "2");
}

static void test_any_bytes(void **state)
{
    struct store_rig *r = *state;
    const char *argv[] = {"LPUSH", "t:jobs", "a\0b\xff"};
    struct redisReply *reply;
    struct err_text e;

    assert_int_equal(redis_sync_command(r->g->redis, 3, argv, (size_t[]){5, 6, 4}, &reply, &e),
                     SQ_OK);
    redis_reply_free(reply);
    assert_int_equal(worker_take(r->a, 1, 1), STORE_OK);
    assert_int_equal(r->a->raws.len, 2 + 1); /* printed up to the NUL */
    argv[0] = "LINDEX", argv[1] = CLAIMED(r, r->a), argv[2] = "1";
    assert_int_equal(redis_sync_command(r->g->redis, 3, argv, NULL, &reply, &e), SQ_OK);
    {
        size_t len;
        const char *raw = reply_str(reply, &len);

        assert_int_equal(len, 4);
        assert_memory_equal(raw, "a\0b\xff", 4);
    }
    redis_reply_free(reply);
}

static void test_fenced(void **state)
{
    struct store_rig *r = *state;

    push(r, "t:jobs", "n", 1);
    kill_worker(r, r->a);
    assert_int_equal(worker_take(r->a, 1, 8), STORE_FENCED);
    REDIS(r->g, "DEL", "t:workers");
    assert_int_equal(worker_take(r->a, 1, 8), STORE_FENCED);
    assert_string_equal(REDIS(r->g, "LLEN", "t:jobs"), "1");
}

static void test_two_workers_share(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    push(r, "t:jobs", "n", 4);
    assert_int_equal(worker_take(r->a, 1, 2), STORE_OK);
    assert_int_equal(worker_take(b, 1, 8), STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), "2:n1 2:n2");
    assert_string_equal(buf_str(&b->raws), "2:n3 2:n4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_nothing),
        STORE_TEST(test_first_in_first_out),
        STORE_TEST(test_lists_by_priority),
        STORE_TEST(test_no_list_starves),
        STORE_TEST(test_kept_places_are_filled),
        STORE_TEST(test_again_after_a_lost_answer),
        STORE_TEST(test_bytes_bound_the_batch),
        STORE_TEST(test_what_is_over_goes_back_in_order),
        STORE_TEST(test_too_large_is_rejected_untouched),
        STORE_TEST(test_only_too_large),
        STORE_TEST(test_any_bytes),
        STORE_TEST(test_fenced),
        STORE_TEST(test_two_workers_share),
    };

    return STORE_TESTS_RUN(tests);
}

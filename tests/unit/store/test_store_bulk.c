/* Bulks in the store: pages taken in once, slices claimed, outcomes in the ledger; at each step the
 * numbers add up. */
#include "bulk_rig.h"

/* --- expand --- */

static void test_pages_count_once(void **state)
{
    struct bulk_rig *b = *state;

    accept_bulk(b, "b1");
    expand(b, 1000, NULL);
    assert_string_equal(b->wanted, "b1");
    assert_string_equal(b->cursor, "all 0");
    expand(b, 1000, NULL); /* this very worker reads it: asked again, it may have forgotten */
    hand_in(b, "all 0", "all 7", 1, 4);
    assert_string_equal(numbers(b), "4: 4 (0) 0 0 0");
    assert_string_equal(b->cursor, "all 7"); /* the next one at once */
    assert_int_equal(elements(b), 2);
    hand_in(b, "all 0", "all 7", 1, 4);
    hand_in(b, "all 0", "all 9", 11, 4);
    assert_string_equal(numbers(b), "4: 4 (0) 0 0 0");
    assert_string_equal(field(b, "status"), "expanding");
    hand_in(b, "all 7", "", 5, 3);
    assert_string_equal(numbers(b), "7: 7 (0) 0 0 0");
    assert_string_equal(field(b, "status"), "sending");
    assert_string_equal(REDIS(b->r->g, "HGET", "t:sender:s", "_extra"), "4"); /* of 3 elements */
}

static void test_who_shares_is_left_out(void **state)
{
    struct bulk_rig *b = *state;

    accept_bulk(b, "b1");
    hand_in(b, "all 0", "all 1", 1, 4);
    hand_in(b, "all 1", "all 2", 3, 5); /* 3 and 4 came before; 5, 6, 7 are of two groups */
    assert_string_equal(numbers(b), "7: 7 (0) 0 0 0");
    assert_string_equal(field(b, "duplicates"), "2");
    hand_in(b, "all 2", "", 1, 7);
    assert_string_equal(numbers(b), "7: 7 (0) 0 0 0");
    assert_string_equal(field(b, "duplicates"), "9");
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l1 l2 l3 l4 l6 l7 l5 ");
    expand(b, 1000, NULL);
    expand(b, 1000, NULL);
    assert_string_equal(REDIS(b->r->g, "KEYS", "t:bulk:b1:seen:*"), "");
}

static void test_no_more_than_may_wait(void **state)
{
    struct bulk_rig *b = *state;

    b->ready = 8;
    accept_bulk(b, "b1");
    hand_in(b, "all 0", "all 1", 1, 6);
    assert_string_equal(b->cursor, "all 1"); /* there is room for two more */
    hand_in(b, "all 1", "all 2", 7, 3);
    assert_string_equal(b->wanted, "");
    assert_true(b->next_us > 0);
    claim_slices(b, 4);
    assert_false(b->wants);
    claim_slices(b, 2);
    assert_true(b->wants); /* less than half */
    expand(b, 8, NULL);
    assert_string_equal(b->cursor, "all 2");
}

static void test_a_selection_that_cannot_be_read(void **state)
{
    struct bulk_rig *b = *state;
    const struct store_page page = {.bulk = "b1", .cursor = "all 1", .next = "", .why = "broken"};

    accept_bulk(b, "b1");
    hand_in(b, "all 0", "all 1", 1, 4);
    claim_slices(b, 1);
    expand(b, 1000, &page);
    assert_string_equal(field(b, "status"), "failed");
    assert_string_equal(field(b, "error_message"), "broken");
    assert_string_equal(numbers(b), "4: 1 (1) 0 0 3");
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_string_equal(numbers(b), "4: 0 (0) 1 0 3");
    assert_string_not_equal(field(b, "finished_at"), "(nil)");
}

/* --- claim --- */

static void test_slices(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 7);
    claim_slices(b, 1); /* of three: a cut */
    assert_string_equal(b->leads, "l1 ");
    assert_int_equal(b->attempts, 1);
    assert_false(b->capped);
    assert_int_equal(elements(b), 3);
    assert_string_equal(field(b, "_ready"), "6");
    claim_slices(b, 4); /* its rest, and two of three: cutting off the third is not worth it */
    assert_string_equal(b->leads, "l2 l3 l4 l5 l6 ");
    assert_int_equal(b->slices, 1);
    assert_string_equal(numbers(b), "7: 7 (6) 0 0 0");
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l7 ");
    assert_int_equal(elements(b), 0);
    assert_string_equal(REDIS(b->r->g, "HGET", "t:sender:s", "_extra"), "0");
    assert_string_equal(REDIS(b->r->g, "HGET", "t:bucket:sender:s", "busy"), "7");
}

static void test_limits_cut_exactly(void **state)
{
    struct bulk_rig *b = *state;

    LIMIT(b->r, .concurrency = 2);
    queue_bulk(b, 7);
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l1 l2 ");
    assert_string_equal(numbers(b), "7: 7 (2) 0 0 0");
}

static void test_a_rate_gives_each_its_slot(void **state)
{
    struct bulk_rig *b = *state;

    LIMIT(b->r, .interval_us = HOUR_US);
    queue_bulk(b, 7);
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l1 l2 "); /* now, and at the end of the horizon */
    assert_true(b->capped);
    assert_string_equal(numbers(b), "7: 7 (2) 0 0 0");
}

/* --- finish --- */

static void test_each_outcome(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 4);
    claim_slices(b, 100);
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_memory_equal(ledger(b, "l1"), "sent 1", 6);
    assert_non_null(strstr(ledger(b, "l1"), " 1 p-1"));
    finish_ref(b, FINISH_FAILED, "l2", 2);
    assert_non_null(strstr(ledger(b, "l2"), " 1 provider_error"));
    assert_string_equal(field(b, "errors:provider_error"), "1");
    assert_string_equal(numbers(b), "4: 2 (2) 1 1 0");
    assert_string_equal(field(b, "success_rate"), "50.00");
    finish_ref(b, FINISH_RETRY, "l3", 3);
    assert_string_equal(REDIS(b->r->g, "ZCARD", "t:delayed"), "1");
    finish_ref(b, FINISH_RELEASE, "l4", 4);
    assert_string_equal(numbers(b), "4: 2 (0) 1 1 0");
    assert_string_equal(REDIS(b->r->g, "HGET", "t:bucket:sender:s", "busy"), "0");
    assert_string_equal(ledger(b, "l3"), "(nil)");
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l4 ");
    assert_int_equal(b->attempts, 1); /* the one that was given back does not count */
}

static void test_said_twice_counts_once(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 2);
    claim_slices(b, 100);
    finish_ref(b, FINISH_SENT, "l1", 1);
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_int_equal(b->w->stale, 1);
    finish_ref(b, FINISH_FAILED, "l1", 1);
    assert_int_equal(b->w->stale, 1);
    assert_string_equal(numbers(b), "2: 1 (1) 1 0 0");
    assert_memory_equal(ledger(b, "l1"), "sent", 4);
}

static void test_the_last_one_ends_it(void **state)
{
    struct bulk_rig *b = *state;
    char key[64];

    queue_bulk(b, 2);
    claim_slices(b, 100);
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_string_equal(field(b, "status"), "sending");
    finish_ref(b, FINISH_FAILED, "l2", 2);
    assert_string_equal(field(b, "status"), "done");
    assert_string_equal(REDIS(b->r->g, "LRANGE", "t:reply:q", "0", "-1"),
                        "{\"total_leads\":2,\"messages_sent\":1,\"messages_failed\":1,"
                        "\"success_rate\":50.00}");
    assert_in_range(REDIS_INT(b->r->g, "PTTL", "t:bulk:b1"), 1, 7 * 86400000);
    expand(b, 1000, NULL);
    expand(b, 1000, NULL);
    assert_string_equal(REDIS(b->r->g, "EXISTS", "t:expand"), "0");
    snprintf(key, sizeof(key), "t:bulk:b1:ledger:%u", shard_of(b, "l1"));
    assert_in_range(REDIS_INT(b->r->g, "PTTL", key), 1, 7 * 86400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BULK_TEST(test_pages_count_once),
        BULK_TEST(test_who_shares_is_left_out),
        BULK_TEST(test_no_more_than_may_wait),
        BULK_TEST(test_a_selection_that_cannot_be_read),
        BULK_TEST(test_slices),
        BULK_TEST(test_limits_cut_exactly),
        BULK_TEST(test_a_rate_gives_each_its_slot),
        BULK_TEST(test_each_outcome),
        BULK_TEST(test_said_twice_counts_once),
        BULK_TEST(test_the_last_one_ends_it),
    };

    return STORE_TESTS_RUN(tests);
}

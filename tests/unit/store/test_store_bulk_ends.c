/* Bulks in the store: late words, and an operator's hand; at each step the numbers add up. */
#include "bulk_rig.h"

/* A worker that was thought dead says "sent" late: while it waits again, and while another one has
 * it. */
static void test_a_late_word_counts_once(void **state)
{
    struct bulk_rig *b = *state;
    struct worker *second = store_rig_second(b->r);

    queue_bulk(b, 3);
    claim_slices(b, 100);
    kill_worker(b->r, b->r->a);
    assert_int_equal(worker_beat(second), STORE_OK);
    assert_string_equal(numbers(b), "3: 3 (0) 0 0 0");
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_string_equal(numbers(b), "3: 2 (0) 1 0 0");
    finish_ref(b, FINISH_FAILED, "l2", 2); /* somebody else will see */
    assert_int_equal(b->w->stale, 1);
    b->w = second;
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l2 l3 ");
    assert_int_equal(b->attempts, 2);
    b->w = b->r->a;
    finish_ref(b, FINISH_SENT, "l2", 2);
    assert_string_equal(numbers(b), "3: 1 (1) 2 0 0");
    b->w = second;
    finish_ref(b, FINISH_RETRY, "l2", 1);
    assert_string_equal(numbers(b), "3: 1 (1) 2 0 0");
    finish_ref(b, FINISH_SENT, "l3", 2);
    assert_string_equal(numbers(b), "3: 0 (0) 3 0 0");
    assert_string_equal(field(b, "status"), "done");
}

static void test_a_late_word_of_a_cancelled_bulk(void **state)
{
    struct bulk_rig *b = *state;
    struct worker *second = store_rig_second(b->r);

    queue_bulk(b, 3);
    claim_slices(b, 100);
    kill_worker(b->r, b->r->a);
    assert_int_equal(worker_beat(second), STORE_OK);
    b->w = second;
    claim_slices(b, 1);
    steer(b, "cancel", "ok done");
    assert_string_equal(numbers(b), "3: 1 (1) 0 0 2");
    b->w = b->r->a;
    finish_ref(b, FINISH_SENT, "l1", 1); /* which the second one has */
    finish_ref(b, FINISH_SENT, "l3", 3); /* which is cancelled */
    assert_string_equal(numbers(b), "3: 0 (0) 2 0 1");
    b->w = second;
    finish_ref(b, FINISH_RELEASE, "l1", 1);
    assert_string_equal(numbers(b), "3: 0 (0) 2 0 1");
}

/* --- an operator's hand --- */

static void test_pause_and_resume(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 7);
    claim_slices(b, 1);
    steer(b, "pause", "ok done");
    steer(b, "pause", "ok paused");
    claim_slices(b, 100);
    assert_int_equal(b->slices, 0);
    assert_string_equal(REDIS(b->r->g, "LLEN", "t:bulk:b1:held"), "3");
    assert_string_equal(field(b, "_ready"), "0");
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_string_equal(numbers(b), "7: 6 (0) 1 0 0");
    steer(b, "resume", "ok done");
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l2 l3 l4 l5 l6 l7 ");
}

/* From the answer on only what is leased may still be sent, and what of it is given back is not. */
static void test_cancel(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 9);
    claim_slices(b, 3);
    steer(b, "cancel", "ok done");
    assert_string_equal(numbers(b), "9: 3 (3) 0 0 6");
    finish_ref(b, FINISH_SENT, "l1", 1);
    finish_ref(b, FINISH_RELEASE, "l2", 2);
    finish_ref(b, FINISH_RETRY, "l3", 3);
    assert_string_equal(numbers(b), "9: 0 (0) 1 0 8");
    claim_slices(b, 100);
    assert_int_equal(b->slices, 0);
    assert_int_equal(elements(b), 0);
    assert_non_null(
        strstr(REDIS(b->r->g, "LRANGE", "t:reply:q", "0", "-1"), "\"messages_cancelled\":8"));
    steer(b, "resume", "ok cancelled");
}

static void test_retry(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 3);
    steer(b, "retry", "ok nothing");
    claim_slices(b, 100);
    finish_ref(b, FINISH_SENT, "l1", 1);
    finish_ref(b, FINISH_FAILED, "l2", 2);
    finish_ref(b, FINISH_FAILED, "l3", 3);
    steer(b, "retry", "ok done");
    for (int i = 0; i < 4; i++)
        expand(b, 1000, NULL);
    assert_string_equal(numbers(b), "3: 2 (0) 1 0 0");
    assert_string_equal(field(b, "errors:provider_error"), "0");
    claim_slices(b, 100);
    assert_int_equal(b->attempts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BULK_TEST(test_a_late_word_counts_once),
        BULK_TEST(test_a_late_word_of_a_cancelled_bulk),
        BULK_TEST(test_pause_and_resume),
        BULK_TEST(test_cancel),
        BULK_TEST(test_retry),
    };

    return STORE_TESTS_RUN(tests);
}

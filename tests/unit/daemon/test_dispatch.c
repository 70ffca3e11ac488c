/* Dispatch on a real store: what is begun, when, and what is given back. */
#include "dispatch_rig.h"

/* --- beginning --- */

static void test_begins_in_order(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 3);
    open_now(s);
    run_until(s, 3);
    assert_string_equal(s->begun_ids, "m1 m2 m3");
    assert_int_equal(s->kept[0]->fence, 1);
    assert_int_equal(s->kept[0]->message.attempts, 1);
    assert_string_equal(FIELD(s->d->r, "m1", "status"), "sending");
    assert_int_equal(dispatch_waiting(s->dispatch), 0);
}

static void test_high_ones_first_and_in_order(void **state)
{
    struct stage *s = *state;
    struct message m;

    for (unsigned k = 0; k < 5; k++) {
        a_message(&m, k == 0 ? "n1" : k == 1 ? "n2" : k == 2 ? "h1" : k == 3 ? "h2" : "h3");
        m.priority = k < 2 ? PRIORITY_NORMAL : PRIORITY_HIGH;
        job_of(s->d, k, &m);
    }
    accept_n(s->d->r, 5);
    s->room = 0;
    open_now(s); /* all into the stock, while nothing can begin */
    dispatch_poke(s->dispatch);
    while (dispatch_waiting(s->dispatch) < 5)
        rig_turn(s->d->g);
    s->room = 5;
    dispatch_due_at(s->dispatch, 0);
    run_until(s, 5);
    assert_string_equal(s->begun_ids, "h1 h2 h3 n1 n2");
}

static void test_not_before_it_is_open(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 1);
    dispatch_poke(s->dispatch);
    some_turns(s, 5);
    assert_string_equal(FIELD(s->d->r, "m1", "status"), "queued");
    open_now(s);
    run_until(s, 1);
}

static void test_room(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 8);
    s->room = 3;
    open_now(s);
    run_until(s, 3);
    some_turns(s, 5);
    assert_int_equal(s->begun, 3);
    assert_int_equal(dispatch_waiting(s->dispatch), 5); /* the stock */
    s->room = 1;
    dispatch_due_at(s->dispatch, 0);
    run_until(s, 4);
    some_turns(s, 5);
    assert_int_equal(s->begun, 4);
}

/* No places, and nothing that may be kept in stock: no reason to ask Redis again and again. */
static void test_full_is_quiet(void **state)
{
    struct stage *s = *state;
    long long before;

    use_config(s, "senders:\n- { id: s, provider: sandbox, channels: [email],"
                  " limits: { rate: \"1000/s burst 100\" } }\n");
    queue_messages(s->d, "m", 3);
    s->room = 0;
    open_now(s);
    some_turns(s, 20);
    before = scripts_called(s);
    some_turns(s, 60);
    assert_in_range(scripts_called(s) - before, 0, 1);
    s->room = 3;
    dispatch_due_at(s->dispatch, 0);
    run_until(s, 3);
}

static void test_closing_releases(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 5);
    s->room = 2;
    open_now(s);
    run_until(s, 2);
    while (dispatch_waiting(s->dispatch) < 3)
        rig_turn(s->d->g);
    dispatch_set_open(s->dispatch, false);
    assert_int_equal(s->released, 3);
    assert_int_equal(dispatch_waiting(s->dispatch), 0);
    s->room = 5;
    dispatch_poke(s->dispatch);
    some_turns(s, 5);
    assert_int_equal(s->begun, 2);
}

/* Closed while a claim is on its way: what it brings is given back. */
static void test_closing_during_a_claim(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 2);
    open_now(s);
    timer_set_us(s->d->g->turn, 0);
    loop_run(s->d->g->loop); /* one turn: it ends with sending the claim */
    dispatch_set_open(s->dispatch, false);
    run_until(s, 2);
    assert_int_equal(s->released, 2);
    assert_int_equal(dispatch_waiting(s->dispatch), 0);
}

/* The lease might end before the send does. */
static void test_after_the_lease(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 3);
    s->room = 1;
    open_now(s);
    run_until(s, 1);
    while (dispatch_waiting(s->dispatch) < 2)
        rig_turn(s->d->g);
    dispatch_set_lease(s->dispatch, clock_mono_us());
    s->room = 3;
    dispatch_due_at(s->dispatch, 0);
    run_until(s, 3);
    assert_int_equal(s->released, 2);
    assert_int_equal(s->begun, 1);
    dispatch_set_lease(s->dispatch, INT64_MAX); /* renewed: goes on */
    REDIS(s->d->g, "HSET", "t:message:m2", "status", "cancelled");
    REDIS(s->d->g, "HSET", "t:message:m3", "status", "cancelled");
    queue_messages(s->d, "n", 1);
    dispatch_poke(s->dispatch);
    run_until(s, 4);
    assert_string_equal(s->begun_ids, "m1 n1");
}

/* --- slots --- */

static void test_slots(void **state)
{
    struct stage *s = *state;

    use_config(s, "senders:\n- { id: s, provider: sandbox, channels: [email],"
                  " limits: { rate: \"200/s\" } }\nclaim: { jitter: 1s }\n");
    queue_messages(s->d, "m", 3);
    open_now(s);
    run_until(s, 3);
    assert_string_equal(s->begun_ids, "m1 m2 m3");
    for (unsigned i = 0; i < 3; i++) {
        assert_true(s->kept[i]->capped);
        assert_true(s->begun_at[i] >= s->slot_at[i]); /* never early */
    }
    assert_true(s->slot_at[1] - s->slot_at[0] >= 9000); /* (1 s + 1 s) / 200, less a clock's step */
    assert_true(s->slot_at[2] - s->slot_at[1] >= 9000);
}

/* A slot that has come waits for a place, within its jitter. */
static void test_slots_wait_for_room(void **state)
{
    struct stage *s = *state;

    use_config(s, "senders:\n- { id: s, provider: sandbox, channels: [email],"
                  " limits: { rate: \"1000/s\" } }\nclaim: { jitter: 1s }\n");
    queue_messages(s->d, "m", 3);
    s->shut = true;
    open_now(s);
    run_until(s, 1);
    some_turns(s, 10);
    assert_int_equal(s->begun, 1);
    s->shut = false;
    s->room = 2;
    dispatch_due_at(s->dispatch, 0);
    run_until(s, 3);
    assert_int_equal(s->begun + s->released, 3);
}

/* A slot that was missed by more than the jitter is given back: sent late, it could make a window
 * at the provider too full. */
static void test_missed_slots(void **state)
{
    struct stage *s = *state;

    use_config(s, "senders:\n- { id: s, provider: sandbox, channels: [email],"
                  " limits: { rate: \"500/s\" } }\nclaim: { jitter: 10ms }\n");
    queue_messages(s->d, "m", 2);
    s->spin_us = 40000; /* the first takes long, the second's slot passes */
    open_now(s);
    run_until(s, 2);
    assert_int_equal(s->begun + s->released, 2);
    assert_true(s->released >= 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_begins_in_order),
        TEST(test_high_ones_first_and_in_order),
        TEST(test_not_before_it_is_open),
        TEST(test_room),
        TEST(test_full_is_quiet),
        TEST(test_closing_releases),
        TEST(test_closing_during_a_claim),
        TEST(test_after_the_lease),
        TEST(test_slots),
        TEST(test_slots_wait_for_room),
        TEST(test_missed_slots),
    };

    return STORE_TESTS_RUN(tests);
}

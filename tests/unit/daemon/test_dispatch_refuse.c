/* Dispatch: messages that must not be sent, start marks, and what Redis may answer. */
#include "dispatch_rig.h"

/* --- what is not begun --- */

static void check_settled(struct stage *s, enum error_code code)
{
    open_now(s);
    run_until(s, 1);
    assert_int_equal(s->settled, 1);
    assert_int_equal(s->outcome.kind, OUTCOME_FAILED);
    assert_int_equal(s->outcome.code, code);
    assert_string_not_equal(s->outcome.text, "");
    assert_true(s->refund);
}

static void test_suppressed(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 1);
    REDIS(s->d->g, "SADD", "t:suppressed:email", "to@x");
    check_settled(s, CODE_SUPPRESSED);
}

static void test_expired(void **state)
{
    struct stage *s = *state;
    struct message m;

    a_message(&m, "m1");
    m.expires_at = store_now_ms(s->d->a->store) - 1;
    job_of(s->d, 0, &m);
    accept_n(s->d->r, 1);
    check_settled(s, CODE_EXPIRED);
}

static void test_not_yet_expired(void **state)
{
    struct stage *s = *state;
    struct message m;

    a_message(&m, "m1");
    m.expires_at = store_now_ms(s->d->a->store) + 600000;
    job_of(s->d, 0, &m);
    accept_n(s->d->r, 1);
    open_now(s);
    run_until(s, 1);
    assert_int_equal(s->begun, 1);
}

static void test_sender_no_longer_configured(void **state)
{
    struct stage *s = *state;
    struct message m;

    a_message(&m, "m1");
    message_set(&m, MSG_SENDER, "gone");
    job_of(s->d, 0, &m);
    accept_n(s->d->r, 1);
    check_settled(s, CODE_INSUFFICIENT_PERMISSIONS);
}

/* It took the worker down with every attempt. */
static void test_attempts_used_up(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 1);
    REDIS(s->d->g, "HSET", "t:message:m1", "attempts", "3");
    check_settled(s, CODE_PROVIDER_ERROR);
}

static void test_the_last_attempt_goes(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 1);
    REDIS(s->d->g, "HSET", "t:message:m1", "attempts", "2");
    open_now(s);
    run_until(s, 1);
    assert_int_equal(s->begun, 1);
}

static void test_unreadable(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 1);
    REDIS(s->d->g, "SET", "t:content:m1", "what somebody wrote");
    check_settled(s, CODE_VALIDATION_ERROR);
}

/* --- the start mark --- */

static void queue_cautious(struct stage *s)
{
    struct message m;

    a_message(&m, "m1");
    m.uncertain = UNCERTAIN_FAIL;
    job_of(s->d, 0, &m);
    accept_n(s->d->r, 1);
}

static void test_marked_before_it_begins(void **state)
{
    struct stage *s = *state;

    queue_cautious(s);
    open_now(s);
    run_until(s, 1);
    assert_int_equal(s->begun, 1);
    assert_string_equal(FIELD(s->d->r, "m1", "_started"), "1");
}

static void test_others_are_not_marked(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 1);
    open_now(s);
    run_until(s, 1);
    assert_string_equal(FIELD(s->d->r, "m1", "_started"), "(nil)");
}

/* The mark cannot be written, or its answer does not come: it does not leave. */
static void test_not_begun_without_its_mark(void **state)
{
    struct stage *s = *state;

    queue_cautious(s);
    s->room = 0;
    open_now(s);
    while (dispatch_waiting(s->dispatch) < 1)
        rig_turn(s->d->g);
    REDIS(s->d->g, "HSET", "t:message:m1", "_fence", "7"); /* somebody else leased it */
    s->room = 1;
    dispatch_due_at(s->dispatch, 0);
    run_until(s, 1);
    assert_int_equal(s->released, 1);
}

/* --- what must be fetched first --- */

static struct attempt *fetching(struct stage *s)
{
    s->fetches = 1;
    open_now(s);
    while (s->fetching == NULL)
        loop_run(s->d->g->loop);
    assert_true(dispatch_waiting(s->dispatch) >= 1);
    assert_int_equal(s->begun, 0);
    return s->fetching;
}

static void test_begun_when_it_is_fetched(void **state)
{
    struct stage *s = *state;

    queue_cautious(s);
    dispatch_prepared(s->dispatch, fetching(s), true);
    run_until(s, 1);
    assert_int_equal(s->begun, 1);
    assert_string_equal(FIELD(s->d->r, "m1", "_started"), "1"); /* its mark comes after */
}

static void test_not_fetched(void **state)
{
    struct stage *s = *state;
    struct attempt *t;

    queue_messages(s->d, "m", 1);
    t = fetching(s);
    outcome_set(&t->outcome, OUTCOME_FAILED, CODE_TOO_LARGE, "too large");
    dispatch_prepared(s->dispatch, t, false);
    assert_int_equal(s->settled, 1);
    assert_int_equal(s->outcome.code, CODE_TOO_LARGE);
    assert_int_equal(dispatch_waiting(s->dispatch), 0);
}

/* The door was closed, or the lease ran out, while it was fetched. */
static void test_fetched_too_late(void **state)
{
    struct stage *s = *state;
    struct attempt *t;

    queue_messages(s->d, "m", 1);
    t = fetching(s);
    dispatch_set_lease(s->dispatch, 1);
    dispatch_prepared(s->dispatch, t, true);
    assert_int_equal(s->released, 1);
    assert_int_equal(s->begun, 0);
}

static void test_fetching_keeps_a_place(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 2);
    s->room = 1;
    fetching(s);
    some_turns(s, 5);
    assert_int_equal(s->begun, 0); /* the one place is the fetched one's */
    dispatch_prepared(s->dispatch, s->fetching, true);
    run_until(s, 1);
    assert_string_equal(s->begun_ids, "m1");
}

/* --- Redis' other answers --- */

static void test_unknown_senders(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 1);
    REDIS(s->d->g, "DEL", "t:sender:s");
    open_now(s);
    loop_run(s->d->g->loop);
    assert_int_equal(s->unknown, 1);
}

static void test_refusal(void **state)
{
    struct stage *s = *state;
    long long before;

    queue_messages(s->d, "m", 1);
    REDIS(s->d->g, "RENAME", "t:turn", "kept");
    REDIS(s->d->g, "SET", "t:turn", "x");
    open_now(s);
    while (s->problems == 0)
        loop_run(s->d->g->loop);
    before = scripts_called(s);
    some_turns(s, 20);
    assert_in_range(scripts_called(s) - before, 0, 1); /* not again and again */
    REDIS(s->d->g, "RENAME", "kept", "t:turn");
    run_until(s, 1);
    assert_int_equal(s->begun, 1);
}

static void test_fenced(void **state)
{
    struct stage *s = *state;
    long long before;

    queue_messages(s->d, "m", 1);
    kill_worker(s->d->r, s->d->a);
    open_now(s);
    some_turns(s, 5);
    before = scripts_called(s);
    dispatch_due_at(s->dispatch, 1);
    some_turns(s, 40);
    assert_in_range(scripts_called(s) - before, 0, 1);
    assert_int_equal(s->begun, 0);
    worker_register(s->d->a);
    run_until(s, 1);
}

static void test_empty_script_cache(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 1);
    REDIS(s->d->g, "SCRIPT", "FLUSH");
    open_now(s);
    run_until(s, 1);
    assert_int_equal(s->begun, 1);
}

/* A day cap needs the bounds of its zone: they come along. */
static void test_day_caps_have_their_bounds(void **state)
{
    struct stage *s = *state;

    use_config(s, "senders:\n- { id: s, provider: sandbox, channels: [email],"
                  " limits: { day: \"2/day calendar Australia/Lord_Howe\" } }\n");
    queue_messages(s->d, "m", 3);
    open_now(s);
    run_until(s, 2);
    some_turns(s, 10);
    assert_int_equal(s->begun, 2);
    assert_string_equal(REDIS(s->d->g, "HGET", "t:sender:s", "state"), "day_cap");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_suppressed),
        TEST(test_expired),
        TEST(test_not_yet_expired),
        TEST(test_sender_no_longer_configured),
        TEST(test_attempts_used_up),
        TEST(test_the_last_attempt_goes),
        TEST(test_unreadable),
        TEST(test_marked_before_it_begins),
        TEST(test_others_are_not_marked),
        TEST(test_not_begun_without_its_mark),
        TEST(test_begun_when_it_is_fetched),
        TEST(test_not_fetched),
        TEST(test_fetched_too_late),
        TEST(test_fetching_keeps_a_place),
        TEST(test_unknown_senders),
        TEST(test_refusal),
        TEST(test_fenced),
        TEST(test_empty_script_cache),
        TEST(test_day_caps_have_their_bounds),
    };

    return STORE_TESTS_RUN(tests);
}

/* Dispatch on a real store: what is begun, when, and what is given back. */
#include "daemon_rig.h"

#include "dispatch.h"
#include "quota.h"
#include "timefmt.h"

struct stage {
    struct daemon_rig *d;
    struct dispatch_stage *dispatch;
    unsigned room, begun, released, settled, unknown, problems;
    unsigned wanted; /* begun, released and settled together: then the loop stops */
    struct attempt *kept[64];
    unsigned kept_count;
    char begun_ids[256];
    int64_t begun_at[64], slot_at[64], spin_us;
    struct outcome outcome; /* of the last one settled */
    bool refund;
};

static void count_one(struct stage *s)
{
    if (s->begun + s->released + s->settled == s->wanted)
        loop_stop(s->d->g->loop);
}

static unsigned on_room(void *arg)
{
    return ((struct stage *)arg)->room;
}

static bool on_prepare(struct attempt *t, void *arg)
{
    (void)t, (void)arg;
    return false; /* nothing to fetch */
}

static void on_begin(struct attempt *t, void *arg)
{
    struct stage *s = arg;
    size_t used = strlen(s->begun_ids);

    assert_true(s->room > 0);
    s->room--;
    s->begun_at[s->begun] = clock_mono_us();
    s->slot_at[s->begun] = t->slot.key;
    s->begun++;
    snprintf(s->begun_ids + used, sizeof(s->begun_ids) - used, "%s%s", used > 0 ? " " : "",
             t->message.id);
    s->kept[s->kept_count++] = t;
    while (clock_mono_us() - s->begun_at[s->begun - 1] < s->spin_us)
        ; /* a turn that takes long */
    count_one(s);
}

static void on_release(struct attempt *t, void *arg)
{
    struct stage *s = arg;

    s->released++;
    attempt_free(&s->d->attempts, t);
    count_one(s);
}

static void on_settled(struct attempt *t, void *arg)
{
    struct stage *s = arg;

    s->settled++;
    s->outcome = t->outcome;
    s->refund = t->refund;
    attempt_free(&s->d->attempts, t);
    count_one(s);
}

static void on_unknown_senders(void *arg)
{
    struct stage *s = arg;

    s->unknown++;
    loop_stop(s->d->g->loop);
}

static void on_problem(const char *what, void *arg)
{
    struct stage *s = arg;

    assert_non_null(strstr(what, "WRONGTYPE"));
    s->problems++;
    loop_stop(s->d->g->loop);
}

static void use_config(struct stage *s, const char *text)
{
    struct config *c = config_from(text);

    live_config_unref(s->d->live);
    s->d->live = live_config_new(c);
    dispatch_set_config(s->dispatch, s->d->live);
    quota_publish(s->d->a->store, c, on_worker_simple, s->d->a);
    while (!s->d->a->answered)
        loop_run(s->d->g->loop);
}

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));
    const struct dispatch_ops ops = {
        on_room,    on_begin,           on_prepare, on_release,
        on_settled, on_unknown_senders, on_problem, s};

    daemon_rig_setup(state);
    s->d = *state;
    s->room = 64;
    s->dispatch = dispatch_new(s->d->g->loop, s->d->a->store, &s->d->attempts, &ops);
    dispatch_set_config(s->dispatch, s->d->live);
    dispatch_set_lease(s->dispatch, INT64_MAX);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;
    struct daemon_rig *d = s->d;

    store_close(d->a->store);
    for (unsigned i = 0; i < s->kept_count; i++)
        attempt_free(&d->attempts, s->kept[i]);
    dispatch_free(s->dispatch);
    *state = d;
    free(s);
    return daemon_rig_teardown(state);
}

static void run_until(struct stage *s, unsigned count)
{
    s->wanted = count;
    while (s->begun + s->released + s->settled < count)
        loop_run(s->d->g->loop);
}

static void some_turns(struct stage *s, int n)
{
    for (int i = 0; i < n; i++)
        rig_turn(s->d->g);
}

static long long scripts_called(struct stage *s)
{
    const char *info = REDIS(s->d->g, "INFO", "commandstats");
    const char *at = strstr(info, "cmdstat_evalsha:calls=");

    return at != NULL ? strtoll(at + strlen("cmdstat_evalsha:calls="), NULL, 10) : 0;
}

static void open_now(struct stage *s)
{
    dispatch_set_open(s->dispatch, true);
}

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

/* Closed while a claim was on its way: what it brings is given back. */
static void test_closing_during_a_claim(void **state)
{
    struct stage *s = *state;

    queue_messages(s->d, "m", 2);
    open_now(s);
    /* The turn that sends the claim ends with the answer unread. */
    while (strcmp(FIELD(s->d->r, "m1", "status"), "queued") == 0 && s->begun == 0) {
        timer_set_us(s->d->g->turn, 0);
        loop_run(s->d->g->loop);
    }
    dispatch_set_open(s->dispatch, false);
    run_until(s, 2);
    assert_int_equal(s->released + s->begun, 2);
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
        TEST(test_begins_in_order),
        TEST(test_high_ones_first_and_in_order),
        TEST(test_not_before_it_is_open),
        TEST(test_room),
        TEST(test_full_is_quiet),
        TEST(test_closing_releases),
        TEST(test_closing_during_a_claim),
        TEST(test_after_the_lease),
        TEST(test_slots),
        TEST(test_missed_slots),
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
        TEST(test_unknown_senders),
        TEST(test_refusal),
        TEST(test_fenced),
        TEST(test_empty_script_cache),
        TEST(test_day_caps_have_their_bounds),
    };

    return STORE_TESTS_RUN(tests);
}

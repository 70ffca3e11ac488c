/* Consent: which messages are looked at again, and what comes of it. */
#include "daemon_rig.h"

#include "consent.h"
#include "refusal.h"

struct stage {
    struct daemon_rig *d;
    struct directory *directory;
    struct consent_stage *consent;
    unsigned ok, failed, wanted;
};

static void on_done(struct attempt *t, bool ok, void *arg)
{
    struct stage *s = arg;

    (void)t;
    *(ok ? &s->ok : &s->failed) += 1;
    if (s->ok + s->failed == s->wanted)
        loop_stop(s->d->g->loop);
}

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));

    daemon_rig_setup(state);
    s->d = *state;
    s->directory = directory_redis_new(s->d->a->store);
    s->consent = consent_new(s->d->g->loop, s->d->a->store, s->directory, on_done, s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;

    store_close(s->d->a->store);
    consent_free(s->consent);
    directory_free(s->directory);
    *state = s->d;
    free(s);
    return daemon_rig_teardown(state);
}

/* A marketing message to the contact "c1", accepted so long ago. */
static struct attempt *an_attempt(struct stage *s, enum message_type type, int64_t age_ms,
                                  int64_t scheduled_ms)
{
    int64_t now = store_now_ms(s->d->a->store);
    struct attempt *t;
    struct message m;
    struct buf *b;

    a_message(&m, "m1");
    m.type = type;
    m.queued_at = now - age_ms;
    m.scheduled_at = scheduled_ms != 0 ? m.queued_at + scheduled_ms : 0;
    message_set(&m, MSG_CONTACT_ID, "c1");
    b = pack(s->d, &m);
    t = attempt_new(&s->d->attempts, s->d->live, "m1", b->data, b->len);
    list_init(&t->node);
    return t;
}

static void run_until(struct stage *s, unsigned count)
{
    s->wanted = count;
    while (s->ok + s->failed < count)
        loop_run(s->d->g->loop);
}

static enum error_code refused(const struct attempt *t)
{
    const char *why;

    return refusal_get(&t->message, &why);
}

static const struct {
    enum message_type type;
    int64_t age_ms, scheduled_ms;
    bool is_needed;
} cases[] = {
    {TYPE_MARKETING, 0, 0, false},           /* just accepted: it was looked at then */
    {TYPE_MARKETING, 59000, 0, false},       /* not long ago */
    {TYPE_MARKETING, 61000, 0, true},        /* waited, or is tried again */
    {TYPE_MARKETING, 1500, 1000, true},      /* was scheduled */
    {TYPE_NOTIFICATION, 61000, 0, true},     /**/
    {TYPE_TRANSACTIONAL, 61000, 0, false},   /* whatever the contact said */
    {TYPE_TRANSACTIONAL, 1500, 1000, false}, /**/
    {TYPE_MARKETING, 0, -1000, false},       /* for a time that had passed already */
};

static void test_what_is_looked_at(void **state)
{
    struct stage *s = *state;
    unsigned begun = 0;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct attempt *t = an_attempt(s, cases[i].type, cases[i].age_ms, cases[i].scheduled_ms);

        assert_int_equal(consent_begin(s->consent, t), cases[i].is_needed);
        begun += cases[i].is_needed;
    }
    run_until(s, begun);
    assert_int_equal(s->ok, begun);
}

static void test_without_a_contact_there_is_nothing_to_look_at(void **state)
{
    struct stage *s = *state;
    struct attempt *t = an_attempt(s, TYPE_MARKETING, 61000, 0);

    message_set(&t->message, MSG_CONTACT_ID, NULL);
    assert_false(consent_begin(s->consent, t));
}

static void test_a_contact_that_opted_out(void **state)
{
    struct stage *s = *state;
    struct attempt *t = an_attempt(s, TYPE_MARKETING, 61000, 0);

    REDIS(s->d->g, "HSET", "t:lead:c1", "opted_out", "[\"email\"]");
    assert_true(consent_begin(s->consent, t));
    run_until(s, 1);
    assert_int_equal(s->ok, 1);
    assert_int_equal(refused(t), CODE_SUPPRESSED);
    assert_false(consent_begin(s->consent, t)); /* once per attempt */
}

static void test_contacts_that_did_not(void **state)
{
    struct stage *s = *state;
    struct attempt *absent = an_attempt(s, TYPE_MARKETING, 61000, 0);
    struct attempt *other = an_attempt(s, TYPE_MARKETING, 61000, 0);

    REDIS(s->d->g, "HSET", "t:lead:c2", "opted_out", "[\"sms\"]");
    message_set(&other->message, MSG_CONTACT_ID, "c2");
    assert_true(consent_begin(s->consent, absent));
    assert_true(consent_begin(s->consent, other));
    run_until(s, 2);
    assert_int_equal(s->ok, 2);
    assert_int_equal(refused(absent), CODE_NONE);
    assert_int_equal(refused(other), CODE_NONE);
}

/* Several at once, in two look-ups: each gets its own contact's answer. */
static void test_those_that_come_during_a_look_up(void **state)
{
    static const char *const contacts[] = {"c1", "c2", "c3", "c2"};
    struct stage *s = *state;
    struct attempt *t[4];

    REDIS(s->d->g, "HSET", "t:lead:c1", "opted_out", "[\"sms\"]");
    REDIS(s->d->g, "HSET", "t:lead:c2", "opted_out", "[\"email\"]");
    for (unsigned i = 0; i < 4; i++) {
        t[i] = an_attempt(s, TYPE_MARKETING, 61000, 0);
        message_set(&t[i]->message, MSG_CONTACT_ID, contacts[i]);
        assert_true(consent_begin(s->consent, t[i]));
        if (i == 1)
            rig_turn(s->d->g);
    }
    run_until(s, 4);
    assert_int_equal(s->ok, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(refused(t[i]), contacts[i][1] == '2' ? CODE_SUPPRESSED : CODE_NONE);
}

/* Nobody knows what it opted out of: the message waits, and was not tried. */
static void test_without_redis_it_waits(void **state)
{
    struct stage *s = *state;
    struct attempt *t = an_attempt(s, TYPE_MARKETING, 61000, 0);

    store_close(s->d->a->store);
    assert_true(consent_begin(s->consent, t));
    run_until(s, 1);
    assert_int_equal(s->failed, 1);
    assert_int_equal(t->outcome.kind, OUTCOME_THROTTLED);
    assert_int_equal(t->outcome.throttle, THROTTLE_RECIPIENT);
    assert_true(t->refund);
    assert_true(t->outcome.retry_after_ms > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DAEMON_TEST(test_what_is_looked_at, setup, teardown),
        DAEMON_TEST(test_without_a_contact_there_is_nothing_to_look_at, setup, teardown),
        DAEMON_TEST(test_a_contact_that_opted_out, setup, teardown),
        DAEMON_TEST(test_contacts_that_did_not, setup, teardown),
        DAEMON_TEST(test_those_that_come_during_a_look_up, setup, teardown),
        DAEMON_TEST(test_without_redis_it_waits, setup, teardown),
    };

    return STORE_TESTS_RUN(tests);
}

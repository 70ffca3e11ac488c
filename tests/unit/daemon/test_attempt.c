/* Attempts: filled from what is stored, reused without a trace of the one before, and the
 * configuration that lives as long as its last attempt. */
#include "daemon_rig.h"

#define KEPT_BYTES (64u << 10)

static int setup(void **state)
{
    struct daemon_rig *d = calloc(1, sizeof(*d));

    d->live = live_config_new(config_from(DAEMON_RIG_CONFIG));
    attempts_init(&d->attempts);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct daemon_rig *d = *state;

    attempts_done(&d->attempts);
    live_config_unref(d->live);
    for (size_t i = 0; i < sizeof(d->packed) / sizeof(d->packed[0]); i++)
        buf_free(&d->packed[i]);
    free(d);
    return 0;
}

static struct attempt *attempt_of(struct daemon_rig *d, const char *id)
{
    struct message m;
    struct buf *b;

    a_message(&m, id);
    b = pack(d, &m);
    return attempt_new(&d->attempts, d->live, id, b->data, b->len);
}

static void test_new(void **state)
{
    struct daemon_rig *d = *state;
    struct attempt *t = attempt_of(d, "m1");

    buf_clear(&d->packed[0]); /* it was copied */
    assert_false(t->unreadable);
    assert_string_equal(t->message.id, "m1");
    assert_string_equal(t->message.text[MSG_RECIPIENT], "to@x");
    assert_ptr_equal(t->sender, config_sender(d->live->config, "s"));
    assert_int_equal(d->attempts.count, 1);
    attempt_free(&d->attempts, t);
    assert_int_equal(d->attempts.count, 0);
    assert_true(list_is_empty(&d->attempts.all));
}

static void test_unknown_sender(void **state)
{
    struct daemon_rig *d = *state;
    struct message m;
    struct buf *b;

    a_message(&m, "m1");
    message_set(&m, MSG_SENDER, "gone");
    b = pack(d, &m);
    assert_null(attempt_new(&d->attempts, d->live, "m1", b->data, b->len)->sender);
}

static void check_unreadable(struct daemon_rig *d, const char *packed, size_t len)
{
    struct attempt *t = attempt_new(&d->attempts, d->live, "m1", packed, len);

    assert_true(t->unreadable);
    assert_string_equal(t->message.id, "m1");
    attempt_free(&d->attempts, t);
}

static void test_unreadable(void **state)
{
    struct daemon_rig *d = *state;
    struct message m;
    struct buf *b;

    check_unreadable(d, "", 0);
    check_unreadable(d, "{\"json\":1}", 10);
    a_message(&m, "m1");
    b = pack(d, &m);
    check_unreadable(d, b->data, b->len - 1);
}

/* The id is Redis' word, not the content's: they could differ only by somebody's hand. */
static void test_the_id_is_the_key(void **state)
{
    struct daemon_rig *d = *state;
    struct message m;
    struct buf *b;

    a_message(&m, "another");
    b = pack(d, &m);
    assert_string_equal(attempt_new(&d->attempts, d->live, "m1", b->data, b->len)->message.id,
                        "m1");
}

static void test_reuse(void **state)
{
    struct daemon_rig *d = *state;
    struct attempt *t = attempt_of(d, "m1"), *again;

    t->fence = 7;
    t->capped = t->suppressed = t->refund = t->unreadable = true;
    t->token_renewed = t->idempotent = true;
    t->begun_us = 5;
    t->progress.step = 3;
    progress_set(&t->progress, 0, "draft");
    outcome_set(&t->outcome, OUTCOME_FAILED, CODE_EXPIRED, "words");
    snprintf(t->outcome.provider_message_id, sizeof(t->outcome.provider_message_id), "p1");
    t->message.attempts = 9;
    attempt_free(&d->attempts, t);
    again = attempt_of(d, "m2");
    assert_ptr_equal(again, t);
    assert_false(t->capped || t->suppressed || t->refund || t->unreadable);
    assert_false(t->token_renewed || t->idempotent);
    assert_int_equal(t->fence, 0);
    assert_int_equal(t->begun_us, 0);
    assert_int_equal(t->progress.step, 0);
    assert_string_equal(progress_get(&t->progress, 0), "");
    assert_string_equal(t->outcome.text, "");
    assert_string_equal(t->outcome.provider_message_id, "");
    assert_int_equal(t->message.attempts, 0);
    assert_string_equal(t->message.id, "m2");
}

/* One large message must not make every attempt of the pool large. */
static void test_large_buffers_go_back(void **state)
{
    struct daemon_rig *d = *state;
    struct attempt *t = attempt_of(d, "m1");
    char *large = calloc(1, KEPT_BYTES * 2);

    buf_add(&t->packed, large, KEPT_BYTES * 2);
    free(large);
    attempt_free(&d->attempts, t);
    assert_true(t->packed.cap <= KEPT_BYTES);
}

/* A reload: the old configuration lives until its last attempt ends. */
static void test_configuration_in_use(void **state)
{
    struct daemon_rig *d = *state;
    struct live_config *old = live_config_new(config_from(DAEMON_RIG_CONFIG));
    struct attempt *t;
    struct message m;
    struct buf *b;

    a_message(&m, "m1");
    b = pack(d, &m);
    t = attempt_new(&d->attempts, old, "m1", b->data, b->len);
    assert_int_equal(old->refs, 2);
    live_config_unref(old);
    assert_string_equal(t->sender->id, "s"); /* a sanitizer would tell */
    attempt_free(&d->attempts, t);
    live_config_unref(NULL);
}

static void test_done_with_attempts_left(void **state)
{
    struct daemon_rig *d = *state;

    attempt_of(d, "m1");
    attempt_free(&d->attempts, attempt_of(d, "m2"));
    attempt_of(d, "m3");
    attempts_done(&d->attempts);
    assert_int_equal(d->live->refs, 1);
    attempts_init(&d->attempts);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_new),
        TEST(test_unknown_sender),
        TEST(test_unreadable),
        TEST(test_the_id_is_the_key),
        TEST(test_reuse),
        TEST(test_large_buffers_go_back),
        TEST(test_configuration_in_use),
        TEST(test_done_with_attempts_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What each outcome means, in the order of the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "verdict.h"

#define NOW INT64_C(1000000000)

static const struct sender some_sender = {
    .retry_attempts = 3,
    .retry_base_ms = 1000,
    .retry_max_ms = 60000,
    .retry_max_age_ms = 3600000,
    .uncertain = UNCERTAIN_RETRY,
};

/* A first attempt at NOW of a fresh message. */
static struct attempt an_attempt(enum outcome_kind kind, enum error_code code)
{
    struct attempt t = {.sender = &some_sender};

    t.message.attempts = 1;
    t.message.queued_at = NOW;
    t.outcome.kind = kind;
    t.outcome.code = code;
    return t;
}

static struct verdict reach(const struct attempt *t, uint64_t random)
{
    struct verdict v = {.delay_ms = -1};

    verdict_reach(t, NOW, random, &v);
    return v;
}

static void check(const struct attempt *t, enum verdict_kind kind, enum error_code code)
{
    struct verdict v = reach(t, UINT64_MAX);

    assert_int_equal(v.kind, kind);
    assert_int_equal(v.code, code);
    if (kind == VERDICT_SENT || kind == VERDICT_FAILED || kind == VERDICT_BROKEN)
        assert_int_equal(v.delay_ms, 0);
}

static void test_sent(void **state)
{
    struct attempt t = an_attempt(OUTCOME_SENT, CODE_NONE);

    (void)state;
    check(&t, VERDICT_SENT, CODE_NONE);
    t.message.attempts = 99; /* what was sent was sent, however late */
    t.message.expires_at = 1;
    check(&t, VERDICT_SENT, CODE_NONE);
}

static void test_permanent(void **state)
{
    struct attempt t = an_attempt(OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND);

    (void)state;
    check(&t, VERDICT_FAILED, CODE_RECIPIENT_NOT_FOUND);
    t.outcome.code = CODE_NONE;
    check(&t, VERDICT_FAILED, CODE_PROVIDER_ERROR);
    t.outcome.kind = OUTCOME_NEXT; /* steps without an end */
    check(&t, VERDICT_FAILED, CODE_PROVIDER_ERROR);
}

static void test_credentials(void **state)
{
    struct attempt t = an_attempt(OUTCOME_AUTH, CODE_NONE);

    (void)state;
    t.message.attempts = 99;
    check(&t, VERDICT_BROKEN, CODE_INVALID_KEY);
}

static void test_throttled(void **state)
{
    struct attempt t = an_attempt(OUTCOME_THROTTLED, CODE_NONE);

    (void)state;
    t.message.attempts = 99; /* no attempt is counted, so that none can be used up */
    check(&t, VERDICT_THROTTLED, CODE_RATE_LIMITED);
    assert_int_equal(reach(&t, 0).delay_ms, 1000);
    t.outcome.retry_after_ms = 7000;
    assert_int_equal(reach(&t, 0).delay_ms, 7000);
    t.outcome.throttle = THROTTLE_RECIPIENT;
    check(&t, VERDICT_WAIT, CODE_RATE_LIMITED);
    assert_int_equal(reach(&t, 0).delay_ms, 7000);
}

static void test_throttled_for_too_long(void **state)
{
    struct attempt t = an_attempt(OUTCOME_THROTTLED, CODE_NONE);

    (void)state;
    t.message.expires_at = t.message.queued_at + 1;
    check(&t, VERDICT_FAILED, CODE_EXPIRED);
}

static void test_retry(void **state)
{
    struct attempt t = an_attempt(OUTCOME_RETRY, CODE_TEMPLATE_ERROR);

    (void)state;
    check(&t, VERDICT_RETRY, CODE_TEMPLATE_ERROR);
    assert_int_equal(reach(&t, UINT64_MAX).delay_ms, 1000);
    assert_int_equal(reach(&t, 0).delay_ms, 1);
    t.message.attempts = 2;
    assert_int_equal(reach(&t, UINT64_MAX).delay_ms, 2000);
    assert_in_range(reach(&t, UINT64_MAX / 2).delay_ms, 999, 1001);
    t.outcome.retry_after_ms = 9000;
    assert_int_equal(reach(&t, 0).delay_ms, 9000);
    t.outcome.code = CODE_NONE;
    check(&t, VERDICT_RETRY, CODE_PROVIDER_ERROR);
}

static void test_the_last_attempt(void **state)
{
    struct attempt t = an_attempt(OUTCOME_RETRY, CODE_NONE);

    (void)state;
    t.message.attempts = 2;
    check(&t, VERDICT_RETRY, CODE_PROVIDER_ERROR);
    t.message.attempts = 3;
    check(&t, VERDICT_FAILED, CODE_PROVIDER_ERROR);
    t.outcome.code = CODE_RATE_LIMITED;
    check(&t, VERDICT_FAILED, CODE_RATE_LIMITED);
}

/* The next attempt, not this one, must be young enough and before the end. */
static void test_age_and_end(void **state)
{
    struct attempt t = an_attempt(OUTCOME_RETRY, CODE_NONE);

    (void)state;
    t.message.queued_at = NOW + 1000 - 3600000;
    check(&t, VERDICT_RETRY, CODE_PROVIDER_ERROR);
    t.message.queued_at--;
    check(&t, VERDICT_FAILED, CODE_PROVIDER_ERROR);
    t.message.queued_at = NOW;
    t.message.expires_at = NOW + 1001;
    check(&t, VERDICT_RETRY, CODE_PROVIDER_ERROR);
    t.message.expires_at = NOW + 1000;
    check(&t, VERDICT_FAILED, CODE_PROVIDER_ERROR);
}

static void test_age_of_a_scheduled_one(void **state)
{
    struct attempt t = an_attempt(OUTCOME_RETRY, CODE_NONE);

    (void)state;
    t.message.queued_at = NOW - 30 * 3600000;
    t.message.scheduled_at = NOW - 1000;
    check(&t, VERDICT_RETRY, CODE_PROVIDER_ERROR);
    t.message.scheduled_at = NOW - 3600000;
    check(&t, VERDICT_FAILED, CODE_PROVIDER_ERROR);
}

static void test_unknown(void **state)
{
    struct attempt t = an_attempt(OUTCOME_UNKNOWN, CODE_NONE);

    (void)state;
    check(&t, VERDICT_RETRY, CODE_OUTCOME_UNKNOWN);
    t.message.uncertain = UNCERTAIN_FAIL;
    check(&t, VERDICT_FAILED, CODE_OUTCOME_UNKNOWN);
    t.idempotent = true; /* the provider takes it once, however often it comes */
    check(&t, VERDICT_RETRY, CODE_OUTCOME_UNKNOWN);
    t.message.attempts = 3;
    check(&t, VERDICT_FAILED, CODE_OUTCOME_UNKNOWN);
}

static void test_cautious(void **state)
{
    static const struct sender careful = {.uncertain = UNCERTAIN_FAIL};
    struct message m = {.uncertain = UNCERTAIN_DEFAULT};

    (void)state;
    assert_true(verdict_is_cautious(&m, &careful));
    assert_false(verdict_is_cautious(&m, &some_sender));
    assert_false(verdict_is_cautious(&m, NULL));
    m.uncertain = UNCERTAIN_RETRY; /* the message's own word wins */
    assert_false(verdict_is_cautious(&m, &careful));
    m.uncertain = UNCERTAIN_FAIL;
    assert_true(verdict_is_cautious(&m, &some_sender));
    assert_true(verdict_is_cautious(&m, NULL));
}

/* A sender that the configuration does not know any more has rules nevertheless. */
static void test_without_a_sender(void **state)
{
    struct attempt t = an_attempt(OUTCOME_RETRY, CODE_NONE);

    (void)state;
    t.sender = NULL;
    t.message.attempts = 7;
    check(&t, VERDICT_RETRY, CODE_PROVIDER_ERROR);
    t.message.attempts = 8;
    check(&t, VERDICT_FAILED, CODE_PROVIDER_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent),
        cmocka_unit_test(test_permanent),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_throttled_for_too_long),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_the_last_attempt),
        cmocka_unit_test(test_age_and_end),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_age_of_a_scheduled_one),
        cmocka_unit_test(test_cautious),
        cmocka_unit_test(test_without_a_sender),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

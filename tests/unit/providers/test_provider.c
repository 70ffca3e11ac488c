/* Unit tests of the default meaning of an HTTP status. */
#include "provider_test.h"

static struct outcome by_status(int status, const char *head)
{
    struct response r = make_response(status, head, "");
    struct outcome o;

    memset(&o, 0, sizeof(o));
    provider_classify_status(&r, &o);
    return o;
}

static void test_each_status_has_its_meaning(void **state)
{
    static const struct {
        int status;
        enum outcome_kind kind;
        enum error_code code;
    } rows[] = {
        {200, OUTCOME_SENT, CODE_NONE},
        {202, OUTCOME_SENT, CODE_NONE},
        {299, OUTCOME_SENT, CODE_NONE},
        {301, OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {307, OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {400, OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {401, OUTCOME_AUTH, CODE_INVALID_KEY},
        {403, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {404, OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {408, OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {413, OUTCOME_FAILED, CODE_TOO_LARGE},
        {422, OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {425, OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {429, OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {500, OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {503, OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {599, OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {0, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {101, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {999, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];
        struct outcome o = by_status(rows[i].status, "");

        expect_outcome(o, rows[i].kind, rows[i].code);
        snprintf(text, sizeof(text), "HTTP %d", rows[i].status);
        if (o.kind == OUTCOME_SENT) /* what went well needs no words */
            text[0] = '\0';
        assert_string_equal(o.text, text);
        assert_int_equal(o.retry_after_ms, 0);
    }
}

static void test_retry_after_goes_with_throttle_and_retry(void **state)
{
    static const char head[] = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n";

    (void)state;
    assert_int_equal(by_status(429, head).retry_after_ms, 7000);
    assert_int_equal(by_status(503, head).retry_after_ms, 7000);
    assert_int_equal(by_status(400, head).retry_after_ms, 0);
    assert_int_equal(by_status(202, head).retry_after_ms, 0);
}

static void test_retry_after_may_be_a_date(void **state)
{
    (void)state;
    assert_int_equal(
        by_status(429, "HTTP/1.1 429 x\r\nretry-after: Thu, 25 Feb 2021 15:02:20 GMT\r\n")
            .retry_after_ms,
        9877);
}

static void test_an_absurd_retry_after_is_a_day(void **state)
{
    (void)state;
    assert_int_equal(by_status(429, "HTTP/1.1 429 x\r\nRetry-After: 99999999\r\n").retry_after_ms,
                     86400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_status_has_its_meaning),
        cmocka_unit_test(test_retry_after_goes_with_throttle_and_retry),
        cmocka_unit_test(test_retry_after_may_be_a_date),
        cmocka_unit_test(test_an_absurd_retry_after_is_a_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

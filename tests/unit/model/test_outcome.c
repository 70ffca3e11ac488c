/* Outcome texts, error codes and their statuses. */
#include "model_test.h"

#include "outcome.h"
#include "text.h"
#include <string.h>

static const struct {
    enum error_code code;
    const char *name;
    int status;
} code_cases[] = {
    {CODE_VALIDATION_ERROR, "validation_error", 400},
    {CODE_INVALID_KEY, "invalid_key", 401},
    {CODE_INSUFFICIENT_PERMISSIONS, "insufficient_permissions", 403},
    {CODE_CONVERSATION_REQUIRED, "conversation_required", 404},
    {CODE_IDEMPOTENCY_CONFLICT, "idempotency_conflict", 409},
    {CODE_RATE_LIMITED, "rate_limited", 429},
    {CODE_PROVIDER_ERROR, "provider_error", 502},
    {CODE_RECIPIENT_NOT_FOUND, "recipient_not_found", 404},
    {CODE_SUPPRESSED, "suppressed", 502},
    {CODE_EXPIRED, "expired", 502},
    {CODE_TEMPLATE_ERROR, "template_error", 502},
    {CODE_OUTCOME_UNKNOWN, "outcome_unknown", 502},
    {CODE_TOO_LARGE, "too_large", 413},
};

static void test_codes(void **state)
{
    (void)state;
    assert_int_equal(COUNT(code_cases), CODE_COUNT - 1);
    for (unsigned i = 0; i < COUNT(code_cases); i++) {
        assert_string_equal(error_code_name(code_cases[i].code), code_cases[i].name);
        assert_int_equal(error_code_status(code_cases[i].code), code_cases[i].status);
        assert_int_equal(error_code_parse(code_cases[i].name), code_cases[i].code);
    }
    assert_string_equal(error_code_name(CODE_NONE), "");
    assert_int_equal(error_code_parse(""), CODE_NONE);
    assert_int_equal(error_code_parse(NULL), CODE_NONE);
    assert_int_equal(error_code_parse("no_such"), CODE_NONE);
}

static void test_kind_names(void **state)
{
    (void)state;
    assert_string_equal(outcome_kind_name(OUTCOME_SENT), "sent");
    for (unsigned i = 0; i <= OUTCOME_UNKNOWN; i++)
        assert_true(outcome_kind_name(i)[0]);
    assert_string_equal(outcome_kind_name(99), "");
}

static const struct {
    const char *in, *out;
} text_cases[] = {
    {"plain", "plain"},
    {"", ""},
    {"a\r\nb\tc\x7f", "a  b c "},
    {"caf\xc3\xa9", "caf\xc3\xa9"},
    {"c1 \xc2\x85 next", "c1    next"},
    {"bad \xff\xfe utf-8 \xc3\xa9", "bad ?? utf-8 ??"},
};

static void test_set_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(text_cases); i++) {
        struct outcome o = {0};

        outcome_set(&o, OUTCOME_FAILED, CODE_PROVIDER_ERROR, "%s", text_cases[i].in);
        assert_int_equal(o.kind, OUTCOME_FAILED);
        assert_int_equal(o.code, CODE_PROVIDER_ERROR);
        assert_string_equal(o.text, text_cases[i].out);
    }
}

/* However long, the text is cut between two characters. */
static void test_set_cuts_at_character(void **state)
{
    char in[5000];

    (void)state;
    for (unsigned shift = 0; shift < 3; shift++) {
        struct outcome o = {0};
        size_t n = shift;

        memset(in, 'x', shift);
        for (; n + 3 < sizeof in; n += 3)
            memcpy(in + n, "\xe2\x82\xac", 3);
        in[n] = 0;
        outcome_set(&o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "%s", in);
        assert_true(text_is_utf8(o.text, strlen(o.text)));
        assert_null(strchr(o.text, '?'));
        assert_true(strlen(o.text) > sizeof o.text - 4);
    }
}

static void test_set_keeps_the_rest(void **state)
{
    struct outcome o = {.provider_message_id = "m1", .retry_after_ms = 5};

    (void)state;
    outcome_set(&o, OUTCOME_THROTTLED, CODE_RATE_LIMITED, "HTTP %d", 429);
    assert_string_equal(o.text, "HTTP 429");
    assert_string_equal(o.provider_message_id, "m1");
    assert_int_equal(o.retry_after_ms, 5);
}

/* What went before would go twice: only what is final stays what it is. */
static void test_fail_midway(void **state)
{
    static const enum outcome_kind again[] = {OUTCOME_THROTTLED, OUTCOME_RETRY, OUTCOME_AUTH,
                                              OUTCOME_UNKNOWN};
    struct outcome o = {.retry_after_ms = 5};

    (void)state;
    for (unsigned i = 0; i < COUNT(again); i++) {
        outcome_set(&o, again[i], CODE_PROVIDER_ERROR, "HTTP 503");
        outcome_fail_midway(&o);
        assert_int_equal(o.kind, OUTCOME_UNKNOWN);
        assert_int_equal(o.code, CODE_OUTCOME_UNKNOWN);
        assert_string_equal(o.text, "after a part of it was sent: HTTP 503");
        assert_int_equal(o.retry_after_ms, 5);
    }
    outcome_set(&o, OUTCOME_FAILED, CODE_TOO_LARGE, "HTTP 413");
    outcome_fail_midway(&o);
    assert_int_equal(o.kind, OUTCOME_FAILED);
    assert_int_equal(o.code, CODE_TOO_LARGE);
    assert_string_equal(o.text, "after a part of it was sent: HTTP 413");
    outcome_set(&o, OUTCOME_SENT, CODE_NONE, "HTTP 200");
    outcome_fail_midway(&o);
    assert_int_equal(o.kind, OUTCOME_SENT);
    assert_string_equal(o.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_kind_names),
        cmocka_unit_test(test_set_text),
        cmocka_unit_test(test_set_cuts_at_character),
        cmocka_unit_test(test_set_keeps_the_rest),
        cmocka_unit_test(test_fail_midway),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

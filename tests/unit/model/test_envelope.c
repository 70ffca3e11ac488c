/* Envelopes: every way of getting one wrong, with the exact field and reason. */
#include "model_test.h"

#include "job.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795252211123)
#define BODY                                                                                       \
    "{\"message_data\":{\"recipient\":\"a@example.com\",\"subject\":\"S\",\"content\":\"C\"}}"
#define ENV(members) "{" members ",\"body\":" BODY "}"
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X64 X64
#define IDENT "must hold only letters, digits and . _ : -"
#define TIMES "must be an RFC 3339 time or Unix seconds"
#define PRIORITIES "must be HIGH, NORMAL or LOW, or 1, 2 or 3"

static enum sq_err parse(const char *raw, struct job *j, struct err_text *e)
{
    return job_parse(raw, strlen(raw), PRIORITY_NORMAL, NOW, NULL, j, e);
}

static void parse_ok(const char *raw, struct job *j)
{
    struct err_text e = {.text = ""};

    if (parse(raw, j, &e) != SQ_OK)
        fail_msg("%s: %s", raw, e.text);
}

static const struct {
    const char *value;
    int64_t ms;
} time_cases[] = {
    {"1669287863", INT64_C(1669287863000)},
    {"\"1669287863\"", INT64_C(1669287863000)},
    {"1669287863.25", INT64_C(1669287863250)},
    {"1", 1000},
    {"253402300799", INT64_C(253402300799000)},
    {"\"2026-11-21T09:10:11.123Z\"", INT64_C(1795252211123)},
    {"\"2026-11-21T10:10:11+01:00\"", INT64_C(1795252211000)},
    {"\"9999-12-31T23:59:59.999Z\"", INT64_C(253402300799999)},
};

static void test_times(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(time_cases); i++) {
        char raw[512];
        struct job j;

        snprintf(raw, sizeof raw, "{\"scheduled_at\":%s,\"body\":%s}", time_cases[i].value, BODY);
        parse_ok(raw, &j);
        assert_true(j.message.scheduled_at == time_cases[i].ms);
        job_clear(&j);
    }
}

static const struct {
    const char *raw, *field, *text;
} bad_cases[] = {
    {"[]", "", "a job must be a JSON object"},
    {"\"x\"", "", "a job must be a JSON object"},
    {"null", "", "a job must be a JSON object"},
    {"{}", "body", "is missing, and the job is not a known body itself"},
    {"{\"id\":\"x\"}", "body", "is missing, and the job is not a known body itself"},
    {"{\"colour\":\"x\"}", "body", "is missing, and the job is not a known body itself"},
    {"{\"recipient\":\"x\"}", "channel", "is required"},
    {"{\"body\":null}", "body", "is required"},
    {"{\"body\":[]}", "body", "must be an object"},
    {"{\"body\":\"{}\"}", "body", "must be an object"},
    {"{\"body\":7}", "body", "must be an object"},
    {"{\"body\":{}}", "body", "is not of a known format (messaging, channel, email, conversation)"},
    {"{\"body\":{\"body\":" BODY "}}", "body",
     "is not of a known format (messaging, channel, email, conversation)"},
    {"{\"format\":\"messaging\",\"body\":{}}", "message_data", "is required"},
    {ENV("\"format\":\"fax\""), "format",
     "must be one of: messaging, channel, email, conversation"},
    {ENV("\"format\":\"Messaging\""), "format",
     "must be one of: messaging, channel, email, conversation"},
    {ENV("\"format\":\"\""), "format", "must not be empty"},
    {ENV("\"format\":1"), "format", "must be a string"},
    {ENV("\"colour\":\"red\""), "colour", "is not a known member"},
    {ENV("\"ID\":\"x\""), "ID", "is not a known member"},
    {ENV("\"recipient\":\"x\""), "recipient", "is not a known member"},
    {ENV("\"\":1"), "", "is not a known member"},
    {ENV("\"id\":\"\""), "id", "must not be empty"},
    {ENV("\"id\":5"), "id", "must be a string"},
    {ENV("\"id\":{}"), "id", "must be a string"},
    {ENV("\"id\":\"a b\""), "id", IDENT},
    {ENV("\"id\":\"a/b\""), "id", IDENT},
    {ENV("\"id\":\"a\\nb\""), "id", IDENT},
    {ENV("\"id\":\"{a}\""), "id", IDENT},
    {ENV("\"id\":\"\xc3\xa9\""), "id", IDENT},
    {ENV("\"id\":\"x" X64 "\""), "id", "must be at most 64 characters"},
    {ENV("\"reply_to\":\"\""), "reply_to", "must not be empty"},
    {ENV("\"reply_to\":true"), "reply_to", "must be a string"},
    {ENV("\"reply_to\":\"a b\""), "reply_to", IDENT},
    {ENV("\"reply_to\":\"x}{y\""), "reply_to", IDENT},
    {ENV("\"reply_to\":\"a*\""), "reply_to", IDENT},
    {ENV("\"reply_to\":\"x" X128 "\""), "reply_to", "must be at most 128 characters"},
    {ENV("\"idempotency_key\":\"\""), "idempotency_key", "must not be empty"},
    {ENV("\"idempotency_key\":9"), "idempotency_key", "must be a string"},
    {ENV("\"idempotency_key\":\"a\\tb\""), "idempotency_key",
     "must hold only printable ASCII characters"},
    {ENV("\"idempotency_key\":\"\xc3\xa9\""), "idempotency_key",
     "must hold only printable ASCII characters"},
    {ENV("\"idempotency_key\":\"" X128 X128 "\""), "idempotency_key",
     "must be at most 255 characters"},
    {ENV("\"sender\":\"\""), "sender", "must not be empty"},
    {ENV("\"sender\":[\"a\"]"), "sender", "must be a string"},
    {ENV("\"sender\":\"a b\""), "sender", IDENT},
    {ENV("\"sender\":\"x" X64 "\""), "sender", "must be at most 64 characters"},
    {ENV("\"tenant\":\"\""), "tenant", "must not be empty"},
    {ENV("\"tenant\":\"a/b\""), "tenant", IDENT},
    {ENV("\"priority\":\"urgent\""), "priority", PRIORITIES},
    {ENV("\"priority\":\"\""), "priority", PRIORITIES},
    {ENV("\"priority\":0"), "priority", PRIORITIES},
    {ENV("\"priority\":4"), "priority", PRIORITIES},
    {ENV("\"priority\":1.5"), "priority", PRIORITIES},
    {ENV("\"priority\":1e300"), "priority", PRIORITIES},
    {ENV("\"priority\":-1"), "priority", PRIORITIES},
    {ENV("\"priority\":true"), "priority", PRIORITIES},
    {ENV("\"priority\":[1]"), "priority", PRIORITIES},
    {ENV("\"scheduled_at\":\"tomorrow\""), "scheduled_at", TIMES},
    {ENV("\"scheduled_at\":\"\""), "scheduled_at", TIMES},
    {ENV("\"scheduled_at\":\"2026-13-01T00:00:00Z\""), "scheduled_at", TIMES},
    {ENV("\"scheduled_at\":\"2026-12-01\""), "scheduled_at", TIMES},
    {ENV("\"scheduled_at\":\" 1669287863\""), "scheduled_at", TIMES},
    {ENV("\"scheduled_at\":true"), "scheduled_at", TIMES},
    {ENV("\"scheduled_at\":{}"), "scheduled_at", TIMES},
    {ENV("\"scheduled_at\":0"), "scheduled_at", "must be after 1970"},
    {ENV("\"scheduled_at\":-5"), "scheduled_at", "must be after 1970"},
    {ENV("\"scheduled_at\":\"-5\""), "scheduled_at", "must be after 1970"},
    {ENV("\"scheduled_at\":1669287863000"), "scheduled_at",
     "is beyond the year 9999: seconds are expected, not milliseconds"},
    {ENV("\"scheduled_at\":\"1669287863000\""), "scheduled_at",
     "is beyond the year 9999: seconds are expected, not milliseconds"},
    {ENV("\"scheduled_at\":1e300"), "scheduled_at",
     "is beyond the year 9999: seconds are expected, not milliseconds"},
    {ENV("\"expires_at\":\"never\""), "expires_at", TIMES},
    {ENV("\"scheduled_at\":2000,\"expires_at\":2000"), "expires_at", "must be after scheduled_at"},
    {ENV("\"scheduled_at\":2001,\"expires_at\":2000"), "expires_at", "must be after scheduled_at"},
    {ENV("\"uncertain\":\"maybe\""), "uncertain", "must be retry or fail"},
    {ENV("\"uncertain\":1"), "uncertain", "must be retry or fail"},
    {ENV("\"on_limit\":\"drop\""), "on_limit", "must be wait or fail"},
    {ENV("\"on_limit\":false"), "on_limit", "must be wait or fail"},
    {ENV("\"metadata\":[]"), "metadata", "must be an object"},
    {ENV("\"metadata\":\"{}\""), "metadata", "must be an object"},
};

static void test_bad(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(bad_cases); i++) {
        char expected[400];
        struct err_text e = {.text = ""};
        struct job j;

        snprintf(expected, sizeof expected, "%s%s%s", bad_cases[i].field,
                 bad_cases[i].field[0] ? ": " : "", bad_cases[i].text);
        if (parse(bad_cases[i].raw, &j, &e) != SQ_ERR_INVALID)
            fail_msg("accepted: %s", bad_cases[i].raw);
        assert_string_equal(e.text, expected);
        assert_string_equal(e.field, bad_cases[i].field);
        assert_string_equal(e.code, "validation_error");
        job_clear(&j);
    }
}

static void test_metadata_cap(void **state)
{
    size_t n = ((size_t)16 << 10) - 8; /* with {"a":""} just fits */
    char *fill = malloc(n + 2), *raw = malloc(n + 1000);
    struct err_text e;
    struct job j;

    (void)state;
    memset(fill, 'x', n + 1);
    for (unsigned over = 0; over < 2; over++) {
        fill[n + over] = 0;
        fill[n] = over ? 'x' : 0;
        snprintf(raw, n + 1000, "{\"metadata\":{\"a\":\"%s\"},\"body\":%s}", fill, BODY);
        assert_int_equal(parse(raw, &j, &e), over ? SQ_ERR_INVALID : SQ_OK);
        if (over)
            assert_string_equal(e.text, "metadata: must be at most 16384 bytes");
        job_clear(&j);
    }
    free(fill);
    free(raw);
}

/* A member's name may be anything; the error that quotes it stays valid UTF-8 and in bounds. */
static void test_long_member_name(void **state)
{
    char raw[1200] = "{\"";
    struct err_text e;
    struct job j;

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        strcat(raw, "\xe2\x82\xac");
    strcat(raw, "\":1,\"body\":" BODY "}");
    assert_int_equal(parse(raw, &j, &e), SQ_ERR_INVALID);
    assert_int_equal(strlen(e.field) % 3, 0);
    assert_true(strlen(e.field) > 90);
    assert_non_null(strstr(e.text, "is not a known member"));
    job_clear(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_metadata_cap),
        cmocka_unit_test(test_long_member_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

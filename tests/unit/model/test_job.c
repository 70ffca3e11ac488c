/* Jobs: bare bodies and envelopes, what they become, and what is kept of broken ones. */
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

/* --- what goes right --- */

static void test_bare(void **state)
{
    struct job j;

    (void)state;
    parse_ok(BODY, &j);
    assert_string_equal(j.message.text[MSG_FORMAT], "messaging");
    assert_string_equal(j.message.text[MSG_RECIPIENT], "a@example.com");
    assert_true(uuid_is_valid(j.message.id));
    assert_int_equal(j.message.id[14], '7');
    assert_false(j.explicit_id || j.fail_on_limit || j.is_bulk);
    assert_string_equal(j.idempotency_key, "");
    assert_true(j.message.queued_at == NOW);
    assert_int_equal(j.message.units, 1);
    assert_int_equal(j.message.priority, PRIORITY_NORMAL);
    assert_int_equal(j.message.uncertain, UNCERTAIN_DEFAULT);
    assert_null(j.message.text[MSG_SENDER]);
    assert_null(j.message.text[MSG_REPLY_QUEUE]);
    job_clear(&j);
}

static void test_envelope_full(void **state)
{
    struct job j;

    (void)state;
    parse_ok(ENV("\"id\":\"order-1.a:b_C\",\"format\":\"messaging\",\"idempotency_key\":\"k 1/~\","
                 "\"sender\":\"mail\",\"priority\":\"high\",\"scheduled_at\":1795300000,"
                 "\"expires_at\":\"2026-12-31T00:00:00Z\",\"reply_to\":\"web:7\","
                 "\"uncertain\":\"fail\",\"on_limit\":\"fail\",\"metadata\":{\"a\":1},"
                 "\"tenant\":\"acme\""),
             &j);
    assert_string_equal(j.message.id, "order-1.a:b_C");
    assert_true(j.explicit_id);
    assert_string_equal(j.idempotency_key, "k 1/~");
    assert_string_equal(j.message.text[MSG_SENDER], "mail");
    assert_int_equal(j.message.priority, PRIORITY_HIGH);
    assert_true(j.message.scheduled_at == INT64_C(1795300000000));
    assert_true(j.message.expires_at == INT64_C(1798675200000));
    assert_string_equal(j.message.text[MSG_REPLY_QUEUE], "web:7");
    assert_int_equal(j.message.uncertain, UNCERTAIN_FAIL);
    assert_true(j.fail_on_limit);
    assert_string_equal(j.message.text[MSG_METADATA], "{\"a\":1}");
    assert_string_equal(j.message.text[MSG_TENANT], "acme");
    assert_int_equal(strlen(j.body_hash), 40);
    job_clear(&j);
}

static void test_envelope_nulls_are_absent(void **state)
{
    struct job j;

    (void)state;
    parse_ok(ENV("\"id\":null,\"format\":null,\"idempotency_key\":null,\"sender\":null,"
                 "\"priority\":null,\"scheduled_at\":null,\"expires_at\":null,\"reply_to\":null,"
                 "\"uncertain\":null,\"on_limit\":null,\"metadata\":null,\"tenant\":null"),
             &j);
    assert_false(j.explicit_id || j.fail_on_limit);
    assert_string_equal(j.message.text[MSG_FORMAT], "messaging");
    job_clear(&j);
}

static void test_longest_values(void **state)
{
    struct job j;

    (void)state;
    parse_ok(ENV("\"id\":\"" X64 "\",\"reply_to\":\"" X128 "\",\"idempotency_key\":\"" X128 X64
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""),
             &j);
    assert_int_equal(strlen(j.message.id), 64);
    assert_int_equal(strlen(j.idempotency_key), 255);
    assert_int_equal(strlen(j.message.text[MSG_REPLY_QUEUE]), 128);
    job_clear(&j);
}

/* Envelope over body over list. */
static void test_who_wins(void **state)
{
    static const char data[] =
        "\"message_data\":{\"recipient\":\"+14155550100\",\"content\":\"C\","
        "\"metadata\":{\"a\":1,\"b\":{\"c\":[2]}}},\"priority\":\"3\",\"send_identifier\":\"s1\"";
    char raw[512];
    struct job j;

    (void)state;
    snprintf(raw, sizeof raw, "{%s}", data);
    parse_ok(raw, &j);
    assert_int_equal(j.message.priority, PRIORITY_LOW);
    assert_string_equal(j.message.text[MSG_SENDER], "s1");
    job_clear(&j);
    snprintf(raw, sizeof raw,
             "{\"priority\":1,\"sender\":\"s2\",\"metadata\":{\"a\":9,\"d\":null},\"body\":{%s}}",
             data);
    parse_ok(raw, &j);
    assert_int_equal(j.message.priority, PRIORITY_HIGH);
    assert_string_equal(j.message.text[MSG_SENDER], "s2");
    assert_string_equal(j.message.text[MSG_METADATA], "{\"b\":{\"c\":[2]},\"a\":9,\"d\":null}");
    job_clear(&j);
}

static void hash_of(const char *raw, char ret[41])
{
    struct job j;

    parse_ok(raw, &j);
    memcpy(ret, j.body_hash, 41);
    job_clear(&j);
}

/* The same request in other words has the same hash; another request or sender has not. */
static void test_body_hash(void **state)
{
    static const char *const same =
        "{\"idempotency_key\":\"other\",\"body\": { \"message_data\" : {\"content\":\"\\u0043\", "
        "\"subject\":\"S\",\"recipient\":\"a@example.com\"} } }";
    char a[41], b[41];

    (void)state;
    hash_of(ENV("\"idempotency_key\":\"k\""), a);
    assert_int_equal(strlen(a), 40);
    hash_of(same, b);
    assert_string_equal(a, b);
    hash_of(ENV("\"id\":\"x\""), b);
    assert_string_equal(a, b);
    hash_of(ENV("\"idempotency_key\":\"k\",\"sender\":\"s\""), b);
    assert_string_not_equal(a, b);
    hash_of("{\"id\":\"x\",\"body\":{\"message_data\":{\"recipient\":\"a@example.com\","
            "\"subject\":\"S\",\"content\":\"D\"}}}",
            b);
    assert_string_not_equal(a, b);
    hash_of(BODY, b);
    assert_string_equal(b, ""); /* nothing asks for it */
}

/* --- what goes wrong --- */

/* Not JSON at all: the words are the parser's, the code is ours. */
static const char *const not_json[] = {
    "",
    " ",
    "{",
    "nonsense",
    "{\"body\":" BODY "}}",
    "{\"id\":\"a\",\"id\":\"b\",\"body\":" BODY "}",
    "{\"id\":\"\xff\",\"body\":" BODY "}",
    "{\"id\":\"\\u0000\",\"body\":" BODY "}",
    "{\"id\":\"\\ud800\",\"body\":" BODY "}",
    "{\"metadata\":{\"n\":1e999},\"body\":" BODY "}",
};

static void test_not_json(void **state)
{
    static const char with_nul[] = "{\"body\":" BODY "}\0";
    struct err_text e;
    struct job j;

    (void)state;
    for (unsigned i = 0; i < COUNT(not_json); i++) {
        e = (struct err_text){.text = ""};
        if (parse(not_json[i], &j, &e) != SQ_ERR_INVALID)
            fail_msg("accepted: %s", not_json[i]);
        assert_true(e.text[0]);
        assert_string_equal(e.code, "validation_error");
        job_clear(&j);
    }
    assert_int_equal(job_parse(with_nul, sizeof with_nul, PRIORITY_LOW, NOW, NULL, &j, NULL),
                     SQ_ERR_INVALID);
    job_clear(&j);
}

/* What can be read of a broken job is kept, so that its producer hears of it. */
static const struct {
    const char *raw, *format, *reply;
} origin_cases[] = {
    {ENV("\"reply_to\":\"q1\",\"colour\":1"), "messaging", "q1"},
    {ENV("\"reply_to\":\"q1\",\"id\":\"\""), "messaging", "q1"},
    {ENV("\"reply_to\":\"a b\""), "messaging", NULL},
    {ENV("\"reply_to\":7"), "messaging", NULL},
    {"{\"reply_to\":\"q1\",\"format\":\"messaging\",\"body\":{}}", "messaging", "q1"},
    {"{\"reply_to\":\"q1\",\"format\":\"messaging\"}", "messaging", "q1"},
    {"{\"reply_to\":\"q1\",\"format\":\"fax\",\"body\":{}}", NULL, "q1"},
    {"{\"reply_to\":\"q1\",\"body\":{}}", NULL, "q1"},
    {"{\"reply_to\":\"q1\",\"bdy\":" BODY "}", NULL, "q1"},
    {"{\"message_data\":5}", "messaging", NULL},
    {"{\"message_data\":{},\"reply_to\":\"q1\"}", "messaging", NULL},
    {"[1]", NULL, NULL},
    {"{", NULL, NULL},
};

static void test_origin_of_bad_jobs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(origin_cases); i++) {
        struct err_text e;
        struct job j;

        assert_int_equal(parse(origin_cases[i].raw, &j, &e), SQ_ERR_INVALID);
        if (origin_cases[i].format)
            assert_string_equal(j.message.text[MSG_FORMAT], origin_cases[i].format);
        else
            assert_null(j.message.text[MSG_FORMAT]);
        if (origin_cases[i].reply)
            assert_string_equal(j.message.text[MSG_REPLY_QUEUE], origin_cases[i].reply);
        else
            assert_null(j.message.text[MSG_REPLY_QUEUE]);
        assert_true(uuid_is_valid(j.message.id));
        job_clear(&j);
    }
}

/* --- sizes --- */

static void test_too_large(void **state)
{
    struct job_limits limits = {.max_bytes = 200, .max_bulk_bytes = 400, .max_depth = 4};
    char raw[1000];
    struct err_text e;
    struct job j;

    (void)state;
    snprintf(raw, sizeof raw, "%-201s", ENV("\"reply_to\":\"q\""));
    assert_int_equal(job_parse(raw, 200, PRIORITY_LOW, NOW, &limits, &j, &e), SQ_OK);
    job_clear(&j);
    assert_int_equal(job_parse(raw, 201, PRIORITY_LOW, NOW, &limits, &j, &e), SQ_ERR_TOO_LARGE);
    assert_string_equal(e.code, "too_large");
    assert_string_equal(e.text, "the job is 201 bytes long, at most 200 are allowed");
    assert_string_equal(j.message.text[MSG_REPLY_QUEUE], "q");
    job_clear(&j);
    /* A bulk may be longer: it gets as far as being refused for what it is. */
    snprintf(raw, sizeof raw, "%-300s", "{\"bulk_settings\":{},\"message_data\":{}}");
    assert_int_equal(job_parse(raw, 300, PRIORITY_LOW, NOW, &limits, &j, &e), SQ_ERR_INVALID);
    assert_true(j.is_bulk);
    assert_string_equal(e.field, "bulk_settings");
    job_clear(&j);
    snprintf(raw, sizeof raw, "%-401s", "{\"bulk_settings\":{},\"message_data\":{}}");
    assert_int_equal(job_parse(raw, 401, PRIORITY_LOW, NOW, &limits, &j, &e), SQ_ERR_TOO_LARGE);
    assert_string_equal(e.code, "too_large");
    job_clear(&j);
}

static void test_too_deep(void **state)
{
    size_t n = 10000;
    char *raw = malloc(n);
    struct err_text e;
    struct job j;

    (void)state;
    memset(raw, '[', n);
    assert_int_not_equal(job_parse(raw, n, PRIORITY_LOW, NOW, NULL, &j, &e), SQ_OK);
    assert_true(e.code[0]);
    job_clear(&j);
    free(raw);
}

/* --- a text that Redis keeps --- */

#define CONTENT 120000

/* A mail with a small and a long content; "" or a backslash before the long one's slashes. */
static char *with_files(const char *escape, char digit)
{
    struct buf b = {0};

    buf_adds(&b, "{\"id\":\"m1\",\"body\":{\"to\":\"a@x.example\",\"subject\":\"s\","
                 "\"body_text\":\"t\",\"attachments\":[{\"filename\":\"a\",\"content_base64\":"
                 "\"QUJD\"},{\"filename\":\"b\",\"content_base64\":\"");
    for (int i = 0; i < CONTENT / 4; i++)
        buf_addf(&b, "%cB%s/D", digit, escape);
    buf_adds(&b, "\"}]}}");
    return b.data;
}

static void parse_files(char *raw, bool kept, struct job *ret)
{
    struct err_text e = {.text = ""};
    size_t len = strlen(raw);

    if (kept ? job_parse_kept(raw, len, PRIORITY_LOW, NOW, NULL, ret, &e)
             : job_parse(raw, len, PRIORITY_LOW, NOW, NULL, ret, &e))
        fail_msg("%s", e.text);
    free(raw);
}

static void test_contents_of_a_kept_text(void **state)
{
    static const char *const escapes[] = {"", "\\"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        char *raw = with_files(escapes[i], 'A');
        size_t offset = (size_t)(strstr(raw, "AB") - raw);
        char ref[40];
        struct job j;

        snprintf(ref, sizeof ref, "%zu %d", offset, CONTENT);
        parse_files(raw, true, &j);
        assert_int_equal(j.message.attachment_count, 2);
        assert_string_equal(j.message.attachments[0].content_base64, "QUJD");
        assert_null(j.message.attachments[0].stored);
        assert_null(j.message.attachments[1].content_base64);
        assert_string_equal(j.message.attachments[1].stored, ref);
        job_clear(&j);
        parse_files(with_files(escapes[i], 'A'), false, &j);
        assert_int_equal(strlen(j.message.attachments[1].content_base64), CONTENT);
        assert_null(j.message.attachments[1].stored);
        job_clear(&j);
    }
}

/* However it was read and spelled, and only then. */
static void test_hash_of_a_long_content(void **state)
{
    struct job a, b;

    (void)state;
    parse_files(with_files("", 'A'), false, &a);
    parse_files(with_files("\\", 'A'), true, &b);
    assert_int_equal(strlen(a.body_hash), 40);
    assert_string_equal(a.body_hash, b.body_hash);
    job_clear(&b);
    parse_files(with_files("", 'C'), true, &b);
    assert_string_not_equal(a.body_hash, b.body_hash);
    job_clear(&a);
    job_clear(&b);
}

/* --- answers --- */

static void test_answer_of_unknown_format(void **state)
{
    struct err_text e;
    struct answer_in in = {.error = &e, .code = CODE_VALIDATION_ERROR, .now_ms = NOW};
    struct buf out = {.max = 0};

    (void)state;
    err_set_field(&e, SQ_ERR_INVALID, "body", "is missing");
    job_answer(NULL, &in, &out);
    assert_string_equal(
        buf_str(&out), "{\"error\":{\"code\":\"validation_error\",\"message\":\"body: is missing\","
                       "\"field\":\"body\"},\"status_code\":400}");
    buf_clear(&out);
    in.error = NULL;
    in.code = CODE_TOO_LARGE;
    job_answer("no-such", &in, &out);
    assert_string_equal(buf_str(&out), "{\"error\":{\"code\":\"too_large\",\"message\":\"\"},"
                                       "\"status_code\":413}");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bare),
        cmocka_unit_test(test_envelope_full),
        cmocka_unit_test(test_envelope_nulls_are_absent),
        cmocka_unit_test(test_longest_values),
        cmocka_unit_test(test_who_wins),
        cmocka_unit_test(test_body_hash),
        cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_origin_of_bad_jobs),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_contents_of_a_kept_text),
        cmocka_unit_test(test_hash_of_a_long_content),
        cmocka_unit_test(test_answer_of_unknown_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* postmark: what is sent, and what its answers mean. */
#include "mail_test.h"

static void init(struct fixture *f)
{
    mail_init(f, "postmark", "https://api.postmarkapp.com");
    set_value(f, "server_token", "pm-token");
}

static void test_smallest_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_json(&f, "{\"From\":\"\\\"Acme\\\" <s@acme.example>\",\"To\":\"a@x.example\","
                    "\"Subject\":\"Hi\",\"TextBody\":\"text\","
                    "\"Metadata\":{\"sendq_id\":\"" MAIL_ID "\"}}");
    assert_string_equal(buf_str(&f.r.url), "https://api.postmarkapp.com/email");
    expect_header(&f, "X-Postmark-Server-Token: pm-token");
    expect_header(&f, "Accept: application/json");
    assert_false(f.r.idempotent);
    fixture_free(&f);
}

static void test_full_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    mail_fill(&f);
    set_value(&f, "message_stream", "outbound");
    expect_json(&f,
                "{\"From\":\"\\\"Acme\\\" <s@acme.example>\",\"To\":\"\\\"Ann\\\" <a@x.example>, "
                "\\\"B, \\\\\\\"C\\\\\\\"\\\" <b@x.example>\",\"Cc\":\"c@x.example\","
                "\"Bcc\":\"e@x.example\",\"ReplyTo\":\"\\\"Desk\\\" <desk@acme.example>\","
                "\"Subject\":\"Hi\",\"HtmlBody\":\"<p>\\\"html\\\"</p>\",\"TextBody\":\"text\","
                "\"MessageStream\":\"outbound\",\"Headers\":["
                "{\"Name\":\"In-Reply-To\",\"Value\":\"<m1@mail.example>\"},"
                "{\"Name\":\"References\",\"Value\":\"<m1@mail.example>\"},"
                "{\"Name\":\"List-Unsubscribe\",\"Value\":\"" MAIL_UNSUBSCRIBE "\"},"
                "{\"Name\":\"List-Unsubscribe-Post\",\"Value\":\"List-Unsubscribe=One-Click\"}],"
                "\"Attachments\":[{\"Name\":\"a.pdf\",\"Content\":\"JVBERg==\","
                "\"ContentType\":\"application/pdf\"},{\"Name\":\"attachment\","
                "\"Content\":\"AAAA\",\"ContentType\":\"application/octet-stream\","
                "\"ContentID\":\"cid:logo\"}],\"Metadata\":{\"campaign\":\"spring\",\"n\":\"3\","
                "\"sendq_id\":\"" MAIL_ID "\"}}");
    fixture_free(&f);
}

static void test_accepted(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "",
              "{\"To\":\"a@x.example\",\"SubmittedAt\":\"2014-02-17T07:25:01\","
              "\"MessageID\":\"b7bc2f4a\",\"ErrorCode\":0,\"Message\":\"OK\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "b7bc2f4a");
    fixture_free(&f);
}

#define ERROR(code) "{\"ErrorCode\":" #code ",\"Message\":\"m\"}"

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        {401, NULL, ERROR(10), OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {422, NULL, ERROR(300), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {422, NULL, ERROR(400), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {422, NULL, ERROR(405), OUTCOME_THROTTLED, CODE_RATE_LIMITED, 3600000},
        {422, NULL, ERROR(406), OUTCOME_FAILED, CODE_SUPPRESSED, 0},
        {422, NULL, ERROR(411), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {422, NULL, ERROR(99999), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {429, NULL, ERROR(429), OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0},
        {500, NULL, ERROR(500), OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {503, NULL, ERROR(100), OUTCOME_RETRY, CODE_PROVIDER_ERROR, 60000},
        {200, NULL, ERROR(406), OUTCOME_FAILED, CODE_SUPPRESSED, 0},
        {200, NULL, ERROR(1234), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_REFUSALS(&f, all);
    assert_string_equal(judge(&f, 422, "", ERROR(300)).text, "HTTP 422, code 300: m");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_mail),
        cmocka_unit_test(test_full_mail),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

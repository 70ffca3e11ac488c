/* resend: what is sent, and what its answers mean. */
#include "mail_test.h"

static void init(struct fixture *f)
{
    mail_init(f, "resend", "https://api.resend.com");
    set_value(f, "api_key", "re_key");
}

static void test_smallest_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_json(&f, "{\"from\":\"\\\"Acme\\\" <s@acme.example>\",\"to\":[\"a@x.example\"],"
                    "\"subject\":\"Hi\",\"text\":\"text\"}");
    assert_string_equal(buf_str(&f.r.url), "https://api.resend.com/emails");
    expect_header(&f, "Authorization: Bearer re_key");
    expect_header(&f, "Idempotency-Key: " MAIL_ID);
    assert_true(f.r.idempotent);
    fixture_free(&f);
}

static void test_full_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    mail_fill(&f);
    expect_json(
        &f, "{\"from\":\"\\\"Acme\\\" <s@acme.example>\",\"to\":[\"\\\"Ann\\\" <a@x.example>\","
            "\"\\\"B, \\\\\\\"C\\\\\\\"\\\" <b@x.example>\"],\"cc\":[\"c@x.example\"],"
            "\"bcc\":[\"e@x.example\"],\"reply_to\":[\"\\\"Desk\\\" <desk@acme.example>\"],"
            "\"subject\":\"Hi\",\"html\":\"<p>\\\"html\\\"</p>\",\"text\":\"text\","
            "\"headers\":{\"In-Reply-To\":\"<m1@mail.example>\","
            "\"References\":\"<m1@mail.example>\",\"List-Unsubscribe\":\"" MAIL_UNSUBSCRIBE "\","
            "\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\"},"
            "\"attachments\":[{\"filename\":\"a.pdf\",\"content\":\"JVBERg==\","
            "\"content_type\":\"application/pdf\"},{\"filename\":\"attachment\","
            "\"content\":\"AAAA\",\"content_id\":\"logo\"}]}");
    fixture_free(&f);
}

/* The same key with another body is refused, so nothing of the attempt may be in it. */
static void test_the_next_attempt_is_the_same(void **state)
{
    struct fixture f;
    char first[4096];

    (void)state;
    init(&f);
    mail_fill(&f);
    build_ok(&f);
    snprintf(first, sizeof(first), "%s", buf_str(&f.r.body));
    f.m.attempts = 2;
    f.ctx.now_ms += 60000;
    expect_json(&f, first);
    fixture_free(&f);
}

static void test_recipients_are_capped(void **state)
{
    struct fixture f;
    char address[32];

    (void)state;
    init(&f);
    for (int i = 0; i < 49; i++) {
        snprintf(address, sizeof(address), "c%d@x.example", i);
        message_list_add(&f.m, MSG_CC, address);
    }
    build_ok(&f);
    message_list_add(&f.m, MSG_BCC, "one@more.example");
    build_fails(&f, "bcc: at most 50 recipients can be in one mail");
    fixture_free(&f);
}

static void test_accepted(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "", "{\"id\":\"49a3999c\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "49a3999c");
    o = judge(&f, 200, "", "<html>");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "");
    fixture_free(&f);
}

#define ERROR(status, name) "{\"statusCode\":" #status ",\"name\":\"" name "\",\"message\":\"m\"}"

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        {401, NULL, ERROR(401, "missing_api_key"), OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {401, NULL, ERROR(401, "restricted_api_key"), OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {403, NULL, ERROR(403, "invalid_api_key"), OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {403, NULL, ERROR(403, "validation_error"), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {422, NULL, ERROR(422, "validation_error"), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {409, NULL, ERROR(409, "invalid_idempotent_request"), OUTCOME_FAILED,
         CODE_IDEMPOTENCY_CONFLICT, 0},
        {409, NULL, ERROR(409, "concurrent_idempotent_requests"), OUTCOME_RETRY,
         CODE_PROVIDER_ERROR, 1000},
        {429, "HTTP/1.1 429\r\nretry-after: 3\r\n", ERROR(429, "rate_limit_exceeded"),
         OUTCOME_THROTTLED, CODE_RATE_LIMITED, 3000},
        {429, NULL, ERROR(429, "daily_quota_exceeded"), OUTCOME_THROTTLED, CODE_RATE_LIMITED,
         3600000},
        {500, NULL, ERROR(500, "application_error"), OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {503, NULL, "busy", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {400, NULL, ERROR(400, "something_new"), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_REFUSALS(&f, all);
    assert_string_equal(judge(&f, 422, "", ERROR(422, "validation_error")).text,
                        "HTTP 422, code validation_error: m");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_mail),
        cmocka_unit_test(test_full_mail),
        cmocka_unit_test(test_the_next_attempt_is_the_same),
        cmocka_unit_test(test_recipients_are_capped),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

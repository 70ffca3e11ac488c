/* ses: what is sent, and what its answers mean. */
#include "mail_test.h"

static void init(struct fixture *f)
{
    mail_init(f, "ses", "https://email.amazonaws.com");
    set_value(f, "access_key_id", "AKIDEXAMPLE");
    set_value(f, "secret_access_key", "secret-key");
    set_value(f, "region", "eu-central-1");
}

#define TEXT(name, text) "\"" name "\":{\"Data\":\"" text "\",\"Charset\":\"UTF-8\"}"
#define TAG(name, value) "{\"Name\":\"" name "\",\"Value\":\"" value "\"}"

static void test_smallest_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_json(&f, "{\"FromEmailAddress\":\"\\\"Acme\\\" <s@acme.example>\","
                    "\"Destination\":{\"ToAddresses\":[\"a@x.example\"]},"
                    "\"Content\":{\"Simple\":{" TEXT("Subject", "Hi") ",\"Body\":{" TEXT(
                        "Text", "text") "}}},\"EmailTags\":[" TAG("sendq_id", MAIL_ID) "]}");
    assert_string_equal(buf_str(&f.r.url),
                        "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails");
    assert_non_null(strstr(request_header_at(&f.r, f.r.header_count - 1),
                           "/eu-central-1/ses/aws4_request, SignedHeaders=content-type;host;"));
    fixture_free(&f);
}

static void test_full_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    mail_fill(&f);
    f.sender.from_name = "Z\xc3\xbcrich";
    f.sender.endpoint = "http://127.0.0.1:9/ses";
    set_value(&f, "configuration_set", "main");
    /* clang-format off */
    expect_json(&f,
        "{\"FromEmailAddress\":\"=?utf-8?B?WsO8cmljaA==?= <s@acme.example>\","
        "\"Destination\":{\"ToAddresses\":[\"\\\"Ann\\\" <a@x.example>\","
        "\"\\\"B, \\\\\\\"C\\\\\\\"\\\" <b@x.example>\"],\"CcAddresses\":[\"c@x.example\"],"
        "\"BccAddresses\":[\"e@x.example\"]},"
        "\"ReplyToAddresses\":[\"\\\"Desk\\\" <desk@acme.example>\"],"
        "\"Content\":{\"Simple\":{" TEXT("Subject", "Hi") ","
        "\"Body\":{" TEXT("Text", "text") "," TEXT("Html", "<p>\\\"html\\\"</p>") "},"
        "\"Headers\":[" TAG("In-Reply-To", "<m1@mail.example>") ","
        TAG("References", "<m1@mail.example>") ","
        TAG("List-Unsubscribe", MAIL_UNSUBSCRIBE) ","
        TAG("List-Unsubscribe-Post", "List-Unsubscribe=One-Click") "],"
        "\"Attachments\":[{\"FileName\":\"a.pdf\",\"RawContent\":\"JVBERg==\","
        "\"ContentType\":\"application/pdf\",\"ContentDisposition\":\"ATTACHMENT\","
        "\"ContentTransferEncoding\":\"BASE64\"},"
        "{\"FileName\":\"attachment\",\"RawContent\":\"AAAA\","
        "\"ContentDisposition\":\"INLINE\",\"ContentId\":\"logo\","
        "\"ContentTransferEncoding\":\"BASE64\"}]}},"
        "\"EmailTags\":[" TAG("campaign", "spring") "," TAG("n", "3") ","
        TAG("sendq_id", MAIL_ID) "],\"ConfigurationSetName\":\"main\"}");
    /* clang-format on */
    assert_string_equal(buf_str(&f.r.url), "http://127.0.0.1:9/ses/v2/email/outbound-emails");
    fixture_free(&f);
}

static void test_region_is_checked(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    check_ok(&f);
    set_value(&f, "region", "eu.evil.example/");
    check_fails(&f, "region: expected a region like eu-central-1");
    fixture_free(&f);
}

static void test_accepted(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "", "{\"MessageId\":\"0100018\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "0100018");
    fixture_free(&f);
}

#define TYPE(name) "HTTP/1.1 400\r\nx-amzn-ErrorType: " name "\r\n"
#define WORDS "{\"message\":\"m\"}"

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        {400, TYPE("BadRequestException"), WORDS, OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {400, TYPE("MessageRejected:http://internal.amazon.com/coral/"), WORDS, OUTCOME_FAILED,
         CODE_PROVIDER_ERROR, 0},
        {400, TYPE("LimitExceededException"), WORDS, OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0},
        {429, TYPE("TooManyRequestsException"), WORDS, OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0},
        {400, TYPE("ThrottlingException"), "{\"message\":\"Maximum sending rate exceeded.\"}",
         OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0},
        {400, TYPE("ThrottlingException"), "{\"message\":\"Daily message quota exceeded.\"}",
         OUTCOME_THROTTLED, CODE_RATE_LIMITED, 3600000},
        {400, TYPE("SendingPausedException"), WORDS, OUTCOME_THROTTLED, CODE_RATE_LIMITED, 3600000},
        {403, TYPE("InvalidSignatureException"), WORDS, OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {403, NULL, "{\"__type\":\"com.amazon.coral.service#UnrecognizedClientException\"}",
         OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {403, TYPE("AccessDeniedException"), WORDS, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS,
         0},
        {500, NULL, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {503, TYPE("ServiceUnavailable"), WORDS, OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_REFUSALS(&f, all);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_mail),     cmocka_unit_test(test_full_mail),
        cmocka_unit_test(test_region_is_checked), cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

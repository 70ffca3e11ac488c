/* Unit tests of twilio, from the documentation of the Messages API. */
#include "provider_test.h"

#define SID "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void init(struct fixture *f)
{
    fixture_init(f, "twilio", "https://api.twilio.com");
    set_value(f, "account_sid", SID);
    set_value(f, "auth_token", "secret-token");
    f->sender.from_address = "+15005550006";
    f->m.channel = CHANNEL_SMS;
    f->m.text[MSG_RECIPIENT] = "+14155552345";
    f->m.text[MSG_CONTENT] = "Hello! \xf0\x9f\x91\x8d a&b=c";
}

static void test_sms(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    build_ok(&f);
    assert_int_equal(f.r.method, HTTP_POST);
    assert_string_equal(buf_str(&f.r.url),
                        "https://api.twilio.com/2010-04-01/Accounts/" SID "/Messages.json");
    assert_int_equal(f.r.header_count, 1);
    assert_string_equal(request_header_at(&f.r, 0),
                        "Content-Type: application/x-www-form-urlencoded");
    assert_string_equal(buf_str(&f.r.userpwd), SID ":secret-token");
    assert_string_equal(buf_str(&f.r.body), "To=%2B14155552345&From=%2B15005550006&"
                                            "Body=Hello%21%20%F0%9F%91%8D%20a%26b%3Dc");
    assert_false(f.r.idempotent);
    fixture_free(&f);
}

static void test_messaging_service(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.sender.from_address = NULL;
    set_value(&f, "messaging_service_sid", "MG1");
    f.m.text[MSG_CONTENT] = "x";
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body), "To=%2B14155552345&MessagingServiceSid=MG1&Body=x");
    f.m.text[MSG_FROM] = "ACME";
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body),
                        "To=%2B14155552345&From=ACME&MessagingServiceSid=MG1&Body=x");
    fixture_free(&f);
}

static void test_api_key_logs_in_but_the_path_keeps_the_account(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "api_key", "SK1");
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.userpwd), "SK1:secret-token");
    assert_string_equal(buf_str(&f.r.url),
                        "https://api.twilio.com/2010-04-01/Accounts/" SID "/Messages.json");
    fixture_free(&f);
}

static void test_media(void **state)
{
    struct fixture f;
    struct attachment *a;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = NULL;
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/1.png?a=1&b=2");
    a = message_attachment_add(&f.m);
    a->url = "https://x.example/2.png";
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body),
                        "To=%2B14155552345&From=%2B15005550006&"
                        "MediaUrl=https%3A%2F%2Fx.example%2F1.png%3Fa%3D1%26b%3D2&"
                        "MediaUrl=https%3A%2F%2Fx.example%2F2.png");
    a->url = NULL;
    a->content_base64 = "AAAA";
    build_fails(&f, "attachments[0]: twilio takes media by url only");
    fixture_free(&f);
}

static void test_whatsapp_and_rcs_addresses(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = "x";
    f.m.channel = CHANNEL_WHATSAPP;
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body), "To=whatsapp%3A%2B14155552345&"
                                            "From=whatsapp%3A%2B15005550006&Body=x");
    f.sender.from_address = "whatsapp:+15005550006";
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body), "To=whatsapp%3A%2B14155552345&"
                                            "From=whatsapp%3A%2B15005550006&Body=x");
    f.m.channel = CHANNEL_RCS;
    f.sender.from_address = "acme_agent";
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body), "To=rcs%3A%2B14155552345&From=rcs%3Aacme_agent&Body=x");
    f.sender.from_address = NULL;
    set_value(&f, "messaging_service_sid", "MG1");
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body), "To=%2B14155552345&MessagingServiceSid=MG1&Body=x");
    fixture_free(&f);
}

static void test_template(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.channel = CHANNEL_WHATSAPP;
    f.m.text[MSG_METADATA] = "{\"template\":{\"name\":\"HX1\",\"variables\":{\"1\":\"Jane\"}}}";
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body),
                        "To=whatsapp%3A%2B14155552345&From=whatsapp%3A%2B15005550006&"
                        "ContentSid=HX1&ContentVariables=%7B%221%22%3A%22Jane%22%7D");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/1.png");
    build_fails(&f, "media_urls: a template has its own media");
    fixture_free(&f);
}

static void test_what_cannot_be_sent(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_SUBJECT] = "S";
    build_fails(&f, "subject: twilio cannot carry it");
    f.m.text[MSG_SUBJECT] = NULL;
    f.m.text[MSG_HTML] = "<p>";
    build_fails(&f, "html: twilio cannot carry it");
    f.m.text[MSG_HTML] = NULL;
    f.m.text[MSG_CONTENT] = NULL;
    build_fails(&f, "content: text or media is required");
    f.m.text[MSG_CONTENT] = "x";
    f.sender.from_address = NULL;
    build_fails(&f, "from: a number or a messaging_service_sid is required");
    message_list_add(&f.m, MSG_BCC, "b@x");
    build_fails(&f, "bcc: twilio cannot carry it");
    fixture_free(&f);
}

/* The 201 example of the API's own specification. */
static void test_created(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 201, "HTTP/1.1 201 Created\r\n",
              "{\"account_sid\":\"" SID "\",\"error_code\":null,\"error_message\":null,"
              "\"num_segments\":\"3\",\"price\":null,\"price_unit\":null,"
              "\"sid\":\"SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"status\":\"queued\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(o.units, 3);
    assert_string_equal(o.cost, "");
    o = judge(&f, 201, "", "{\"sid\":\"SM1\",\"num_segments\":\"0\",\"price\":\"-0.00750\"}");
    assert_string_equal(o.cost, "0.00750");
    assert_int_equal(o.units, 1); /* counted here: a service has not chosen a number yet */
    f.m.channel = CHANNEL_WHATSAPP;
    assert_int_equal(judge(&f, 201, "", "{\"sid\":\"SM1\",\"num_segments\":\"0\"}").units, 0);
    o = judge(&f, 201, "", "<html>");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "");
    fixture_free(&f);
}

static void test_created_but_failed(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 201, "",
              "{\"sid\":\"SM1\",\"status\":\"failed\",\"error_code\":63016,"
              "\"error_message\":\"outside the window\"}");
    expect_outcome(o, OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED);
    assert_string_equal(o.provider_message_id, "SM1");
    assert_string_equal(o.text, "HTTP 201, code 63016: outside the window");
    o = judge(&f, 201, "", "{\"sid\":\"SM1\",\"status\":\"undelivered\"}");
    expect_outcome(o, OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    fixture_free(&f);
}

static void test_every_code(void **state)
{
    static const struct {
        int status, code;
        enum outcome_kind kind;
        enum error_code error;
    } rows[] = {
        {401, 20003, OUTCOME_AUTH, CODE_INVALID_KEY},
        {400, 21211, OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, 21614, OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, 21604, OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, 21603, OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, 21602, OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, 21606, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, 21212, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, 21408, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, 21610, OUTCOME_FAILED, CODE_SUPPRESSED},
        {400, 21617, OUTCOME_FAILED, CODE_TOO_LARGE},
        {400, 63007, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, 63016, OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {400, 21664, OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, 21666, OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, 21667, OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {429, 20429, OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {429, 14107, OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, 63017, OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {429, 63018, OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {500, 20500, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {503, 20503, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        /* codes that the table does not have: the status decides */
        {400, 99999, OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {401, 99999, OUTCOME_AUTH, CODE_INVALID_KEY},
        {403, 99999, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {429, 99999, OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {502, 99999, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
    };
    struct fixture f;

    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[160], text[96];
        struct outcome o;

        snprintf(body, sizeof(body),
                 "{\"code\":%d,\"message\":\"Why\",\"more_info\":\"https://x\",\"status\":%d}",
                 rows[i].code, rows[i].status);
        o = judge(&f, rows[i].status, "HTTP/1.1 x\r\nRetry-After: 4\r\n", body);
        expect_outcome(o, rows[i].kind, rows[i].error);
        snprintf(text, sizeof(text), "HTTP %d, code %d: Why", rows[i].status, rows[i].code);
        assert_string_equal(o.text, text);
        assert_int_equal(o.retry_after_ms,
                         rows[i].kind == OUTCOME_THROTTLED || rows[i].kind == OUTCOME_UNKNOWN ? 4000
                                                                                              : 0);
    }
    fixture_free(&f);
}

static void test_errors_without_json(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_outcome(judge(&f, 400, "", "<html>"), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 502, "", "<html>"), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    expect_outcome(judge(&f, 400, "", "{\"code\":\"20003\"}"), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    assert_string_equal(judge(&f, 404, "", "").text, "HTTP 404");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sms),
        cmocka_unit_test(test_messaging_service),
        cmocka_unit_test(test_api_key_logs_in_but_the_path_keeps_the_account),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_whatsapp_and_rcs_addresses),
        cmocka_unit_test(test_template),
        cmocka_unit_test(test_what_cannot_be_sent),
        cmocka_unit_test(test_created),
        cmocka_unit_test(test_created_but_failed),
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_errors_without_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

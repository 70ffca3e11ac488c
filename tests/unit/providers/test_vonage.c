/* Unit tests of vonage, from the documentation of its SMS and Messages APIs. */
#include "provider_test.h"

#define REF "0190a5b0-0000-7000-8000-000000000001"
#define PART(status)                                                                               \
    "{\"message-count\":\"1\",\"messages\":[{\"status\":\"" #status "\",\"error-text\":\"Why\"}]}"
#define PROBLEM(fragment)                                                                          \
    "{\"type\":\"https://developer.vonage.com/api-errors" fragment "\",\"title\":\"Why\","         \
    "\"detail\":\"In detail\",\"instance\":\"x\"}"

static void init(struct fixture *f)
{
    fixture_init(f, "vonage", "https://api.nexmo.com");
    set_value(f, "api_key", "abcd1234");
    set_value(f, "api_secret", "secret");
    f->sender.from_address = "+447700900001";
    f->m.channel = CHANNEL_SMS;
    f->m.text[MSG_RECIPIENT] = "+447700900000";
    f->m.text[MSG_CONTENT] = "Hi & bye";
}

static void test_sms(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    build_ok(&f);
    expect_url(&f, "https://rest.nexmo.com/sms/json");
    assert_string_equal(request_header_at(&f.r, 0),
                        "Content-Type: application/x-www-form-urlencoded");
    expect_request(&f, "api_key=abcd1234&api_secret=secret&from=447700900001&to=447700900000&"
                       "text=Hi%20%26%20bye&client-ref=" REF);
    f.m.text[MSG_CONTENT] = "\xd1\x84";
    f.sender.endpoint = "http://127.0.0.1:1/vonage"; /* one's own serves both APIs */
    snprintf(f.m.id, sizeof(f.m.id), "%041d", 1);    /* longer than a client-ref may be */
    build_ok(&f);
    expect_url(&f, "http://127.0.0.1:1/vonage/sms/json");
    expect_request(&f, "api_key=abcd1234&api_secret=secret&from=447700900001&to=447700900000&"
                       "text=%D1%84&type=unicode");
    f.sender.from_address = NULL;
    build_fails(&f, "from: a number or name is required");
    fixture_free(&f);
}

static void test_sms_sent(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "",
              "{\"message-count\":\"2\",\"messages\":["
              "{\"message-id\":\"A1\",\"status\":\"0\",\"message-price\":\"0.03330000\"},"
              "{\"message-id\":\"A2\",\"status\":\"0\",\"message-price\":\"0.0333\"}]}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "A1");
    assert_int_equal(o.units, 2);
    assert_string_equal(o.cost, "0.06660000");
    o = judge(&f, 200, "",
              "{\"messages\":[{\"message-id\":\"A1\",\"status\":\"0\",\"message-price\":\"x\"}]}");
    assert_string_equal(o.cost, "");
    assert_int_equal(o.units, 1);
    fixture_free(&f);
}

/* 200 is no success here. */
static void test_sms_garbage_says_nothing(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_outcome(judge(&f, 200, "", "garbage"), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    expect_outcome(judge(&f, 200, "", "{\"messages\":[]}"), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    expect_outcome(judge(&f, 200, "", "{\"messages\":[{}]}"), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 503, "", ""), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    fixture_free(&f);
}

static void test_sms_taken_in_part(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "",
              "{\"messages\":[{\"message-id\":\"A1\",\"status\":\"0\"},{\"status\":\"1\","
              "\"error-text\":\"Throttled\"}]}");
    expect_outcome(o, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    assert_string_equal(o.text, "HTTP 200, code 1: Throttled: some parts were taken");
    fixture_free(&f);
}

static void test_every_sms_status(void **state)
{
    static const struct answer_row rows[] = {
        {200, PART(1), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {200, PART(2), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, PART(3), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, PART(4), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, PART(5), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {200, PART(6), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, PART(7), OUTCOME_FAILED, CODE_SUPPRESSED},
        {200, PART(8), OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS},
        {200, PART(9), OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS},
        {200, PART(10), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {200, PART(11), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {200, PART(12), OUTCOME_FAILED, CODE_TOO_LARGE},
        {200, PART(14), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, PART(15), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {200, PART(22), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, PART(23), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, PART(29), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {200, PART(32), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, PART(33), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, PART(99), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_ANSWERS(&f, rows);
    fixture_free(&f);
}

static void test_messages(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    set_value(&f, "sms_api", "messages");
    build_ok(&f);
    expect_url(&f, "https://api.nexmo.com/v1/messages");
    assert_string_equal(buf_str(&f.r.userpwd), "abcd1234:secret");
    expect_request(&f,
                   "{\"to\":\"447700900000\",\"from\":\"447700900001\",\"channel\":\"sms\","
                   "\"message_type\":\"text\",\"text\":\"Hi & bye\",\"client_ref\":\"" REF "\"}");
    o = judge(&f, 202, "", "{\"message_uuid\":\"u1\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "u1");
    assert_int_equal(o.units, 1);
    expect_outcome(judge(&f, 202, "", "garbage"), OUTCOME_SENT, CODE_NONE);
    f.m.channel = CHANNEL_RCS;
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"channel\":\"rcs\""));
    f.m.channel = CHANNEL_FACEBOOK;
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"channel\":\"messenger\""));
    fixture_free(&f);
}

static void test_media(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_ok(&f); /* MMS is not for the SMS API */
    expect_request(&f, "{\"to\":\"447700900000\",\"from\":\"447700900001\",\"channel\":\"mms\","
                       "\"message_type\":\"image\",\"image\":{\"url\":\"https://x.example/a.png\","
                       "\"caption\":\"Hi & bye\"},\"client_ref\":\"" REF "\"}");
    f.m.channel = CHANNEL_FACEBOOK; /* no captions there */
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"message_type\":\"text\""));
    o = judge(&f, 202, "", "{\"message_uuid\":\"u1\"}");
    go_on(&f, &o);
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"image\":{\"url\":\"https://x.example/a.png\"}"));
    o = judge(&f, 202, "", "{\"message_uuid\":\"u2\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "u1");
    fixture_free(&f);
}

static void test_whatsapp(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_ID] = "u0";
    build_fails(&f, "reply_id: vonage cannot carry it");
    f.m.channel = CHANNEL_WHATSAPP;
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"context\":{\"message_uuid\":\"u0\"}"));
    f.m.text[MSG_REPLY_ID] = NULL;
    f.m.text[MSG_METADATA] = "{\"template\":{\"name\":\"ns:order\",\"parameters\":[\"Jane\"]}}";
    build_ok(&f);
    expect_request(&f,
                   "{\"to\":\"447700900000\",\"from\":\"447700900001\",\"channel\":\"whatsapp\","
                   "\"message_type\":\"template\",\"template\":{\"name\":\"ns:order\","
                   "\"parameters\":[\"Jane\"]},\"whatsapp\":{\"policy\":\"deterministic\","
                   "\"locale\":\"en_US\"},\"client_ref\":\"" REF "\"}");
    fixture_free(&f);
}

static void test_every_messages_code(void **state)
{
    static const struct answer_row rows[] = {
        {429, PROBLEM("/messages#1000"), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {422, PROBLEM("/messages#1010"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {422, PROBLEM("/messages#1020"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {422, PROBLEM("/messages#1021"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {422, PROBLEM("/messages#1022"), OUTCOME_FAILED, CODE_TEMPLATE_ERROR},
        {500, PROBLEM("/messages#1030"), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {422, PROBLEM("/messages#1040"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {403, PROBLEM("/messages#1050"), OUTCOME_FAILED, CODE_SUPPRESSED},
        {403, PROBLEM("/messages#1060"), OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS},
        {402, PROBLEM("/messages#1070"), OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS},
        {403, PROBLEM("/messages#1080"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {422, PROBLEM("/messages#1090"), OUTCOME_FAILED, CODE_TOO_LARGE},
        {500, PROBLEM("/messages#1100"), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {422, PROBLEM("/messages#1120"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {422, PROBLEM("/messages#1130"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {422, PROBLEM("/messages#1150"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {401, PROBLEM("#unauthorized"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {402, PROBLEM("#low-balance"), OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS},
        {429, PROBLEM("#throttled"), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {422, PROBLEM("/messages#9999"), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {429, PROBLEM(""), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {502, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
    };
    struct fixture f;

    (void)state;
    init(&f);
    f.m.channel = CHANNEL_WHATSAPP;
    EXPECT_ANSWERS(&f, rows);
    assert_string_equal(judge(&f, 422, "", PROBLEM("/messages#1020")).text,
                        "HTTP 422, code 1020: Why: In detail");
    fixture_free(&f);
}

static void test_settings(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    check_ok(&f);
    set_value(&f, "sms_api", "rest");
    check_fails(&f, "sms_api: expected sms or messages");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sms),
        cmocka_unit_test(test_sms_sent),
        cmocka_unit_test(test_sms_garbage_says_nothing),
        cmocka_unit_test(test_sms_taken_in_part),
        cmocka_unit_test(test_every_sms_status),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_whatsapp),
        cmocka_unit_test(test_every_messages_code),
        cmocka_unit_test(test_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

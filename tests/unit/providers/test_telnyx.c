/* Unit tests of telnyx, from the documentation of its Messaging API. */
#include "provider_test.h"

#define ERROR(code)                                                                                \
    "{\"errors\":[{\"code\":\"" #code "\",\"title\":\"Why\",\"detail\":\"In detail\"}]}"

static void init(struct fixture *f)
{
    fixture_init(f, "telnyx", "https://api.telnyx.com");
    set_value(f, "api_key", "KEY1");
    f->sender.from_address = "+18445550001";
    f->m.channel = CHANNEL_SMS;
    f->m.text[MSG_RECIPIENT] = "+14155550100";
    f->m.text[MSG_CONTENT] = "Hello";
}

static void test_sms(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    build_ok(&f);
    expect_url(&f, "https://api.telnyx.com/v2/messages");
    assert_string_equal(request_header_at(&f.r, 1), "Authorization: Bearer KEY1");
    expect_request(&f, "{\"from\":\"+18445550001\",\"to\":\"+14155550100\",\"text\":\"Hello\"}");
    set_value(&f, "messaging_profile_id", "p1");
    f.sender.from_address = NULL;
    build_ok(&f);
    expect_request(&f,
                   "{\"messaging_profile_id\":\"p1\",\"to\":\"+14155550100\",\"text\":\"Hello\"}");
    set_value(&f, "messaging_profile_id", NULL);
    build_fails(&f, "from: a number or a messaging_profile_id is required");
    fixture_free(&f);
}

static void test_mms(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_SUBJECT] = "S";
    build_fails(&f, "subject: telnyx cannot carry it");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_ok(&f);
    expect_request(&f, "{\"from\":\"+18445550001\",\"to\":\"+14155550100\",\"text\":\"Hello\","
                       "\"subject\":\"S\",\"media_urls\":[\"https://x.example/a.png\"]}");
    add_file(&f, "b.png", "AAAA");
    build_fails(&f, "attachments[0]: telnyx takes files by url only");
    fixture_free(&f);
}

static void test_sent(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "",
              "{\"data\":{\"id\":\"id1\",\"parts\":3,\"to\":[{\"status\":\"queued\"}],"
              "\"cost\":{\"amount\":\"0.0051\",\"currency\":\"USD\"}}}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "id1");
    assert_int_equal(o.units, 3);
    assert_string_equal(o.cost, "0.0051");
    o = judge(&f, 200, "", "{\"data\":{\"id\":\"id1\",\"cost\":null}}");
    assert_int_equal(o.units, 1); /* counted here */
    assert_string_equal(o.cost, "");
    expect_outcome(judge(&f, 200, "", "garbage"), OUTCOME_SENT, CODE_NONE);
    o = judge(&f, 200, "",
              "{\"data\":{\"id\":\"id1\",\"to\":[{\"status\":\"sending_failed\"}],"
              "\"errors\":[{\"code\":\"40300\",\"title\":\"Blocked\"}]}}");
    expect_outcome(o, OUTCOME_FAILED, CODE_SUPPRESSED);
    fixture_free(&f);
}

static void test_every_code(void **state)
{
    static const struct answer_row rows[] = {
        {401, ERROR(10009), OUTCOME_AUTH, CODE_INVALID_KEY},
        {403, ERROR(10010), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {429, ERROR(10011), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {422, ERROR(10001), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {422, ERROR(10002), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {422, ERROR(10003), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {422, ERROR(10004), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {404, ERROR(10005), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {422, ERROR(10006), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {500, ERROR(10007), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {408, ERROR(10008), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {415, ERROR(10014), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {400, ERROR(10015), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {422, ERROR(10016), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {422, ERROR(10017), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(40001), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(40002), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {400, ERROR(40003), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(40004), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(40005), OUTCOME_FAILED, CODE_EXPIRED},
        {400, ERROR(40006), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(40008), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(40009), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(40011), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(40300), OUTCOME_FAILED, CODE_SUPPRESSED},
        {400, ERROR(40305), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(40310), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(40318), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(99999), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {429, ERROR(99999), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, "{\"errors\":[{\"code\":10004}]}", OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {503, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {401, "", OUTCOME_AUTH, CODE_INVALID_KEY},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_ANSWERS(&f, rows);
    assert_string_equal(judge(&f, 422, "", ERROR(10004)).text,
                        "HTTP 422, code 10004: Why: In detail");
    assert_int_equal(judge(&f, 429, "Retry-After: 2\r\n", ERROR(10011)).retry_after_ms, 2000);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sms),
        cmocka_unit_test(test_mms),
        cmocka_unit_test(test_sent),
        cmocka_unit_test(test_every_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

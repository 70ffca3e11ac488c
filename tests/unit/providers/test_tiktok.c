/* Unit tests of tiktok. */
#include "provider_test.h"

#define URL "https://business-api.tiktok.com/open_api/v1.3/business/message/"
#define HEAD "{\"business_id\":\"b1\",\"recipient_type\":\"CONVERSATION\",\"recipient\":\"conv1\","
#define SENT "{\"code\":0,\"message\":\"OK\",\"data\":{\"message\":{\"message_id\":\"m1\"}}}"
#define ERROR(code) "{\"code\":" #code ",\"message\":\"Why\",\"request_id\":\"r\",\"data\":{}}"

static void init(struct fixture *f)
{
    fixture_init(f, "tiktok", "https://business-api.tiktok.com");
    set_value(f, "business_id", "b1");
    set_value(f, "token", "act.token");
    f->m.channel = CHANNEL_TIKTOK;
    f->m.text[MSG_RECIPIENT] = "conv1";
    f->m.text[MSG_CONTENT] = "Hello";
}

static void test_text(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    build_ok(&f);
    expect_url(&f, URL "send/");
    assert_string_equal(request_header_at(&f.r, 1), "Access-Token: act.token");
    expect_request(&f, HEAD "\"message_type\":\"TEXT\",\"text\":{\"body\":\"Hello\"}}");
    o = judge(&f, 200, "", SENT);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "m1");
    f.m.text[MSG_REPLY_ID] = "m0";
    build_ok(&f);
    expect_request(&f, HEAD "\"message_type\":\"TEXT\",\"text\":{\"body\":\"Hello\"},"
                            "\"referenced_message_info\":{\"referenced_message_id\":\"m0\"}}");
    fixture_free(&f);
}

static void test_an_image_is_uploaded_first(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = NULL;
    add_file(&f, "a.png", "iVBORw0K");
    build_ok(&f);
    expect_url(&f, URL "media/upload/");
    assert_non_null(strstr(buf_str(&f.r.body), "name=\"business_id\"\r\n\r\nb1\r\n"));
    expect_outcome(judge(&f, 200, "", "garbage"), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 200, "", ERROR(40908)), OUTCOME_FAILED, CODE_VALIDATION_ERROR);
    o = judge(&f, 200, "", "{\"code\":0,\"data\":{\"media_id\":\"media1\"}}");
    go_on(&f, &o);
    build_ok(&f);
    expect_request(&f, HEAD "\"message_type\":\"IMAGE\",\"image\":{\"media_id\":\"media1\"}}");
    expect_outcome(judge(&f, 200, "", SENT), OUTCOME_SENT, CODE_NONE);
    fixture_free(&f);
}

static void test_what_cannot_be_sent(void **state)
{
    struct fixture f;
    char text[6002];

    (void)state;
    init(&f);
    memset(text, 'x', 6001);
    text[6001] = '\0';
    f.m.text[MSG_CONTENT] = text;
    build_fails(&f, "content: at most 6000 characters");
    f.m.text[MSG_CONTENT] = "x";
    add_file(&f, "a.pdf", "AAAA");
    build_fails(&f, "attachments[0]: tiktok takes images only");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_fails(&f, "media_urls: tiktok takes images as content_base64 only");
    fixture_free(&f);
}

static void test_every_code(void **state)
{
    static const struct answer_row rows[] = {
        {200, ERROR(40100), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {200, ERROR(40102), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR(40103), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR(40104), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR(40105), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR(40001), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {200, ERROR(40002), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, ERROR(40007), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, ERROR(40064), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {200, ERROR(40908), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, ERROR(50000), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {200, ERROR(59999), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {200, ERROR(60000), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {200, ERROR(-1), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {200, "garbage", OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {200, "{\"code\":\"0\"}", OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {503, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {429, "", OUTCOME_THROTTLED, CODE_RATE_LIMITED},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_ANSWERS(&f, rows);
    assert_string_equal(judge(&f, 200, "", ERROR(40064)).text, "HTTP 200, code 40064: Why");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_an_image_is_uploaded_first),
        cmocka_unit_test(test_what_cannot_be_sent),
        cmocka_unit_test(test_every_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

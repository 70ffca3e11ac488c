/* Unit tests of messenger, from the documentation of the Send API. */
#include "provider_test.h"

#define HEAD "{\"recipient\":{\"id\":\"1234567890123456\"},\"messaging_type\":\"RESPONSE\","
#define SENT "{\"recipient_id\":\"1234567890123456\",\"message_id\":\"m_1\"}"
#define ERROR(code, subcode)                                                                       \
    "{\"error\":{\"message\":\"Why\",\"type\":\"OAuthException\",\"code\":" #code                  \
    ",\"error_subcode\":" #subcode ",\"fbtrace_id\":\"x\"}}"

static void init(struct fixture *f)
{
    fixture_init(f, "messenger", "https://graph.facebook.com");
    set_value(f, "page_id", "me");
    set_value(f, "token", "page-token");
    f->m.channel = CHANNEL_FACEBOOK;
    f->m.text[MSG_RECIPIENT] = "1234567890123456";
    f->m.text[MSG_CONTENT] = "Hello";
}

static void test_text(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    build_ok(&f);
    expect_url(&f, "https://graph.facebook.com/v23.0/me/messages");
    assert_string_equal(request_header_at(&f.r, 1), "Authorization: Bearer page-token");
    expect_request(&f, HEAD "\"message\":{\"text\":\"Hello\"}}");
    o = judge(&f, 200, "", SENT);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "m_1");
    o = judge(&f, 200, "", "garbage");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    set_value(&f, "tag", "HUMAN_AGENT");
    build_ok(&f);
    expect_request(&f, "{\"recipient\":{\"id\":\"1234567890123456\"},\"messaging_type\":"
                       "\"MESSAGE_TAG\",\"tag\":\"HUMAN_AGENT\",\"message\":{\"text\":\"Hello\"}}");
    fixture_free(&f);
}

static void test_text_and_files_are_messages_of_their_own(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/promo.jpg");
    message_attachment_add(&f.m)->url = "https://x.example/terms";
    build_ok(&f);
    expect_request(&f, HEAD "\"message\":{\"text\":\"Hello\"}}");
    o = judge(&f, 200, "", SENT);
    go_on(&f, &o);
    build_ok(&f);
    expect_request(&f, HEAD "\"message\":{\"attachment\":{\"type\":\"image\",\"payload\":{\"url\":"
                            "\"https://x.example/promo.jpg\",\"is_reusable\":false}}}}");
    o = judge(&f, 200, "", "{\"message_id\":\"m_2\"}");
    go_on(&f, &o);
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"type\":\"file\""));
    expect_outcome(judge(&f, 500, "", ERROR(2, 0)), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    o = judge(&f, 200, "", "{\"message_id\":\"m_3\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "m_1");
    fixture_free(&f);
}

static void test_what_cannot_be_sent(void **state)
{
    struct fixture f;
    char text[6010];

    (void)state;
    init(&f);
    for (unsigned i = 0; i < 2001; i++)
        snprintf(text + (size_t)i * 2, 3, "\xc3\xa4"); /* two bytes, one character */
    f.m.text[MSG_CONTENT] = text;
    build_fails(&f, "content: at most 2000 characters");
    text[4000] = '\0';
    build_ok(&f);
    f.m.text[MSG_REPLY_ID] = "m_0";
    build_fails(&f, "reply_id: messenger cannot carry it");
    f.m.text[MSG_REPLY_ID] = NULL;
    add_file(&f, "a.png", "AAAA");
    build_fails(&f, "attachments[0]: messenger takes files by url only");
    fixture_free(&f);
}

static void test_every_code(void **state)
{
    static const struct answer_row rows[] = {
        {401, ERROR(190, 463), OUTCOME_AUTH, CODE_INVALID_KEY},
        {400, ERROR(190, 0), OUTCOME_AUTH, CODE_INVALID_KEY},
        {400, ERROR(10, 2018278), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {403, ERROR(10, 0), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(551, 1545041), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(100, 2018001), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(100, 0), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {403, ERROR(200, 2018028), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {403, ERROR(230, 0), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(3, 0), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(368, 0), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(4, 2018022), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(17, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(32, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(613, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(80006, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(1200, 0), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {500, ERROR(2, 0), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(1, 0), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {500, ERROR(-1, 0), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(99999, 1), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {429, ERROR(99999, 1), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {502, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {404, "", OUTCOME_FAILED, CODE_PROVIDER_ERROR},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_ANSWERS(&f, rows);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_and_files_are_messages_of_their_own),
        cmocka_unit_test(test_what_cannot_be_sent),
        cmocka_unit_test(test_every_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

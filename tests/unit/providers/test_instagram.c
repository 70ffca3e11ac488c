/* Unit tests of instagram, from the documentation of its messaging API. */
#include "provider_test.h"

#define ERROR(code, subcode)                                                                       \
    "{\"error\":{\"message\":\"Why\",\"code\":" #code ",\"error_subcode\":" #subcode "}}"

static void init(struct fixture *f)
{
    fixture_init(f, "instagram", "https://graph.instagram.com");
    set_value(f, "account_id", "17841400000000000");
    set_value(f, "token", "ig-token");
    f->m.channel = CHANNEL_INSTAGRAM;
    f->m.text[MSG_RECIPIENT] = "1234567890123456";
    f->m.text[MSG_CONTENT] = "Thanks!";
}

/* The example of the messaging document: content and image_url are two messages. */
static void test_text_and_image(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://example.com/promo.jpg");
    build_ok(&f);
    expect_url(&f, "https://graph.instagram.com/v23.0/17841400000000000/messages");
    expect_request(&f, "{\"recipient\":{\"id\":\"1234567890123456\"},\"message\":{\"text\":"
                       "\"Thanks!\"}}");
    o = judge(&f, 200, "", "{\"recipient_id\":\"1\",\"message_id\":\"aWdf1\"}");
    go_on(&f, &o);
    build_ok(&f);
    expect_request(&f, "{\"recipient\":{\"id\":\"1234567890123456\"},\"message\":{\"attachment\":{"
                       "\"type\":\"image\",\"payload\":{\"url\":\"https://example.com/promo.jpg\","
                       "\"is_reusable\":false}}}}");
    o = judge(&f, 200, "", "{\"message_id\":\"aWdf2\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "aWdf1");
    fixture_free(&f);
}

/* The second step is checked before the first one is sent. */
static void test_documents_are_refused_before_anything_is_sent(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://example.com/terms.pdf");
    build_fails(&f, "attachments: instagram cannot carry a file of this type");
    fixture_free(&f);
}

static void test_texts_are_counted_in_bytes(void **state)
{
    struct fixture f;
    char text[1010];

    (void)state;
    init(&f);
    for (unsigned i = 0; i < 501; i++)
        snprintf(text + (size_t)i * 2, 3, "\xc3\xa4");
    f.m.text[MSG_CONTENT] = text;
    build_fails(&f, "content: at most 1000 bytes");
    assert_string_equal(f.e.code, "too_large");
    text[1000] = '\0';
    build_ok(&f);
    fixture_free(&f);
}

static void test_every_code(void **state)
{
    static const struct answer_row rows[] = {
        {400, ERROR(190, 0), OUTCOME_AUTH, CODE_INVALID_KEY},
        {400, ERROR(10, 2534022), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {400, ERROR(10, 2018278), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {403, ERROR(10, 0), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(551, 1545041), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(100, 2018001), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(100, 0), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {403, ERROR(230, 0), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(3, 0), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(368, 0), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(4, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(17, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(32, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(613, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(80002, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(80006, 0), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(1, 0), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {500, ERROR(2, 0), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {500, ERROR(-1, 0), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(1200, 0), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(99999, 0), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {503, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
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
        cmocka_unit_test(test_text_and_image),
        cmocka_unit_test(test_documents_are_refused_before_anything_is_sent),
        cmocka_unit_test(test_texts_are_counted_in_bytes),
        cmocka_unit_test(test_every_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

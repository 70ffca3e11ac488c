/* Unit tests of whatsapp, from Meta's documentation of the Cloud API. */
#include "provider_test.h"

#define URL "https://graph.facebook.com/v23.0/106540352242922/"
#define HEAD(type)                                                                                 \
    "{\"messaging_product\":\"whatsapp\",\"recipient_type\":\"individual\",\"to\":\"+"             \
    "14155550100\","                                                                               \
    "\"biz_opaque_callback_data\":\"0190a5b0-0000-7000-8000-000000000001\"," type
#define SENT                                                                                       \
    "{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"input\":\"+14155550100\",\"wa_id\":"     \
    "\"14155550100\"}],\"messages\":[{\"id\":\"wamid.1\",\"message_status\":\"accepted\"}]}"
#define ERROR(code) "{\"error\":{\"message\":\"(#" #code ") Why\",\"code\":" #code "}}"

static void init(struct fixture *f)
{
    fixture_init(f, "whatsapp", "https://graph.facebook.com");
    set_value(f, "phone_number_id", "106540352242922");
    set_value(f, "token", "EAAtoken");
    f->m.channel = CHANNEL_WHATSAPP;
    f->m.text[MSG_RECIPIENT] = "+14155550100";
    f->m.text[MSG_CONTENT] = "Hi \"you\"";
}

static void test_text(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    build_ok(&f);
    assert_int_equal(f.r.method, HTTP_POST);
    expect_url(&f, URL "messages");
    assert_int_equal(f.r.header_count, 2);
    assert_string_equal(request_header_at(&f.r, 0), "Content-Type: application/json");
    assert_string_equal(request_header_at(&f.r, 1), "Authorization: Bearer EAAtoken");
    expect_request(&f, HEAD("\"type\":\"text\",\"text\":{\"body\":\"Hi \\\"you\\\"\","
                            "\"preview_url\":false}}"));
    assert_false(f.r.idempotent);
    f.m.text[MSG_REPLY_ID] = "wamid.0";
    build_ok(&f);
    expect_request(&f, HEAD("\"context\":{\"message_id\":\"wamid.0\"},\"type\":\"text\",\"text\":{"
                            "\"body\":\"Hi \\\"you\\\"\",\"preview_url\":false}}"));
    fixture_free(&f);
}

static void test_template(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_METADATA] = "{\"template\":{\"name\":\"order\",\"language\":\"de\","
                             "\"parameters\":[\"Jane\",12]}}";
    build_ok(&f);
    expect_request(&f, HEAD("\"type\":\"template\",\"template\":{\"name\":\"order\",\"language\":{"
                            "\"code\":\"de\"},\"components\":[{\"type\":\"body\",\"parameters\":["
                            "{\"type\":\"text\",\"text\":\"Jane\"},{\"type\":\"text\","
                            "\"text\":\"12\"}]}]}}"));
    f.m.text[MSG_METADATA] = "{\"template\":{\"name\":\"order\",\"language\":{\"code\":\"fr\"},"
                             "\"components\":[{\"type\":\"header\"}]}}";
    build_ok(&f);
    expect_request(&f, HEAD("\"type\":\"template\",\"template\":{\"name\":\"order\",\"language\":{"
                            "\"code\":\"fr\"},\"components\":[{\"type\":\"header\"}]}}"));
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_fails(&f, "attachments: a template has its files among its components");
    fixture_free(&f);
}

static void test_template_by_id(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_TEMPLATE_ID] = "hello_world";
    build_ok(&f); /* beside a text it has been filled in already */
    assert_non_null(strstr(buf_str(&f.r.body), "\"type\":\"text\""));
    f.m.text[MSG_CONTENT] = NULL;
    build_ok(&f);
    expect_request(&f, HEAD("\"type\":\"template\",\"template\":{\"name\":\"hello_world\","
                            "\"language\":{\"code\":\"en_US\"}}}"));
    expect_outcome(judge(&f, 200, "", SENT), OUTCOME_SENT, CODE_NONE);
    fixture_free(&f);
}

static void test_a_text_is_the_first_files_caption(void **state)
{
    struct fixture f;
    struct outcome o;
    struct attachment *a;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = "Look";
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.JPG?x=1");
    a = message_attachment_add(&f.m);
    a->url = "https://x.example/b";
    a->mime_type = "application/pdf";
    a->filename = "b.pdf";
    build_ok(&f);
    expect_request(&f,
                   HEAD("\"type\":\"image\",\"image\":{\"link\":\"https://x.example/a.JPG?x=1\","
                        "\"caption\":\"Look\"}}"));
    o = judge(&f, 200, "", SENT);
    go_on(&f, &o);
    build_ok(&f);
    expect_request(&f, HEAD("\"type\":\"document\",\"document\":{\"link\":\"https://x.example/b\","
                            "\"filename\":\"b.pdf\"}}"));
    o = judge(&f, 200, "", "{\"messages\":[{\"id\":\"wamid.2\"}]}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "wamid.1"); /* the first one's */
    fixture_free(&f);
}

static void test_audio_takes_no_caption(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.ogg");
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"type\":\"text\""));
    o = judge(&f, 200, "", SENT);
    go_on(&f, &o);
    build_ok(&f);
    expect_request(&f,
                   HEAD("\"type\":\"audio\",\"audio\":{\"link\":\"https://x.example/a.ogg\"}}"));
    fixture_free(&f);
}

static void test_upload(void **state)
{
    struct fixture f;
    struct outcome o;
    const char *body;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = NULL;
    add_file(&f, "a \"b\".png", "iVBORw0K");
    build_ok(&f);
    expect_url(&f, URL "media");
    assert_true(strncmp(request_header_at(&f.r, 0),
                        "Content-Type: multipart/form-data; boundary=", 44) == 0);
    body = buf_str(&f.r.body);
    assert_non_null(strstr(body, "name=\"messaging_product\"\r\n\r\nwhatsapp\r\n"));
    assert_non_null(strstr(body, "name=\"type\"\r\n\r\nimage/png\r\n"));
    assert_non_null(strstr(body, "name=\"file\"; filename=\"a %22b%22.png\"\r\n"
                                 "Content-Type: image/png\r\n\r\n\x89PNG\r\n\r\n--"));
    o = judge(&f, 200, "", "{\"id\":\"4490709327384033\"}");
    go_on(&f, &o);
    build_ok(&f);
    expect_url(&f, URL "messages");
    expect_request(&f, HEAD("\"type\":\"image\",\"image\":{\"id\":\"4490709327384033\"}}"));
    o = judge(&f, 200, "", SENT);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "wamid.1");
    fixture_free(&f);
}

/* Nothing was sent yet: an upload can be made again. */
static void test_upload_that_fails(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    add_file(&f, "a.png", "iVBORw0K");
    expect_outcome(judge(&f, 200, "", "<html>"), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 500, "", ERROR(2)), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 400, "", ERROR(131053)), OUTCOME_FAILED, CODE_VALIDATION_ERROR);
    fixture_free(&f);
}

/* The first file is there already: a repeat would send it twice. */
static void test_failure_midway(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/b.png");
    o = judge(&f, 200, "", "{\"messages\":[{\"id\":\"wamid.1\"}]}");
    assert_true(o.next.delivered);
    f.progress = o.next;
    o = judge(&f, 400, "Retry-After: 9\r\n", ERROR(130429));
    expect_outcome(o, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    assert_int_equal(o.retry_after_ms, 9000);
    assert_string_equal(o.text,
                        "after a part of it was sent: HTTP 400, code 130429: (#130429) Why");
    expect_outcome(judge(&f, 503, "", ""), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    expect_outcome(judge(&f, 400, "", ERROR(131052)), OUTCOME_FAILED, CODE_VALIDATION_ERROR);
    expect_outcome(judge(&f, 401, "", ERROR(190)), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    fixture_free(&f);
}

static void test_what_cannot_be_sent(void **state)
{
    struct fixture f;
    char text[4098];

    (void)state;
    init(&f);
    memset(text, 'x', 4097);
    text[4097] = '\0';
    f.m.text[MSG_CONTENT] = text;
    build_fails(&f, "content: at most 4096 characters");
    assert_string_equal(f.e.code, "too_large");
    text[4096] = '\0';
    build_ok(&f);
    f.m.text[MSG_SUBJECT] = "S";
    build_fails(&f, "subject: whatsapp cannot carry it");
    f.m.text[MSG_SUBJECT] = NULL;
    f.m.text[MSG_FROM] = "+14155550199";
    build_fails(&f, "from: whatsapp sends from its own account only");
    f.sender.from_address = "+14155550199";
    build_ok(&f);
    f.m.text[MSG_CONTENT] = NULL;
    build_fails(&f, "content: text or a file is required");
    message_attachment_add(&f.m)->storage_path = "a.png";
    build_fails(&f, "attachments[0]: whatsapp cannot carry a stored file");
    fixture_free(&f);
}

static void test_version(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    check_ok(&f);
    set_value(&f, "version", "v24.0");
    check_ok(&f);
    build_ok(&f);
    expect_url(&f, "https://graph.facebook.com/v24.0/106540352242922/messages");
    set_value(&f, "version", "24/../x");
    check_fails(&f, "version: expected a version like v23.0");
    fixture_free(&f);
}

static void test_sent(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "", SENT);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "wamid.1");
    o = judge(&f, 200, "", "garbage");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "");
    fixture_free(&f);
}

static void test_every_code(void **state)
{
    static const struct answer_row rows[] = {
        {401, ERROR(0), OUTCOME_AUTH, CODE_INVALID_KEY},
        {401, ERROR(190), OUTCOME_AUTH, CODE_INVALID_KEY},
        {500, ERROR(3), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {403, ERROR(10), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(33), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {403, ERROR(200), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(299), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(300), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {400, ERROR(368), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(4), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(80007), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(130429), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(131056), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {400, ERROR(131048), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {400, ERROR(131049), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {400, ERROR(130472), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {400, ERROR(131050), OUTCOME_FAILED, CODE_SUPPRESSED},
        {400, ERROR(1), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {500, ERROR(2), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(131000), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(131016), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(131057), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(133004), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR(100), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(131008), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(131009), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(131021), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(131051), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(131052), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(131053), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR(131026), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(131005), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(131030), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(131031), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(133010), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(131042), OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(131047), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {400, ERROR(132000), OUTCOME_FAILED, CODE_TEMPLATE_ERROR},
        {400, ERROR(132001), OUTCOME_FAILED, CODE_TEMPLATE_ERROR},
        {400, ERROR(132005), OUTCOME_FAILED, CODE_TEMPLATE_ERROR},
        {400, ERROR(132007), OUTCOME_FAILED, CODE_TEMPLATE_ERROR},
        {400, ERROR(132012), OUTCOME_FAILED, CODE_TEMPLATE_ERROR},
        {400, ERROR(132015), OUTCOME_FAILED, CODE_TEMPLATE_ERROR},
        {400, ERROR(132016), OUTCOME_FAILED, CODE_TEMPLATE_ERROR},
        /* not in the table: the status decides */
        {400, ERROR(999999), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {429, ERROR(999999), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {503, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {401, "", OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR(999999), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_ANSWERS(&f, rows);
    fixture_free(&f);
}

static void test_the_pair_rate_concerns_one_recipient(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 400, "", ERROR(131056));
    assert_int_equal(o.throttle, THROTTLE_RECIPIENT);
    assert_int_equal(o.retry_after_ms, 6000);
    o = judge(&f, 400, "Retry-After: 30\r\n", ERROR(130429));
    assert_int_equal(o.throttle, THROTTLE_SENDER);
    assert_int_equal(o.retry_after_ms, 30000);
    fixture_free(&f);
}

static void test_error_texts(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_string_equal(judge(&f, 400, "",
                              "{\"error\":{\"message\":\"(#100) Bad EAAtoken\",\"code\":100,"
                              "\"error_data\":{\"details\":\"to 106540352242922\"}}}")
                            .text,
                        "HTTP 400, code 100: (#100) Bad ***: to ***");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_template),
        cmocka_unit_test(test_template_by_id),
        cmocka_unit_test(test_a_text_is_the_first_files_caption),
        cmocka_unit_test(test_audio_takes_no_caption),
        cmocka_unit_test(test_upload),
        cmocka_unit_test(test_upload_that_fails),
        cmocka_unit_test(test_failure_midway),
        cmocka_unit_test(test_what_cannot_be_sent),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_sent),
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_the_pair_rate_concerns_one_recipient),
        cmocka_unit_test(test_error_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

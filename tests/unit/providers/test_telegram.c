/* Unit tests of telegram, from the documentation of the Bot API. */
#include "provider_test.h"

#define TOKEN "123456:ABC-DEF1234ghIkl"
#define URL "https://api.telegram.org/bot" TOKEN "/"
#define SENT "{\"ok\":true,\"result\":{\"message_id\":42,\"date\":1}}"
#define ERROR(code, words) "{\"ok\":false,\"error_code\":" #code ",\"description\":\"" words "\"}"

static void init(struct fixture *f)
{
    fixture_init(f, "telegram", "https://api.telegram.org");
    set_value(f, "token", TOKEN);
    f->m.channel = CHANNEL_TELEGRAM;
    f->m.text[MSG_RECIPIENT] = "123456789";
    f->m.text[MSG_CONTENT] = "Reminder";
}

static void test_text(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    build_ok(&f);
    expect_url(&f, URL "sendMessage");
    assert_int_equal(f.r.header_count, 1);
    assert_string_equal(request_header_at(&f.r, 0), "Content-Type: application/json");
    expect_request(&f, "{\"chat_id\":123456789,\"text\":\"Reminder\"}");
    o = judge(&f, 200, "", SENT);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "42");
    expect_outcome(judge(&f, 200, "", "garbage"), OUTCOME_SENT, CODE_NONE);
    f.m.text[MSG_RECIPIENT] = "@channel";
    build_ok(&f);
    expect_request(&f, "{\"chat_id\":\"@channel\",\"text\":\"Reminder\"}");
    fixture_free(&f);
}

static void test_options(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_THREAD_ID] = "7";
    f.m.text[MSG_REPLY_ID] = "41";
    set_value(&f, "parse_mode", "MarkdownV2");
    build_ok(&f);
    expect_request(&f, "{\"chat_id\":123456789,\"message_thread_id\":7,\"reply_parameters\":{"
                       "\"message_id\":41},\"text\":\"Reminder\",\"parse_mode\":\"MarkdownV2\"}");
    f.m.text[MSG_HTML] = "<b>Hi</b>";
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"text\":\"<b>Hi</b>\",\"parse_mode\":\"HTML\""));
    f.m.text[MSG_REPLY_ID] = "0190a5b0-0000-7000-8000-000000000001";
    build_fails(&f, "reply_id: telegram expects a number");
    f.m.text[MSG_REPLY_ID] = NULL;
    f.m.text[MSG_THREAD_ID] = "007";
    build_fails(&f, "thread_id: telegram expects a number");
    fixture_free(&f);
}

static void test_text_is_limited(void **state)
{
    struct fixture f;
    char text[8200];

    (void)state;
    init(&f);
    for (unsigned i = 0; i < 4097; i++)
        snprintf(text + (size_t)i * 2, 3, "\xd1\x84");
    f.m.text[MSG_CONTENT] = text;
    build_fails(&f, "content: at most 4096 characters");
    assert_string_equal(f.e.code, "too_large");
    text[8192] = '\0';
    build_ok(&f);
    fixture_free(&f);
}

static void test_one_file_by_url(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_ok(&f);
    expect_url(&f, URL "sendPhoto");
    expect_request(&f, "{\"chat_id\":123456789,\"caption\":\"Reminder\",\"photo\":"
                       "\"https://x.example/a.png\"}");
    expect_outcome(judge(&f, 200, "", SENT), OUTCOME_SENT, CODE_NONE);
    f.m.list[MSG_MEDIA].items[0] = "https://x.example/a.pdf";
    build_ok(&f);
    expect_url(&f, URL "sendDocument");
    fixture_free(&f);
}

/* Two photos are an album, the document behind them goes by itself. */
static void test_albums(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    set_value(&f, "parse_mode", "HTML");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/b.jpg");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/c.pdf");
    build_ok(&f);
    expect_url(&f, URL "sendMediaGroup");
    expect_request(&f,
                   "{\"chat_id\":123456789,\"media\":[{\"type\":\"photo\",\"media\":"
                   "\"https://x.example/a.png\",\"caption\":\"Reminder\",\"parse_mode\":\"HTML\"},"
                   "{\"type\":\"photo\",\"media\":\"https://x.example/b.jpg\"}]}");
    o = judge(&f, 200, "", "{\"ok\":true,\"result\":[{\"message_id\":7},{\"message_id\":8}]}");
    go_on(&f, &o);
    build_ok(&f);
    expect_url(&f, URL "sendDocument");
    expect_request(&f, "{\"chat_id\":123456789,\"document\":\"https://x.example/c.pdf\"}");
    expect_outcome(judge(&f, 429, "", ERROR(429, "x")), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    o = judge(&f, 200, "", SENT);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "7");
    fixture_free(&f);
}

static void test_an_album_holds_ten(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    for (unsigned i = 0; i < 11; i++)
        message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_ok(&f);
    expect_url(&f, URL "sendMediaGroup");
    o = judge(&f, 200, "", "{\"ok\":true,\"result\":[{\"message_id\":7}]}");
    go_on(&f, &o);
    build_ok(&f);
    expect_url(&f, URL "sendPhoto");
    expect_outcome(judge(&f, 200, "", SENT), OUTCOME_SENT, CODE_NONE);
    fixture_free(&f);
}

static void test_a_long_text_goes_before_the_file(void **state)
{
    struct fixture f;
    struct outcome o;
    char text[1026];

    (void)state;
    init(&f);
    memset(text, 'x', 1025);
    text[1025] = '\0';
    f.m.text[MSG_CONTENT] = text;
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_ok(&f);
    expect_url(&f, URL "sendMessage");
    o = judge(&f, 200, "", SENT);
    go_on(&f, &o);
    build_ok(&f);
    expect_request(&f, "{\"chat_id\":123456789,\"photo\":\"https://x.example/a.png\"}");
    fixture_free(&f);
}

static void test_upload(void **state)
{
    struct fixture f;
    const char *body;

    (void)state;
    init(&f);
    add_file(&f, "a.txt", "SGVsbG8=");
    build_ok(&f);
    expect_url(&f, URL "sendDocument");
    assert_true(strncmp(request_header_at(&f.r, 0),
                        "Content-Type: multipart/form-data; boundary=", 44) == 0);
    body = buf_str(&f.r.body);
    assert_non_null(strstr(body, "name=\"chat_id\"\r\n\r\n123456789\r\n"));
    assert_non_null(strstr(body, "name=\"caption\"\r\n\r\nReminder\r\n"));
    assert_non_null(strstr(body, "name=\"document\"; filename=\"a.txt\"\r\n"
                                 "Content-Type: text/plain\r\n\r\nHello\r\n--"));
    add_file(&f, "b.txt", "SGk=");
    build_ok(&f);
    expect_url(&f, URL "sendMediaGroup");
    body = buf_str(&f.r.body);
    assert_non_null(strstr(body, "\"media\":\"attach://file0\",\"caption\":\"Reminder\"}"));
    assert_non_null(strstr(body, "name=\"file1\"; filename=\"b.txt\""));
    f.m.attachments[0].content_base64 = "?";
    build_fails(&f, "attachments: content_base64 is not base64");
    fixture_free(&f);
}

/* The boundary is none that a file could hold. */
static void test_boundaries_depend_on_the_files(void **state)
{
    struct fixture f;
    char first[128];

    (void)state;
    init(&f);
    add_file(&f, "a.txt", "SGVsbG8=");
    build_ok(&f);
    snprintf(first, sizeof(first), "%s", request_header_at(&f.r, 0));
    build_ok(&f);
    assert_string_equal(request_header_at(&f.r, 0), first);
    f.m.attachments[0].content_base64 = "SGVsbG9v";
    build_ok(&f);
    assert_string_not_equal(request_header_at(&f.r, 0), first);
    fixture_free(&f);
}

static void test_a_group_that_moved(void **state)
{
    static const char moved[] =
        "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: group chat was upgraded "
        "to a supergroup chat\",\"parameters\":{\"migrate_to_chat_id\":-1001234567890}}";
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    f.m.text[MSG_RECIPIENT] = "-100";
    o = judge(&f, 400, "", moved);
    go_on(&f, &o);
    build_ok(&f);
    expect_request(&f, "{\"chat_id\":-1001234567890,\"text\":\"Reminder\"}");
    expect_outcome(judge(&f, 400, "", moved), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND); /* once */
    expect_outcome(judge(&f, 500, "", ""), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 200, "", SENT), OUTCOME_SENT, CODE_NONE);
    fixture_free(&f);
}

static void test_the_token_is_in_no_text(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_string_equal(judge(&f, 404, "", ERROR(404, "no bot" TOKEN)).text, "HTTP 404: no bot***");
    set_value(&f, "token", "12 3:abc");
    build_fails(&f, "token: expected a number, a colon and letters");
    check_fails(&f, "token: expected a number, a colon and letters");
    set_value(&f, "token", "123:abc/../x");
    check_fails(&f, "token: expected a number, a colon and letters");
    set_value(&f, "token", TOKEN);
    check_ok(&f);
    set_value(&f, "parse_mode", "Markdown");
    check_fails(&f, "parse_mode: expected HTML or MarkdownV2");
    fixture_free(&f);
}

static void test_waits_are_in_the_body(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 429, "",
              "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after "
              "17\",\"parameters\":{\"retry_after\":17}}");
    expect_outcome(o, OUTCOME_THROTTLED, CODE_RATE_LIMITED);
    assert_int_equal(o.retry_after_ms, 17000);
    o = judge(&f, 429, "", "{\"parameters\":{\"retry_after\":1e300}}");
    assert_int_equal(o.retry_after_ms, 0);
    o = judge(&f, 429, "", "{\"parameters\":{\"retry_after\":-5}}");
    assert_int_equal(o.retry_after_ms, 0);
    fixture_free(&f);
}

static void test_every_error(void **state)
{
    static const struct answer_row rows[] = {
        {401, ERROR(401, "Unauthorized"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {404, ERROR(404, "Not Found"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {403, ERROR(403, "Forbidden: bot was blocked by the user"), OUTCOME_FAILED,
         CODE_SUPPRESSED},
        {403, ERROR(403, "Forbidden: user is deactivated"), OUTCOME_FAILED,
         CODE_RECIPIENT_NOT_FOUND},
        {403, ERROR(403, "Forbidden: bot was kicked from the group chat"), OUTCOME_FAILED,
         CODE_INSUFFICIENT_PERMISSIONS},
        {403, ERROR(403, "Forbidden: bot can't initiate conversation with a user"), OUTCOME_FAILED,
         CODE_CONVERSATION_REQUIRED},
        {403, ERROR(403, "Forbidden: bots can't send messages to bots"), OUTCOME_FAILED,
         CODE_RECIPIENT_NOT_FOUND},
        {403, ERROR(403, "Forbidden: bot is not a member of the channel chat"), OUTCOME_FAILED,
         CODE_INSUFFICIENT_PERMISSIONS},
        {403, ERROR(403, "Forbidden: something new"), OUTCOME_FAILED,
         CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(400, "Bad Request: chat not found"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(400, "Bad Request: PEER_ID_INVALID"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {400, ERROR(400, "Bad Request: can't parse entities: x"), OUTCOME_FAILED,
         CODE_VALIDATION_ERROR},
        {400, ERROR(400, "Bad Request: message text is empty"), OUTCOME_FAILED,
         CODE_VALIDATION_ERROR},
        {400, ERROR(400, "Bad Request: message to be replied not found"), OUTCOME_FAILED,
         CODE_VALIDATION_ERROR},
        {400, ERROR(400, "Bad Request: message thread not found"), OUTCOME_FAILED,
         CODE_VALIDATION_ERROR},
        {400, ERROR(400, "Bad Request: failed to get HTTP URL content"), OUTCOME_FAILED,
         CODE_VALIDATION_ERROR},
        {400, ERROR(400, "Bad Request: wrong file identifier/HTTP URL specified"), OUTCOME_FAILED,
         CODE_VALIDATION_ERROR},
        {400, ERROR(400, "Bad Request: message is too long"), OUTCOME_FAILED, CODE_TOO_LARGE},
        {400, ERROR(400, "Bad Request: message caption is too long"), OUTCOME_FAILED,
         CODE_TOO_LARGE},
        {400, ERROR(400, "Bad Request: not enough rights to send text messages"), OUTCOME_FAILED,
         CODE_INSUFFICIENT_PERMISSIONS},
        {400, ERROR(400, "Bad Request: something new"), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {413, ERROR(413, "Request Entity Too Large"), OUTCOME_FAILED, CODE_TOO_LARGE},
        {500, ERROR(500, "Internal Server Error"), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {502, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {200, ERROR(400, "Bad Request: chat not found"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
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
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_text_is_limited),
        cmocka_unit_test(test_one_file_by_url),
        cmocka_unit_test(test_albums),
        cmocka_unit_test(test_an_album_holds_ten),
        cmocka_unit_test(test_a_long_text_goes_before_the_file),
        cmocka_unit_test(test_upload),
        cmocka_unit_test(test_boundaries_depend_on_the_files),
        cmocka_unit_test(test_a_group_that_moved),
        cmocka_unit_test(test_the_token_is_in_no_text),
        cmocka_unit_test(test_waits_are_in_the_body),
        cmocka_unit_test(test_every_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

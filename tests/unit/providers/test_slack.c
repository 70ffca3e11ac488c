/* Unit tests of slack, from the documentation of the Web API. */
#include "provider_test.h"

#define POSTED "{\"ok\":true,\"channel\":\"C01234567\",\"ts\":\"1503435956.000247\"}"
#define ERROR(error) "{\"ok\":false,\"error\":\"" error "\"}"

static void init(struct fixture *f)
{
    fixture_init(f, "slack", "https://slack.com");
    set_value(f, "token", "xoxb-token");
    f->m.channel = CHANNEL_SLACK;
    f->m.text[MSG_RECIPIENT] = "C01234567";
    f->m.text[MSG_CONTENT] = "*New* deal";
}

static void test_post_to_a_channel(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    build_ok(&f);
    expect_url(&f, "https://slack.com/api/chat.postMessage");
    assert_string_equal(request_header_at(&f.r, 0),
                        "Content-Type: application/json; charset=utf-8");
    assert_string_equal(request_header_at(&f.r, 1), "Authorization: Bearer xoxb-token");
    expect_request(&f, "{\"channel\":\"C01234567\",\"text\":\"*New* deal\"}");
    o = judge(&f, 200, "", POSTED);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "1503435956.000247");
    fixture_free(&f);
}

static void test_threads_and_names(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_ID] = "1.2";
    f.m.text[MSG_FROM_NAME] = "Sales";
    build_ok(&f);
    expect_request(&f, "{\"channel\":\"C01234567\",\"text\":\"*New* deal\",\"thread_ts\":\"1.2\","
                       "\"username\":\"Sales\"}");
    f.m.text[MSG_THREAD_ID] = "1.1"; /* the parent goes before what is answered */
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"thread_ts\":\"1.1\""));
    fixture_free(&f);
}

static void test_a_persons_conversation_is_opened_first(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    f.m.text[MSG_RECIPIENT] = "U0123";
    build_ok(&f);
    expect_url(&f, "https://slack.com/api/conversations.open");
    expect_request(&f, "{\"users\":\"U0123\"}");
    expect_outcome(judge(&f, 200, "", "<html>"), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 200, "", "{\"ok\":true,\"channel\":{}}"), OUTCOME_RETRY,
                   CODE_PROVIDER_ERROR);
    o = judge(&f, 200, "", "{\"ok\":true,\"channel\":{\"id\":\"D0123\"}}");
    go_on(&f, &o);
    build_ok(&f);
    expect_request(&f, "{\"channel\":\"D0123\",\"text\":\"*New* deal\"}");
    /* nothing was shown yet, so another try is safe */
    expect_outcome(judge(&f, 200, "", ERROR("internal_error")), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 200, "", POSTED), OUTCOME_SENT, CODE_NONE);
    fixture_free(&f);
}

static void test_blocks(void **state)
{
    static const char blocks[] =
        "[{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":\"a\"}}]";
    struct fixture f;
    char expected[256], content[256];

    (void)state;
    init(&f);
    snprintf(expected, sizeof(expected), "{\"channel\":\"C01234567\",\"blocks\":%s}", blocks);
    f.m.text[MSG_CONTENT] = blocks;
    build_ok(&f);
    expect_request(&f, expected);
    snprintf(content, sizeof(content), " %.*s", (int)strlen(blocks) - 2, blocks + 1);
    f.m.text[MSG_CONTENT] = content; /* one block */
    build_ok(&f);
    expect_request(&f, expected);
    snprintf(content, sizeof(content), "{\"text\":\"Fallback\",\"blocks\":%s}", blocks);
    snprintf(expected, sizeof(expected),
             "{\"channel\":\"C01234567\",\"text\":\"Fallback\",\"blocks\":%s}", blocks);
    f.m.text[MSG_CONTENT] = content;
    build_ok(&f);
    expect_request(&f, expected);
    fixture_free(&f);
}

static void test_other_json_is_text(void **state)
{
    static const char *const texts[] = {"{\"a\":1}", "[1,2]", "[]", "{broken",
                                        "[{\"type\":\"x\"}]"};
    struct fixture f;

    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        f.m.text[MSG_CONTENT] = texts[i];
        build_ok(&f);
        assert_non_null(strstr(buf_str(&f.r.body), "\"text\":"));
        assert_null(strstr(buf_str(&f.r.body), "\"blocks\":"));
    }
    fixture_free(&f);
}

static void test_files_by_url(void **state)
{
    struct fixture f;
    struct attachment *a;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    a = message_attachment_add(&f.m);
    a->url = "https://x.example/b";
    a->filename = "b.pdf";
    build_ok(&f);
    expect_request(&f, "{\"channel\":\"C01234567\",\"text\":\"*New* deal\",\"attachments\":[{"
                       "\"fallback\":\"https://x.example/a.png\",\"image_url\":"
                       "\"https://x.example/a.png\"},{\"fallback\":\"b.pdf\",\"title\":\"b.pdf\","
                       "\"title_link\":\"https://x.example/b\"}]}");
    expect_outcome(judge(&f, 200, "", POSTED), OUTCOME_SENT, CODE_NONE);
    fixture_free(&f);
}

/* A text, then a file: post, ask for a place, put the bytes there, share. */
static void test_a_file_goes_up_in_three_steps(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    f.m.text[MSG_THREAD_ID] = "1.1";
    add_file(&f, "a b.txt", "SGVsbG8=");
    o = judge(&f, 200, "", POSTED);
    go_on(&f, &o);
    build_ok(&f);
    expect_url(&f, "https://slack.com/api/files.getUploadURLExternal");
    assert_string_equal(request_header_at(&f.r, 0),
                        "Content-Type: application/x-www-form-urlencoded");
    expect_request(&f, "filename=a%20b.txt&length=5");
    o = judge(&f, 200, "",
              "{\"ok\":true,\"upload_url\":\"https://files.slack.com/upload/v1/ABC\","
              "\"file_id\":\"F123\"}");
    go_on(&f, &o);
    build_ok(&f);
    expect_url(&f, "https://files.slack.com/upload/v1/ABC");
    assert_int_equal(f.r.header_count, 1); /* no token: the URL is the permission */
    expect_request(&f, "Hello");
    o = judge(&f, 200, "", "OK - 5");
    go_on(&f, &o);
    build_ok(&f);
    expect_url(&f, "https://slack.com/api/files.completeUploadExternal");
    expect_request(&f, "{\"files\":[{\"id\":\"F123\",\"title\":\"a b.txt\"}],\"channel_id\":"
                       "\"C01234567\",\"thread_ts\":\"1.1\"}");
    o = judge(&f, 200, "", "{\"ok\":true,\"files\":[{\"id\":\"F123\"}]}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "1503435956.000247");
    expect_outcome(judge(&f, 429, "Retry-After: 3\r\n", ERROR("ratelimited")), OUTCOME_UNKNOWN,
                   CODE_OUTCOME_UNKNOWN); /* the text is there already */
    fixture_free(&f);
}

static void test_a_file_alone(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = NULL;
    add_file(&f, "a.txt", "SGVsbG8=");
    build_ok(&f);
    expect_url(&f, "https://slack.com/api/files.getUploadURLExternal");
    o = judge(&f, 200, "",
              "{\"ok\":true,\"upload_url\":\"https://files.slack.com/u\",\"file_id\":\"F123\"}");
    assert_false(o.next.delivered); /* a place for it, and later its bytes: nobody sees them */
    go_on(&f, &o);
    expect_outcome(judge(&f, 500, "", ""), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    o = judge(&f, 200, "", "OK");
    go_on(&f, &o);
    expect_outcome(judge(&f, 200, "", "garbage"), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN);
    o = judge(&f, 200, "", "{\"ok\":true}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "F123");
    fixture_free(&f);
}

/* The bytes go to https, or to the endpoint's own host. */
static void test_upload_urls(void **state)
{
    static const struct {
        const char *url;
        enum outcome_kind kind;
    } rows[] = {
        {"https://files.slack.com/u", OUTCOME_NEXT},
        {"http://127.0.0.1:8081/slack/upload/v1/F1", OUTCOME_NEXT},
        {"http://127.0.0.1:80812/slack/upload/v1/F1", OUTCOME_RETRY},
        {"http://10.0.0.1/u", OUTCOME_RETRY},
        {"file:///etc/passwd", OUTCOME_RETRY},
        {"https://files.slack.com/a b", OUTCOME_RETRY},
        {"", OUTCOME_RETRY},
    };
    struct fixture f;
    char body[256];

    (void)state;
    init(&f);
    f.sender.endpoint = "http://127.0.0.1:8081/slack";
    f.m.text[MSG_CONTENT] = NULL;
    add_file(&f, "a.txt", "SGVsbG8=");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(body, sizeof(body), "{\"ok\":true,\"upload_url\":\"%s\",\"file_id\":\"F1\"}",
                 rows[i].url);
        assert_int_equal(judge(&f, 200, "", body).kind, rows[i].kind);
    }
    fixture_free(&f);
}

static void test_what_cannot_be_sent(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_SUBJECT] = "S";
    build_fails(&f, "subject: slack cannot carry it");
    f.m.text[MSG_SUBJECT] = NULL;
    f.m.text[MSG_HTML] = "<p>";
    build_fails(&f, "html: slack cannot carry it");
    f.m.text[MSG_HTML] = NULL;
    f.m.text[MSG_CONTENT] = NULL;
    build_fails(&f, "content: text or a file is required");
    fixture_free(&f);
}

static void test_every_error(void **state)
{
    static const struct answer_row rows[] = {
        {200, ERROR("invalid_auth"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR("not_authed"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR("token_expired"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR("token_revoked"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR("account_inactive"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR("not_allowed_token_type"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {200, ERROR("channel_not_found"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, ERROR("user_not_found"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, ERROR("user_disabled"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, ERROR("cannot_dm_bot"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, ERROR("is_archived"), OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},
        {200, ERROR("not_in_channel"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {200, ERROR("restricted_action"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {200, ERROR("missing_scope"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {200, ERROR("ekm_access_denied"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {200, ERROR("msg_too_long"), OUTCOME_FAILED, CODE_TOO_LARGE},
        {200, ERROR("no_text"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, ERROR("too_many_attachments"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, ERROR("invalid_blocks"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, ERROR("internal_error"), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {200, ERROR("service_unavailable"), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {200, ERROR("request_timeout"), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {200, ERROR("fatal_error"), OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {429, ERROR("ratelimited"), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {200, ERROR("rate_limited"), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {200, ERROR("message_limit_exceeded"), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {200, ERROR("something_new"), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
        {200, "garbage", OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {200, "{}", OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {200, "", OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},
        {429, "", OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {503, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_ANSWERS(&f, rows);
    assert_int_equal(judge(&f, 429, "Retry-After: 30\r\n", ERROR("ratelimited")).retry_after_ms,
                     30000);
    assert_string_equal(judge(&f, 200, "", ERROR("is_archived")).text,
                        "HTTP 200, code is_archived");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post_to_a_channel),
        cmocka_unit_test(test_threads_and_names),
        cmocka_unit_test(test_a_persons_conversation_is_opened_first),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_other_json_is_text),
        cmocka_unit_test(test_files_by_url),
        cmocka_unit_test(test_a_file_goes_up_in_three_steps),
        cmocka_unit_test(test_a_file_alone),
        cmocka_unit_test(test_upload_urls),
        cmocka_unit_test(test_what_cannot_be_sent),
        cmocka_unit_test(test_every_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

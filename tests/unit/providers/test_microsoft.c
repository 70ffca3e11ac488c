/* microsoft: which requests a mail becomes, and what the answers mean. */
#include "mail_test.h"

#include "crypto.h"
#include <stdlib.h>

#define BASE "https://graph.microsoft.com/v1.0/users/s%40acme.example"

static void init(struct fixture *f)
{
    mail_init(f, "microsoft", "https://graph.microsoft.com");
    set_value(f, "tenant_id", "common");
    set_value(f, "client_id", "id");
    set_value(f, "client_secret", "client-secret");
    f->ctx.access_token = "eyJ.token";
}

static void expect_call(struct fixture *f, enum http_method method, const char *url)
{
    build_ok(f);
    assert_int_equal(f->r.method, method);
    assert_string_equal(buf_str(&f->r.url), url);
}

/* Answers the step that was built; the next one is due. */
static void step_on(struct fixture *f, int status, const char *body)
{
    struct outcome o = judge(f, status, "", body);

    expect_outcome(o, OUTCOME_NEXT, CODE_NONE);
    assert_int_equal(o.next.step, f->progress.step + 1);
    f->progress = o.next;
}

static char *mime_of(struct fixture *f)
{
    struct buf mime = {0};

    assert_int_equal(base64_decode(&mime, f->r.body.data, f->r.body.len, false), SQ_OK);
    return mime.data;
}

static void test_short_way(void **state)
{
    struct fixture f;
    struct outcome o;
    char *mime;

    (void)state;
    init(&f);
    mail_fill(&f);
    expect_call(&f, HTTP_POST, BASE "/sendMail");
    expect_header(&f, "Content-Type: text/plain");
    expect_header(&f, "Authorization: Bearer eyJ.token");
    assert_false(f.r.idempotent);
    mime = mime_of(&f);
    assert_non_null(strstr(mime, "\r\nBcc: e@x.example\r\n"));
    assert_non_null(strstr(mime, "\r\nIn-Reply-To: <m1@mail.example>\r\n"));
    free(mime);
    o = judge(&f, 202, "", "");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "<" MAIL_ID "@acme.example>");
    fixture_free(&f);
}

static void test_delegated_mailbox_is_me(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "refresh_token", "refresh-token");
    expect_call(&f, HTTP_POST, "https://graph.microsoft.com/v1.0/me/sendMail");
    fixture_free(&f);
}

static void test_draft_for_the_ids(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    set_value(&f, "drafts", "true");
    expect_call(&f, HTTP_POST, BASE "/messages");
    expect_header(&f, "Prefer: IdType=\"ImmutableId\"");
    assert_true(f.r.idempotent);
    step_on(&f, 201, "{\"id\":\"AAMk=1\",\"conversationId\":\"CONV\"}");
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D1/send");
    assert_int_equal(f.r.body.len, 0);
    assert_false(f.r.idempotent);
    o = judge(&f, 202, "", "");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "AAMk=1");
    assert_string_equal(o.thread_id, "CONV");
    fixture_free(&f);
}

static void test_reply_to_its_own_id(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_ID] = "AAMk=0";
    f.m.text[MSG_CONTENT] = "a < b\nc";
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D0/createReply");
    assert_string_equal(buf_str(&f.r.body),
                        "{\"message\":{\"toRecipients\":[{\"emailAddress\":{\"address\":"
                        "\"a@x.example\"}}],\"subject\":\"Hi\"},"
                        "\"comment\":\"a &lt; b<br>\\nc\"}");
    f.m.text[MSG_REPLY_MODE] = "reply_all";
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D0/createReplyAll");
    assert_null(strstr(buf_str(&f.r.body), "toRecipients"));
    fixture_free(&f);
}

static void test_reply_to_a_message_id(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_ID] = "<o'1@x>";
    f.m.text[MSG_REPLY_MODE] = "reply";
    expect_call(&f, HTTP_GET,
                BASE "/messages?$top=1&$select=id&$filter="
                     "internetMessageId%20eq%20%27%3Co%27%271%40x%3E%27");
    step_on(&f, 200, "{\"value\":[{\"id\":\"AAMk=0\"}]}");
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D0/createReply");
    step_on(&f, 201, "{\"id\":\"AAMk=1\",\"conversationId\":\"CONV\"}");
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D1/send");
    fixture_free(&f);
}

static void test_reply_to_what_is_not_there_has_headers(void **state)
{
    struct fixture f;
    char *mime;

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_ID] = "<1@x>";
    f.m.text[MSG_REPLY_MODE] = "reply";
    step_on(&f, 200, "{\"value\":[]}");
    expect_call(&f, HTTP_POST, BASE "/messages");
    mime = mime_of(&f);
    assert_non_null(strstr(mime, "\r\nIn-Reply-To: <1@x>\r\n"));
    free(mime);
    fixture_free(&f);
}

static void test_conversation(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_THREAD_ID] = "CONV=";
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.url), "&$orderby=receivedDateTime%20desc&$filter="
                                              "receivedDateTime%20ge%20"));
    assert_non_null(strstr(buf_str(&f.r.url), "conversationId%20eq%20%27CONV%3D%27"));
    expect_outcome(judge(&f, 200, "", "{\"value\":[]}"), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    step_on(&f, 200, "{\"value\":[{\"id\":\"AAMk=0\"}]}");
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D0/createReply");
    fixture_free(&f);
}

static void test_forward(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_FORWARD] = "{\"isForwarded\":true,\"emailMessageId\":\"AAMk=0\"}";
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D0/createForward");
    assert_non_null(strstr(buf_str(&f.r.body), "\"toRecipients\""));
    f.m.text[MSG_FORWARD] = "{\"isForwarded\":false}";
    expect_call(&f, HTTP_POST, BASE "/sendMail");
    fixture_free(&f);
}

/* 7 MB in pieces, and a small one beside it. */
static void test_large_attachments(void **state)
{
    const size_t bytes = 7000000, chunk = 2949120;
    struct fixture f;
    struct buf data = {0}, base64 = {0}, whole = {0};

    (void)state;
    init(&f);
    buf_reserve(&data, bytes);
    for (size_t i = 0; i < bytes; i++)
        data.data[i] = (char)(i * 7 >> 3);
    base64_encode(&base64, data.data, bytes);
    message_attachment_add(&f.m)->content_base64 = "JVBERg==";
    message_attachment_add(&f.m)->content_base64 = base64.data;
    f.m.attachments[1].filename = "big.bin";
    expect_call(&f, HTTP_POST, BASE "/messages");
    assert_true(f.r.body.len < 4096);
    step_on(&f, 201, "{\"id\":\"AAMk=1\",\"conversationId\":\"CONV\"}");
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D1/attachments");
    assert_non_null(strstr(buf_str(&f.r.body), "\"contentBytes\":\"JVBERg==\""));
    step_on(&f, 201, "{}");
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D1/attachments/createUploadSession");
    assert_string_equal(buf_str(&f.r.body),
                        "{\"AttachmentItem\":{\"attachmentType\":\"file\",\"name\":\"big.bin\","
                        "\"size\":7000000,\"contentType\":\"application/octet-stream\"}}");
    expect_outcome(judge(&f, 201, "", "{}"), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    step_on(&f, 201, "{\"uploadUrl\":\"https://up.example/s?authtoken=x\"}");
    for (size_t at = 0; at < bytes; at += chunk) {
        size_t end = at + chunk < bytes ? at + chunk : bytes;
        char range[100];

        expect_call(&f, HTTP_PUT, "https://up.example/s?authtoken=x");
        snprintf(range, sizeof(range), "Content-Range: bytes %zu-%zu/%zu", at, end - 1, bytes);
        expect_header(&f, range);
        for (unsigned i = 0; i < f.r.header_count; i++)
            assert_null(strstr(request_header_at(&f.r, i), "Authorization"));
        buf_add(&whole, f.r.body.data, f.r.body.len);
        expect_outcome(judge(&f, 404, "", "{}"), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
        step_on(&f, end == bytes ? 201 : 200, "{}");
    }
    assert_int_equal(whole.len, bytes);
    assert_memory_equal(whole.data, data.data, bytes);
    expect_call(&f, HTTP_POST, BASE "/messages/AAMk%3D1/send");
    buf_free(&data);
    buf_free(&base64);
    buf_free(&whole);
    fixture_free(&f);
}

/* Real ones have two kilobytes. */
static void test_long_upload_url(void **state)
{
    struct fixture f;
    struct buf url = {0}, body = {0};
    char *big = malloc((6 << 20) + 1);

    (void)state;
    init(&f);
    memset(big, 'A', 6 << 20);
    big[6 << 20] = '\0';
    message_attachment_add(&f.m)->content_base64 = big;
    step_on(&f, 201, "{\"id\":\"AAMk=1\"}");
    buf_adds(&url, "https://up.example/?t=");
    for (int i = 0; i < 2500; i++)
        buf_addc(&url, (char)('a' + i % 26));
    buf_addf(&body, "{\"uploadUrl\":\"%s\"}", buf_str(&url));
    step_on(&f, 201, buf_str(&body));
    expect_call(&f, HTTP_PUT, buf_str(&url));
    free(big);
    buf_free(&url);
    buf_free(&body);
    fixture_free(&f);
}

static void test_oauth(void **state)
{
    struct fixture f;
    struct provider_oauth o = {0};

    (void)state;
    init(&f);
    check_ok(&f);
    assert_true(f.sender.provider->oauth(&f.sender, &o));
    assert_int_equal(o.grant, OAUTH_CLIENT_CREDENTIALS);
    assert_string_equal(o.token_url, "https://login.microsoftonline.com/common/oauth2/v2.0/token");
    assert_string_equal(o.scope, "https://graph.microsoft.com/.default");
    set_value(&f, "refresh_token", "refresh-token");
    assert_true(f.sender.provider->oauth(&f.sender, &o));
    assert_int_equal(o.grant, OAUTH_REFRESH_TOKEN);
    assert_non_null(strstr(o.scope, "offline_access"));
    set_value(&f, "tenant_id", "evil/../");
    check_fails(&f, "tenant_id: expected an id or a domain");
    fixture_free(&f);
}

#define ERROR(code) "{\"error\":{\"code\":\"" code "\",\"message\":\"m\"}}"

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        {400, NULL, ERROR("ErrorInvalidRecipients"), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {401, NULL, ERROR("InvalidAuthenticationToken"), OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {403, NULL, ERROR("ErrorSendAsDenied"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0},
        {404, NULL, ERROR("ErrorItemNotFound"), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {413, NULL, "", OUTCOME_FAILED, CODE_TOO_LARGE, 0},
        {429, "HTTP/1.1 429\r\nRetry-After: 12\r\n", ERROR("UnknownError"), OUTCOME_THROTTLED,
         CODE_RATE_LIMITED, 12000},
        {429, NULL, ERROR("ErrorItemNotFound"), OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0},
        {400, NULL, ERROR("ErrorMessageSubmissionBlocked"), OUTCOME_THROTTLED, CODE_RATE_LIMITED,
         3600000},
        {503, "HTTP/1.1 503\r\nRetry-After: 3\r\n", "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 3000},
        {504, NULL, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
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
        cmocka_unit_test(test_short_way),
        cmocka_unit_test(test_delegated_mailbox_is_me),
        cmocka_unit_test(test_draft_for_the_ids),
        cmocka_unit_test(test_reply_to_its_own_id),
        cmocka_unit_test(test_reply_to_a_message_id),
        cmocka_unit_test(test_reply_to_what_is_not_there_has_headers),
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_large_attachments),
        cmocka_unit_test(test_long_upload_url),
        cmocka_unit_test(test_oauth),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

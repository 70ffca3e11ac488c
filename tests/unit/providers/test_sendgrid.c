/* Unit tests of sendgrid, from the documentation of v3 Mail Send. */
#include "provider_test.h"
#include "provider_util.h"

#define ID "0190a5b0-0000-7000-8000-000000000001"
#define ARGS "\"custom_args\":{\"sendq_id\":\"" ID "\"}"
#define FROM "\"from\":{\"email\":\"s@acme.example\",\"name\":\"Acme\"}"
#define REST "\"subject\":\"Hi\",\"content\":[{\"type\":\"text/plain\",\"value\":\"text\"}]"

static void init(struct fixture *f)
{
    fixture_init(f, "sendgrid", "https://api.sendgrid.com");
    set_value(f, "api_key", "SG.key");
    f->sender.from_address = "s@acme.example";
    f->sender.from_name = "Acme";
    f->m.channel = CHANNEL_EMAIL;
    f->m.text[MSG_RECIPIENT] = "a@x.example";
    f->m.text[MSG_SUBJECT] = "Hi";
    f->m.text[MSG_CONTENT] = "text";
}

/* The body is what is expected, and JSON. */
static void expect_body(struct fixture *f, const char *body)
{
    static const struct json_limits limits = {.max_bytes = 0};
    cJSON *json = NULL;

    build_ok(f);
    assert_string_equal(buf_str(&f->r.body), body);
    assert_int_equal(json_parse(buf_str(&f->r.body), f->r.body.len, &limits, &json, NULL), SQ_OK);
    json_free(json);
}

static void test_smallest_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_body(&f, "{\"personalizations\":[{\"to\":[{\"email\":\"a@x.example\"}]," ARGS "}]," FROM
                    "," REST "}");
    assert_int_equal(f.r.method, HTTP_POST);
    assert_string_equal(buf_str(&f.r.url), "https://api.sendgrid.com/v3/mail/send");
    assert_int_equal(f.r.header_count, 3);
    assert_string_equal(request_header_at(&f.r, 0), "Content-Type: application/json");
    assert_string_equal(request_header_at(&f.r, 1), "Accept: application/json");
    assert_string_equal(request_header_at(&f.r, 2), "Authorization: Bearer SG.key");
    assert_false(f.r.idempotent);
    fixture_free(&f);
}

static void test_full_mail(void **state)
{
    struct fixture f;
    struct attachment *a;

    (void)state;
    init(&f);
    f.m.text[MSG_RECIPIENT] = "Ann <a@x.example>, \"B, C\" <b@x.example>";
    f.m.text[MSG_FROM] = "other@acme.example";
    f.m.text[MSG_FROM_NAME] = "Other";
    f.m.text[MSG_REPLY_TO] = "Desk <desk@acme.example>";
    f.m.text[MSG_HTML] = "<p>\"html\"</p>";
    f.m.text[MSG_REPLY_ID] = "<m1@mail.example>";
    f.m.text[MSG_METADATA] = "{\"campaign\":\"spring\",\"n\":3,\"o\":{\"a\":[true]}}";
    message_list_add(&f.m, MSG_CC, "c@x.example");
    message_list_add(&f.m, MSG_CC, "Dee <d@x.example>");
    message_list_add(&f.m, MSG_BCC, "e@x.example");
    a = message_attachment_add(&f.m);
    a->filename = "a.pdf";
    a->mime_type = "application/pdf";
    a->content_base64 = "JVBERg==";
    a = message_attachment_add(&f.m);
    a->content_id = "logo";
    a->content_base64 = "AAAA";
    expect_body(&f,
                "{\"personalizations\":[{\"to\":[{\"email\":\"a@x.example\",\"name\":\"Ann\"},"
                "{\"email\":\"b@x.example\",\"name\":\"B, C\"}],"
                "\"cc\":[{\"email\":\"c@x.example\"},{\"email\":\"d@x.example\",\"name\":\"Dee\"}],"
                "\"bcc\":[{\"email\":\"e@x.example\"}],"
                "\"custom_args\":{\"campaign\":\"spring\",\"n\":\"3\",\"o\":\"{\\\"a\\\":[true]}\","
                "\"sendq_id\":\"" ID "\"}}],"
                "\"from\":{\"email\":\"other@acme.example\",\"name\":\"Other\"},"
                "\"reply_to\":{\"email\":\"desk@acme.example\",\"name\":\"Desk\"},"
                "\"subject\":\"Hi\",\"content\":[{\"type\":\"text/plain\",\"value\":\"text\"},"
                "{\"type\":\"text/html\",\"value\":\"<p>\\\"html\\\"</p>\"}],"
                "\"attachments\":[{\"content\":\"JVBERg==\",\"type\":\"application/pdf\","
                "\"filename\":\"a.pdf\",\"disposition\":\"attachment\"},"
                "{\"content\":\"AAAA\",\"filename\":\"attachment\",\"disposition\":\"inline\","
                "\"content_id\":\"logo\"}],"
                "\"headers\":{\"In-Reply-To\":\"<m1@mail.example>\","
                "\"References\":\"<m1@mail.example>\"}}");
    fixture_free(&f);
}

static void test_html_alone(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = NULL;
    f.m.text[MSG_HTML] = "<p>";
    build_ok(&f);
    assert_non_null(
        strstr(buf_str(&f.r.body), "\"content\":[{\"type\":\"text/html\",\"value\":\"<p>\"}]"));
    fixture_free(&f);
}

static void test_an_address_stands_once(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_RECIPIENT] = "a@x.example, A@X.example";
    message_list_add(&f.m, MSG_CC, "Ann <a@x.example>");
    message_list_add(&f.m, MSG_BCC, "b@x.example");
    expect_body(&f, "{\"personalizations\":[{\"to\":[{\"email\":\"a@x.example\"}],"
                    "\"bcc\":[{\"email\":\"b@x.example\"}]," ARGS "}]," FROM "," REST "}");
    fixture_free(&f);
}

static void test_several_reply_to_addresses(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_TO] = "r1@x.example, R <r2@x.example>";
    expect_body(&f, "{\"personalizations\":[{\"to\":[{\"email\":\"a@x.example\"}]," ARGS "}]," FROM
                    ",\"reply_to_list\":[{\"email\":\"r1@x.example\"},"
                    "{\"email\":\"r2@x.example\",\"name\":\"R\"}]," REST "}");
    fixture_free(&f);
}

static void test_thread_headers_only_for_message_ids(void **state)
{
    static const char *const other[] = {"msg123", "<a>",  "a b@x", "@x",   "x@",
                                        "<@x>",   "<x@>", "<a@x",  "a@x>", "a@x\"y"};
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_ID] = "m2@mail.example";
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"headers\":{\"In-Reply-To\":"
                                               "\"<m2@mail.example>\",\"References\":"
                                               "\"<m2@mail.example>\"}"));
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        f.m.text[MSG_REPLY_ID] = other[i];
        build_ok(&f);
        assert_null(strstr(buf_str(&f.r.body), "headers"));
    }
    fixture_free(&f);
}

static void test_what_cannot_be_sent(void **state)
{
    struct fixture f;
    struct attachment *a;

    (void)state;
    init(&f);
    f.sender.from_address = NULL;
    build_fails(&f, "from: neither the message nor its sender has a from address");
    f.sender.from_address = "nobody";
    build_fails(&f, "from: must be one email address");
    f.sender.from_address = "s@acme.example";
    f.m.text[MSG_RECIPIENT] = "a@x.example, nobody";
    build_fails(&f, "recipient: holds an address without @ (at byte 19)");
    f.m.text[MSG_RECIPIENT] = " , ";
    build_fails(&f, "recipient: holds an empty address (at byte 1)");
    f.m.text[MSG_RECIPIENT] = "a@x.example";
    f.m.text[MSG_SUBJECT] = NULL;
    build_fails(&f, "subject: sendgrid requires one");
    f.m.text[MSG_SUBJECT] = "Hi";
    f.m.text[MSG_CONTENT] = "";
    build_fails(&f, "content: text or html is required");
    f.m.text[MSG_CONTENT] = "text";
    f.m.text[MSG_REPLY_TO] = "r@x.example, nobody";
    build_fails(&f, "reply_to: holds an address without @ (at byte 19)");
    f.m.text[MSG_REPLY_TO] = NULL;
    f.m.text[MSG_METADATA] = "[]";
    build_fails(&f, "metadata: expected a JSON object");
    f.m.text[MSG_METADATA] = "{\"sendq_id\":\"mine\"}";
    build_fails(&f, "metadata: the name sendq_id is taken");
    f.m.text[MSG_METADATA] = NULL;
    message_attachment_add(&f.m)->content_base64 = "AAAA";
    a = message_attachment_add(&f.m);
    a->filename = "b.pdf";
    a->url = "https://x.example/b.pdf";
    build_fails(&f, "attachments[1].content_base64: is required: only content_base64 can be sent");
    fixture_free(&f);
}

static void test_custom_args_are_capped(void **state)
{
    struct fixture f;
    char value[10000], metadata[10100];

    (void)state;
    init(&f);
    memset(value, 'x', sizeof(value));
    snprintf(metadata, sizeof(metadata), "{\"k\":\"%.9800s\"}", value);
    f.m.text[MSG_METADATA] = metadata;
    build_ok(&f);
    snprintf(metadata, sizeof(metadata), "{\"k\":\"%.9950s\"}", value);
    build_fails(&f, "metadata: sendgrid takes at most 10000 bytes");
    fixture_free(&f);
}

static void test_a_body_over_its_cap_is_too_large(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.r.body.max = 100;
    build_fails(&f, "the request is too large");
    assert_string_equal(f.e.code, "too_large");
    fixture_free(&f);
}

static void test_accepted(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 202, "HTTP/1.1 202 Accepted\r\nX-Message-Id: 14c5d75ce93.dfd.64b469\r\n", "");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "14c5d75ce93.dfd.64b469");
    o = judge(&f, 200, "HTTP/1.1 200 OK\r\n", ""); /* sandbox mode */
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "");
    fixture_free(&f);
}

static void test_refusals(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum outcome_kind kind;
        enum error_code code;
        const char *text;
    } rows[] = {
        {400, "{\"errors\":[{\"message\":\"invalid request\",\"field\":\"null\"}]}", OUTCOME_FAILED,
         CODE_PROVIDER_ERROR, "HTTP 400: invalid request"},
        {400,
         "{\"errors\":[{\"message\":\"Does not contain a valid address.\",\"field\":"
         "\"from.email\",\"help\":null},{\"message\":\"second\",\"field\":null}]}",
         OUTCOME_FAILED, CODE_PROVIDER_ERROR,
         "HTTP 400: Does not contain a valid address. (from.email); second"},
        {401, "{\"errors\":[{\"message\":\"authorization required\",\"field\":\"null\"}]}",
         OUTCOME_AUTH, CODE_INVALID_KEY, "HTTP 401: authorization required"},
        {403, "{\"errors\":[{\"message\":\"access forbidden\",\"field\":\"null\"}]}",
         OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, "HTTP 403: access forbidden"},
        {404, "{\"errors\":[{\"message\":\"not found\"}]}", OUTCOME_FAILED, CODE_PROVIDER_ERROR,
         "HTTP 404: not found"},
        {405, "{\"errors\":[{\"message\":\"method not allowed\"}]}", OUTCOME_FAILED,
         CODE_PROVIDER_ERROR, "HTTP 405: method not allowed"},
        {406, "", OUTCOME_FAILED, CODE_PROVIDER_ERROR, "HTTP 406"},
        {413, "{\"errors\":[{\"message\":\"content too large\"}]}", OUTCOME_FAILED, CODE_TOO_LARGE,
         "HTTP 413: content too large"},
        {500, "{\"errors\":[{\"message\":\"internal server error\"}]}", OUTCOME_RETRY,
         CODE_PROVIDER_ERROR, "HTTP 500: internal server error"},
        {503, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR, "HTTP 503"},
        {400, "{\"errors\":\"x\"}", OUTCOME_FAILED, CODE_PROVIDER_ERROR, "HTTP 400"},
        {400, "{\"errors\":[1,{}]}", OUTCOME_FAILED, CODE_PROVIDER_ERROR, "HTTP 400"},
        {400, "{\"errors\":[{\"message\":\"key SG.key is bad\"}]}", OUTCOME_FAILED,
         CODE_PROVIDER_ERROR, "HTTP 400: key *** is bad"},
    };
    struct fixture f;

    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome o = judge(&f, rows[i].status, "", rows[i].body);

        expect_outcome(o, rows[i].kind, rows[i].code);
        assert_string_equal(o.text, rows[i].text);
    }
    fixture_free(&f);
}

static void expect_wait(struct fixture *f, const char *header, int64_t ms)
{
    char head[128];
    struct outcome o;

    snprintf(head, sizeof(head), "HTTP/1.1 429 Too Many Requests\r\n%s\r\n", header);
    o = judge(f, 429, head, "{\"errors\":[{\"message\":\"too many requests\"}]}");
    expect_outcome(o, OUTCOME_THROTTLED, CODE_RATE_LIMITED);
    assert_int_equal(o.retry_after_ms, ms);
}

static void test_throttled(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_wait(&f, "X-RateLimit-Reset: 1614265340", 9877); /* now is ...330.123 */
    expect_wait(&f, "X-RateLimit-Reset: 1614265330", 0);
    expect_wait(&f, "X-RateLimit-Reset: 9223372036854775807", 0);
    expect_wait(&f, "X-RateLimit-Reset: 99999999999", 86400000);
    expect_wait(&f, "X-RateLimit-Reset: soon", 0);
    expect_wait(&f, "Retry-After: 5\r\nX-RateLimit-Reset: 1614265340", 5000);
    expect_wait(&f, "X-Other: 1", 0);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_mail),
        cmocka_unit_test(test_full_mail),
        cmocka_unit_test(test_html_alone),
        cmocka_unit_test(test_an_address_stands_once),
        cmocka_unit_test(test_several_reply_to_addresses),
        cmocka_unit_test(test_thread_headers_only_for_message_ids),
        cmocka_unit_test(test_what_cannot_be_sent),
        cmocka_unit_test(test_custom_args_are_capped),
        cmocka_unit_test(test_a_body_over_its_cap_is_too_large),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_throttled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

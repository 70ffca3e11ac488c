/* Unit tests of the webhook sender: body, templates, signature, answers and its checks. */
#include "provider_test.h"

#define ID "0190a5b0-0000-7000-8000-000000000001"
/* The example of the Standard Webhooks reference libraries, and a second key: bytes 0 to 23. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECRET2 "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
#define ENDPOINT "https://hooks.x.example/in"

static void init(struct fixture *f)
{
    fixture_init(f, "webhook", ENDPOINT);
    f->m.channel = CHANNEL_CUSTOM;
    f->m.queued_at = NOW_MS;
    f->m.text[MSG_RECIPIENT] = "user-1";
    f->m.text[MSG_CONTENT] = "say \"hi\"\n& go";
}

static void expect_template(struct fixture *f, const char *template, const char *body)
{
    set_value(f, "body", template);
    check_ok(f);
    build_ok(f);
    assert_string_equal(buf_str(&f->r.body), body);
}

static void test_default_request(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    build_ok(&f);
    assert_int_equal(f.r.method, HTTP_POST);
    assert_string_equal(buf_str(&f.r.url), ENDPOINT);
    assert_true(f.r.idempotent);
    assert_int_equal(f.r.header_count, 3);
    assert_string_equal(request_header_at(&f.r, 0), "Content-Type: application/json");
    assert_string_equal(request_header_at(&f.r, 1), "webhook-id: " ID);
    assert_string_equal(request_header_at(&f.r, 2), "webhook-timestamp: 1614265330");
    assert_string_equal(
        buf_str(&f.r.body),
        "{\"id\":\"" ID "\",\"channel\":\"custom\",\"message_type\":\"TRANSACTIONAL\","
        "\"priority\":\"HIGH\",\"queued_at\":\"2021-02-25T15:02:10.123Z\",\"sender\":\"main\","
        "\"recipient\":\"user-1\",\"content\":\"say \\\"hi\\\"\\n& go\"}");
    fixture_free(&f);
}

static void test_default_body_holds_all_fields(void **state)
{
    struct fixture f;
    struct attachment *a;

    (void)state;
    init(&f);
    f.sender.from_address = "bot";
    f.sender.from_name = "Bot";
    f.m.text[MSG_CONTENT] = "c";
    f.m.text[MSG_SUBJECT] = "s";
    f.m.text[MSG_HTML] = "h";
    f.m.text[MSG_THREAD_ID] = "t";
    f.m.text[MSG_CONTACT_ID] = "co";
    f.m.text[MSG_DEAL_ID] = "de";
    f.m.text[MSG_METADATA] = "{\"a\":1}";
    message_list_add(&f.m, MSG_MEDIA, "https://x/1");
    message_list_add(&f.m, MSG_MEDIA, "https://x/2");
    a = message_attachment_add(&f.m);
    a->filename = "f";
    a->url = "https://x/f";
    build_ok(&f);
    assert_string_equal(
        buf_str(&f.r.body),
        "{\"id\":\"" ID "\",\"channel\":\"custom\",\"message_type\":\"TRANSACTIONAL\","
        "\"priority\":\"HIGH\",\"queued_at\":\"2021-02-25T15:02:10.123Z\",\"sender\":\"main\","
        "\"recipient\":\"user-1\",\"from\":\"bot\",\"sender_name\":\"Bot\",\"subject\":\"s\","
        "\"content\":\"c\",\"html\":\"h\",\"media_urls\":[\"https://x/1\",\"https://x/2\"],"
        "\"attachments\":[{\"filename\":\"f\",\"url\":\"https://x/f\"}],\"thread_id\":\"t\","
        "\"contact_id\":\"co\",\"deal_id\":\"de\",\"metadata\":{\"a\":1}}");
    a->url = NULL;
    a->storage_path = "secret/path";
    build_fails(&f, "attachments[0]: a webhook cannot carry a stored file");
    fixture_free(&f);
}

static void test_default_form(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "content_type", "form");
    message_list_add(&f.m, MSG_MEDIA, "https://x/1");
    message_list_add(&f.m, MSG_MEDIA, "https://x/2");
    f.m.text[MSG_METADATA] = "{\"a\":1}";
    build_ok(&f);
    assert_string_equal(request_header_at(&f.r, 0),
                        "Content-Type: application/x-www-form-urlencoded");
    assert_string_equal(buf_str(&f.r.body),
                        "id=" ID "&channel=custom&message_type=TRANSACTIONAL&priority=HIGH"
                        "&queued_at=2021-02-25T15%3A02%3A10.123Z&sender=main&recipient=user-1"
                        "&content=say%20%22hi%22%0A%26%20go"
                        "&media_urls=https%3A%2F%2Fx%2F1&media_urls=https%3A%2F%2Fx%2F2"
                        "&metadata=%7B%22a%22%3A1%7D");
    fixture_free(&f);
}

static void test_url_and_method(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "url", "/v1/messages?x=1");
    set_value(&f, "method", "put");
    check_ok(&f);
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.url), ENDPOINT "/v1/messages?x=1");
    assert_int_equal(f.r.method, HTTP_PUT);
    set_value(&f, "url", "http://other.example/x");
    set_value(&f, "method", "PATCH");
    check_ok(&f);
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.url), "http://other.example/x");
    assert_int_equal(f.r.method, HTTP_PATCH);
    fixture_free(&f);
}

static void test_json_template(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_template(&f, "{\"to\": \"{{recipient}}\", \"text\":\"> {{ content }}\"}",
                    "{\"to\": \"user-1\", \"text\":\"> say \\\"hi\\\"\\n& go\"}");
    /* absent: nothing inside quotes, null outside */
    expect_template(&f, "{\"s\":\"{{subject}}\",\"h\":{{html}},\"m\":{{metadata}},\"u\":{{cc}}}",
                    "{\"s\":\"\",\"h\":null,\"m\":null,\"u\":[]}");
    f.m.text[MSG_METADATA] = "{\"a\":\"b\"}";
    f.m.text[MSG_SUBJECT] = "{{content}} \\ {{";
    message_list_add(&f.m, MSG_CC, "x");
    message_list_add(&f.m, MSG_CC, "y\"");
    expect_template(&f, "[{{metadata}}, \"{{metadata}}\", {{cc}}, \"{{cc}}\", {{subject}}]",
                    "[{\"a\":\"b\"}, \"{\\\"a\\\":\\\"b\\\"}\", [\"x\",\"y\\\"\"], \"x,y\\\"\", "
                    "\"{{content}} \\\\ {{\"]");
    /* an escaped quote does not end the string it stands in */
    expect_template(&f, "{\"a\":\"\\\"{{recipient}}\\\\\",\"b\":{{recipient}}}",
                    "{\"a\":\"\\\"user-1\\\\\",\"b\":\"user-1\"}");
    fixture_free(&f);
}

static void test_form_template(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "content_type", "form");
    expect_template(&f, "to={{recipient}}&text={{content}}&s={{subject}}",
                    "to=user-1&text=say%20%22hi%22%0A%26%20go&s=");
    fixture_free(&f);
}

static void test_files_need_a_place_in_the_template(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "body", "{\"t\":{{content}}}");
    message_list_add(&f.m, MSG_MEDIA, "https://x/1");
    build_fails(&f, "media_urls: the sender's body template has no place for it");
    set_value(&f, "body", "{\"t\":{{content}},\"m\":{{media_urls}}}");
    build_ok(&f);
    message_attachment_add(&f.m)->url = "https://x/2";
    build_fails(&f, "attachments: the sender's body template has no place for it");
    fixture_free(&f);
}

static void test_signature(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    snprintf(f.m.id, sizeof(f.m.id), "msg_p5jXN8AQM9LWM0D4loKWxJek");
    set_value(&f, "body", "{\"test\": 2432232314}");
    set_value(&f, "secret", SECRET);
    check_ok(&f);
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.body), "{\"test\": 2432232314}");
    assert_string_equal(request_header_at(&f.r, 1), "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_string_equal(request_header_at(&f.r, 2), "webhook-timestamp: 1614265330");
    assert_string_equal(request_header_at(&f.r, 3),
                        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    set_value(&f, "secret", SECRET "  " SECRET2);
    check_ok(&f);
    build_ok(&f);
    assert_string_equal(request_header_at(&f.r, 3),
                        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
                        "v1,/485aUtxlie+TIScVpHggMfqOB4so2KWb7+Gf727B44=");
    fixture_free(&f);
}

/* id.timestamp.body: a dot in the id could move the borders. */
static void test_an_id_with_dots_is_replaced(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    snprintf(f.m.id, sizeof(f.m.id), "order.17");
    build_ok(&f);
    assert_string_equal(request_header_at(&f.r, 1),
                        "webhook-id: 2ac5737e-360a-5367-b1d3-4f6b03072a9f");
    o = judge(&f, 204, "", "");
    assert_string_equal(o.provider_message_id, "2ac5737e-360a-5367-b1d3-4f6b03072a9f");
    fixture_free(&f);
}

static void test_extra_headers(void **state)
{
    const char *lines[] = {"Authorization: Bearer abc", "X-Team:  support"};
    struct fixture f;

    (void)state;
    init(&f);
    f.sender.headers = lines;
    f.sender.header_count = 2;
    check_ok(&f);
    build_ok(&f);
    assert_string_equal(request_header_at(&f.r, 3), "Authorization: Bearer abc");
    assert_string_equal(request_header_at(&f.r, 4), "X-Team: support");
    lines[1] = "X-Team: a\r\nX-Evil: b";
    check_fails(&f, "headers: not a header that can be sent: X-Team");
    lines[1] = "no colon";
    check_fails(&f, "headers: expected \"Name: value\"");
    lines[1] = "Webhook-Id: mine";
    check_fails(&f, "headers: Webhook-Id is set by the request itself");
    lines[1] = "host: x";
    check_fails(&f, "headers: host is set by the request itself");
    fixture_free(&f);
}

static void test_default_answers(void **state)
{
    static const char wait[] = "HTTP/1.1 x\r\nRetry-After: 9\r\n";
    static const struct {
        int status;
        const char *head;
        enum outcome_kind kind;
        enum error_code code;
        int wait_ms;
    } rows[] = {
        {200, "", OUTCOME_SENT, CODE_NONE, 0},
        {204, "", OUTCOME_SENT, CODE_NONE, 0},
        {301, "", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {308, "", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {400, "", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {401, "", OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {403, "", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0},
        {408, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {410, "", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {413, "", OUTCOME_FAILED, CODE_TOO_LARGE, 0},
        {425, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {429, "", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0},
        {429, wait, OUTCOME_THROTTLED, CODE_RATE_LIMITED, 9000},
        {500, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {502, wait, OUTCOME_RETRY, CODE_PROVIDER_ERROR, 9000},
        {503, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {503, wait, OUTCOME_THROTTLED, CODE_RATE_LIMITED, 9000},
        {599, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
    };
    struct fixture f;

    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome o = judge(&f, rows[i].status, rows[i].head, "");

        expect_outcome(o, rows[i].kind, rows[i].code);
        assert_int_equal(o.retry_after_ms, rows[i].wait_ms);
    }
    fixture_free(&f);
}

static void test_configured_answers(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "success", "200, 202,304");
    set_value(&f, "retry", "404,500-503");
    check_ok(&f);
    expect_outcome(judge(&f, 200, "", ""), OUTCOME_SENT, CODE_NONE);
    expect_outcome(judge(&f, 202, "", ""), OUTCOME_SENT, CODE_NONE);
    expect_outcome(judge(&f, 304, "", ""), OUTCOME_SENT, CODE_NONE);
    expect_outcome(judge(&f, 201, "", ""), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 404, "", ""), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 503, "", ""), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 504, "", ""), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 408, "", ""), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    fixture_free(&f);
}

static void expect_id(struct fixture *f, const char *pointer, const char *answer, const char *id)
{
    struct outcome o;

    set_value(f, "id_pointer", pointer);
    check_ok(f);
    o = judge(f, 200, "", answer);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, id);
}

static void test_id_of_the_answer(void **state)
{
    static const char answer[] = "{\"id\":\"r1\",\"data\":{\"items\":[{\"n\":5},{\"n\":\"six\"}],"
                                 "\"a/b\":\"slash\",\"m~n\":\"tilde\",\"\":\"empty\"}}";
    struct fixture f;

    (void)state;
    init(&f);
    expect_id(&f, NULL, answer, "r1");
    expect_id(&f, "/data/items/0/n", answer, "5");
    expect_id(&f, "/data/items/1/n", answer, "six");
    expect_id(&f, "/data/a~1b", answer, "slash");
    expect_id(&f, "/data/m~0n", answer, "tilde");
    expect_id(&f, "/data/", answer, "empty");
    /* nothing there, or nothing that is an id: the webhook-id */
    expect_id(&f, "/data/items/2/n", answer, ID);
    expect_id(&f, "/data/items/01/n", answer, ID);
    expect_id(&f, "/data/items/-1/n", answer, ID);
    expect_id(&f, "/data", answer, ID);
    expect_id(&f, "/id/x", answer, ID);
    expect_id(&f, "/id", "OK", ID);
    expect_id(&f, "/id", "", ID);
    f.ctx.message_id = NULL;
    expect_id(&f, "/id", "", "");
    fixture_free(&f);
}

static void test_what_the_receiver_says_is_kept_without_secrets(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "secret", SECRET);
    assert_string_equal(judge(&f, 400, "", "{\"message\":\"no " SECRET "\"}").text,
                        "HTTP 400: no ***");
    assert_string_equal(judge(&f, 500, "", "{\"error\":\"down\"}").text, "HTTP 500: down");
    assert_string_equal(judge(&f, 500, "", "{\"error\":{\"message\":\"m\"}}").text, "HTTP 500: m");
    assert_string_equal(judge(&f, 500, "", "<html>").text, "HTTP 500");
    fixture_free(&f);
}

static void test_checks(void **state)
{
    static const struct {
        const char *name, *value, *error;
    } rows[] = {
        {"url", "ftp://x", "url: expected http(s)://... or a path"},
        {"url", "/a b", "url: spaces and controls must be encoded"},
        {"method", "GET", "method: expected POST, PUT or PATCH"},
        {"content_type", "xml", "content_type: expected json or form"},
        {"success", "2xx", "success: expected statuses such as 200-299,404"},
        {"success", "200-", "success: expected statuses such as 200-299,404"},
        {"success", "299-200", "success: expected statuses such as 200-299,404"},
        {"success", "200,", "success: expected statuses such as 200-299,404"},
        {"success", "200 201", "success: expected statuses such as 200-299,404"},
        {"retry", "600", "retry: expected statuses such as 200-299,404"},
        {"retry", "5000", "retry: expected statuses such as 200-299,404"},
        {"id_pointer", "id", "id_pointer: expected a JSON pointer such as /data/id"},
        {"id_pointer", "/a~2", "id_pointer: expected a JSON pointer such as /data/id"},
        {"id_pointer", "/a~", "id_pointer: expected a JSON pointer such as /data/id"},
        {"secret", "hush", "secret: expected whsec_ and base64 of 24 to 64 bytes"},
        {"secret", "whsec_!!!", "secret: expected whsec_ and base64 of 24 to 64 bytes"},
        {"secret", "whsec_AAAA", "secret: expected whsec_ and base64 of 24 to 64 bytes"},
        {"secret", SECRET " AAAA", "secret: expected whsec_ and base64 of 24 to 64 bytes"},
        {"body", "{\"a\":{{nope}}}", "body: unknown field {{nope}}"},
        {"body", "{\"a\":{{content}", "body: a {{ is not closed by }}"},
        {"body", "{\"a\":{{}}}", "body: unknown field {{}}"},
    };
    struct fixture f;

    (void)state;
    init(&f);
    check_ok(&f);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_value(&f, rows[i].name, rows[i].value);
        check_fails(&f, rows[i].error);
        set_value(&f, rows[i].name, NULL);
    }
    fixture_free(&f);
}

static void test_templates_that_are_no_json(void **state)
{
    static const char *const broken[] = {
        "to={{recipient}}",      "{\"a\":{{content}}",
        "{\"a\":x{{content}}}",  "{{{metadata}}:1}", /* null or an object as a name */
        "{\"a\":\"{{content}}}", "{\"a\":{{content}}{{subject}}}",
    };
    struct fixture f;

    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        set_value(&f, "body", broken[i]);
        if (!f.sender.provider->check(&f.sender, &f.e))
            fail_msg("taken: %s", broken[i]);
        assert_memory_equal(f.e.text, "body: ", 6);
    }
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_request),
        cmocka_unit_test(test_default_body_holds_all_fields),
        cmocka_unit_test(test_default_form),
        cmocka_unit_test(test_url_and_method),
        cmocka_unit_test(test_json_template),
        cmocka_unit_test(test_form_template),
        cmocka_unit_test(test_files_need_a_place_in_the_template),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_an_id_with_dots_is_replaced),
        cmocka_unit_test(test_extra_headers),
        cmocka_unit_test(test_default_answers),
        cmocka_unit_test(test_configured_answers),
        cmocka_unit_test(test_id_of_the_answer),
        cmocka_unit_test(test_what_the_receiver_says_is_kept_without_secrets),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_templates_that_are_no_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

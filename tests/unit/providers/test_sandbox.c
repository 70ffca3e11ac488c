/* Unit tests of the sandbox sender: the request, its answers, and the two-step send. */
#include "provider_test.h"

#define ID "0190a5b0-0000-7000-8000-000000000001"

static void init(struct fixture *f)
{
    fixture_init(f, "sandbox", "http://127.0.0.1:8081/sandbox");
    f->m.channel = CHANNEL_EMAIL;
    f->m.text[MSG_RECIPIENT] = "a@x.example";
}

static void test_smallest_request(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    build_ok(&f);
    assert_int_equal(f.r.method, HTTP_POST);
    assert_string_equal(buf_str(&f.r.url), "http://127.0.0.1:8081/sandbox/messages");
    assert_int_equal(f.r.header_count, 2);
    assert_string_equal(request_header_at(&f.r, 0), "Content-Type: application/json");
    assert_string_equal(request_header_at(&f.r, 1), "Idempotency-Key: " ID);
    assert_string_equal(buf_str(&f.r.body),
                        "{\"id\":\"" ID "\",\"channel\":\"email\",\"recipient\":\"a@x.example\"}");
    assert_int_equal(f.r.userpwd.len, 0);
    assert_false(f.r.idempotent);
    fixture_free(&f);
}

static void test_all_fields(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.sender.from_address = "s@x.example";
    f.sender.from_name = "S";
    f.m.text[MSG_SUBJECT] = "Hi \"you\"";
    f.m.text[MSG_CONTENT] = "one\ntwo";
    f.m.text[MSG_HTML] = "<p>\xc3\xa9</p>";
    f.m.text[MSG_METADATA] = "{\"k\":[1,2]}";
    message_list_add(&f.m, MSG_CC, "c@x.example");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_ok(&f);
    assert_string_equal(
        buf_str(&f.r.body),
        "{\"id\":\"" ID "\",\"channel\":\"email\",\"recipient\":\"a@x.example\","
        "\"subject\":\"Hi \\\"you\\\"\",\"content\":\"one\\ntwo\","
        "\"html_content\":\"<p>\xc3\xa9</p>\",\"from\":\"s@x.example\",\"from_name\":\"S\","
        "\"metadata\":{\"k\":[1,2]},\"cc\":[\"c@x.example\"],"
        "\"media_urls\":[\"https://x.example/a.png\"]}");
    fixture_free(&f);
}

static void test_message_overrides_the_senders_from(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.sender.from_address = "s@x.example";
    f.sender.from_name = "S";
    f.m.text[MSG_FROM] = "m@x.example";
    f.m.text[MSG_FROM_NAME] = "M";
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"from\":\"m@x.example\",\"from_name\":\"M\""));
    fixture_free(&f);
}

static void test_answers(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 202, "HTTP/1.1 202 Accepted\r\n", "{\"id\":\"sbx-1\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "sbx-1");
    o = judge(&f, 202, "", "garbage");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "");
    o = judge(&f, 429, "HTTP/1.1 429 x\r\nRetry-After: 2\r\n", "");
    expect_outcome(o, OUTCOME_THROTTLED, CODE_RATE_LIMITED);
    assert_int_equal(o.retry_after_ms, 2000);
    o = judge(&f, 503, "HTTP/1.1 503 x\r\nRetry-After: 3\r\n",
              "{\"error\":{\"code\":\"c\",\"message\":\"busy\"}}");
    expect_outcome(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    assert_int_equal(o.retry_after_ms, 3000);
    assert_string_equal(o.text, "HTTP 503: busy");
    expect_outcome(judge(&f, 422, "", ""), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 401, "", ""), OUTCOME_AUTH, CODE_INVALID_KEY);
    fixture_free(&f);
}

/* The whole life of a two-step send: what NEXT carries is all the second step needs. */
static void test_two_steps(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    set_value(&f, "steps", "2");
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.url), "http://127.0.0.1:8081/sandbox/drafts");
    assert_string_equal(buf_str(&f.r.body),
                        "{\"id\":\"" ID "\",\"channel\":\"email\",\"recipient\":\"a@x.example\"}");
    o = judge(&f, 201, "HTTP/1.1 201 Created\r\n", "{\"draft\":\"d/1\"}");
    expect_outcome(o, OUTCOME_NEXT, CODE_NONE);
    assert_int_equal(o.next.step, 1);
    assert_string_equal(progress_get(&o.next, 0), "d/1");

    f.progress = o.next;
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.url), "http://127.0.0.1:8081/sandbox/drafts/d%2F1/send");
    assert_string_equal(buf_str(&f.r.body), "{}");
    assert_string_equal(request_header_at(&f.r, 1), "Idempotency-Key: " ID);
    o = judge(&f, 202, "HTTP/1.1 202 Accepted\r\n", "{\"id\":\"sbx-2\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "sbx-2");
    fixture_free(&f);
}

/* The answer to the first try of the second step was lost: the repeat learns that it is done. */
static void test_a_draft_sent_before_is_sent(void **state)
{
    static const char answer[] = "{\"error\":{\"code\":\"already_sent\",\"message\":\"as sb-7\"}}";
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    set_value(&f, "steps", "2");
    expect_outcome(judge(&f, 409, "", answer), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    f.progress.step = 1;
    o = judge(&f, 409, "", answer);
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    expect_outcome(judge(&f, 409, "", "{\"error\":{\"code\":\"other\"}}"), OUTCOME_FAILED,
                   CODE_PROVIDER_ERROR);
    fixture_free(&f);
}

static void test_first_step_without_a_draft_is_tried_again(void **state)
{
    static const char *const answers[] = {
        "", "{}", "{\"draft\":\"\"}", "{\"draft\":7}", "[", "{\"id\":\"x\"}"};
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "steps", "2");
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        expect_outcome(judge(&f, 201, "", answers[i]), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 500, "", ""), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    expect_outcome(judge(&f, 400, "", ""), OUTCOME_FAILED, CODE_PROVIDER_ERROR);
    fixture_free(&f);
}

static void test_check_of_steps(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    check_ok(&f);
    set_value(&f, "steps", "1");
    check_ok(&f);
    set_value(&f, "steps", "2");
    check_ok(&f);
    set_value(&f, "steps", "3");
    check_fails(&f, "steps: expected 1 or 2");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_request),
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_message_overrides_the_senders_from),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_two_steps),
        cmocka_unit_test(test_a_draft_sent_before_is_sent),
        cmocka_unit_test(test_first_step_without_a_draft_is_tried_again),
        cmocka_unit_test(test_check_of_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

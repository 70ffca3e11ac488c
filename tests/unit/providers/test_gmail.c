/* gmail: what is sent by which way, threads, and what the answers mean. */
#include "mail_test.h"

#include "crypto.h"
#include <stdlib.h>

#define SEND "https://gmail.googleapis.com/gmail/v1/users/me/messages/send"

static void init(struct fixture *f)
{
    mail_init(f, "gmail", "https://gmail.googleapis.com");
    set_value(f, "client_id", "id");
    set_value(f, "client_secret", "client-secret");
    set_value(f, "refresh_token", "refresh-token");
    f->ctx.access_token = "ya29.token";
}

/* The mail in the request's body, to be freed. */
static char *raw_of(struct fixture *f)
{
    static const struct json_limits limits = {.max_bytes = 64 << 20};
    struct buf mime = {0};
    cJSON *json = NULL;
    const char *raw;

    assert_int_equal(json_parse(buf_str(&f->r.body), f->r.body.len, &limits, &json, NULL), SQ_OK);
    raw = json_str(json, "raw");
    assert_int_equal(base64_decode(&mime, raw, strlen(raw), true), SQ_OK);
    json_free(json);
    return mime.data;
}

static void test_small_mail_is_raw(void **state)
{
    struct fixture f;
    char *mime;

    (void)state;
    init(&f);
    mail_fill(&f);
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.url), SEND);
    expect_header(&f, "Authorization: Bearer ya29.token");
    expect_header(&f, "Content-Type: application/json");
    mime = raw_of(&f);
    assert_non_null(strstr(mime, "\r\nBcc: e@x.example\r\n"));
    assert_non_null(strstr(mime, "\r\nIn-Reply-To: <m1@mail.example>\r\n"));
    assert_non_null(strstr(mime, "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    free(mime);
    fixture_free(&f);
}

static void test_large_mail_is_uploaded(void **state)
{
    struct fixture f;
    char *big = malloc((6 << 20) + 1);

    (void)state;
    init(&f);
    memset(big, 'A', 6 << 20);
    big[6 << 20] = '\0';
    message_attachment_add(&f.m)->content_base64 = big;
    f.m.text[MSG_THREAD_ID] = "18c0ffee18c0ffee";
    f.progress.step = 1;
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.url), "https://gmail.googleapis.com/upload/gmail/v1/users/me/"
                                           "messages/send?uploadType=multipart");
    expect_header(&f, "Content-Type: multipart/related; boundary=\"sendq=_upload\"");
    assert_non_null(strstr(buf_str(&f.r.body), "\r\n\r\n{\"threadId\":\"18c0ffee18c0ffee\"}\r\n"
                                               "--sendq=_upload\r\n"));
    assert_true(f.r.body.len > 6 << 20 && f.r.body.len < 7 << 20);
    free(big);
    fixture_free(&f);
}

static void test_reply_to_its_own_id_looks_it_up(void **state)
{
    struct fixture f;
    struct outcome o;
    char *mime;

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_ID] = "18c0ffee18c0ffee";
    build_ok(&f);
    assert_int_equal(f.r.method, HTTP_GET);
    assert_true(f.r.idempotent);
    assert_non_null(strstr(buf_str(&f.r.url), "/messages/18c0ffee18c0ffee?format=metadata"));
    o = judge(&f, 200, "",
              "{\"threadId\":\"18aaaaaaaaaaaaaa\",\"payload\":{\"headers\":["
              "{\"name\":\"References\",\"value\":\"<0@x>\\r\\n <1@x>\"},"
              "{\"name\":\"Message-Id\",\"value\":\"<2@x>\"}]}}");
    expect_outcome(o, OUTCOME_NEXT, CODE_NONE);
    f.progress = o.next;
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.url), SEND);
    assert_non_null(strstr(buf_str(&f.r.body), "\"threadId\":\"18aaaaaaaaaaaaaa\""));
    mime = raw_of(&f);
    assert_non_null(strstr(mime, "\r\nIn-Reply-To: <2@x>\r\n"));
    assert_non_null(strstr(mime, "<1@x> <2@x>\r\n"));
    free(mime);
    fixture_free(&f);
}

static void test_a_thread_is_answered_at_its_end(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    f.m.text[MSG_THREAD_ID] = "18aaaaaaaaaaaaaa";
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.url), "/threads/18aaaaaaaaaaaaaa?format=metadata"));
    o = judge(&f, 200, "",
              "{\"id\":\"18aaaaaaaaaaaaaa\",\"messages\":[{\"payload\":{\"headers\":[{\"name\":"
              "\"Message-ID\",\"value\":\"<1@x>\"}]}},{\"payload\":{\"headers\":[{\"name\":"
              "\"Message-ID\",\"value\":\"<2@x>\"}]}}]}");
    expect_outcome(o, OUTCOME_NEXT, CODE_NONE);
    assert_string_equal(progress_get(&o.next, 1), "<2@x>");
    fixture_free(&f);
}

/* A scope that may only send, a message that is gone: the mail goes out all the same. */
static void test_lookup_that_fails(void **state)
{
    struct fixture f;
    char *mime;

    (void)state;
    init(&f);
    f.m.text[MSG_THREAD_ID] = "18aaaaaaaaaaaaaa";
    f.progress = judge(&f, 403, "",
                       "{\"error\":{\"errors\":[{\"reason\":"
                       "\"insufficientPermissions\"}]}}")
                     .next;
    assert_int_equal(f.progress.step, 1);
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"threadId\":\"18aaaaaaaaaaaaaa\""));
    mime = raw_of(&f);
    assert_null(strstr(mime, "In-Reply-To"));
    free(mime);
    f.progress.step = 0;
    expect_outcome(judge(&f, 401, "", "{}"), OUTCOME_AUTH, CODE_INVALID_KEY);
    expect_outcome(judge(&f, 503, "", "{}"), OUTCOME_RETRY, CODE_PROVIDER_ERROR);
    fixture_free(&f);
}

#define WHOLE(parts)                                                                               \
    "{\"threadId\":\"18aaaaaaaaaaaaaa\",\"internalDate\":\"1795252211000\",\"payload\":{"          \
    "\"mimeType\":"                                                                                \
    "\"multipart/mixed\",\"headers\":[{\"name\":\"From\",\"value\":\"Jane <j@x.example>\"}],"      \
    "\"parts\":[" parts "]}}"
#define TEXT "{\"mimeType\":\"text/plain\",\"filename\":\"\",\"body\":{\"data\":\"T2xk\"}}"
#define FILE_OF(headers)                                                                           \
    ",{\"mimeType\":\"image/png\",\"filename\":\"a.png\",\"headers\":[" headers                    \
    "],\"body\":{\"attachmentId\":\"A\"}}"

/* What a forward needs that is not there fails it, and nothing is sent. */
static void test_a_forward_reads_the_original(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum outcome_kind kind;
        enum error_code code;
    } cases[] = {
        {200, WHOLE(TEXT), OUTCOME_NEXT, CODE_NONE},
        {200, WHOLE(TEXT FILE_OF("{\"name\":\"Content-ID\",\"value\":\"<c>\"}")), OUTCOME_NEXT,
         CODE_NONE},
        {200, WHOLE(TEXT FILE_OF("")), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, WHOLE(""), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, "{}", OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {200, "<html>", OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {404, "{}", OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {403, "{}", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {401, "{}", OUTCOME_AUTH, CODE_INVALID_KEY},
        {503, "{}", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
    };
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_FORWARD] = "{\"messageId\":\"18c0ffee18c0ffee\"}";
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.url), "/messages/18c0ffee18c0ffee?format=full"));
    assert_true(f.r.max_answer > 65536);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome o = judge(&f, cases[i].status, "", cases[i].body);

        expect_outcome(o, cases[i].kind, cases[i].code);
        assert_int_equal(o.keeps_answer, cases[i].kind == OUTCOME_NEXT);
    }
    fixture_free(&f);
}

static void test_a_kept_answer_is_in_the_mail(void **state)
{
    struct fixture f;
    char *mime;

    (void)state;
    init(&f);
    f.m.text[MSG_FORWARD] = "{\"messageId\":\"18c0ffee18c0ffee\"}";
    f.progress.step = 1;
    f.ctx.answer = WHOLE(TEXT);
    build_ok(&f);
    mime = raw_of(&f);
    assert_non_null(strstr(mime, "From: Jane <j@x.example>\r\nDate: Sat, 21 Nov 2026"));
    assert_string_equal(f.m.text[MSG_CONTENT], "text"); /* the message stays as it is */
    free(mime);
    f.ctx.answer = NULL;
    build_fails(&f, "forward: the mail is not kept here, and gmail has none of its own");
    fixture_free(&f);
}

static void test_long_references_lose_their_oldest(void **state)
{
    struct fixture f;
    struct outcome o;
    struct buf body = {0};

    (void)state;
    init(&f);
    f.m.text[MSG_REPLY_ID] = "18c0ffee18c0ffee";
    buf_adds(&body, "{\"payload\":{\"headers\":[{\"name\":\"Message-ID\",\"value\":\"<z@x>\"},"
                    "{\"name\":\"References\",\"value\":\"<first@x>");
    for (int i = 0; i < 200; i++)
        buf_addf(&body, " <%04d@x>", i);
    buf_adds(&body, "\"}]}}");
    o = judge(&f, 200, "", buf_str(&body));
    assert_null(strstr(progress_get(&o.next, 2), "<first@x>"));
    assert_non_null(strstr(progress_get(&o.next, 2), "<0199@x> <z@x>"));
    assert_int_equal(*progress_get(&o.next, 2), '<');
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
    assert_int_equal(o.grant, OAUTH_REFRESH_TOKEN);
    assert_string_equal(o.token_url, "https://oauth2.googleapis.com/token");
    assert_string_equal(o.refresh_token, "refresh-token");
    set_value(&f, "service_account", "{}");
    check_fails(&f, "client_id: expected either this or service_account");
    set_value(&f, "client_id", NULL);
    set_value(&f, "client_secret", NULL);
    set_value(&f, "refresh_token", NULL);
    check_ok(&f);
    assert_true(f.sender.provider->oauth(&f.sender, &o));
    assert_int_equal(o.grant, OAUTH_SERVICE_ACCOUNT);
    assert_string_equal(o.subject, "s@acme.example");
    set_value(&f, "service_account", NULL);
    check_fails(&f, "client_id: expected a value, unless there is a service_account");
    fixture_free(&f);
}

static void test_accepted(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "",
              "{\"id\":\"18b1\",\"threadId\":\"18b1b1b1b1b1\",\"labelIds\":[\"SENT\"]}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "18b1");
    assert_string_equal(o.thread_id, "18b1b1b1b1b1");
    fixture_free(&f);
}

#define ERROR(reason, message)                                                                     \
    "{\"error\":{\"code\":0,\"message\":\"" message "\",\"errors\":[{\"reason\":\"" reason "\"}]}" \
    "}"

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        {400, NULL, ERROR("invalidArgument", "m"), OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {401, NULL, ERROR("authError", "m"), OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {403, NULL, ERROR("insufficientPermissions", "m"), OUTCOME_FAILED,
         CODE_INSUFFICIENT_PERMISSIONS, 0},
        {403, NULL, ERROR("userRateLimitExceeded", "m"), OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0},
        {403, NULL, ERROR("dailyLimitExceeded", "m"), OUTCOME_THROTTLED, CODE_RATE_LIMITED,
         3600000},
        {429, NULL,
         ERROR("rateLimitExceeded",
               "User-rate limit exceeded.  Retry after 2021-02-25T15:02:25.123Z"),
         OUTCOME_THROTTLED, CODE_RATE_LIMITED, 15000},
        {429, "HTTP/1.1 429\r\nRetry-After: 7\r\n", ERROR("rateLimitExceeded", "m"),
         OUTCOME_THROTTLED, CODE_RATE_LIMITED, 7000},
        {500, NULL, ERROR("backendError", "m"), OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {503, NULL, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
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
        cmocka_unit_test(test_small_mail_is_raw),
        cmocka_unit_test(test_large_mail_is_uploaded),
        cmocka_unit_test(test_reply_to_its_own_id_looks_it_up),
        cmocka_unit_test(test_a_thread_is_answered_at_its_end),
        cmocka_unit_test(test_lookup_that_fails),
        cmocka_unit_test(test_a_forward_reads_the_original),
        cmocka_unit_test(test_a_kept_answer_is_in_the_mail),
        cmocka_unit_test(test_long_references_lose_their_oldest),
        cmocka_unit_test(test_oauth),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of teams, from the documentation of the Bot Framework's connector. */
#include "provider_test.h"

#define BASE "https://smba.trafficmanager.net/teams"
#define CONVERSATIONS BASE "/v3/conversations/"
#define ERROR(code) "{\"error\":{\"code\":\"" code "\",\"message\":\"Why\"}}"

static void init(struct fixture *f)
{
    fixture_init(f, "teams", BASE);
    set_value(f, "tenant_id", "contoso.onmicrosoft.com");
    set_value(f, "app_id", "app-1");
    set_value(f, "app_password", "app-secret");
    f->ctx.access_token = "access-token";
    f->m.channel = CHANNEL_TEAMS;
    f->m.text[MSG_RECIPIENT] = "19:abc@thread.tacv2";
    f->m.text[MSG_CONTENT] = "Hi **all**";
}

static void test_token(void **state)
{
    struct provider_oauth oauth = {0};
    struct fixture f;

    (void)state;
    init(&f);
    assert_true(f.sender.provider->oauth(&f.sender, &oauth));
    assert_int_equal(oauth.grant, OAUTH_CLIENT_CREDENTIALS);
    assert_string_equal(oauth.token_url, "https://login.microsoftonline.com/"
                                         "contoso.onmicrosoft.com/oauth2/v2.0/token");
    assert_string_equal(oauth.scope, "https://api.botframework.com/.default");
    assert_string_equal(oauth.client_id, "app-1");
    assert_string_equal(oauth.client_secret, "app-secret");
    f.ctx.access_token = NULL;
    build_fails(&f, "no access token");
    fixture_free(&f);
}

static void test_text(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    build_ok(&f);
    expect_url(&f, CONVERSATIONS "19%3Aabc%40thread.tacv2/activities");
    assert_string_equal(request_header_at(&f.r, 0), "Content-Type: application/json");
    assert_string_equal(request_header_at(&f.r, 1), "Authorization: Bearer access-token");
    expect_request(&f,
                   "{\"type\":\"message\",\"text\":\"Hi **all**\",\"textFormat\":\"markdown\"}");
    f.m.text[MSG_HTML] = "<b>Hi</b>";
    build_ok(&f);
    expect_request(&f, "{\"type\":\"message\",\"text\":\"<b>Hi</b>\",\"textFormat\":\"xml\"}");
    fixture_free(&f);
}

static void test_threads_and_replies(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_THREAD_ID] = "1700000000000";
    f.m.text[MSG_REPLY_ID] = "1700000000001";
    build_ok(&f);
    expect_url(&f, CONVERSATIONS "19%3Aabc%40thread.tacv2%3Bmessageid%3D1700000000000/activities/"
                                 "1700000000001");
    assert_non_null(strstr(buf_str(&f.r.body), "\"replyToId\":\"1700000000001\""));
    f.m.text[MSG_RECIPIENT] = "19:abc@thread.tacv2;messageid=5"; /* named already */
    f.m.text[MSG_REPLY_ID] = NULL;
    build_ok(&f);
    expect_url(&f, CONVERSATIONS "19%3Aabc%40thread.tacv2%3Bmessageid%3D5/activities");
    fixture_free(&f);
}

static void test_cards(void **state)
{
#define CARD "{\"type\":\"AdaptiveCard\",\"version\":\"1.5\",\"body\":[]}"
#define SENT_CARD                                                                                  \
    "{\"contentType\":\"application/vnd.microsoft.card.adaptive\",\"content\":" CARD "}"
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = " " CARD;
    build_ok(&f);
    expect_request(&f, "{\"type\":\"message\",\"attachments\":[" SENT_CARD "]}");
    f.m.text[MSG_CONTENT] = "[" CARD "," CARD "]";
    build_ok(&f);
    expect_request(&f, "{\"type\":\"message\",\"attachments\":[" SENT_CARD "," SENT_CARD "]}");
    f.m.text[MSG_CONTENT] = "[" CARD ",1]";
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"textFormat\":\"markdown\""));
    f.m.text[MSG_CONTENT] = "{\"a\":" CARD "}";
    build_ok(&f);
    assert_non_null(strstr(buf_str(&f.r.body), "\"textFormat\":\"markdown\""));
    fixture_free(&f);
}

static void test_images(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.png");
    build_ok(&f);
    expect_request(&f, "{\"type\":\"message\",\"text\":\"Hi **all**\",\"textFormat\":\"markdown\","
                       "\"attachments\":[{\"contentType\":\"image/png\",\"contentUrl\":"
                       "\"https://x.example/a.png\"}]}");
    message_list_add(&f.m, MSG_MEDIA, "https://x.example/a.pdf");
    build_fails(&f, "media_urls: teams shows images only; a link to the file can go in the text");
    fixture_free(&f);
}

/* Teams knows no message to a person out of the blue. */
static void test_a_person_is_no_conversation(void **state)
{
    static const char *const people[] = {"29:1abc", "123e4567-e89b-12d3-a456-426614174000",
                                         "jane@contoso.com", "8:orgid:1"};
    struct fixture f;

    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
        f.m.text[MSG_RECIPIENT] = people[i];
        build_fails(&f, "recipient: is no conversation; the person must write to the bot first");
        assert_string_equal(f.e.code, "conversation_required");
    }
    f.m.text[MSG_RECIPIENT] = "a:1personal-chat";
    build_ok(&f);
    fixture_free(&f);
}

static void test_where_it_goes(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    check_ok(&f);
    set_value(&f, "service_url", "https://smba.trafficmanager.net/emea/");
    build_ok(&f);
    expect_url(&f, "https://smba.trafficmanager.net/emea/v3/conversations/19%3Aabc%40thread.tacv2/"
                   "activities");
    f.sender.endpoint = "http://127.0.0.1:1/teams"; /* an endpoint of one's own goes first */
    build_ok(&f);
    expect_url(&f, "http://127.0.0.1:1/teams/v3/conversations/19%3Aabc%40thread.tacv2/activities");
    set_value(&f, "service_url", "ftp://x");
    check_fails(&f, "service_url: expected http:// or https://");
    set_value(&f, "service_url", NULL);
    set_value(&f, "tenant_id", "a/b");
    check_fails(&f, "tenant_id: expected a tenant's id or name");
    fixture_free(&f);
}

static void test_sent(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_string_equal(judge(&f, 201, "", "{\"id\":\"1:abc\"}").provider_message_id, "1:abc");
    expect_outcome(judge(&f, 202, "", ""), OUTCOME_SENT, CODE_NONE);
    expect_outcome(judge(&f, 200, "", "garbage"), OUTCOME_SENT, CODE_NONE);
    fixture_free(&f);
}

static void test_every_error(void **state)
{
    static const struct answer_row rows[] = {
        {401, ERROR("Unauthorized"), OUTCOME_AUTH, CODE_INVALID_KEY},
        {401, "{\"message\":\"Authorization has been denied for this request.\"}", OUTCOME_AUTH,
         CODE_INVALID_KEY},
        {403, ERROR("BotNotInConversationRoster"), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {403, ERROR("MessageWritesBlocked"), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {403, ERROR("ConversationBlockedByUser"), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {403, ERROR("ForbiddenOperationException"), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {403, ERROR("BotDisabledByAdmin"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {403, ERROR("InvalidBotApiHost"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {403, ERROR("Other"), OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS},
        {404, ERROR("ConversationNotFound"), OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {404, "", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},
        {400, ERROR("BadArgument"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR("BadSyntax"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {400, ERROR("MissingProperty"), OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        {413, ERROR("MessageSizeTooBig"), OUTCOME_FAILED, CODE_TOO_LARGE},
        {413, "", OUTCOME_FAILED, CODE_TOO_LARGE},
        {412, ERROR("PreconditionFailed"), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {429, ERROR("TooManyRequests"), OUTCOME_THROTTLED, CODE_RATE_LIMITED},
        {500, ERROR("ServiceError"), OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {502, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {504, "<html>", OUTCOME_RETRY, CODE_PROVIDER_ERROR},
        {400, ERROR("SomethingNew"), OUTCOME_FAILED, CODE_PROVIDER_ERROR},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_ANSWERS(&f, rows);
    assert_string_equal(judge(&f, 400, "", ERROR("BadArgument")).text,
                        "HTTP 400, code BadArgument: Why");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_threads_and_replies),
        cmocka_unit_test(test_cards),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_a_person_is_no_conversation),
        cmocka_unit_test(test_where_it_goes),
        cmocka_unit_test(test_sent),
        cmocka_unit_test(test_every_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

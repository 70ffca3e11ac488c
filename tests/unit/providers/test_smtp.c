/* smtp: the envelope, the login, and what replies mean. */
#include "mail_test.h"

static void init(struct fixture *f)
{
    mail_init(f, "smtp", "smtp://mail.acme.example:587");
}

/* The envelope's addresses with a comma behind each. */
static const char *envelope(struct fixture *f)
{
    static char text[1024];
    const struct buf *all = &f->r.smtp.addresses;

    assert_true(all->len < sizeof(text));
    memcpy(text, all->data, all->len);
    for (size_t i = 0; i < all->len; i++)
        text[i] = text[i] ? text[i] : ',';
    text[all->len] = '\0';
    return text;
}

static void test_envelope(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    mail_fill(&f);
    build_ok(&f);
    assert_string_equal(envelope(&f),
                        "s@acme.example,a@x.example,b@x.example,c@x.example,e@x.example,");
    assert_int_equal(f.r.smtp.rcpt_count, 4);
    assert_string_equal(buf_str(&f.r.url), "smtp://mail.acme.example:587");
    assert_null(strstr(buf_str(&f.r.body), "e@x.example")); /* bcc */
    assert_non_null(strstr(buf_str(&f.r.body), "\r\nCc: c@x.example\r\n"));
    assert_false(f.r.smtp.plain);
    assert_int_equal(f.r.userpwd.len, 0);
    fixture_free(&f);
}

static void test_login(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    set_value(&f, "username", "user");
    set_value(&f, "password", "pass:word");
    set_value(&f, "ehlo", "crm.acme.example");
    set_value(&f, "tls", "none");
    check_ok(&f);
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.userpwd), "user:pass:word");
    assert_string_equal(buf_str(&f.r.url), "smtp://mail.acme.example:587/crm.acme.example");
    assert_true(f.r.smtp.plain);
    f.ctx.access_token = "token";
    build_ok(&f);
    assert_string_equal(buf_str(&f.r.userpwd), "user:");
    assert_string_equal(buf_str(&f.r.smtp.bearer), "token");
    fixture_free(&f);
}

static void test_settings_are_checked(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    check_ok(&f);
    set_value(&f, "username", "user");
    check_fails(&f, "password: expected a value, since the other one has one");
    set_value(&f, "refresh_token", "refresh");
    check_fails(&f, "token_endpoint: expected the URL of the OAuth server");
    f.sender.token_endpoint = "https://x.example/token";
    check_fails(&f, "client_id: expected a value, since there is a refresh_token");
    set_value(&f, "client_id", "id");
    check_ok(&f);
    set_value(&f, "username", "a:b");
    check_fails(&f, "username: expected a name without colon");
    set_value(&f, "username", "user");
    set_value(&f, "tls", "maybe");
    check_fails(&f, "tls: expected starttls or none");
    set_value(&f, "tls", "starttls");
    set_value(&f, "ehlo", "a b");
    check_fails(&f, "ehlo: expected a host name");
    set_value(&f, "ehlo", NULL);
    set_value(&f, "unsubscribe_url", "http://acme.example/");
    check_fails(&f, "unsubscribe_url: expected an https:// URL");
    fixture_free(&f);
}

static void test_accepted(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 250, "", "250 2.0.0 Ok: queued as 4F2\r\n");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "<" MAIL_ID "@acme.example>");
    fixture_free(&f);
}

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        {421, NULL, "421 4.3.2 Shutting down", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {421, NULL, "421 4.7.0 Too many connections from you", OUTCOME_THROTTLED, CODE_RATE_LIMITED,
         0},
        {450, NULL, "450 4.7.28 Our system has detected unusual mail", OUTCOME_THROTTLED,
         CODE_RATE_LIMITED, 0},
        {451, NULL, "451 Greylisted", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {452, NULL, "452 4.5.3 Too many recipients", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {454, NULL, "454 Throttling failure: Maximum sending rate exceeded.", OUTCOME_THROTTLED,
         CODE_RATE_LIMITED, 0},
        {454, NULL, "454 4.7.0 Temporary authentication failure", OUTCOME_RETRY,
         CODE_PROVIDER_ERROR, 0},
        {530, NULL, "530 5.7.0 Authentication required", OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {535, NULL, "535 5.7.8 Bad credentials", OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {550, NULL, "550 5.1.1 No such user", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {550, NULL, "550", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {552, NULL, "552 5.2.2 Mailbox full", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {552, NULL, "552 Too much mail data", OUTCOME_FAILED, CODE_TOO_LARGE, 0},
        {554, NULL, "554 5.3.4 Message too big", OUTCOME_FAILED, CODE_TOO_LARGE, 0},
        {354, NULL, "354 Go on", OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN, 0},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_REFUSALS(&f, all);
    set_value(&f, "password", "s3cret!");
    assert_string_equal(judge(&f, 550, "", "550-5.7.1 s3cret! is\r\n550 5.7.1 no\r\n").text,
                        "SMTP 550: 5.7.1 *** is");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_settings_are_checked),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

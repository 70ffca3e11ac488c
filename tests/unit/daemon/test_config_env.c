/* Overrides from the environment. */
#include "config_test.h"

#include <stdio.h>

static void assert_faults(const char *text, const char *const *env, const char *expected)
{
    struct lines l;
    struct config *c = load(text, env, &l);

    assert_string_equal(buf_str(&l.fatal), expected);
    assert_null(c);
    assert_null(strstr(buf_str(&l.fatal), CANARY));
    assert_null(strstr(buf_str(&l.warnings), CANARY));
    lines_free(&l);
}

static void test_environment_overrides(void **state)
{
    /* Not in the order they need. */
    const char *env[] = {"SENDQ_SENDERS__2__CHANNELS__2=whatsapp",
                         "SENDQ_SENDERS__HOOK__HEADERS__1=A: b, c",
                         "SENDQ_SENDERS__SUPPORT_MAIL__LIMITS__RATE=3/s",
                         "SENDQ_SENDERS__0__TIMEOUT=7s",
                         "SENDQ_REDIS__URL=redis://:pw@h:1/2",
                         "SENDQ_EVENTS=off",
                         "SENDQ_ATTACHMENTS__ALLOW_HOSTS=x.example , y.example",
                         "SENDQ_SENDERS__2__ID=new",
                         "SENDQ_SENDERS__2__PROVIDER=sandbox",
                         "SENDQ_SENDERS__2__CHANNELS=sms",
                         "SENDQ_SENDERS__2__CHANNELS__1=rcs",
                         "SENDQ_SENDERS__NEW__OPTIONS__STEPS=2",
                         key_line,
                         "SENDQ_CRASH=x",
                         "SENDQ_BUILD=y",
                         "SENDQ_TEST_Z=z",
                         "NOEQUALS",
                         NULL};
    struct config *c;
    const struct sender *s;

    (void)state;
    c = load_good(full, env);
    assert_string_equal(c->redis_url, "redis://:pw@h:1/2");
    assert_int_equal(c->events, EVENTS_OFF);
    assert_int_equal(c->attachments_host_count, 2);
    assert_string_equal(c->attachments_hosts[0], "x.example");
    assert_string_equal(c->attachments_hosts[1], "y.example");
    assert_int_equal(c->senders[0].rate.count, 3);
    assert_int_equal(c->senders[0].rate.burst, 0);
    assert_int_equal(c->senders[0].timeout_ms, 7000);
    assert_string_equal(c->senders[1].headers[1], "A: b, c");
    s = config_sender(c, "new");
    assert_non_null(s);
    assert_int_equal(s->channels, CHANNEL_BIT(CHANNEL_SMS) | CHANNEL_BIT(CHANNEL_RCS) |
                                      CHANNEL_BIT(CHANNEL_WHATSAPP));
    assert_string_equal(sender_value(s, "steps"), "2");
    config_free(c);
}

/* Item 10 comes after item 9, not after item 1. */
static void test_items_in_any_order(void **state)
{
    static const char *const env[] = {
        "SENDQ_ATTACHMENTS__ALLOW_HOSTS__10=k", "SENDQ_ATTACHMENTS__ALLOW_HOSTS__3=d",
        "SENDQ_ATTACHMENTS__ALLOW_HOSTS__2=c",  "SENDQ_ATTACHMENTS__ALLOW_HOSTS__9=j",
        "SENDQ_ATTACHMENTS__ALLOW_HOSTS__8=i",  "SENDQ_ATTACHMENTS__ALLOW_HOSTS__7=h",
        "SENDQ_ATTACHMENTS__ALLOW_HOSTS__6=g",  "SENDQ_ATTACHMENTS__ALLOW_HOSTS__5=f",
        "SENDQ_ATTACHMENTS__ALLOW_HOSTS__4=e",  "SENDQ_ATTACHMENTS__ALLOW_HOSTS__1=b",
        "SENDQ_ATTACHMENTS__ALLOW_HOSTS__0=a",  NULL};
    struct config *c = load_good(NULL, env);

    (void)state;
    assert_int_equal(c->attachments_host_count, 11);
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(c->attachments_hosts[i][0], 'a' + (int)i);
    config_free(c);
}

static void test_environment_alone(void **state)
{
    const char *env[] = {"SENDQ_SENDERS__0__ID=a", "SENDQ_SENDERS__0__PROVIDER=sandbox",
                         "SENDQ_SENDERS__0__CHANNELS=email,sms", NULL};
    struct config *c = load_good(NULL, env);

    (void)state;
    assert_int_equal(c->sender_count, 1);
    assert_string_equal(c->senders[0].id, "a");
    config_free(c);
}

static void test_environment_faults_name_the_variable(void **state)
{
    static const char unknown[] = ": environment: expected the name of a setting, such as "
                                  "SENDQ_REDIS__URL, but there is none of this name\n";
    static const struct {
        const char *line, *expected;
    } cases[] = {
        {"SENDQ_REDIS__URI=" CANARY, "SENDQ_REDIS__URI"},
        {"SENDQ_REDIS_URL=" CANARY, "SENDQ_REDIS_URL"},
        {"SENDQ_SENDERS__A__TIMEOUTS=1s", "SENDQ_SENDERS__A__TIMEOUTS"},
        {"SENDQ_SENDERS__NOBODY__TIMEOUT=1s", "SENDQ_SENDERS__NOBODY__TIMEOUT"},
        {"SENDQ_CRASHES=1", "SENDQ_CRASHES"},
        {"SENDQ_SENDERS__A__TIMEOUT=" CANARY,
         "SENDQ_SENDERS__A__TIMEOUT: senders[0].timeout: expected a duration such as 250ms, 30s, "
         "10m, 24h or 7d, from 1ms to 1h\n"},
        {"SENDQ_SENDERS__A__CREDENTIALS__API_KEY=" CANARY,
         "SENDQ_SENDERS__A__CREDENTIALS__API_KEY: senders[0].credentials.api_key: not a setting "
         "of sandbox, expected one of steps\n"},
        {"SENDQ_SENDERS__5__TIMEOUT=1s", "SENDQ_SENDERS__5__TIMEOUT: senders: expected an index "
                                         "up to 1, one past the last sender\n"},
        {"SENDQ_SENDERS__A__FALLBACK__3=b", "SENDQ_SENDERS__A__FALLBACK__3: fallback: expected "
                                            "an index up to 0, one past the last item\n"},
        {"SENDQ_NAMESPACE=\xff", "SENDQ_NAMESPACE: environment: expected UTF-8 text of at most "
                                 "64 KiB\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *env[] = {cases[i].line, NULL};
        char expected[512];

        snprintf(expected, sizeof(expected), "%s%s", cases[i].expected,
                 strchr(cases[i].expected, ':') ? "" : unknown);
        assert_faults(SANDBOX, env, expected);
    }
}

static void test_alike_ids_are_not_guessed(void **state)
{
    static const char text[] = "senders: [{id: a-b, provider: sandbox, channels: [sms]}, "
                               "{id: a.b, provider: sandbox, channels: [sms]}]";
    const char *env[] = {"SENDQ_SENDERS__A_B__TIMEOUT=1s", NULL};

    (void)state;
    assert_faults(text, env,
                  "SENDQ_SENDERS__A_B__TIMEOUT: senders: expected one sender, but several ids are "
                  "spelled so: use the index\n");
}

/* A variable that a reference names is no setting, even with the prefix. */
static void test_referred_variables_may_have_the_prefix(void **state)
{
    const char *env[] = {"SENDQ_KEY=" CANARY,
                         "SENDQ_SENDERS__A__CREDENTIALS__API_KEY=env:SENDQ_KEY", NULL};
    struct config *c = load_good("senders: [{id: a, provider: sendgrid, channels: [email]}]", env);

    (void)state;
    assert_string_equal(sender_value(&c->senders[0], "api_key"), CANARY);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment_overrides),
        cmocka_unit_test(test_items_in_any_order),
        cmocka_unit_test(test_environment_alone),
        cmocka_unit_test(test_environment_faults_name_the_variable),
        cmocka_unit_test(test_alike_ids_are_not_guessed),
        cmocka_unit_test(test_referred_variables_may_have_the_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

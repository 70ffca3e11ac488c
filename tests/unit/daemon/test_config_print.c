/* The printed configuration, the reference and the example. */
#include "config_test.h"

#include "config_impl.h"
#include <stdio.h>

/* --- printing --- */

static void print(const struct config *c, struct buf *out)
{
    config_print(c, out);
    assert_false(out->failed);
}

static void test_print_masks_secrets(void **state)
{
    static const char text[] =
        "redis: {url: \"env:URL\", user: \"env:KEY\", password: " CANARY ", sentinel_password: "
        "\"env:KEY\"}\n" SANDBOX "  endpoint: \"http://u:" CANARY "@h/p?k=" CANARY "\"\n"
        "  headers: [\"Authorization: Bearer " CANARY "\", \"X: env:KEY\"]\n"
        "- {id: b, provider: sendgrid, channels: [email], credentials: {api_key: " CANARY "}}\n"
        "- id: c\n  provider: webhook\n  channels: [custom]\n"
        "  credentials: {url: \"env:HOOK\"}\n"
        "- id: d\n  provider: webhook\n  channels: [custom]\n"
        "  options: {url: \"https://u:" CANARY "@h/p\"}\n";
    const char *env[] = {"URL=redis://u:" CANARY "@h:1/2", "KEY=" CANARY, "HOOK=https://h/" CANARY,
                         NULL};
    struct config *c = load_good(text, env);
    struct buf out = {0};

    (void)state;
    assert_string_equal(c->redis_url, "redis://u:" CANARY "@h:1/2");
    print(c, &out);
    assert_null(strstr(buf_str(&out), CANARY));
    assert_string_equal(c->redis_user, CANARY);
    assert_string_equal(c->redis_sentinel_password, CANARY);
    assert_non_null(strstr(buf_str(&out), "url: \"redis://u:***@h:1/2\"\n"));
    assert_non_null(strstr(buf_str(&out), "  password: \"***\"\n  sentinel_user: \"\"\n"));
    assert_non_null(strstr(buf_str(&out), "endpoint: \"http://u:***@h/p?***\"\n"));
    assert_non_null(strstr(buf_str(&out), "headers: [\"Authorization: ***\", \"X: ***\"]\n"));
    assert_non_null(strstr(buf_str(&out), "    credentials:\n      api_key: \"***\"\n"));
    assert_non_null(strstr(buf_str(&out), "    credentials:\n      url: \"***\"\n"));
    assert_non_null(strstr(buf_str(&out), "      url: \"https://u:***@h/p\"\n"));
    buf_free(&out);
    config_free(c);
}

/* What the provider publishes is in force unless the sender says something, be it that there is
 * none; the print tells where it was read. */
static void test_print_published_limits(void **state)
{
    struct config *c = load_good("senders:\n"
                                 "- {id: a, provider: microsoft, channels: [email], "
                                 "credentials: {tenant_id: t, client_id: c, client_secret: s, "
                                 "mailbox: a@b.example}, limits: {rate: \"\", day: 5/day}}\n"
                                 "- {id: b, provider: telegram, credentials: {token: \"1:a\"}}\n",
                                 NULL);
    struct buf out = {0};

    (void)state;
    assert_int_equal(c->senders[0].published, PUBLISHED_CONCURRENCY);
    assert_int_equal(c->senders[0].rate.count, 0);
    assert_int_equal(c->senders[0].day.count, 5);
    assert_int_equal(c->senders[0].concurrency, 4);
    assert_int_equal(c->senders[1].rate.count, 30);
    assert_int_equal(c->senders[1].recipient_rate.count, 1);
    print(c, &out);
    assert_non_null(strstr(buf_str(&out), "    # published by the provider: concurrency "
                                          "(https://learn.microsoft.com/"));
    assert_non_null(strstr(buf_str(&out), "    # published by the provider: rate, recipient "
                                          "(https://core.telegram.org/"));
    assert_non_null(strstr(buf_str(&out), "      recipient: 1/s\n"));
    buf_free(&out);
    config_free(c);
}

static void test_masked_urls(void **state)
{
    static const char *const cases[][2] = {
        {"redis://h:1/2", "redis://h:1/2"},
        {"redis://:pw@h", "redis://:***@h"},
        {"redis://u:p@q:r/s@h:1", "redis://u:***@h:1"},
        {"redis://pw@h", "redis://***@h"},
        {"unix:///run/redis.sock?password=x", "unix:///run/redis.sock?***"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};

        add_masked_url(&out, cases[i][0]);
        assert_string_equal(buf_str(&out), cases[i][1]);
        buf_free(&out);
    }
}

/* What is printed is a configuration that means the same. */
static void test_print_loads_again(void **state)
{
    static const char text[] =
        SANDBOX "  from: {name: \"q\\\"\\\\ \\u00e9 #: x\"}\n  options: {steps: 2}\n"
                "  default: true\n  tenant: \"no\"\n  limits: {rate: 1/s burst 2}\n"
                "- {id: b, provider: webhook, channels: [custom], endpoint: https://h, "
                "options: {body: \"{\\\"a\\\":\\n\\\"{{content}}\\\"}\"}}\n";
    struct config *c = load_good(text, NULL);
    struct buf once = {0}, twice = {0};

    (void)state;
    print(c, &once);
    config_free(c);
    c = load_good(buf_str(&once), NULL);
    assert_string_equal(c->senders[0].from_name, "q\"\\ \xc3\xa9 #: x");
    assert_string_equal(sender_value(&c->senders[1], "body"), "{\"a\":\n\"{{content}}\"}");
    print(c, &twice);
    assert_string_equal(buf_str(&once), buf_str(&twice));
    buf_free(&once);
    buf_free(&twice);
    config_free(c);
}

/* --- the table and the example --- */

static void test_reference_names_every_setting(void **state)
{
    struct buf out = {0};
    struct pool pool = {0};
    const struct scope scopes[] = {scope_root(), scope_sender(&pool)};

    (void)state;
    config_reference(&out);
    for (size_t i = 0; i < COUNT(scopes); i++) {
        for (unsigned j = 0; j < scopes[i].count; j++) {
            char row[128];

            assert_non_null(scopes[i].settings[j].help);
            if (scopes[i].settings[j].type == SETTING_VALUE)
                continue;
            snprintf(row, sizeof(row), "\n| `%s` |", scopes[i].settings[j].path);
            assert_non_null(strstr(buf_str(&out), row));
        }
    }
    buf_free(&out);
    pool_free(&pool);
}

static char *read_example(struct pool *pool)
{
    struct err_text e;
    char *text;
    size_t len;

    assert_int_equal(pool_read_file(pool, TEST_DATA_DIR "/../../config/sendqd.yaml",
                                    CONFIG_FILE_MAX, true, &text, &len, NULL, &e),
                     SQ_OK);
    return text;
}

static void test_example_loads_and_names_every_setting(void **state)
{
    struct pool pool = {0};
    char *text = read_example(&pool);
    const struct scope scopes[] = {scope_root(), scope_sender(&pool)};
    struct lines l;
    char *line, *rest;

    (void)state;
    for (size_t i = 0; i < COUNT(scopes); i++) {
        for (unsigned j = 0; j < scopes[i].count; j++) {
            const char *path = scopes[i].settings[j].path;
            const char *dot = strrchr(path, '.');
            char name[80];

            snprintf(name, sizeof(name), "%s:", dot ? dot + 1 : path);
            if (scopes[i].settings[j].type != SETTING_VALUE &&
                strcmp(path, "limits.recipient") != 0)
                assert_non_null(strstr(text, name));
        }
    }
    /* Its only faults are the credentials, which this machine has not. */
    assert_null(load(text, NULL, &l));
    rest = l.fatal.data;
    while ((line = strsep(&rest, "\n")) && *line)
        assert_non_null(strstr(line, "$CREDENTIALS_DIRECTORY is not set"));
    lines_free(&l);
    pool_free(&pool);
}

/* Its credentials in place, the example is good as it stands. */
static void test_example_is_good(void **state)
{
    static const char secret[] = "SENDQ_SENDERS__2__CREDENTIALS__SECRET="
                                 "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    const char *env[] = {"SENDQ_SENDERS__0__CREDENTIALS__API_KEY=k",
                         "SENDQ_SENDERS__1__CREDENTIALS__ACCOUNT_SID=AC1",
                         "SENDQ_SENDERS__1__CREDENTIALS__AUTH_TOKEN=t", secret, NULL};
    struct pool pool = {0};
    struct config *c = load_good(read_example(&pool), env);

    (void)state;
    assert_int_equal(c->sender_count, 3);
    config_free(c);
    pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_masks_secrets),
        cmocka_unit_test(test_print_published_limits),
        cmocka_unit_test(test_masked_urls),
        cmocka_unit_test(test_print_loads_again),
        cmocka_unit_test(test_reference_names_every_setting),
        cmocka_unit_test(test_example_loads_and_names_every_setting),
        cmocka_unit_test(test_example_is_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

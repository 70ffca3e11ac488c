/* Loading: every fault's exact line, defaults, and what a full file means. */
#include "config_test.h"

#include "config_impl.h"
#include <stdlib.h>
#include <unistd.h>

/* --- faults --- */

static const struct {
    const char *text, *expected;
} bad[] = {
    /* YAML */
    {"a: [\n b: c\n", "f:3: YAML: expected well-formed YAML: did not find expected ',' or ']' "
                      "while parsing a flow sequence\n"},
    {"namespace: a\n\xff\n", "f:2: YAML: expected well-formed YAML: invalid leading UTF-8 octet\n"},
    {"---\nnamespace: a\n---\nnamespace: b\n", "f:4: YAML: expected one document, not several\n"},
    {CANARY, "f:1: YAML: expected settings (name: value lines) below it; leave it out if it has "
             "none\n"},
    /* structure: all faults at once */
    {"redis:\n  url: a\n  timout: 5s\nretention: [7d]\nredis: {}\n",
     "f:3: redis.timout: unknown setting, expected one of url, user, password, "
     "sentinel_user, sentinel_password, ca_file, cert_file, key_file, server_name, timeout\n"
     "f:4: retention: expected a single value, not a list or settings\n"
     "f:5: redis: expected once, but it is given twice\n"},
    {"redis:\n", "f:1: redis: expected settings (name: value lines) below it; leave it out if it "
                 "has none\n"},
    {"log: {" CANARY ": x}", "f:1: log: unknown setting, expected one of level, format\n"},
    {"namespace: &a x\nworker: {name: *a}\n",
     "f:2: worker.name: expected the value itself, not a YAML alias (*name)\n"},
    {"namespace: \"a\\0b\"", "f:1: namespace: expected text without NUL characters\n"},
    {"senders:\n- id: a\n- b\n- provider: [x]\n",
     "f:3: senders[1]: expected settings (name: value lines) below it; leave it out if it has "
     "none\nf:4: senders[2].provider: expected a single value, not a list or settings\n"},
    {"senders:\n- channels: email\n",
     "f:2: senders[0].channels: expected a list: [a, b], or lines that begin with '-'\n"},
    /* values of the root: all at once, in the order of the reference */
    {"namespace: a{}\nclaim: {batch: 0}\nintake:\n  bytes: 1GiB\nlog: {level: loud}\n",
     "f:1: namespace: expected 1 to 64 letters, digits, '.', '_', '-' or ':', with at most one "
     "{hash tag}\n"
     "f:4: intake.bytes: expected a size such as 64KiB or 25MiB, from 64KiB to 256MiB\n"
     "f:2: claim.batch: expected a whole number from 1 to 4096\n"
     "f:5: log.level: expected one of error, warn, info, debug\n"},
    {"redis: {url: \"http://u:" CANARY "@h\"}",
     "f:1: redis.url: expected redis://host:port, unix:///path, sentinel://host,host/primary, or a "
     "reference to it (file:, env:, "
     "credential:)\n"},
    {"redis: {timeout: 0}", "f:1: redis.timeout: expected a duration such as 250ms, 30s, 10m, 24h "
                            "or 7d, from 10ms to 1m\n"},
    {"limits: {rate: 10/fortnight}",
     "f:1: limits.rate: expected a rate such as 10/s or 100/min burst 20, or \"\" (the period of "
     "a rate must be s, min, h or day)\n"},
    {"admin: {listen: 9108}", "f:1: admin.listen: expected an address such as 127.0.0.1:9108 or "
                              "unix:/run/sendq/admin.sock, or \"\"\n"},
    {"keep: {content: perhaps}", "f:1: keep.content: expected true or false\n"},
    {"tls: {ca_file: /nonexistent/ca.pem}",
     "f:1: tls.ca_file: expected the path of a readable file, or \"\"\n"},
    {"attachments: {root: relative}",
     "f:1: attachments.root: expected the absolute path of a directory, or \"\"\n"},
    /* senders */
    {"senders:\n- provider: " CANARY "\n  channels: [sms]\n",
     "f:2: senders[0].id: expected a name of at most 64 letters, digits, '.', '_' or '-'\n"
     "f:2: senders[0].provider: expected one of $PROVIDERS\n"},
    {"senders:\n- id: a b\n  provider: sandbox\n  channels: [sms]\n",
     "f:2: senders[0].id: expected a name of at most 64 letters, digits, '.', '_' or '-'\n"},
    {SANDBOX "- id: a\n  provider: sandbox\n  channels: [email]\n",
     "f:5: senders[1].id: expected an id of its own, but senders[0] has the same\n"},
    {SENDGRID "credentials: {api_key: k}},\n {id: b, provider: sendgrid, channels: [sms, fax],"
              "\n  credentials: {api_key: k}}]",
     "f:2: senders[1].channels[0]: expected a channel that sendgrid serves: email\n"
     "f:2: senders[1].channels[1]: expected a channel that sendgrid serves: email\n"},
    {"senders: [{id: a, provider: twilio, credentials: {account_sid: a, auth_token: b}}]",
     "f:1: senders[0].channels: expected a list of channels, of sms, rcs, whatsapp\n"},
    {SANDBOX "  limits:\n    rate: ten\n    day: 5/day calendar Mars/Base\n    concurrency: -1\n",
     "f:6: senders[0].limits.rate: expected a rate such as 10/s or 100/min burst 20, or \"\" "
     "(expected a rate like \"10/s\" or \"10/s burst 20\")\n"
     "f:7: senders[0].limits.day: expected a cap such as 2000/day calendar Europe/Berlin or "
     "2000/day rolling, or \"\" (this system knows no such time zone)\n"
     "f:8: senders[0].limits.concurrency: expected a whole number from 0 to 100000\n"},
    {SANDBOX "  timeout: 0s\n", "f:5: senders[0].timeout: expected a duration such as 250ms, 30s, "
                                "10m, 24h or 7d, from 1ms to 1h\n"},
    {SANDBOX "  retry: {base: 10m, max: 1s}\n",
     "f:5: senders[0].retry.max: expected no less than retry.base\n"},
    {SANDBOX "  uncertain: maybe\n", "f:5: senders[0].uncertain: expected one of retry, fail\n"},
    {SANDBOX "  from:\n    address: \"a\\nb\"\n",
     "f:6: senders[0].from.address: expected text without line ends or control characters\n"},
    {SANDBOX "  endpoint: ftp://x\n", "f:5: senders[0].endpoint: expected a URL such as "
                                      "https://host or http://host:port/path, or \"\"\n"},
    {SANDBOX "  endpoint: smtp://x\n", "f:5: senders[0].endpoint: expected http:// or https://\n"},
    {SANDBOX "  fallback: [b, a]\n",
     "f:5: senders[0].fallback[0]: expected the id of another sender\n"
     "f:5: senders[0].fallback[1]: expected another sender than itself\n"},
    {SANDBOX "  fallback: [b]\n- id: b\n  provider: sandbox\n  channels: [email]\n",
     "f:5: senders[0].fallback[0]: expected a sender that serves one of its channels\n"},
    {SANDBOX "  default: true\n- {id: b, provider: sandbox, channels: [email, sms], "
             "default: true}\n",
     "f:6: senders[1].default: expected one default for sms, but senders[0] is it already\n"},
    {"senders: [{id: a, provider: webhook, channels: [custom]}]",
     "f:1: senders[0].endpoint: expected a URL, since this provider has none of its own\n"},
    {SENDGRID "from: {address: Acme},\n credentials: {api_key: k}}]",
     "f:1: senders[0].from.address: expected an e-mail address, since the sender serves email "
     "only\n"},
    /* what providers ask for */
    {"senders:\n- id: a\n  provider: sendgrid\n  channels: [email]\n",
     "f:2: senders[0].credentials.api_key: expected a value, sendgrid needs it: API key "
     "(SG....)\n"},
    {SENDGRID "credentials: {lettersonly}}]",
     "f:1: senders[0].credentials: unknown setting, expected one of $PROVIDERS"},
    {SENDGRID "credentials: {" CANARY "}}]",
     "f:1: senders[0].credentials: unknown setting, expected one of $PROVIDERS"},
    {SENDGRID "credentials: {api_key: k,\n auth_token: " CANARY "}}]",
     "f:2: senders[0].credentials.auth_token: not a setting of sendgrid, expected one of "
     "api_key, unsubscribe_url, unsubscribe_address\n"},
    {SENDGRID "options: {api_key: " CANARY "}}]",
     "f:1: senders[0].options.api_key: expected under credentials, since it is a secret\n"},
    {SANDBOX "  options: {steps: 1}\n  credentials: {steps: 1}\n",
     "f:5: senders[0].options.steps: expected either here or under credentials, not both\n"},
    {SANDBOX "  options:\n    steps: 9\n", "f:6: senders[0].options.steps: expected 1 or 2\n"},
    {SANDBOX "  headers: [\"X: y\", " CANARY ", \": v\", \"X:\", \"X: a\\r\\nB: c\"]\n",
     "f:5: senders[0].headers[1]: expected \"Name: value\"\n"
     "f:5: senders[0].headers[2]: expected \"Name: value\"\n"
     "f:5: senders[0].headers[3]: expected \"Name: value\"\n"
     "f:5: senders[0].headers[4]: expected a value without line ends or control characters\n"},
    /* references: never echoed, a secret may stand behind a mistaken prefix */
    {SENDGRID "credentials: {api_key: \"env:" CANARY "\"}}]",
     "f:1: senders[0].credentials.api_key: expected the environment variable named after env: to "
     "be set\n"},
    {SENDGRID "credentials: {api_key: \"env:\"}}]",
     "f:1: senders[0].credentials.api_key: expected a variable's name after env:\n"},
    {SENDGRID "credentials: {api_key: \"file:/nonexistent/" CANARY "\"}}]",
     "f:1: senders[0].credentials.api_key: expected the file named after file: to hold it: cannot "
     "open it: No such file or directory\n"},
    {SENDGRID "credentials: {api_key: \"file:/\"}}]",
     "f:1: senders[0].credentials.api_key: expected the file named after file: to hold it: it is "
     "not a regular file\n"},
    {SENDGRID "credentials: {api_key: \"credential:" CANARY "\"}}]",
     "f:1: senders[0].credentials.api_key: expected systemd to pass credentials "
     "(LoadCredential=), but $CREDENTIALS_DIRECTORY is not set\n"},
    {SENDGRID "credentials: {api_key: \"credential:../" CANARY "\"}}]",
     "f:1: senders[0].credentials.api_key: expected a credential's name, without '/', after "
     "credential:\n"},
    {"redis: {url: \"env:" CANARY "\"}",
     "f:1: redis.url: expected the environment variable named after env: to be set\n"},
};

static void test_every_fault_has_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct lines l;
        struct config *c = load(bad[i].text, NULL, &l);
        const char *hole = strstr(bad[i].expected, "$PROVIDERS");

        assert_null(c);
        assert_null(strstr(buf_str(&l.fatal), CANARY));
        assert_null(strstr(buf_str(&l.warnings), CANARY));
        if (hole) /* the list grows with the registry */
            assert_memory_equal(buf_str(&l.fatal), bad[i].expected,
                                (size_t)(hole - bad[i].expected));
        else
            assert_string_equal(buf_str(&l.fatal), bad[i].expected);
        lines_free(&l);
    }
}

static void test_errors_are_capped(void **state)
{
    struct buf text = {0};
    struct lines l;
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 5000; i++)
        buf_adds(&text, "bogus: 1\n");
    assert_null(load(buf_str(&text), NULL, &l));
    for (const char *p = buf_str(&l.fatal); (p = strchr(p, '\n')); p++)
        count++;
    assert_int_equal(count, CONFIG_ERRORS_MAX + 1);
    lines_free(&l);
    buf_free(&text);
}

static void test_missing_file_is_named(void **state)
{
    struct lines l = {0};

    (void)state;
    assert_null(config_load("/nonexistent/sendqd.yaml", on_report, &l));
    assert_string_equal(buf_str(&l.fatal),
                        "/nonexistent/sendqd.yaml: file: expected a readable configuration file: "
                        "cannot open it: No such file or directory\n");
    lines_free(&l);
}

/* --- values --- */

static void test_defaults(void **state)
{
    struct lines l;
    struct config *c = load(NULL, NULL, &l);

    (void)state;
    assert_non_null(c);
    assert_string_equal(buf_str(&l.warnings),
                        "f: senders: expected at least one: jobs will be refused\n");
    assert_string_equal(c->ns, "sendq");
    assert_string_equal(c->redis_url, "redis://127.0.0.1:6379");
    assert_string_equal(c->admin_listen, "");
    assert_string_equal(c->worker_name, "");
    assert_int_equal(c->log_level, LOG_LVL_INFO);
    assert_false(c->log_json);
    assert_int_equal(c->retention_ms, INT64_C(7) * 86400000);
    assert_int_equal(c->stats_retention_ms, INT64_C(90) * 86400000);
    assert_int_equal(c->events, EVENTS_FINAL);
    assert_int_equal(c->events_max, 100000);
    assert_int_equal(c->lease_ms, 30000);
    assert_int_equal(c->take_bytes, 8 << 20);
    assert_int_equal(c->slot_jitter_ms, 20);
    assert_int_equal(c->job.max_bytes, 40 << 20);
    assert_int_equal(c->job.max_depth, 48);
    assert_int_equal(c->job.max_subject, 998);
    assert_int_equal(c->global_limit.rate.count, 0);
    assert_int_equal(c->attachments_max, 25 << 20);
    assert_null(c->attachments_root);
    assert_null(c->tls_ca_file);
    assert_int_equal(c->sender_count, 0);
    assert_null(config_sender(c, "a"));
    assert_null(config_default_sender(c, CHANNEL_EMAIL));
    config_free(c);
    lines_free(&l);
}

static void test_empty_files_are_defaults(void **state)
{
    static const char *const texts[] = {"", "# only a comment\n", "{}", "senders:\n",
                                        "senders: []\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct config *c = load_good(texts[i], NULL);

        assert_int_equal(c->sender_count, 0);
        assert_string_equal(c->ns, "sendq");
        config_free(c);
    }
}

static void check_mail_sender(const struct sender *s)
{
    assert_non_null(s);
    assert_string_equal(s->provider->name, "sendgrid");
    assert_int_equal(s->channels, CHANNEL_BIT(CHANNEL_EMAIL));
    assert_string_equal(s->from_address, "support@acme.example");
    assert_string_equal(s->from_name, "Acme Support");
    assert_string_equal(s->endpoint, "http://127.0.0.1:8081/sendgrid");
    assert_null(s->token_endpoint);
    assert_string_equal(s->tenant, "acme");
    assert_string_equal(sender_value(s, "api_key"), CANARY);
    assert_int_equal(s->rate.count, 10);
    assert_int_equal(s->rate.burst, 20);
    assert_int_equal(s->day.count, 2000);
    assert_string_equal(s->day.zone, "Europe/Berlin");
    assert_int_equal(s->concurrency, 50);
    assert_int_equal(s->recipient_rate.count, 1);
    assert_int_equal(s->retry_attempts, 5);
    assert_int_equal(s->retry_base_ms, 2000);
    assert_int_equal(s->retry_max_ms, 60000);
    assert_int_equal(s->retry_max_age_ms, 3600000);
    assert_int_equal(s->timeout_ms, 10000);
    assert_int_equal(s->uncertain, UNCERTAIN_FAIL);
    assert_true(s->ignore_suppressed);
    assert_int_equal(s->fallback_count, 1);
    assert_string_equal(s->fallback[0], "hook");
}

static void test_full_configuration(void **state)
{
    struct config *c = load_good(full, full_env);
    const struct sender *hook = config_sender(c, "hook");

    (void)state;
    assert_string_equal(c->ns, "{acme}");
    assert_int_equal(c->global_limit.rate.count, 500);
    assert_int_equal(c->events, EVENTS_ALL);
    assert_int_equal(c->log_level, LOG_LVL_DEBUG);
    assert_true(c->log_json);
    assert_true(c->keep_content);
    assert_int_equal(c->attachments_host_count, 2);
    assert_string_equal(c->attachments_hosts[1], "10.0.0.5:80");
    check_mail_sender(config_sender(c, "support-mail"));
    assert_int_equal(hook->channels, CHANNEL_BIT(CHANNEL_EMAIL) | CHANNEL_BIT(CHANNEL_CUSTOM));
    assert_string_equal(hook->headers[0], "Authorization: " CANARY);
    assert_string_equal(hook->headers[1], "X-Team: ops");
    assert_string_equal(sender_value(hook, "method"), "PUT");
    assert_string_equal(sender_value(hook, "content_type"), "json"); /* the provider's default */
    assert_int_equal(hook->retry_attempts, 8);
    assert_int_equal(hook->timeout_ms, 30000);
    assert_int_equal(hook->uncertain, UNCERTAIN_RETRY);
    config_free(c);
}

static void test_default_sender(void **state)
{
    struct config *c = load_good(full, full_env);

    (void)state;
    assert_string_equal(config_default_sender(c, CHANNEL_EMAIL)->id, "hook"); /* says default */
    assert_null(config_default_sender(c, CHANNEL_SMS));
    config_free(c);
    c = load_good(SANDBOX "- {id: b, provider: sandbox, channels: [sms, email]}\n", NULL);
    assert_null(config_default_sender(c, CHANNEL_SMS));                    /* open */
    assert_string_equal(config_default_sender(c, CHANNEL_EMAIL)->id, "b"); /* the only one */
    config_free(c);
}

static void test_defaults_of_the_provider(void **state)
{
    struct config *c = load_good("senders: [{id: a, provider: sendgrid, "
                                 "credentials: {api_key: k}, tenant: \"\"}]",
                                 NULL);

    (void)state;
    assert_string_equal(c->senders[0].endpoint, "https://api.sendgrid.com");
    assert_int_equal(c->senders[0].channels, CHANNEL_BIT(CHANNEL_EMAIL)); /* it has only one */
    assert_string_equal(c->senders[0].tenant, "");
    config_free(c);
}

static void test_many_senders(void **state)
{
    struct buf text = {0};
    struct config *c;

    (void)state;
    buf_adds(&text, "senders:\n");
    for (unsigned i = 0; i < 1000; i++)
        buf_addf(&text, "- {id: s%u, provider: sandbox, channels: [sms]}\n", i);
    c = load_good(buf_str(&text), NULL);
    assert_int_equal(c->sender_count, 1000);
    assert_string_equal(config_sender(c, "s777")->id, "s777");
    config_free(c);
    buf_free(&text);
}

/* Whoever may not read the secrets gets everything but the senders; other faults stay faults. */
static void test_without_senders(void **state)
{
    static const char text[] =
        "namespace: n\n" SENDGRID "credentials: {api_key: \"env:SENDQ_TEST_NOWHERE\"}}]\n";
    char path[] = "/tmp/sendq-config-XXXXXX";
    struct lines l = {.fatal = {0}};
    int fd = mkstemp(path);
    struct config *c;

    (void)state;
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_null(config_load(path, on_report, &l));
    assert_non_null(strstr(buf_str(&l.fatal), "credentials.api_key"));
    lines_free(&l);
    c = config_load_opts(path, CONFIG_WITHOUT_SENDERS, on_report, &l);
    assert_non_null(c);
    assert_string_equal(buf_str(&l.fatal), "");
    assert_string_equal(c->ns, "n");
    assert_int_equal(c->sender_count, 0);
    assert_null(config_sender(c, "a"));
    config_free(c);
    assert_int_equal(write(fd, "nowhere: 1\n", 11), 11);
    assert_null(config_load_opts(path, CONFIG_WITHOUT_SENDERS, on_report, &l));
    assert_non_null(strstr(buf_str(&l.fatal), "nowhere"));
    lines_free(&l);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fault_has_its_line),
        cmocka_unit_test(test_errors_are_capped),
        cmocka_unit_test(test_missing_file_is_named),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_empty_files_are_defaults),
        cmocka_unit_test(test_full_configuration),
        cmocka_unit_test(test_default_sender),
        cmocka_unit_test(test_defaults_of_the_provider),
        cmocka_unit_test(test_many_senders),
        cmocka_unit_test(test_without_senders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the tests of the configuration share: loading with captured lines. */
#ifndef SENDQ_TESTS_UNIT_DAEMON_CONFIG_TEST_H
#define SENDQ_TESTS_UNIT_DAEMON_CONFIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"
#include "provider.h"
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* In every place that must not be echoed. */
#define CANARY "c4n4ryS3cret"

#define SENDGRID "senders: [{id: a, provider: sendgrid, channels: [email], "
#define SANDBOX "senders:\n- id: a\n  provider: sandbox\n  channels: [sms]\n"

/* The variable that full_env and others refer to. */
static const char key_line[] __attribute__((unused)) = "KEY=" CANARY;

struct lines {
    struct buf fatal, warnings;
};

static inline void on_report(bool fatal, const char *line, void *arg)
{
    struct lines *l = arg;
    struct buf *b = fatal ? &l->fatal : &l->warnings;

    buf_adds(b, line);
    buf_addc(b, '\n');
}

static inline struct config *load(const char *text, const char *const *env, struct lines *l)
{
    *l = (struct lines){0};
    return config_load_text("f", text, text ? strlen(text) : 0, env, on_report, l);
}

static inline void lines_free(struct lines *l)
{
    buf_free(&l->fatal);
    buf_free(&l->warnings);
}

/* Loads what must load; warnings are of no interest. */
static inline struct config *load_good(const char *text, const char *const *env)
{
    struct lines l;
    struct config *c = load(text, env, &l);

    assert_string_equal(buf_str(&l.fatal), "");
    assert_non_null(c);
    lines_free(&l);
    return c;
}

static const char full[] __attribute__((unused)) =
    "namespace: \"{acme}\"\n"
    "redis: { url: \"unix:///run/redis/redis.sock\" }\n"
    "admin: { listen: \"127.0.0.1:9108\" }\n"
    "retention: 8d\n"
    "limits: { rate: \"500/s\" }\n"
    "attachments: { root: /, allow_hosts: [a.example, \"10.0.0.5:80\"], max_size: 5MiB }\n"
    "events: all\n"
    "log: { level: debug, format: json }\n"
    "keep: { content: yes }\n"
    "senders:\n"
    "  - id: support-mail\n"
    "    provider: sendgrid\n"
    "    channels: [email]\n"
    "    from: { address: support@acme.example, name: Acme Support }\n"
    "    endpoint: \"http://127.0.0.1:8081/sendgrid/\"\n"
    "    token_endpoint: \"\"\n"
    "    credentials: { api_key: \"env:KEY\" }\n"
    "    limits: { rate: \"10/s burst 20\", day: \"2000/day calendar Europe/Berlin\",\n"
    "              concurrency: 50, recipient: \"1/s\" }\n"
    "    retry: { attempts: 5, base: 2s, max: 1m, max_age: 1h }\n"
    "    timeout: 10s\n"
    "    uncertain: fail\n"
    "    fallback: [hook]\n"
    "    tenant: acme\n"
    "    ignore_suppressed: true\n"
    "  - id: hook\n"
    "    provider: webhook\n"
    "    channels: [email, CUSTOM]\n"
    "    default: true\n"
    "    endpoint: \"https://hooks.example\"\n"
    "    options: { method: PUT }\n"
    "    headers: [\"Authorization: env:KEY\", \"X-Team:  ops\"]\n";

static const char *const full_env[] __attribute__((unused)) = {key_line, NULL};

#endif

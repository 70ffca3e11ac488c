/* Limits as numbers: the arithmetic of rates, and what is written to Redis. */
#include "daemon_rig.h"

#include "quota.h"

/* --- arithmetic --- */

static struct store_bucket bucket_of(int64_t count, int64_t period_ms, int64_t burst,
                                     int64_t jitter_ms)
{
    const struct rate rate = {.count = count, .period_ms = period_ms, .burst = burst};
    struct store_bucket b = {.interval_us = -1, .tolerance_us = -1};

    quota_bucket(&rate, jitter_ms, &b);
    return b;
}

static void test_no_rate(void **state)
{
    struct store_bucket b = bucket_of(0, 1000, 0, 20);

    (void)state;
    assert_int_equal(b.interval_us, 0);
    assert_int_equal(b.tolerance_us, 0);
}

/* The promise of a strict rate: whenever a window of one period begins, and however late, within
 * the jitter, each of its sends is, it holds no more than count. */
static void test_strict_windows(void **state)
{
    static const int64_t counts[] = {1, 2, 3, 7, 10, 50, 99, 100, 500, 999, 1000, 3333};
    static const int64_t periods[] = {1000, 60000, 3600000};
    static const int64_t jitters[] = {0, 1, 20, 500};

    (void)state;
    for (size_t c = 0; c < 12; c++)
        for (size_t p = 0; p < 3; p++)
            for (size_t j = 0; j < 4; j++) {
                struct store_bucket b = bucket_of(counts[c], periods[p], 0, jitters[j]);
                /* Sends 0 and count: the first as late as allowed, the last in time. */
                int64_t span = b.interval_us * counts[c] - jitters[j] * 1000;

                assert_int_equal(b.tolerance_us, 0);
                assert_true(span >= periods[p] * 1000);
                /* ... and no slower than it must be. */
                assert_true(span - periods[p] * 1000 < counts[c]);
            }
}

static void test_burst(void **state)
{
    struct store_bucket b = bucket_of(10, 1000, 20, 20);

    (void)state;
    assert_int_equal(b.interval_us, 100000);
    assert_int_equal(b.tolerance_us, 1900000);
    b = bucket_of(3, 1000, 1, 0);
    assert_int_equal(b.interval_us, 333334); /* rounded to the slower side */
    assert_int_equal(b.tolerance_us, 0);
}

static void test_extremes(void **state)
{
    struct store_bucket b = bucket_of(1000000000, 1000, 0, 0);

    (void)state;
    assert_int_equal(b.interval_us, 1); /* never 0, which would mean no rate */
    b = bucket_of(1, 86400000, 0, 20);
    assert_int_equal(b.interval_us, INT64_C(86400020000));
    b = bucket_of(1, 86400000, 1000000000, 20);
    assert_true(b.tolerance_us > 0); /* capped, not overflown */
}

/* --- what is written --- */

static void on_published(enum store_status st, void *arg)
{
    worker_done(arg, st);
}

static void publish(struct daemon_rig *d, const char *text, unsigned calls)
{
    struct config *c = config_from(text);
    unsigned before = d->a->calls;

    quota_publish(d->a->store, c, on_published, d->a);
    config_free(c);
    while (d->a->calls < before + calls) {
        loop_run(d->g->loop);
        assert_int_equal(d->a->status, STORE_OK);
    }
}

static void test_published(void **state)
{
    struct daemon_rig *d = *state;

    publish(d,
            "senders:\n"
            "- id: p\n  provider: sandbox\n  channels: [sms]\n  ignore_suppressed: true\n"
            "  limits: { rate: \"10/s burst 3\", day: \"200/day calendar Europe/Berlin\","
            " concurrency: 7 }\n"
            "- id: q\n  provider: sandbox\n  channels: [sms]\n",
            2);
    assert_string_equal(REDIS(d->g, "HMGET", "t:bucket:sender:p", "interval", "tolerance",
                              "day_cap", "zone", "conc"),
                        "100000 200000 200 Europe/Berlin 7");
    assert_string_equal(
        REDIS(d->g, "HMGET", "t:sender:p", "_buckets", "_ignore_suppressed", "state"),
        "sender:p 1 ok");
    assert_string_equal(
        REDIS(d->g, "HMGET", "t:bucket:sender:q", "interval", "day_cap", "zone", "conc"),
        "0 0 UTC 0");
    assert_string_equal(REDIS(d->g, "HGET", "t:sender:q", "_ignore_suppressed"), "0");
    assert_string_equal(REDIS(d->g, "EXISTS", "t:bucket:global"), "0");
}

static void test_global(void **state)
{
    struct daemon_rig *d = *state;

    publish(d,
            "limits: { rate: \"500/s\" }\n"
            "claim: { jitter: 0ms }\n"
            "senders:\n- id: p\n  provider: sandbox\n  channels: [sms]\n",
            2);
    assert_string_equal(
        REDIS(d->g, "HMGET", "t:bucket:global", "interval", "tolerance", "day_cap", "conc"),
        "2000 0 0 0");
    assert_string_equal(REDIS(d->g, "HGET", "t:sender:p", "_buckets"), "sender:p global");
    publish(d, "senders:\n- id: p\n  provider: sandbox\n  channels: [sms]\n", 2);
    assert_string_equal(REDIS(d->g, "HGET", "t:sender:p", "_buckets"), "sender:p");
}

/* --- what senders share --- */

static void test_shared(void **state)
{
    struct daemon_rig *d = *state;

    publish(d,
            "limits: { day: 9/day, channels: [\"sms 10/s burst 2\", \"SMS 500/day\"],"
            " tenants: [\"acme 5/s burst 1\", \"* 100/day rolling\"] }\n"
            "senders:\n"
            "- { id: p, provider: sandbox, channels: [sms], tenant: acme }\n"
            "- { id: q, provider: sandbox, channels: [sms, email], limits: { recipient: 1/s } }\n"
            "- { id: r, provider: sandbox, channels: [email], tenant: other }\n",
            2);
    assert_string_equal(REDIS(d->g, "HMGET", "t:sender:p", "_buckets", "_by", "_pair"),
                        "sender:p channel:sms tenant:acme global t ");
    assert_string_equal(REDIS(d->g, "HMGET", "t:sender:q", "_buckets", "_by", "_pair"),
                        "sender:q global ct 1020000 0");
    assert_string_equal(REDIS(d->g, "HGET", "t:sender:r", "_buckets"),
                        "sender:r tenant:other global");
    assert_string_equal(REDIS(d->g, "HMGET", "t:bucket:channel:sms", "interval", "day_cap"),
                        "100000 500");
    assert_string_equal(REDIS(d->g, "HMGET", "t:bucket:tenant:acme", "interval", "day_cap"),
                        "200000 0");
    assert_string_equal(REDIS(d->g, "HMGET", "t:bucket:tenant:*", "interval", "day_cap"), "0 100");
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:global", "day_cap"), "9");
}

#define TELEGRAM(id, token, more)                                                                  \
    "- { id: " id ", provider: telegram, credentials: { token: \"1:" token "\" }" more " }\n"

static const char *buckets(struct daemon_rig *d, const char *id)
{
    char key[80];

    snprintf(key, sizeof(key), "t:sender:%s", id);
    return REDIS(d->g, "HGET", key, "_buckets");
}

/* What a provider publishes is shared by the senders of one account. */
static void test_accounts(void **state)
{
    struct daemon_rig *d = *state;
    const char *account;
    char key[128];

    publish(d,
            "claim: { jitter: 0ms }\nsenders:\n" TELEGRAM("alone", "x", "") TELEGRAM("p", "y", "")
                TELEGRAM("q", "y", ""),
            2);
    assert_string_equal(buckets(d, "alone"), "sender:alone");
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:sender:alone", "interval"), "33334");
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:sender:p", "interval"), "0");
    account = strchr(buckets(d, "p"), ' ');
    assert_non_null(account);
    snprintf(key, sizeof(key), "t:bucket:%s", account + 1);
    assert_non_null(strstr(buckets(d, "q"), key + strlen("t:bucket:")));
    assert_string_equal(REDIS(d->g, "HGET", key, "interval"), "33334");
}

/* One that sets a limit itself takes it away from the account; limits.account gives it others. */
static void test_account_of_its_own(void **state)
{
    struct daemon_rig *d = *state;

    publish(d,
            "claim: { jitter: 0ms }\nsenders:\n" TELEGRAM("p", "y", ", limits: { rate: 5/s }")
                TELEGRAM("q", "y", "")
                    TELEGRAM("r", "z", ", account: bot, limits: { account: [\"10/s\"] }")
                        TELEGRAM("s", "w", ", account: bot"),
            2);
    assert_string_equal(buckets(d, "p"), "sender:p");
    assert_string_equal(buckets(d, "q"), "sender:q");
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:sender:p", "interval"), "200000");
    assert_string_equal(buckets(d, "r"), "sender:r account:bot");
    assert_string_equal(buckets(d, "s"), "sender:s account:bot");
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:account:bot", "interval"), "100000");
}

static void test_many_senders(void **state)
{
    struct daemon_rig *d = *state;
    struct buf text = {0};

    buf_adds(&text, "limits: { rate: \"500/s\" }\nsenders:\n");
    for (int i = 0; i < 205; i++)
        buf_addf(&text,
                 "- { id: n%d, provider: sandbox, channels: [sms], limits: { concurrency: %d } }\n",
                 i, i + 1);
    publish(d, buf_str(&text), 4);
    buf_free(&text);
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:sender:n0", "conc"), "1");
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:sender:n99", "conc"), "100");
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:sender:n100", "conc"), "101");
    assert_string_equal(REDIS(d->g, "HGET", "t:bucket:sender:n204", "conc"), "205");
    assert_string_equal(REDIS(d->g, "HGET", "t:sender:n204", "_buckets"), "sender:n204 global");
    assert_string_equal(REDIS(d->g, "SCARD", "t:senders"), "206"); /* and the rig's own */
}

static const char *print_of(struct daemon_rig *d, const char *key, const char *endpoint)
{
    char text[300];

    snprintf(text, sizeof(text),
             "senders:\n- id: p\n  provider: sendgrid\n  channels: [email]\n"
             "  from: { address: a@b.example }\n"
             "  endpoint: \"%s\"\n  credentials: { api_key: \"%s\" }\n",
             endpoint, key);
    publish(d, text, 2);
    return REDIS(d->g, "HGET", "t:sender:p", "_fingerprint");
}

/* It changes with the account and with nothing else, and does not show the key. */
static void test_fingerprint(void **state)
{
    struct daemon_rig *d = *state;
    const char *first = print_of(d, "SG.key1", "http://127.0.0.1:1");

    assert_int_equal(strlen(first), 16);
    assert_null(strstr(first, "key1"));
    assert_string_equal(print_of(d, "SG.key1", "http://127.0.0.1:1"), first);
    assert_string_not_equal(print_of(d, "SG.key2", "http://127.0.0.1:1"), first);
    assert_string_not_equal(print_of(d, "SG.key1", "http://127.0.0.1:2"), first);
}

static void test_while_down(void **state)
{
    struct daemon_rig *d = *state;
    struct config *c = config_from(DAEMON_RIG_CONFIG);
    unsigned before = d->a->calls;

    store_close(d->a->store);
    quota_publish(d->a->store, c, on_published, d->a);
    assert_int_equal(d->a->calls, before);
    config_free(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, daemon_rig_setup, daemon_rig_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_rate),
        cmocka_unit_test(test_strict_windows),
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_extremes),
        TEST(test_published),
        TEST(test_global),
        TEST(test_shared),
        TEST(test_accounts),
        TEST(test_account_of_its_own),
        TEST(test_many_senders),
        TEST(test_fingerprint),
        TEST(test_while_down),
    };

    return STORE_TESTS_RUN(tests);
}

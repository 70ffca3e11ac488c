/* Key names: the contract's, and what the scripts build. */
#include "store_rig.h"

#include "keys.h"

static void check(enum key_kind kind, const char *part, const char *expected)
{
    struct buf b = {0};

    buf_adds(&b, "what was there before");
    key_make(&b, "{acme}", kind, part);
    assert_string_equal(buf_str(&b), expected);
    buf_free(&b);
}

static void test_names(void **state)
{
    (void)state;
    check(KEY_PREFIX, NULL, "{acme}:");
    check(KEY_JOBS_HIGH, NULL, "{acme}:jobs:high");
    check(KEY_JOBS, NULL, "{acme}:jobs");
    check(KEY_JOBS_LOW, NULL, "{acme}:jobs:low");
    check(KEY_MESSAGE, "m-1", "{acme}:message:m-1");
    check(KEY_CONTENT, "m-1", "{acme}:content:m-1");
    check(KEY_TEXT, "m-1", "{acme}:text:m-1");
    check(KEY_READING, "w", "{acme}:reading:w");
    check(KEY_REPLY, "api", "{acme}:reply:api");
    check(KEY_EVENTS, NULL, "{acme}:events");
    check(KEY_REJECTED, NULL, "{acme}:rejected");
    check(KEY_DEAD, NULL, "{acme}:dead");
    check(KEY_STATS, "2026-11-21", "{acme}:stats:2026-11-21");
    check(KEY_WORKERS, NULL, "{acme}:workers");
    check(KEY_WORKER, "w", "{acme}:worker:w");
    check(KEY_WORKER_NAMES, NULL, "{acme}:worker_names");
    check(KEY_SENDER, "s", "{acme}:sender:s");
    check(KEY_SENDERS, NULL, "{acme}:senders");
    check(KEY_BUCKET, "sender:s", "{acme}:bucket:sender:s");
    check(KEY_READY, "s:2", "{acme}:ready:s:2");
    check(KEY_DELAYED, NULL, "{acme}:delayed");
    check(KEY_TURN, NULL, "{acme}:turn");
    check(KEY_LEASE, "w", "{acme}:lease:w");
    check(KEY_CLAIMED, "w", "{acme}:claimed:w");
    check(KEY_BELL, NULL, "{acme}:bell");
}

static void test_job_lists(void **state)
{
    (void)state;
    assert_int_equal(key_jobs(PRIORITY_HIGH), KEY_JOBS_HIGH);
    assert_int_equal(key_jobs(PRIORITY_NORMAL), KEY_JOBS);
    assert_int_equal(key_jobs(PRIORITY_LOW), KEY_JOBS_LOW);
}

static bool is_known(const char *key, size_t len)
{
    struct buf b = {0};
    bool known = false;

    for (int kind = 0; kind <= (int)KEY_BELL && !known; kind++) {
        key_make(&b, "t", (enum key_kind)kind, NULL);
        /* A kind that takes a part ends with the colon before it. */
        known = kind != KEY_PREFIX &&
                (b.data[b.len - 1] == ':' ? len > b.len && memcmp(key, b.data, b.len) == 0
                                          : len == b.len && memcmp(key, b.data, b.len) == 0);
    }
    buf_free(&b);
    return known;
}

/* A message's whole way leaves no key that the table does not name. */
static void test_scripts_use_the_same_names(void **state)
{
    static const char *const scripts_own[] = {"t:idem:", "t:timeline:", "t:suppressed:", "t:healed",
                                              "t:minutes:"};
    struct store_rig *r = *state;
    struct store_accept *j = a_job(r, 0, "m1");
    struct store_finish f;
    const char *keys;

    j->idempotency_key = "k";
    j->body_hash = "h";
    accept_n(r, 1);
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    f = an_outcome(FINISH_FAILED, "m1", 1);
    f.contact = "c";
    f.reply_queue = "q";
    assert_int_equal(worker_finish_all(r->a, &f, 1), STORE_OK);
    take_n(r, r->a, 1);
    keys = REDIS(r->g, "KEYS", "*");
    for (const char *key = keys; *key != '\0'; key += strspn(key, " ")) {
        size_t len = strcspn(key, " ");
        bool known = is_known(key, len);

        for (size_t i = 0; i < sizeof(scripts_own) / sizeof(scripts_own[0]); i++)
            known = known || strncmp(key, scripts_own[i], strlen(scripts_own[i])) == 0;
        if (!known)
            fail_msg("no kind makes %.*s", (int)len, key);
        key += len;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_job_lists),
        STORE_TEST(test_scripts_use_the_same_names),
    };

    return STORE_TESTS_RUN(tests);
}

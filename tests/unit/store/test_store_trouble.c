/* Redis in trouble: keys of another type, no memory, an empty script cache, refusals. Nothing is
 * lost and nothing is sent twice, however long it lasts. */
#include "store_rig.h"

#include "timefmt.h"

#define MESSAGES 3

/* What the daemon does with the store's calls, in small: a batch, or outcomes, that Redis refused
 * are tried again. */
struct pump {
    struct store_rig *r;
    struct worker *w;
    uint64_t tag;
    unsigned batch; /* jobs taken, not yet accepted */
    struct rig_claim held[64];
    unsigned held_count;
    unsigned errors, sent[MESSAGES + 1];
};

static void take_some(struct pump *p)
{
    char raws[256];
    char *save = NULL;

    if (worker_take(p->w, ++p->tag, 16) != STORE_OK)
        return;
    snprintf(raws, sizeof(raws), "%s", buf_str(&p->w->raws));
    for (char *raw = strtok_r(raws, " ", &save); raw; raw = strtok_r(NULL, " ", &save)) {
        struct store_accept *j = a_job(p->r, p->batch++, raw + 2); /* "2:m1" */

        j->idempotency_key = p->r->ids[p->batch - 1];
        j->body_hash = "h";
    }
}

static void finish_held(struct pump *p)
{
    struct store_finish f[64];

    for (unsigned i = 0; i < p->held_count; i++) {
        f[i] = an_outcome(FINISH_SENT, p->held[i].id, p->held[i].fence);
        f[i].contact = "c";
        f[i].reply_queue = "q";
    }
    if (p->held_count == 0)
        return;
    if (worker_finish_all(p->w, f, p->held_count) != STORE_OK)
        p->errors++;
    else
        p->held_count = 0;
}

static void claim_some(struct pump *p)
{
    if (worker_claim(p->w, 16) != STORE_OK) {
        p->errors++;
        return;
    }
    for (size_t i = 0; i < p->w->claim_count; i++) {
        p->held[p->held_count++] = p->w->claims[i];
        p->sent[strtoul(p->w->claims[i].id + 1, NULL, 10)]++;
    }
}

static void pump(struct pump *p, int turns)
{
    for (int i = 0; i < turns; i++) {
        if (p->batch == 0)
            take_some(p);
        if (p->batch > 0 && worker_accept(p->w, p->tag, p->r->jobs, p->batch) != STORE_ERROR)
            p->batch = 0;
        claim_some(p);
        finish_held(p);
        worker_beat(p->w);
    }
}

/* Puts something of another type in a key's place, and takes it away again. */
static void plant(struct store_rig *r, const char *key)
{
    bool is_string = strstr(key, "idem:") != NULL || strstr(key, "content:") != NULL;

    REDIS(r->g, "RENAME", key, "kept");
    if (is_string)
        REDIS(r->g, "RPUSH", key, "x");
    else
        REDIS(r->g, "SET", key, "x");
}

static void mend(struct store_rig *r, const char *key)
{
    static const char all_due[] =
        "for _, k in ipairs(KEYS) do for _, m in ipairs(redis.call('ZRANGE', k, 0, -1)) do "
        "redis.call('ZADD', k, 1, m) end end return 1";

    if (strcmp(REDIS(r->g, "EXISTS", "kept"), "1") == 0)
        REDIS(r->g, "RENAME", "kept", key);
    else if (strstr(REDIS(r->g, "TYPE", key), "string") != NULL || strstr(key, "idem:") == NULL)
        REDIS(r->g, "DEL", key);
    /* What waits for a second or a minute need not in a test. */
    assert_string_equal(REDIS(r->g, "EVAL", all_due, "2", "t:turn", "t:delayed"), "1");
}

static void push_jobs(struct store_rig *r)
{
    for (int i = 1; i <= MESSAGES; i++) {
        char raw[16];

        snprintf(raw, sizeof(raw), "m%d", i);
        REDIS(r->g, "LPUSH", "t:jobs", raw);
    }
}

static void check_all_sent(struct store_rig *r, struct pump *p, const char *key)
{
    for (int i = 1; i <= MESSAGES; i++) {
        char id[16];

        snprintf(id, sizeof(id), "m%d", i);
        if (strcmp(FIELD(r, id, "status"), "sent") != 0)
            fail_msg("with another type in %s, %s ends as %s", key, id, FIELD(r, id, "status"));
        if (p->sent[i] != 1)
            fail_msg("with another type in %s, %s was sent %u times", key, id, p->sent[i]);
    }
    if (strcmp(REDIS(r->g, "EXISTS", LEASE(r, p->w), CLAIMED(r, p->w), "t:ready:s:2", "t:jobs",
                     "t:delayed"),
               "0") != 0)
        fail_msg("with another type in %s, %s", key, REDIS(r->g, "KEYS", "*"));
    /* Places that came free while nobody could write them down stay taken. */
    if (strcmp(key, "t:bucket:sender:s") != 0)
        assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "busy"), "0");
}

static const char *const shared_keys[] = {"t:jobs:high",
                                          "t:jobs:low",
                                          "t:rejected",
                                          "t:delayed",
                                          "t:dead",
                                          "t:turn",
                                          "t:workers",
                                          "t:events",
                                          "t:reply:q",
                                          "t:timeline:contact:c",
                                          "t:idem:m2",
                                          "t:ready:s:1",
                                          "t:ready:s:2",
                                          "t:sender:s",
                                          "t:bucket:sender:s",
                                          "t:suppressed:email",
                                          "t:worker:alpha",
                                          "t:worker_names",
                                          "t:stats:today"};

#define SHARED_KEYS (sizeof(shared_keys) / sizeof(shared_keys[0]))

static const char *real_key(struct store_rig *r, const char *key, char ret[32])
{
    char day[11];

    time_format_day(store_now_ms(r->a->store), day);
    if (strcmp(key, "t:stats:today") == 0)
        snprintf(ret, 32, "t:stats:%s", day);
    else
        snprintf(ret, 32, "%s", key);
    return ret;
}

/* A fresh namespace for the next key, with the same workers. */
static void start_over(struct store_rig *r)
{
    REDIS(r->g, "FLUSHDB");
    assert_int_equal(worker_register(r->a), STORE_OK);
    if (r->b != NULL)
        assert_int_equal(worker_register(r->b), STORE_OK);
    LIMIT(r, 0);
    push_jobs(r);
}

static void test_another_type_from_the_start(void **state)
{
    struct store_rig *r = *state;

    for (size_t i = 0; i < SHARED_KEYS; i++) {
        char name[32];
        const char *key = real_key(r, shared_keys[i], name);
        struct pump p = {.r = r, .w = r->a};

        start_over(r);
        plant(r, key);
        pump(&p, 3);
        mend(r, key);
        pump(&p, 3);
        check_all_sent(r, &p, key);
    }
}

/* ... while messages are leased and their outcomes wait. */
static void test_another_type_while_sending(void **state)
{
    struct store_rig *r = *state;

    for (size_t i = 0; i < SHARED_KEYS; i++) {
        char name[32];
        const char *key = real_key(r, shared_keys[i], name);
        struct pump p = {.r = r, .w = r->a};

        start_over(r);
        take_some(&p);
        assert_int_equal(worker_accept(p.w, p.tag, r->jobs, p.batch), STORE_OK);
        p.batch = 0;
        claim_some(&p);
        plant(r, key);
        pump(&p, 3);
        mend(r, key);
        pump(&p, 3);
        check_all_sent(r, &p, key);
    }
}

/* ... when one worker dies with a batch and leases, and another finds it all. */
static void test_another_type_when_a_worker_dies(void **state)
{
    struct store_rig *r = *state;

    store_rig_second(r);
    for (size_t i = 0; i < SHARED_KEYS; i++) {
        char name[32];
        const char *key = real_key(r, shared_keys[i], name);
        struct pump dead = {.r = r, .w = r->a}, p = {.r = r, .w = r->b};

        start_over(r);
        assert_int_equal(worker_take(r->a, ++dead.tag, 2), STORE_OK);
        for (unsigned k = 0; k < 2; k++) {
            struct store_accept *j = a_job(r, k, k == 0 ? "m1" : "m2");

            j->idempotency_key = r->ids[k];
            j->body_hash = "h";
        }
        assert_int_equal(worker_accept(r->a, dead.tag, r->jobs, 2), STORE_OK);
        worker_claim(r->a, 2);
        worker_take(r->a, ++dead.tag, 2); /* m3 */
        kill_worker(r, r->a);
        plant(r, key);
        pump(&p, 3);
        mend(r, key);
        pump(&p, 3);
        check_all_sent(r, &p, key);
    }
}

/* An id whose key is somebody else's: that job is refused, the others are not. */
static void test_an_id_of_another_type(void **state)
{
    struct store_rig *r = *state;

    plant(r, "t:message:m1");
    for (unsigned k = 0; k < 2; k++) {
        struct store_accept *j = a_job(r, k, k == 0 ? "m1" : "m2");

        j->explicit_id = true;
        j->body_hash = "h";
    }
    accept_n(r, 2);
    assert_int_equal(r->a->accepted, 1);
    assert_int_equal(r->a->rejected, 1);
    assert_string_equal(REDIS(r->g, "GET", "t:message:m1"), "x");
}

/* A message somebody wrote over is gone; the others of its batch are not. */
static void test_a_message_of_another_type(void **state)
{
    struct store_rig *r = *state;
    struct pump p = {.r = r, .w = r->a};

    push_jobs(r);
    take_some(&p);
    assert_int_equal(worker_accept(p.w, p.tag, r->jobs, p.batch), STORE_OK);
    p.batch = 0;
    plant(r, "t:message:m1");
    claim_some(&p);
    assert_int_equal(p.held_count, 2);
    plant(r, "t:message:m2");
    finish_held(&p);
    assert_int_equal(p.errors, 0);
    assert_string_equal(FIELD(r, "m3", "status"), "sent");
    assert_string_equal(REDIS(r->g, "EXISTS", LEASE(r, r->a)), "0");
    assert_string_equal(REDIS(r->g, "HGET", "t:bucket:sender:s", "busy"), "0");
}

static void test_a_leased_message_of_another_type(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    worker_claim(r->a, 3);
    plant(r, "t:message:m2");
    REDIS(r->g, "DEL", "t:content:m3");
    REDIS(r->g, "RPUSH", "t:content:m3", "x");
    kill_worker(r, r->a);
    assert_int_equal(worker_beat(b), STORE_OK);
    assert_int_equal(b->messages, 2);
    assert_int_equal(worker_claim(b, 3), STORE_OK);
    assert_int_equal(b->claim_count, 2);
    assert_string_equal(b->claims[b->claims[0].id[1] == '3' ? 0 : 1].packed, "");
}

/* People write these lists. A wrong one stops everything, rather than sending what it forbids. */
static void test_a_suppression_list_of_another_type(void **state)
{
    struct store_rig *r = *state;

    queue_n(r, "m", 3, "s", PRIORITY_NORMAL);
    REDIS(r->g, "RPUSH", "t:suppressed:email", "to@x");
    assert_int_equal(worker_claim(r->a, 3), STORE_ERROR);
    assert_non_null(strstr(store_error(r->a->store), "WRONGTYPE"));
    assert_string_equal(REDIS(r->g, "LRANGE", "t:ready:s:2", "0", "-1"), "m1 m2 m3");
    assert_string_equal(FIELD(r, "m1", "status"), "queued");
}

/* --- no memory --- */

static void test_accept_is_refused_without_memory(void **state)
{
    struct store_rig *r = *state;
    uint64_t tag;

    a_job(r, 0, "m1");
    tag = take_n(r, r->a, 1);
    rig_fill_memory(r->g);
    assert_int_equal(worker_accept(r->a, tag, r->jobs, 1), STORE_ERROR);
    assert_memory_equal(store_error(r->a->store), "OOM", 3);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:message:m1", "t:ready:s:2", "t:turn"), "0");
    REDIS(r->g, "CONFIG", "SET", "maxmemory", "0");
    assert_int_equal(worker_accept(r->a, tag, r->jobs, 1), STORE_OK);
    assert_int_equal(r->a->accepted, 1);
}

/* A batch of duplicates only writes answers; those must not be lost silently. */
static void test_answers_are_not_lost_without_memory(void **state)
{
    struct store_rig *r = *state;
    struct store_accept *j;
    struct store_finish f = an_outcome(FINISH_SENT, "m1", 1);
    uint64_t tag;

    for (int i = 0; i < 2; i++) {
        j = a_job(r, 0, "m1");
        j->explicit_id = true;
        j->body_hash = "h";
        if (i == 0) {
            accept_n(r, 1);
            worker_claim(r->a, 1);
            f.answer = "done";
            f.answer_len = 4;
            worker_finish_all(r->a, &f, 1);
        }
    }
    j->reply_queue = "q";
    tag = take_n(r, r->a, 1);
    rig_fill_memory(r->g);
    assert_int_equal(worker_accept(r->a, tag, r->jobs, 1), STORE_ERROR);
    REDIS(r->g, "CONFIG", "SET", "maxmemory", "0");
    assert_int_equal(worker_accept(r->a, tag, r->jobs, 1), STORE_OK);
    assert_int_equal(r->a->duplicates, 1);
    assert_string_equal(REDIS(r->g, "LRANGE", "t:reply:q", "0", "-1"), "done");
}

/* What is under way goes on: claim, start, finish, beat, recovery. */
static void test_sending_goes_on_without_memory(void **state)
{
    struct store_rig *r = *state;
    struct worker *b = store_rig_second(r);

    LIMIT(r, .concurrency = 9);
    queue_n(r, "m", 4, "s", PRIORITY_NORMAL);
    rig_fill_memory(r->g);
    assert_int_equal(worker_claim(r->a, 3), STORE_OK);
    assert_int_equal(r->a->claim_count, 3);
    assert_int_equal(worker_start(r->a, "m1", 1), STORE_OK);
    assert_true(r->a->ok);
    assert_int_equal(worker_finish(r->a, FINISH_FAILED, "m1", 1), STORE_OK);
    assert_int_equal(worker_finish(r->a, FINISH_RETRY, "m2", 1), STORE_OK);
    assert_int_equal(r->a->recorded, 1);
    assert_int_equal(worker_beat(r->a), STORE_OK);
    REDIS(r->g, "CONFIG", "SET", "maxmemory", "0");
    kill_worker(r, r->a);
    rig_fill_memory(r->g);
    assert_int_equal(worker_beat(b), STORE_OK);
    assert_int_equal(b->messages, 1);
    assert_int_equal(worker_register(r->a), STORE_OK);
    assert_string_equal(FIELD(r, "m3", "status"), "queued");
}

/* --- an empty script cache --- */

static void test_empty_cache(void **state)
{
    struct store_rig *r = *state;
    uint64_t tag = 1;

#define AGAIN(call)                                                                                \
    REDIS(r->g, "SCRIPT", "FLUSH");                                                                \
    assert_int_equal(call, STORE_AGAIN);                                                           \
    assert_int_equal(call, STORE_OK)
    REDIS(r->g, "LPUSH", "t:jobs", "raw");
    a_job(r, 0, "m1");
    AGAIN(worker_take(r->a, tag, 1));
    AGAIN(worker_accept(r->a, tag, r->jobs, 1));
    AGAIN(worker_claim(r->a, 1));
    assert_int_equal(r->a->claim_count, 1);
    AGAIN(worker_start(r->a, "m1", 1));
    AGAIN(worker_finish(r->a, FINISH_SENT, "m1", 1));
    assert_int_equal(r->a->recorded, 1);
    AGAIN(worker_beat(r->a));
    AGAIN(worker_register(r->a));
    AGAIN(worker_configure(r->a, NULL, 0, NULL, 0));
#undef AGAIN
}

/* --- refusals --- */

static void test_refused_writes(void **state)
{
    struct store_rig *r = *state;

    REDIS(r->g, "LPUSH", "t:jobs", "raw");
    REDIS(r->g, "CONFIG", "SET", "min-replicas-to-write", "1");
    assert_int_equal(worker_take(r->a, 1, 1), STORE_ERROR);
    assert_non_null(strstr(store_error(r->a->store), "NOREPLICAS"));
    assert_int_equal(worker_claim(r->a, 1), STORE_ERROR);
    REDIS(r->g, "CONFIG", "SET", "min-replicas-to-write", "0");
    assert_int_equal(worker_take(r->a, 1, 1), STORE_OK);
    assert_string_equal(buf_str(&r->a->raws), "2:raw");
}

/* Scripts that Redis will not load never run: told as an error, not tried without end. */
static void test_refused_scripts(void **state)
{
    struct store_rig *r = *state;

    REDIS(r->g, "LPUSH", "t:jobs", "raw");
    REDIS(r->g, "ACL", "SETUSER", "default", "-script|load");
    REDIS(r->g, "SCRIPT", "FLUSH");
    assert_int_equal(worker_take(r->a, 1, 1), STORE_AGAIN);
    assert_int_equal(worker_take(r->a, 1, 1), STORE_ERROR);
    assert_non_null(strstr(store_error(r->a->store), "SCRIPT LOAD refused: NOPERM"));
    REDIS(r->g, "ACL", "SETUSER", "default", "+script|load");
    while (worker_take(r->a, 1, 1) != STORE_OK)
        assert_null(strstr(buf_str(&r->a->raws), "raw"));
    assert_string_equal(buf_str(&r->a->raws), "2:raw");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_another_type_from_the_start),
        STORE_TEST(test_another_type_while_sending),
        STORE_TEST(test_another_type_when_a_worker_dies),
        STORE_TEST(test_an_id_of_another_type),
        STORE_TEST(test_a_message_of_another_type),
        STORE_TEST(test_a_leased_message_of_another_type),
        STORE_TEST(test_a_suppression_list_of_another_type),
        STORE_TEST(test_accept_is_refused_without_memory),
        STORE_TEST(test_answers_are_not_lost_without_memory),
        STORE_TEST(test_sending_goes_on_without_memory),
        STORE_TEST(test_empty_cache),
        STORE_TEST(test_refused_writes),
        STORE_TEST(test_refused_scripts),
    };

    return STORE_TESTS_RUN(tests);
}

/* Record on a real store: outcomes reach Redis once, in batches, whatever happens on the way. */
#include "daemon_rig.h"

#include "bulk.h"
#include "record.h"
#include "timefmt.h"

#include <fcntl.h>

struct stage {
    struct daemon_rig *d;
    struct record_stage *record;
    struct log log;
    FILE *lines;
    struct attempt *claimed[64];
    unsigned under_way;
    int recorded, problems, decided[VERDICT_COUNT];
    int64_t next_us;
};

static unsigned on_under_way(void *arg)
{
    struct stage *s = arg;

    return s->under_way;
}

static void on_decided(const struct attempt *t, enum verdict_kind kind, void *arg)
{
    struct stage *s = arg;

    assert_int_equal(t->state, ATTEMPT_DONE);
    s->decided[kind]++;
}

static void on_recorded(int64_t next_us, void *arg)
{
    struct stage *s = arg;

    s->recorded++;
    s->next_us = next_us;
    loop_stop(s->d->g->loop);
}

static void on_fenced(void *arg)
{
    (void)arg;
    fail_msg("finish is never fenced");
}

static void on_problem(const char *what, void *arg)
{
    struct stage *s = arg;

    assert_string_not_equal(what, "");
    s->problems++;
    loop_stop(s->d->g->loop);
}

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));
    const struct record_ops ops = {on_under_way, on_decided, on_recorded, on_fenced, on_problem, s};

    daemon_rig_setup(state);
    s->d = *state;
    s->lines = tmpfile();
    log_init(&s->log, LOG_LVL_INFO, false);
    s->log.fd = fileno(s->lines);
    s->record = record_new(s->d->g->loop, s->d->a->store, &s->d->attempts, &s->log, &ops);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;

    store_close(s->d->a->store);
    record_free(s->record);
    log_done(&s->log);
    fclose(s->lines);
    *state = s->d;
    free(s);
    return daemon_rig_teardown(state);
}

/* Claims what is queued and makes attempts of it, with the contents of this message. */
static void claim_as(struct stage *s, unsigned n, struct message *m)
{
    struct worker *w = s->d->a;

    struct buf *b = pack(s->d, m);

    assert_int_equal(worker_claim(w, n), STORE_OK);
    assert_int_equal(w->claim_count, n);
    for (unsigned i = 0; i < n; i++) {
        struct attempt *t =
            attempt_new(&s->d->attempts, s->d->live, w->claims[i].id, b->data, b->len);

        t->fence = w->claims[i].fence;
        t->message.attempts = w->claims[i].attempts;
        s->claimed[i] = t;
    }
}

static void claim_plain(struct stage *s, unsigned n)
{
    struct message m;

    queue_messages(s->d, "m", n);
    a_message(&m, "x");
    m.queued_at = store_now_ms(s->d->a->store);
    claim_as(s, n, &m);
}

static void give(struct stage *s, unsigned i, enum outcome_kind kind)
{
    struct attempt *t = s->claimed[i];

    outcome_set(&t->outcome, kind, CODE_NONE, "what it said");
    if (kind == OUTCOME_SENT)
        snprintf(t->outcome.provider_message_id, sizeof(t->outcome.provider_message_id), "p-%u", i);
    record_outcome(s->record, t);
}

static void run_until_recorded(struct stage *s)
{
    while (record_pending(s->record) > 0)
        loop_run(s->d->g->loop);
}

static const char *log_text(struct stage *s)
{
    struct buf *b = &s->d->g->texts[s->d->g->next_text++ % RIG_TEXTS];
    char chunk[512];
    size_t n;

    log_flush(&s->log);
    buf_clear(b);
    rewind(s->lines);
    while ((n = fread(chunk, 1, sizeof(chunk), s->lines)) > 0)
        buf_add(b, chunk, n);
    return buf_str(b);
}

static void test_sent(void **state)
{
    struct stage *s = *state;

    claim_plain(s, 1);
    give(s, 0, OUTCOME_SENT);
    assert_int_equal(record_pending(s->record), 1);
    run_until_recorded(s);
    assert_string_equal(
        REDIS(s->d->g, "HMGET", "t:message:m1", "status", "provider_message_id", "error_code"),
        "sent p-0 (nil)");
    assert_memory_equal(FIELD(s->d->r, "m1", "response"), "{", 1);
    assert_int_equal(record_counts(s->record)->sent, 1);
    assert_int_equal(s->d->attempts.count, 0);
    assert_non_null(strstr(log_text(s), "event=attempt id=m1 result=sent sender=s "
                                        "provider=sandbox channel=email attempt=1"));
}

static void test_failed(void **state)
{
    struct stage *s = *state;
    struct message m;

    queue_messages(s->d, "m", 1);
    a_message(&m, "x");
    message_set(&m, MSG_REPLY_QUEUE, "q");
    message_set(&m, MSG_CONTACT_ID, "c1");
    claim_as(s, 1, &m);
    give(s, 0, OUTCOME_FAILED);
    run_until_recorded(s);
    assert_string_equal(
        REDIS(s->d->g, "HMGET", "t:message:m1", "status", "error_code", "error_message"),
        "failed provider_error what it said");
    assert_non_null(strstr(REDIS(s->d->g, "LRANGE", "t:reply:q", "0", "-1"), "provider_error"));
    assert_string_equal(REDIS(s->d->g, "XLEN", "t:timeline:contact:c1"), "1");
    assert_int_equal(record_counts(s->record)->failed, 1);
    assert_non_null(strstr(log_text(s), "result=failed"));
    assert_non_null(strstr(log_text(s), "error_code=provider_error error=\"what it said\""));
}

static void test_retry_and_throttle(void **state)
{
    struct stage *s = *state;

    claim_plain(s, 4);
    give(s, 0, OUTCOME_RETRY);
    s->claimed[1]->outcome.throttle = THROTTLE_RECIPIENT;
    give(s, 1, OUTCOME_THROTTLED);
    s->claimed[2]->outcome.retry_after_ms = 60000;
    give(s, 2, OUTCOME_THROTTLED);
    give(s, 3, OUTCOME_AUTH);
    run_until_recorded(s);
    assert_string_equal(FIELD(s->d->r, "m1", "status"), "scheduled");
    assert_string_equal(FIELD(s->d->r, "m1", "attempts"), "1");
    assert_string_equal(FIELD(s->d->r, "m3", "status"), "queued");
    assert_string_equal(REDIS(s->d->g, "HMGET", "t:sender:s", "state", "error_message"),
                        "broken what it said");
    assert_int_equal(record_counts(s->record)->retried, 1);
    assert_int_equal(record_counts(s->record)->throttled, 3);
    assert_true(s->next_us > 0); /* the retry is the next thing due */
}

static void test_release(void **state)
{
    struct stage *s = *state;
    struct message m;

    claim_plain(s, 1);
    record_release(s->record, s->claimed[0]);
    run_until_recorded(s);
    assert_string_equal(REDIS(s->d->g, "HMGET", "t:message:m1", "status", "attempts"), "queued 0");
    assert_int_equal(record_counts(s->record)->released, 1);
    assert_int_equal(record_counts(s->record)->sent, 0);
    assert_string_equal(log_text(s), ""); /* nothing was tried */
    assert_string_equal(REDIS(s->d->g, "HMGET", "t:bucket:sender:s", "used", "busy"), "0 0");
    a_message(&m, "x");
    claim_as(s, 1, &m);
    give(s, 0, OUTCOME_SENT); /* what was said of the one before is forgotten */
    run_until_recorded(s);
    assert_string_equal(FIELD(s->d->r, "m1", "status"), "sent");
}

static void test_refund(void **state)
{
    struct stage *s = *state;

    claim_plain(s, 2);
    s->claimed[0]->refund = true;
    give(s, 0, OUTCOME_RETRY);
    give(s, 1, OUTCOME_RETRY);
    run_until_recorded(s);
    assert_string_equal(REDIS(s->d->g, "HGET", "t:bucket:sender:s", "used"), "1");
}

static void test_batches(void **state)
{
    struct stage *s = *state;
    struct message m;

    record_set_batch(s->record, 4);
    claim_plain(s, 10);
    for (unsigned i = 0; i < 10; i++)
        give(s, i, OUTCOME_SENT);
    run_until_recorded(s);
    assert_int_equal(s->recorded, 3);
    assert_int_equal(record_counts(s->record)->sent, 10);
    record_set_batch(s->record, 0); /* at least one */
    queue_messages(s->d, "n", 1);
    a_message(&m, "x");
    claim_as(s, 1, &m);
    give(s, 0, OUTCOME_SENT);
    run_until_recorded(s);
}

/* Nobody comes after them, although others are under way: they wait, but not for ever. */
static void test_recipients_wait(void **state)
{
    static const char *const leads[] = {"l1", "l2", "l3"};
    struct stage *s = *state;
    struct buf *content;
    struct message m;
    struct bulk *b;

    a_message(&m, "x");
    content = pack(s->d, &m);
    b = bulk_new("b1", &(struct store_bulk){
                           .content = content->data, .content_len = content->len, .shards = 1});
    REDIS(s->d->g, "HSET", "t:bulk:b1", "status", "sending", "sender", "s", "shards", "1",
          "messages_queued", "4", "messages_sending", "3", "total_leads", "4");
    REDIS(s->d->g, "EVAL", "redis.call('HSET', 't:refs:' .. ARGV[1], '7', 'unread', '7.', '111')",
          "0", store_worker_id(s->d->a->store));
    s->under_way = 100;
    for (unsigned i = 0; i < 3; i++) {
        struct attempt *t = attempt_new_empty(&s->d->attempts, s->d->live);

        bulk_begin(b, leads[i], t);
        t->fence = 7;
        t->place = i + 1;
        s->claimed[i] = t;
        give(s, i, OUTCOME_SENT);
    }
    bulk_unref(b);
    run_until_recorded(s);
    assert_string_equal(REDIS(s->d->g, "HGET", "t:bulk:b1", "messages_sent"), "3");
    assert_int_equal(REDIS_INT(s->d->g, "HLEN", "t:bulk:b1:ledger:0"), 3);
}

/* A message nobody can read: its place and statistics are found by its hash. */
static void test_unreadable(void **state)
{
    struct stage *s = *state;
    struct attempt *t;

    queue_messages(s->d, "m", 1);
    assert_int_equal(worker_claim(s->d->a, 1), STORE_OK);
    t = attempt_new(&s->d->attempts, s->d->live, "m1", "junk", 4);
    t->fence = 1;
    s->claimed[0] = t;
    give(s, 0, OUTCOME_FAILED);
    run_until_recorded(s);
    assert_string_equal(FIELD(s->d->r, "m1", "status"), "failed");
    assert_string_equal(REDIS(s->d->g, "HGET", "t:bucket:sender:s", "busy"), "0");
}

static void test_stale(void **state)
{
    struct stage *s = *state;

    claim_plain(s, 1);
    s->claimed[0]->fence = 9;
    give(s, 0, OUTCOME_SENT);
    run_until_recorded(s);
    assert_int_equal(record_counts(s->record)->stale, 1);
    assert_string_equal(FIELD(s->d->r, "m1", "status"), "sending");
}

static void test_empty_script_cache(void **state)
{
    struct stage *s = *state;

    claim_plain(s, 2);
    REDIS(s->d->g, "SCRIPT", "FLUSH");
    give(s, 0, OUTCOME_SENT);
    give(s, 1, OUTCOME_SENT);
    run_until_recorded(s);
    assert_string_equal(FIELD(s->d->r, "m2", "status"), "sent");
    assert_int_equal(record_counts(s->record)->stale, 0);
}

/* Kept and tried again until Redis takes them. */
static void test_refused(void **state)
{
    struct stage *s = *state;

    claim_plain(s, 2);
    REDIS(s->d->g, "CONFIG", "SET", "min-replicas-to-write", "1");
    give(s, 0, OUTCOME_SENT);
    give(s, 1, OUTCOME_FAILED);
    while (s->problems == 0)
        loop_run(s->d->g->loop);
    assert_int_equal(record_pending(s->record), 2);
    REDIS(s->d->g, "CONFIG", "SET", "min-replicas-to-write", "0");
    run_until_recorded(s);
    assert_string_equal(FIELD(s->d->r, "m1", "status"), "sent");
    assert_string_equal(FIELD(s->d->r, "m2", "status"), "failed");
    assert_int_equal(record_counts(s->record)->sent, 1);
}

/* The connection dies with outcomes on their way and more waiting: all are recorded, once, in the
 * name of the identity that comes after. */
static void test_lost_connection(void **state)
{
    struct stage *s = *state;
    struct store_lease keep[3];
    int ups = s->d->a->ups;

    record_set_batch(s->record, 1);
    claim_plain(s, 3);
    for (unsigned i = 0; i < 3; i++) {
        give(s, i, OUTCOME_SENT);
        keep[i] = (struct store_lease){s->claimed[i]->message.id, s->claimed[i]->fence};
    }
    REDIS(s->d->g, "CLIENT", "KILL", "TYPE", "normal");
    while (s->d->a->ups == ups)
        loop_run(s->d->g->loop);
    assert_true(record_pending(s->record) > 0);
    assert_int_equal(worker_wait(s->d->a, store_register(s->d->a->store, NULL, 0, keep, 3,
                                                         on_worker_recovered, s->d->a)),
                     STORE_OK);
    record_resume(s->record);
    run_until_recorded(s);
    for (int i = 1; i <= 3; i++) {
        char id[16];

        snprintf(id, sizeof(id), "m%d", i);
        assert_string_equal(FIELD(s->d->r, id, "status"), "sent");
    }
    assert_string_equal(REDIS(s->d->g, "EXISTS", LEASE(s->d->r, s->d->a)), "0");
    assert_string_equal(REDIS(s->d->g, "HGET", "t:bucket:sender:s", "busy"), "0");
}

/* Executed, but its answer got lost: said again, it changes nothing. */
static void test_lost_answer(void **state)
{
    struct stage *s = *state;
    char stats[64];

    claim_plain(s, 1);
    assert_int_equal(worker_finish(s->d->a, FINISH_SENT, "m1", 1), STORE_OK);
    snprintf(stats, sizeof(stats), "%s", REDIS(s->d->g, "KEYS", "t:stats:*"));
    give(s, 0, OUTCOME_SENT);
    run_until_recorded(s);
    assert_int_equal(record_counts(s->record)->stale, 1);
    assert_string_equal(REDIS(s->d->g, "HGET", stats, "sender:s:sent"), "1");
}

static void test_free_with_outcomes_left(void **state)
{
    struct stage *s = *state;

    claim_plain(s, 3);
    give(s, 0, OUTCOME_SENT);
    give(s, 1, OUTCOME_FAILED);
    record_release(s->record, s->claimed[2]);
    store_close(s->d->a->store);
    assert_int_equal(record_pending(s->record), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_sent),
        TEST(test_failed),
        TEST(test_retry_and_throttle),
        TEST(test_release),
        TEST(test_refund),
        TEST(test_batches),
        TEST(test_recipients_wait),
        TEST(test_unreadable),
        TEST(test_stale),
        TEST(test_empty_script_cache),
        TEST(test_refused),
        TEST(test_lost_connection),
        TEST(test_lost_answer),
        TEST(test_free_with_outcomes_left),
    };

    return STORE_TESTS_RUN(tests);
}

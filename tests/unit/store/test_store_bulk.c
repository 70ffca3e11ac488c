/* Bulks in the store: pages taken in once, slices claimed, outcomes in the ledger, and an
 * operator's hand; at each step the numbers add up. */
#include "store_rig.h"

#include "crc32.h"
#include "ctl_script.h"
#include "store_bulk.h"

struct bulk_rig {
    struct store_rig *r;
    struct worker *w;
    unsigned ready;              /* so many may wait */
    char wanted[80], cursor[80]; /* what expand asked for; "" = nothing */
    int64_t next_us;
    char leads[256]; /* of the slices claimed: "l1 l2 | l3 " */
    int64_t fence;   /* of the last one */
    unsigned attempts, slices;
    bool capped, wants;
};

static int setup(void **state)
{
    struct bulk_rig *b = calloc(1, sizeof(*b));

    store_rig_setup(state);
    b->r = *state;
    b->w = b->r->a;
    b->ready = 1000;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bulk_rig *b = *state;

    *state = b->r;
    free(b);
    return store_rig_teardown(state);
}

/* --- calls --- */

static void accept_bulk(struct bulk_rig *b, const char *id)
{
    struct store_accept *j = a_job(b->r, 0, id);

    j->is_bulk = true;
    j->selection = "{}";
    j->cursor = "all 0";
    j->reply_queue = "q";
    accept_n(b->r, 1);
}

static void on_expanded(enum store_status st, const struct store_wanted *w, void *arg)
{
    struct bulk_rig *b = arg;

    snprintf(b->wanted, sizeof(b->wanted), "%s", w->bulk != NULL ? w->bulk : "");
    snprintf(b->cursor, sizeof(b->cursor), "%s", w->cursor != NULL ? w->cursor : "");
    b->next_us = w->next_us;
    worker_done(b->w, st);
}

static void expand(struct bulk_rig *b, unsigned ready, const struct store_page *page)
{
    assert_int_equal(worker_wait(b->w, store_expand(b->w->store, ready, 3, page, on_expanded, b)),
                     STORE_OK);
}

/* Hands in leads "<first>", "<first + 1>", ... of b1; their marks are their numbers. */
static void hand_in(struct bulk_rig *b, const char *cursor, const char *next, unsigned first,
                    unsigned n)
{
    char ids[32][8];
    const char *leads[32];
    uint64_t marks[32];
    const struct store_page page = {"b1", cursor, next, 100, n, NULL, leads, marks, n};

    for (unsigned i = 0; i < n; i++) {
        snprintf(ids[i], sizeof(ids[i]), "l%u", first + i);
        leads[i] = ids[i];
        marks[i] = (uint64_t)(first + i) << 8;
    }
    expand(b, b->ready, &page);
}

static void on_slices(enum store_status st, const struct store_claims *c, void *arg)
{
    struct bulk_rig *b = arg;
    struct buf text = {0};

    b->slices = (unsigned)c->count;
    for (size_t i = 0; i < c->count; i++) {
        const struct store_claimed *s = &c->items[i];

        assert_null(s->id);
        assert_string_equal(s->bulk, "b1");
        for (const char *at = s->packed; at < s->packed + s->packed_len; at += strlen(at) + 1)
            buf_addf(&text, "%s ", at);
        b->fence = s->fence;
        b->attempts = s->attempts;
        b->capped = s->capped;
        b->wants = s->wants_expansion;
    }
    snprintf(b->leads, sizeof(b->leads), "%s", buf_str(&text));
    buf_free(&text);
    worker_done(b->w, st);
}

static void claim_slices(struct bulk_rig *b, unsigned want)
{
    const struct store_claim req = {
        .want = want, .quantum = 4096, .horizon_us = HOUR_US, .channels = "email"};

    assert_int_equal(worker_wait(b->w, store_claim(b->w->store, &req, on_slices, b)), STORE_OK);
}

static unsigned shard_of(struct bulk_rig *b, const char *lead)
{
    int64_t shards = REDIS_INT(b->r->g, "HGET", "t:bulk:b1", "shards");

    return crc32_of(lead, strlen(lead)) % (unsigned)shards;
}

static void finish_ref(struct bulk_rig *b, enum store_finish_kind kind, const char *lead,
                       unsigned place)
{
    struct store_finish f = an_outcome(kind, "", b->fence);

    f.bulk = "b1";
    f.lead = lead;
    f.place = place;
    f.shard = shard_of(b, lead);
    f.attempts = b->attempts;
    if (kind == FINISH_SENT)
        f.fields[f.field_count++] = (struct store_field){"provider_message_id", "p-1"};
    assert_int_equal(worker_finish_all(b->w, &f, 1), STORE_OK);
}

static void steer(struct bulk_rig *b, const char *verb, const char *expected)
{
    assert_string_equal(REDIS(b->r->g, "EVAL", ctl_script_text(CTL_SCRIPT_BULK), "1", "t:", "",
                              "all", "1000", verb, "604800000", "3600000", "b1"),
                        expected);
}

/* --- looks --- */

static const char *field(struct bulk_rig *b, const char *name)
{
    return REDIS(b->r->g, "HGET", "t:bulk:b1", name);
}

static long long count(struct bulk_rig *b, const char *name)
{
    return strtoll(field(b, name), NULL, 10);
}

/* total, queued (those being sent in brackets), sent, failed, cancelled; they add up. */
static const char *numbers(struct bulk_rig *b)
{
    long long total = count(b, "total_leads"), queued = count(b, "messages_queued");
    long long sent = count(b, "messages_sent"), failed = count(b, "messages_failed");
    long long cancelled = count(b, "messages_cancelled");
    struct buf *text = &b->r->g->texts[b->r->g->next_text++ % RIG_TEXTS];

    assert_int_equal(total, queued + sent + failed + cancelled);
    buf_clear(text);
    buf_addf(text, "%lld: %lld (%s) %lld %lld %lld", total, queued, field(b, "messages_sending"),
             sent, failed, cancelled);
    return buf_str(text);
}

static const char *ledger(struct bulk_rig *b, const char *lead)
{
    char key[64];

    snprintf(key, sizeof(key), "t:bulk:b1:ledger:%u", shard_of(b, lead));
    return REDIS(b->r->g, "HGET", key, lead);
}

static int64_t elements(struct bulk_rig *b)
{
    return REDIS_INT(b->r->g, "LLEN", "t:ready:s:2");
}

/* One bulk "b1" with so many leads, all queued. */
static void queue_bulk(struct bulk_rig *b, unsigned n)
{
    accept_bulk(b, "b1");
    hand_in(b, "all 0", "", 1, n);
    assert_string_equal(field(b, "status"), "sending");
}

/* --- expand --- */

static void test_pages_count_once(void **state)
{
    struct bulk_rig *b = *state;

    accept_bulk(b, "b1");
    expand(b, 1000, NULL);
    assert_string_equal(b->wanted, "b1");
    assert_string_equal(b->cursor, "all 0");
    expand(b, 1000, NULL); /* this very worker reads it: asked again, it may have forgotten */
    hand_in(b, "all 0", "all 7", 1, 4);
    assert_string_equal(numbers(b), "4: 4 (0) 0 0 0");
    assert_string_equal(b->cursor, "all 7"); /* the next one at once */
    assert_int_equal(elements(b), 2);
    hand_in(b, "all 0", "all 7", 1, 4);
    hand_in(b, "all 0", "all 9", 11, 4);
    assert_string_equal(numbers(b), "4: 4 (0) 0 0 0");
    assert_string_equal(field(b, "status"), "expanding");
    hand_in(b, "all 7", "", 5, 3);
    assert_string_equal(numbers(b), "7: 7 (0) 0 0 0");
    assert_string_equal(field(b, "status"), "sending");
    assert_string_equal(REDIS(b->r->g, "HGET", "t:sender:s", "_extra"), "4"); /* of 3 elements */
}

static void test_who_shares_is_left_out(void **state)
{
    struct bulk_rig *b = *state;

    accept_bulk(b, "b1");
    hand_in(b, "all 0", "all 1", 1, 4);
    hand_in(b, "all 1", "all 2", 3, 5); /* 3 and 4 came before; 5, 6, 7 are of two groups */
    assert_string_equal(numbers(b), "7: 7 (0) 0 0 0");
    assert_string_equal(field(b, "duplicates"), "2");
    hand_in(b, "all 2", "", 1, 7);
    assert_string_equal(numbers(b), "7: 7 (0) 0 0 0");
    assert_string_equal(field(b, "duplicates"), "9");
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l1 l2 l3 l4 l6 l7 l5 ");
    expand(b, 1000, NULL);
    expand(b, 1000, NULL);
    assert_string_equal(REDIS(b->r->g, "KEYS", "t:bulk:b1:seen:*"), "");
}

static void test_no_more_than_may_wait(void **state)
{
    struct bulk_rig *b = *state;

    b->ready = 8;
    accept_bulk(b, "b1");
    hand_in(b, "all 0", "all 1", 1, 6);
    assert_string_equal(b->cursor, "all 1"); /* there is room for two more */
    hand_in(b, "all 1", "all 2", 7, 3);
    assert_string_equal(b->wanted, "");
    assert_true(b->next_us > 0);
    claim_slices(b, 4);
    assert_false(b->wants);
    claim_slices(b, 2);
    assert_true(b->wants); /* less than half */
    expand(b, 8, NULL);
    assert_string_equal(b->cursor, "all 2");
}

static void test_a_selection_that_cannot_be_read(void **state)
{
    struct bulk_rig *b = *state;
    const struct store_page page = {.bulk = "b1", .cursor = "all 1", .next = "", .why = "broken"};

    accept_bulk(b, "b1");
    hand_in(b, "all 0", "all 1", 1, 4);
    claim_slices(b, 1);
    expand(b, 1000, &page);
    assert_string_equal(field(b, "status"), "failed");
    assert_string_equal(field(b, "error_message"), "broken");
    assert_string_equal(numbers(b), "4: 1 (1) 0 0 3");
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_string_equal(numbers(b), "4: 0 (0) 1 0 3");
    assert_string_not_equal(field(b, "finished_at"), "(nil)");
}

/* --- claim --- */

static void test_slices(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 7);
    claim_slices(b, 1); /* of three: a cut */
    assert_string_equal(b->leads, "l1 ");
    assert_int_equal(b->attempts, 1);
    assert_false(b->capped);
    assert_int_equal(elements(b), 3);
    assert_string_equal(field(b, "_ready"), "6");
    claim_slices(b, 4); /* its rest, and two of three: cutting off the third is not worth it */
    assert_string_equal(b->leads, "l2 l3 l4 l5 l6 ");
    assert_int_equal(b->slices, 1);
    assert_string_equal(numbers(b), "7: 7 (6) 0 0 0");
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l7 ");
    assert_int_equal(elements(b), 0);
    assert_string_equal(REDIS(b->r->g, "HGET", "t:sender:s", "_extra"), "0");
    assert_string_equal(REDIS(b->r->g, "HGET", "t:bucket:sender:s", "busy"), "7");
}

static void test_limits_cut_exactly(void **state)
{
    struct bulk_rig *b = *state;

    LIMIT(b->r, .concurrency = 2);
    queue_bulk(b, 7);
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l1 l2 ");
    assert_string_equal(numbers(b), "7: 7 (2) 0 0 0");
}

static void test_a_rate_gives_each_its_slot(void **state)
{
    struct bulk_rig *b = *state;

    LIMIT(b->r, .interval_us = HOUR_US);
    queue_bulk(b, 7);
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l1 l2 "); /* now, and at the end of the horizon */
    assert_true(b->capped);
    assert_string_equal(numbers(b), "7: 7 (2) 0 0 0");
}

/* --- finish --- */

static void test_each_outcome(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 4);
    claim_slices(b, 100);
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_memory_equal(ledger(b, "l1"), "sent 1", 6);
    assert_non_null(strstr(ledger(b, "l1"), " 1 p-1"));
    finish_ref(b, FINISH_FAILED, "l2", 2);
    assert_non_null(strstr(ledger(b, "l2"), " 1 provider_error"));
    assert_string_equal(field(b, "errors:provider_error"), "1");
    assert_string_equal(numbers(b), "4: 2 (2) 1 1 0");
    assert_string_equal(field(b, "success_rate"), "50.00");
    finish_ref(b, FINISH_RETRY, "l3", 3);
    assert_string_equal(REDIS(b->r->g, "ZCARD", "t:delayed"), "1");
    finish_ref(b, FINISH_RELEASE, "l4", 4);
    assert_string_equal(numbers(b), "4: 2 (0) 1 1 0");
    assert_string_equal(REDIS(b->r->g, "HGET", "t:bucket:sender:s", "busy"), "0");
    assert_string_equal(ledger(b, "l3"), "(nil)");
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l4 ");
    assert_int_equal(b->attempts, 1); /* the one that was given back does not count */
}

static void test_said_twice_counts_once(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 2);
    claim_slices(b, 100);
    finish_ref(b, FINISH_SENT, "l1", 1);
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_int_equal(b->w->stale, 1);
    finish_ref(b, FINISH_FAILED, "l1", 1);
    assert_int_equal(b->w->stale, 1);
    assert_string_equal(numbers(b), "2: 1 (1) 1 0 0");
    assert_memory_equal(ledger(b, "l1"), "sent", 4);
}

static void test_the_last_one_ends_it(void **state)
{
    struct bulk_rig *b = *state;
    char key[64];

    queue_bulk(b, 2);
    claim_slices(b, 100);
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_string_equal(field(b, "status"), "sending");
    finish_ref(b, FINISH_FAILED, "l2", 2);
    assert_string_equal(field(b, "status"), "done");
    assert_string_equal(REDIS(b->r->g, "LRANGE", "t:reply:q", "0", "-1"),
                        "{\"total_leads\":2,\"messages_sent\":1,\"messages_failed\":1,"
                        "\"success_rate\":50.00}");
    assert_in_range(REDIS_INT(b->r->g, "PTTL", "t:bulk:b1"), 1, 7 * 86400000);
    expand(b, 1000, NULL);
    expand(b, 1000, NULL);
    assert_string_equal(REDIS(b->r->g, "EXISTS", "t:expand"), "0");
    snprintf(key, sizeof(key), "t:bulk:b1:ledger:%u", shard_of(b, "l1"));
    assert_in_range(REDIS_INT(b->r->g, "PTTL", key), 1, 7 * 86400000);
}

/* A worker that was thought dead says "sent" late: while it waits again, and while another one has
 * it. */
static void test_a_late_word_counts_once(void **state)
{
    struct bulk_rig *b = *state;
    struct worker *second = store_rig_second(b->r);

    queue_bulk(b, 3);
    claim_slices(b, 100);
    kill_worker(b->r, b->r->a);
    assert_int_equal(worker_beat(second), STORE_OK);
    assert_string_equal(numbers(b), "3: 3 (0) 0 0 0");
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_string_equal(numbers(b), "3: 2 (0) 1 0 0");
    finish_ref(b, FINISH_FAILED, "l2", 2); /* somebody else will see */
    assert_int_equal(b->w->stale, 1);
    b->w = second;
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l2 l3 ");
    assert_int_equal(b->attempts, 2);
    b->w = b->r->a;
    finish_ref(b, FINISH_SENT, "l2", 2);
    assert_string_equal(numbers(b), "3: 1 (2) 2 0 0");
    b->w = second;
    finish_ref(b, FINISH_SENT, "l2", 1);
    assert_string_equal(numbers(b), "3: 1 (1) 2 0 0");
    finish_ref(b, FINISH_SENT, "l3", 2);
    assert_string_equal(numbers(b), "3: 0 (0) 3 0 0");
    assert_string_equal(field(b, "status"), "done");
}

/* --- an operator's hand --- */

static void test_pause_and_resume(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 7);
    claim_slices(b, 1);
    steer(b, "pause", "ok done");
    steer(b, "pause", "ok paused");
    claim_slices(b, 100);
    assert_int_equal(b->slices, 0);
    assert_string_equal(REDIS(b->r->g, "LLEN", "t:bulk:b1:held"), "3");
    assert_string_equal(field(b, "_ready"), "0");
    finish_ref(b, FINISH_SENT, "l1", 1);
    assert_string_equal(numbers(b), "7: 6 (0) 1 0 0");
    steer(b, "resume", "ok done");
    claim_slices(b, 100);
    assert_string_equal(b->leads, "l2 l3 l4 l5 l6 l7 ");
}

/* From the answer on only what is leased may still be sent, and what of it is given back is not. */
static void test_cancel(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 9);
    claim_slices(b, 3);
    steer(b, "cancel", "ok done");
    assert_string_equal(numbers(b), "9: 3 (3) 0 0 6");
    finish_ref(b, FINISH_SENT, "l1", 1);
    finish_ref(b, FINISH_RELEASE, "l2", 2);
    finish_ref(b, FINISH_RETRY, "l3", 3);
    assert_string_equal(numbers(b), "9: 0 (0) 1 0 8");
    claim_slices(b, 100);
    assert_int_equal(b->slices, 0);
    assert_int_equal(elements(b), 0);
    assert_non_null(
        strstr(REDIS(b->r->g, "LRANGE", "t:reply:q", "0", "-1"), "\"messages_cancelled\":8"));
    steer(b, "resume", "ok cancelled");
}

static void test_retry(void **state)
{
    struct bulk_rig *b = *state;

    queue_bulk(b, 3);
    steer(b, "retry", "ok nothing");
    claim_slices(b, 100);
    finish_ref(b, FINISH_SENT, "l1", 1);
    finish_ref(b, FINISH_FAILED, "l2", 2);
    finish_ref(b, FINISH_FAILED, "l3", 3);
    steer(b, "retry", "ok done");
    for (int i = 0; i < 4; i++)
        expand(b, 1000, NULL);
    assert_string_equal(numbers(b), "3: 2 (0) 1 0 0");
    assert_string_equal(field(b, "errors:provider_error"), "0");
    claim_slices(b, 100);
    assert_int_equal(b->attempts, 1);
}

int main(void)
{
#define BULK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        BULK_TEST(test_pages_count_once),
        BULK_TEST(test_who_shares_is_left_out),
        BULK_TEST(test_no_more_than_may_wait),
        BULK_TEST(test_a_selection_that_cannot_be_read),
        BULK_TEST(test_slices),
        BULK_TEST(test_limits_cut_exactly),
        BULK_TEST(test_a_rate_gives_each_its_slot),
        BULK_TEST(test_each_outcome),
        BULK_TEST(test_said_twice_counts_once),
        BULK_TEST(test_the_last_one_ends_it),
        BULK_TEST(test_a_late_word_counts_once),
        BULK_TEST(test_pause_and_resume),
        BULK_TEST(test_cancel),
        BULK_TEST(test_retry),
    };

    return STORE_TESTS_RUN(tests);
}

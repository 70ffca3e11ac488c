/* A bulk in the store: pages handed in, slices claimed, outcomes recorded, and what is then seen.
 */
#ifndef SENDQ_TEST_BULK_RIG_H
#define SENDQ_TEST_BULK_RIG_H

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

static inline int setup(void **state)
{
    struct bulk_rig *b = calloc(1, sizeof(*b));

    store_rig_setup(state);
    b->r = *state;
    b->w = b->r->a;
    b->ready = 1000;
    *state = b;
    return 0;
}

static inline int teardown(void **state)
{
    struct bulk_rig *b = *state;

    *state = b->r;
    free(b);
    return store_rig_teardown(state);
}

/* --- calls --- */

static inline void accept_bulk(struct bulk_rig *b, const char *id)
{
    struct store_accept *j = a_job(b->r, 0, id);

    j->is_bulk = true;
    j->selection = "{}";
    j->cursor = "all 0";
    j->reply_queue = "q";
    accept_n(b->r, 1);
}

static inline void on_expanded(enum store_status st, const struct store_wanted *w, void *arg)
{
    struct bulk_rig *b = arg;

    snprintf(b->wanted, sizeof(b->wanted), "%s", w->bulk != NULL ? w->bulk : "");
    snprintf(b->cursor, sizeof(b->cursor), "%s", w->cursor != NULL ? w->cursor : "");
    b->next_us = w->next_us;
    worker_done(b->w, st);
}

static inline void expand(struct bulk_rig *b, unsigned ready, const struct store_page *page)
{
    assert_int_equal(worker_wait(b->w, store_expand(b->w->store, ready, 3, page, on_expanded, b)),
                     STORE_OK);
}

/* Hands in leads "<first>", "<first + 1>", ... of b1; their marks are their numbers. */
static inline void hand_in(struct bulk_rig *b, const char *cursor, const char *next, unsigned first,
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

static inline void on_slices(enum store_status st, const struct store_claims *c, void *arg)
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

static inline void claim_slices(struct bulk_rig *b, unsigned want)
{
    const struct store_claim req = {
        .want = want, .quantum = 4096, .horizon_us = HOUR_US, .channels = "email"};

    assert_int_equal(worker_wait(b->w, store_claim(b->w->store, &req, on_slices, b)), STORE_OK);
}

static inline unsigned shard_of(struct bulk_rig *b, const char *lead)
{
    int64_t shards = REDIS_INT(b->r->g, "HGET", "t:bulk:b1", "shards");

    return crc32_of(lead, strlen(lead)) % (unsigned)shards;
}

static inline void finish_ref(struct bulk_rig *b, enum store_finish_kind kind, const char *lead,
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

static inline void steer(struct bulk_rig *b, const char *verb, const char *expected)
{
    assert_string_equal(REDIS(b->r->g, "EVAL", ctl_script_text(CTL_SCRIPT_BULK), "1", "t:", "",
                              "all", "1000", verb, "604800000", "3600000", "b1"),
                        expected);
}

/* --- looks --- */

static inline const char *field(struct bulk_rig *b, const char *name)
{
    return REDIS(b->r->g, "HGET", "t:bulk:b1", name);
}

static inline long long count(struct bulk_rig *b, const char *name)
{
    return strtoll(field(b, name), NULL, 10);
}

/* total, queued (those being sent in brackets), sent, failed, cancelled; they add up. */
static inline const char *numbers(struct bulk_rig *b)
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

static inline const char *ledger(struct bulk_rig *b, const char *lead)
{
    char key[64];

    snprintf(key, sizeof(key), "t:bulk:b1:ledger:%u", shard_of(b, lead));
    return REDIS(b->r->g, "HGET", key, lead);
}

static inline int64_t elements(struct bulk_rig *b)
{
    return REDIS_INT(b->r->g, "LLEN", "t:ready:s:2");
}

/* One bulk "b1" with so many leads, all queued. */
static inline void queue_bulk(struct bulk_rig *b, unsigned n)
{
    accept_bulk(b, "b1");
    hand_in(b, "all 0", "", 1, n);
    assert_string_equal(field(b, "status"), "sending");
}

#define BULK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

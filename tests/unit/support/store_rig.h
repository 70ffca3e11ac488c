/* Workers against the rig's Redis: every store call as one that waits, with its results copied. */
#ifndef SENDQ_TESTS_STORE_RIG_H
#define SENDQ_TESTS_STORE_RIG_H

#include "keys.h"
#include "redis_rig.h"
#include "store.h"

#define RIG_CLAIMS 2400
#define RIG_JOBS 1024
#define RIG_WORKERS 3
#define HOUR_US INT64_C(3600000000)

struct rig_claim {
    char id[65], packed[160];
    int64_t fence, slot_us;
    unsigned attempts;
    bool capped, suppressed, limited;
    struct store_left left;
};

struct worker {
    struct rig *rig;
    struct store *store;
    int ups, downs, bells, wait_bells;
    bool answered, ok;
    enum store_status status;
    struct buf raws; /* taken: "<priority>:<raw>" joined by spaces */
    struct buf warnings;
    unsigned accepted, duplicates, rejected, recorded, stale, jobs, messages, calls;
    struct rig_claim claims[RIG_CLAIMS]; /* claimed, or adopted */
    size_t claim_count;
    bool unknown, more;
    bool large; /* one of the jobs that it took */
    int64_t now_us, next_us;
};

struct store_rig {
    struct rig *g;
    struct worker workers[RIG_WORKERS], *a, *b; /* b: only when started */
    struct store_settings settings;
    uint64_t tag;
    struct store_accept jobs[RIG_JOBS];
    struct store_field fields[RIG_JOBS][6];
    char ids[RIG_JOBS][65], packed[RIG_JOBS][80];
};

/* --- callbacks --- */

static inline void worker_done(struct worker *w, enum store_status st)
{
    w->status = st;
    w->answered = true;
    w->calls++;
    loop_stop(w->rig->loop);
}

static inline void on_worker_state(bool up, const char *why, void *arg)
{
    struct worker *w = arg;

    (void)why;
    if (up)
        w->ups++;
    else
        w->downs++;
    loop_stop(w->rig->loop);
}

static inline void on_worker_bell(bool is_bulk, void *arg)
{
    struct worker *w = arg;

    (void)is_bulk;
    if (++w->bells == w->wait_bells)
        loop_stop(w->rig->loop);
}

static inline void on_worker_taken(enum store_status st, const struct store_raw *jobs, size_t n,
                                   void *arg)
{
    struct worker *w = arg;

    buf_clear(&w->raws);
    for (size_t i = 0; i < n; i++)
        buf_addf(&w->raws, "%s%d:%.*s", i > 0 ? " " : "", (int)jobs[i].list + 1, (int)jobs[i].len,
                 jobs[i].raw);
    worker_done(w, st);
}

static inline void on_worker_accepted(enum store_status st, unsigned accepted, unsigned duplicates,
                                      unsigned rejected, void *arg)
{
    struct worker *w = arg;

    w->accepted = accepted;
    w->duplicates = duplicates;
    w->rejected = rejected;
    worker_done(w, st);
}

static inline void on_worker_claimed(enum store_status st, const struct store_claims *c, void *arg)
{
    struct worker *w = arg;

    assert_true(c->count <= RIG_CLAIMS);
    w->claim_count = c->count;
    w->now_us = c->now_us;
    w->next_us = c->next_us;
    w->unknown = c->unknown_senders;
    for (size_t i = 0; i < c->count; i++) {
        const struct store_claimed *in = &c->items[i];
        struct rig_claim *out = &w->claims[i];

        *out = (struct rig_claim){.fence = in->fence,
                                  .slot_us = in->slot_us,
                                  .attempts = in->attempts,
                                  .capped = in->capped,
                                  .suppressed = in->suppressed,
                                  .limited = in->limited,
                                  .left = in->left};
        snprintf(out->id, sizeof(out->id), "%s", in->id);
        snprintf(out->packed, sizeof(out->packed), "%.*s", (int)in->packed_len, in->packed);
    }
    worker_done(w, st);
}

static inline void on_worker_recovered(enum store_status st, const struct store_recovered *r,
                                       void *arg)
{
    struct worker *w = arg;

    w->jobs = r->jobs;
    w->messages = r->messages;
    w->more = r->more;
    w->next_us = r->next_us;
    assert_true(r->adopted_count <= RIG_CLAIMS);
    w->claim_count = r->adopted_count;
    for (size_t i = 0; i < r->adopted_count; i++) {
        struct rig_claim *out = &w->claims[i];

        *out = (struct rig_claim){.fence = r->adopted[i].fence, .attempts = r->adopted[i].attempts};
        snprintf(out->id, sizeof(out->id), "%s", r->adopted[i].id);
        snprintf(out->packed, sizeof(out->packed), "%.*s", (int)r->adopted[i].packed_len,
                 r->adopted[i].packed);
    }
    worker_done(w, st);
}

static inline void on_worker_started(enum store_status st, bool ok, void *arg)
{
    struct worker *w = arg;

    w->ok = ok;
    worker_done(w, st);
}

static inline void on_worker_finished(enum store_status st, const struct store_finished *f,
                                      void *arg)
{
    struct worker *w = arg;

    w->recorded = f->recorded;
    w->stale = f->stale;
    w->next_us = f->next_us;
    worker_done(w, st);
}

static inline void on_worker_simple(enum store_status st, void *arg)
{
    worker_done(arg, st);
}

/* --- calls that wait --- */

/* Runs the loop until the call just sent is answered. */
static inline enum store_status worker_wait(struct worker *w, enum sq_err sent)
{
    assert_int_equal(sent, SQ_OK);
    w->answered = false;
    while (!w->answered)
        loop_run(w->rig->loop);
    return w->status;
}

static inline enum store_status worker_register(struct worker *w)
{
    static const struct store_field fields[] = {{"host", "here"}, {"state", "running"}};

    return worker_wait(w, store_register(w->store, fields, 2, NULL, 0, on_worker_recovered, w));
}

static inline enum store_status worker_beat(struct worker *w)
{
    static const struct store_field fields[] = {{"host", "here"}, {"state", "running"}};

    return worker_wait(w, store_beat(w->store, fields, 2, on_worker_recovered, w));
}

static inline enum store_status worker_take(struct worker *w, uint64_t tag, unsigned n)
{
    return worker_wait(w, store_take(w->store, tag, n, 1 << 20, 1 << 16, on_worker_taken, w));
}

static inline enum store_status worker_accept(struct worker *w, uint64_t tag,
                                              const struct store_accept *jobs, size_t n)
{
    struct resp call = {.count = 0};
    enum sq_err err;

    store_accept_begin(w->store, &call, tag, n, w->large);
    for (size_t i = 0; i < n; i++)
        store_accept_add(&call, &jobs[i]);
    err = store_accept_send(w->store, &call, on_worker_accepted, w);
    resp_free(&call); /* it was copied */
    return worker_wait(w, err);
}

static inline enum store_status worker_claim_by(struct worker *w, const struct store_claim *req)
{
    return worker_wait(w, store_claim(w->store, req, on_worker_claimed, w));
}

/* Up to `want`, all senders equal, slots up to an hour ahead. */
static inline enum store_status worker_claim(struct worker *w, unsigned want)
{
    const struct store_claim req = {
        .want = want, .quantum = 4096, .horizon_us = HOUR_US, .channels = "email sms"};

    return worker_claim_by(w, &req);
}

static inline enum store_status worker_start(struct worker *w, const char *id, int64_t fence)
{
    return worker_wait(w, store_start(w->store, id, fence, on_worker_started, w));
}

static inline enum store_status worker_finish_all(struct worker *w, const struct store_finish *f,
                                                  size_t n)
{
    return worker_wait(w, store_finish(w->store, f, n, on_worker_finished, w));
}

static inline struct store_finish an_outcome(enum store_finish_kind kind, const char *id,
                                             int64_t fence)
{
    struct store_finish f = {.kind = kind,
                             .id = id,
                             .sender = "s",
                             .provider = "sandbox",
                             .channel = "email",
                             .fence = fence,
                             .answer = "",
                             .delay_ms = kind == FINISH_SENT ? 0 : 60000};

    if (kind != FINISH_SENT && kind != FINISH_RELEASE) {
        f.fields[0] = (struct store_field){"error_code", "provider_error"};
        f.fields[1] = (struct store_field){"error_message", "it said no"};
        f.field_count = 2;
    }
    return f;
}

static inline enum store_status worker_finish(struct worker *w, enum store_finish_kind kind,
                                              const char *id, int64_t fence)
{
    const struct store_finish f = an_outcome(kind, id, fence);

    return worker_finish_all(w, &f, 1);
}

static inline enum store_status worker_configure(struct worker *w, const struct store_bucket *b,
                                                 size_t nb, const struct store_sender *s, size_t ns)
{
    return worker_wait(w, store_configure(w->store, b, nb, s, ns, on_worker_simple, w));
}

/* --- the rig --- */

static inline struct worker *store_rig_worker(struct store_rig *r, unsigned i, const char *name)
{
    struct worker *w = &r->workers[i];
    const struct store_opts opts = {.loop = r->g->loop,
                                    .addr = &r->g->server.addr,
                                    .ns = "t",
                                    .worker_name = name,
                                    .timeout_ms = 10000,
                                    .on_state = on_worker_state,
                                    .on_bell = on_worker_bell,
                                    .arg = w};

    w->rig = r->g;
    w->store = store_new(&opts);
    store_set_settings(w->store, &r->settings);
    while (w->ups == 0)
        loop_run(r->g->loop);
    return w;
}

/* A second worker, registered. */
static inline struct worker *store_rig_second(struct store_rig *r)
{
    r->b = store_rig_worker(r, 1, "beta");
    assert_int_equal(worker_register(r->b), STORE_OK);
    return r->b;
}

/* One sender "s" with these limits. */
static inline void store_rig_limit(struct store_rig *r, const struct store_bucket *limits)
{
    struct store_bucket b = *limits;
    const struct store_sender s = {.id = "s", .fingerprint = "f1", .buckets = "sender:s"};

    b.name = "sender:s";
    if (b.zone == NULL)
        b.zone = "UTC";
    assert_int_equal(worker_configure(r->a, &b, 1, &s, 1), STORE_OK);
}

#define LIMIT(r, ...) store_rig_limit(r, &(const struct store_bucket){__VA_ARGS__})

static inline void store_rig_drop(struct worker *w)
{
    store_free(w->store);
    buf_free(&w->raws);
    buf_free(&w->warnings);
    memset(w, 0, sizeof(*w));
}

static inline int store_rig_setup(void **state)
{
    struct store_rig *r = calloc(1, sizeof(*r));

    r->g = *state;
    r->settings = (struct store_settings){.events = "all",
                                          .events_max = 1000,
                                          .timeline_max = 100,
                                          .retention_ms = 7 * 86400000,
                                          .idempotency_ms = 86400000,
                                          .reply_ms = 3600000,
                                          .stats_ms = INT64_C(90) * 86400000,
                                          .rejected_ms = 7 * 86400000,
                                          .max_deaths = 5,
                                          .lease_ms = 30000};
    rig_begin(r->g);
    *state = r;
    r->a = store_rig_worker(r, 0, "alpha");
    assert_int_equal(worker_register(r->a), STORE_OK);
    LIMIT(r, 0);
    return 0;
}

static inline int store_rig_teardown(void **state)
{
    struct store_rig *r = *state;

    for (size_t i = 0; i < RIG_WORKERS; i++)
        store_rig_drop(&r->workers[i]);
    rig_end(r->g);
    *state = r->g;
    free(r);
    return 0;
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_rig_setup, store_rig_teardown)
#define STORE_TESTS_RUN(tests) cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown)

/* The k-th job of the next batch: a message for sender "s" by e-mail. */
static inline struct store_accept *a_job(struct store_rig *r, unsigned k, const char *id)
{
    struct store_accept *j = &r->jobs[k];
    struct store_field *f = r->fields[k];

    snprintf(r->ids[k], sizeof(r->ids[k]), "%s", id);
    snprintf(r->packed[k], sizeof(r->packed[k]), "packed-%s", id);
    f[0] = (struct store_field){"id", r->ids[k]};
    f[1] = (struct store_field){"sender", "s"};
    f[2] = (struct store_field){"channel", "email"};
    f[3] = (struct store_field){"recipient", "to@x"};
    f[4] = (struct store_field){"provider", "sandbox"};
    *j = (struct store_accept){.index = k + 1,
                               .id = r->ids[k],
                               .sender = "s",
                               .body_hash = "",
                               .priority = PRIORITY_NORMAL,
                               .packed = r->packed[k],
                               .packed_len = strlen(r->packed[k]),
                               .fields = f,
                               .field_count = 5};
    return j;
}

static inline void set_sender(struct store_rig *r, unsigned k, const char *sender)
{
    r->jobs[k].sender = r->fields[k][1].value = sender;
}

static inline void set_priority(struct store_rig *r, unsigned k, enum priority p)
{
    static const char *const digits[] = {"1", "2", "3"};

    r->jobs[k].priority = p;
    r->fields[k][5] = (struct store_field){"_priority", digits[p]};
    r->jobs[k].field_count = 6;
}

/* Pushes n raw jobs "raw1".. and takes them; returns the batch's tag. */
static inline uint64_t take_n(struct store_rig *r, struct worker *w, unsigned n)
{
    char raw[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(raw, sizeof(raw), "raw%u", i + 1);
        REDIS(r->g, "LPUSH", "t:jobs", raw);
    }
    assert_int_equal(worker_take(w, ++r->tag, n), STORE_OK);
    return r->tag;
}

/* Accepts the first n jobs set up by a_job. */
static inline void accept_n(struct store_rig *r, unsigned n)
{
    uint64_t tag = take_n(r, r->a, n);

    assert_int_equal(worker_accept(r->a, tag, r->jobs, n), STORE_OK);
}

/* Queues n messages <prefix>1.. of a sender and priority. */
static inline void queue_n(struct store_rig *r, const char *prefix, unsigned n, const char *sender,
                           enum priority p)
{
    char id[65];

    for (unsigned k = 0; k < n; k++) {
        snprintf(id, sizeof(id), "%s%u", prefix, k + 1);
        a_job(r, k, id);
        set_sender(r, k, sender);
        if (p != PRIORITY_NORMAL)
            set_priority(r, k, p);
    }
    accept_n(r, n);
    assert_int_equal(r->a->accepted, n);
}

/* One message "m" of sender "s", claimed: its lease has fence 1. */
static inline void claim_one(struct store_rig *r)
{
    queue_n(r, "m", 1, "s", PRIORITY_NORMAL);
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
    assert_string_equal(r->a->claims[0].id, "m1");
}

/* The worker's lease has run out. */
static inline void kill_worker(struct store_rig *r, struct worker *w)
{
    assert_string_equal(
        REDIS(r->g, "ZADD", "t:workers", "XX", "CH", "1", store_worker_id(w->store)), "1");
}

static inline const char *key_of(struct store_rig *r, const char *prefix, const char *part)
{
    struct buf *b = &r->g->texts[r->g->next_text++ % RIG_TEXTS];

    buf_clear(b);
    buf_addf(b, "%s%s", prefix, part);
    return buf_str(b);
}

#define LEASE(r, w) key_of(r, "t:lease:", store_worker_id((w)->store))
#define CLAIMED(r, w) key_of(r, "t:claimed:", store_worker_id((w)->store))
#define FIELD(r, id, field) REDIS((r)->g, "HGET", key_of(r, "t:message:", id), field)

/* Claims, and which messages those are. */
static inline void expect_claims(struct store_rig *r, unsigned want, const char *ids)
{
    struct buf got = {0};

    assert_int_equal(worker_claim(r->a, want), STORE_OK);
    for (size_t i = 0; i < r->a->claim_count; i++)
        buf_addf(&got, "%s%s", i > 0 ? " " : "", r->a->claims[i].id);
    assert_string_equal(buf_str(&got), ids);
    buf_free(&got);
}

#endif

/* The typed face of the scripts: every state change in Redis is one call here, atomic there.
 *
 * A store is this process' identity as a worker plus its command connection. All calls are
 * asynchronous; arguments are copied before a call returns; callbacks run in the loop, exactly once
 * per call that returned SQ_OK, and what they get is valid during the callback only. A call made
 * while the connection is down returns SQ_ERR_STATE and never calls back. */
#ifndef SENDQ_STORE_STORE_H
#define SENDQ_STORE_STORE_H

#include "channel.h"
#include "loop.h"
#include "redis_link.h"

struct store;

enum store_status {
    STORE_OK,
    STORE_LOST,   /* the connection died: executed or not, nobody knows. store_register (with the
                     old identity retired) settles it */
    STORE_AGAIN,  /* not executed (the script cache was empty and is being filled): call again */
    STORE_FENCED, /* another worker declared this identity dead: store_register a new one */
    STORE_GONE,   /* accept: the batch is no longer this worker's; nothing was written */
    STORE_ERROR,  /* Redis refused (out of memory, read-only, loading, ...): store_error says why */
};

/* Numbers the scripts need; may be changed at any time by store_set_settings. */
struct store_settings {
    const char *events; /* "final", "all", "off" */
    int64_t events_max, timeline_max;
    int64_t retention_ms, idempotency_ms, reply_ms, stats_ms, rejected_ms, lease_ms;
    int64_t max_deaths; /* of workers that held a raw job: then it is refused */
    bool keep_content;
};

struct store_opts {
    struct loop *loop;
    const struct redis_addr *addr;
    const char *ns;
    const char *worker_name; /* NS:worker:<name> */
    int64_t timeout_ms;      /* connect and command */
    void (*on_state)(bool up, const char *why,
                     void *arg); /* connection up (scripts loading) or down */
    /* Another worker has more due work than it can take; is_bulk: an operator has paused, resumed,
     * cancelled or retried a bulk. */
    void (*on_bell)(bool is_bulk, void *arg);
    void *arg;
};

struct store *store_new(const struct store_opts *opts); /* starts connecting */
/* Ends the connections: every pending call comes home as STORE_LOST, further ones are refused. */
void store_close(struct store *s);
void store_free(struct store *s); /* closes first if that was not done; NULL is fine */
/* See redis_link_set_login. */
void store_set_login(struct store *s, const struct redis_addr *addr);
bool store_is_up(const struct store *s);
void store_set_settings(struct store *s, const struct store_settings *settings);
const char *store_error(const struct store *s); /* words of the last STORE_ERROR */
const char *store_worker_id(const struct store *s);
/* Redis' clock, at the earliest that its answers allow (clock_offset.h); this host's clock before
 * the first one. */
int64_t store_now_ms(const struct store *s);
int64_t store_now_us(const struct store *s);
/* How much later than that it may be. */
int64_t store_clock_spread_us(const struct store *s);

/* --- recover: register, renew, bring back what dead workers held --- */

struct store_field {
    const char *name, *value;
};

/* A message whose outcome nobody knows, now leased to this worker to be recorded. A bulk's
 * recipient: id is "@" and the bulk, packed "<place>:<lead>", fence the slice's number. */
struct store_adopted {
    const char *id, *packed;
    size_t packed_len;
    int64_t fence;
    unsigned attempts;
};

struct store_recovered {
    int64_t next_us; /* Redis time of the next due work; 0 = none waits */
    unsigned jobs, messages;
    bool more; /* is there to bring back than one call does: beat again soon */
    const struct store_adopted *adopted;
    size_t adopted_count;
};

/* A lease that its holder still has an attempt for. */
struct store_lease {
    const char *id; /* or "<slice>:<place>" */
    int64_t fence;
};

typedef void (*store_recover_cb)(enum store_status st, const struct store_recovered *r, void *arg);

/* Takes a new identity, retires the one before (if any), keeping the leases named. */
enum sq_err store_register(struct store *s, const struct store_field *fields, size_t count,
                           const struct store_lease *keep, size_t keep_count, store_recover_cb cb,
                           void *arg) SQ_MUST_CHECK;
/* Renews the lease and publishes NS:worker:<name>. */
enum sq_err store_beat(struct store *s, const struct store_field *fields, size_t count,
                       store_recover_cb cb, void *arg) SQ_MUST_CHECK;
/* Gives up the identity at an exit; what is still leased goes to the next worker at once. */
void store_unregister(struct store *s);

/* --- configure --- */

struct store_bucket {
    const char *name;     /* "sender:<id>", "account:<hash>", "channel:<name>", "tenant:<id>",
                             "tenant:*" (tenants without one of their own), "global" */
    int64_t count;        /* of the rate in words, for answers */
    int64_t interval_us;  /* GCRA: between two sends; 0 = no rate */
    int64_t tolerance_us; /* GCRA: (burst - 1) intervals; 0 = strict */
    int64_t day_cap;      /* 0 = none */
    const char *zone;     /* whose days are counted, or "rolling" */
    unsigned concurrency; /* 0 = none */
    const char
        *trip; /* circuit breaker: "<errors in a row> <pause ms> <longest ms>"; NULL = none */
    bool rate_units, day_units; /* counts a message's units, not messages */
};

struct store_sender {
    const char *id;
    char fingerprint[17]; /* of configuration and credentials */
    const char *buckets;  /* space-separated names, "sender:<id>" first */
    bool ignore_suppressed;
    const char *by;   /* 'c', 't': its messages have channel or tenant buckets of their own */
    const char *pair; /* rate to one recipient: "<interval_us> <tolerance_us>"; NULL = none */
};

typedef void (*store_simple_cb)(enum store_status st, void *arg);

/* The buckets that senders share come first, all in one call without senders. */
enum sq_err store_configure(struct store *s, const struct store_bucket *buckets,
                            size_t bucket_count, const struct store_sender *senders,
                            size_t sender_count, store_simple_cb cb, void *arg) SQ_MUST_CHECK;

/* --- take --- */

/* From this size on a job is read piece by piece. */
#define STORE_LARGE ((size_t)2 << 20)

struct store_raw {
    enum priority list;
    const char *raw;
    size_t len;
    char *text; /* of a large job, the last one: raw itself, which may be changed; else NULL */
};

typedef void (*store_take_cb)(enum store_status st, const struct store_raw *jobs, size_t count,
                              void *arg);

enum sq_err store_take(struct store *s, uint64_t tag, unsigned n, size_t max_bytes, size_t max_job,
                       store_take_cb cb, void *arg) SQ_MUST_CHECK;

/* --- accept --- */

struct store_accept {
    unsigned index;  /* place in the taken batch, from 1 */
    bool keeps_text; /* it had a text, which its message refers to */
    bool rejected;
    const char *reply_queue; /* "" = none */
    /* rejected: */
    const char *error_code, *error_message, *field;
    const char *answer;
    size_t answer_len;
    /* accepted: */
    const char *id, *idempotency_key, *body_hash, *sender;
    bool explicit_id;
    enum priority priority;
    bool marketing, fail_on_limit; /* queues of their own */
    const char *queue;             /* key_queue_lane; NULL = that of these, without a lane */
    int64_t due_ms;                /* Redis time; 0 = now */
    const char *conflict_answer;   /* pushed to reply_queue on an idempotency conflict */
    size_t conflict_len;
    const char *packed;
    size_t packed_len;
    const struct store_field *fields; /* further fields of NS:message:<id> or NS:bulk:<id> */
    size_t field_count;
    /* a bulk (store_bulk.h): */
    bool is_bulk;
    const char *selection, *cursor; /* whom it is for, but for these; where its first page is */
    const struct buf *id_pages;     /* of lead ids, a NUL after each */
    size_t id_page_count;
};

typedef void (*store_accept_cb)(enum store_status st, unsigned accepted, unsigned duplicates,
                                unsigned rejected, void *arg);

/* The call is written job by job, so that none of them has to be kept: begin, add `count` jobs in
 * the order they were taken (all is copied), send. It stands until it is begun again, so that it
 * can be sent again as it is. large: one of the jobs had a text. */
void store_accept_begin(struct store *s, struct resp *call, uint64_t tag, size_t count, bool large);
void store_accept_add(struct resp *call, const struct store_accept *j);
enum sq_err store_accept_send(struct store *s, struct resp *call, store_accept_cb cb,
                              void *arg) SQ_MUST_CHECK;

/* --- the text of a large job --- */

#define STORE_TEXT_PIECE ((size_t)512 << 10)

/* STORE_OK, STORE_LOST or STORE_ERROR; len 0: there is nothing at that offset. */
typedef void (*store_text_cb)(enum store_status st, const char *piece, size_t len, void *arg);

/* Up to a piece of the text that is kept for a message, from the offset on. */
enum sq_err store_text(struct store *s, const char *id, size_t offset, store_text_cb cb,
                       void *arg) SQ_MUST_CHECK;

/* --- claim --- */

struct store_zone { /* day_bounds of rate.h */
    const char *name;
    int64_t bounds[4];
};

struct store_claim {
    unsigned want, prefetch, quantum;
    int64_t horizon_us;
    const char *channels; /* whose suppression lists are honoured, separated by spaces */
    const struct store_zone *zones;
    size_t zone_count;
};

/* What the tightest limit of a message's sender has left: X-RateLimit-Limit, -Remaining, -Reset. */
struct store_left {
    int64_t limit, remaining, reset_s; /* limit 0 = there is none */
};

struct store_claimed {
    const char *id, *packed;
    size_t packed_len;
    int64_t fence;
    unsigned attempts;
    int64_t slot_us; /* Redis time from which it may start */
    bool capped;     /* it must start within the slot's jitter, or be released */
    bool suppressed;
    bool limited; /* over a limit, and it is to fail rather than to wait */
    struct store_left left;
    /* A slice of a bulk's recipients: id is NULL, fence the slice's number, packed the leads with a
     * NUL after each. */
    const char *bulk;
    const char *slots;     /* of each lead, commas between; or one for all */
    bool check_suppressed; /* some channel has a suppression list: recipients are to be looked up */
    bool wants_expansion;  /* few of its recipients wait: there is room for the next page */
    bool charge;           /* store_charge has to be asked about them */
};

#define STORE_COMPLAINTS 4
struct store_claims {
    int64_t now_us, next_us;
    const struct store_claimed *items;
    size_t count;
    bool unknown_senders; /* some sender has no configuration in Redis: store_configure again */
    const char
        *complaints[STORE_COMPLAINTS]; /* keys of another type that hold something up; NULL */
};

typedef void (*store_claim_cb)(enum store_status st, const struct store_claims *c, void *arg);

enum sq_err store_claim(struct store *s, const struct store_claim *req, store_claim_cb cb,
                        void *arg) SQ_MUST_CHECK;

/* --- start --- */

/* ok = the lease still stands and the mark is written: the request may leave. */
typedef void (*store_start_cb)(enum store_status st, bool ok, void *arg);

/* id: a message's, or "@<slice>:<place>". */
enum sq_err store_start(struct store *s, const char *id, int64_t fence, store_start_cb cb,
                        void *arg) SQ_MUST_CHECK;

/* --- finish --- */

enum store_finish_kind {
    FINISH_SENT = 's', /* with delay_ms: that was the last of the quota, the sender waits */
    FINISH_FAILED = 'f',
    FINISH_RETRY = 'r', /* after delay_ms */
    FINISH_WAIT = 'w',  /* after delay_ms, the attempt not counted; so do others to its recipient */
    FINISH_THROTTLED =
        't',               /* the whole sender or account waits delay_ms, the attempt not counted */
    FINISH_BROKEN = 'b',   /* credentials refused: the sender stops, the message waits */
    FINISH_LATER = 'q',    /* after delay_ms, the attempt not counted */
    FINISH_FALLBACK = 'n', /* the next sender tries; final if an earlier attempt was uncertain */
    FINISH_RELEASE = 'x',  /* back to the head of its queue, unsent, the attempt not counted */
};

/* Of FINISH_FALLBACK: who tries next, and the message as it is stored for it. */
struct store_next {
    const char *sender, *provider;
    unsigned units;
    const char *packed;
    size_t packed_len;
    bool broken; /* the sender before stops, its credentials were refused */
};

#define STORE_FINISH_FIELDS 8

struct store_finish {
    enum store_finish_kind kind;
    bool refund; /* the request definitely never left: the day's count gets it back */
    int health;  /* 1: the provider answered; -1: it did not, or said that it could not; 0: unasked
                  */
    const char *id, *sender, *provider, *channel, *contact, *deal;
    int64_t fence, delay_ms;
    const char *answer, *reply_queue;
    size_t answer_len;
    /* A bulk's recipient: fence is its slice's number; id, contact, deal and answer do not count.
     */
    const char *bulk, *lead; /* NULL = a message of its own */
    unsigned place;          /* in the slice, from 1 */
    unsigned shard;          /* of the bulk's ledgers */
    unsigned attempts;
    int units; /* for a refund: what store_charge took; 0 = it was not asked, -1 = gave it back */
    /* What is not sent begins with error_code and error_message. */
    struct store_next next;
    struct store_field fields[STORE_FINISH_FIELDS];
    size_t field_count;
};

struct store_finished {
    unsigned recorded, stale;
    int64_t next_us; /* Redis time of the next due work; 0 = none waits */
};

typedef void (*store_finish_cb)(enum store_status st, const struct store_finished *f, void *arg);

enum sq_err store_finish(struct store *s, const struct store_finish *items, size_t count,
                         store_finish_cb cb, void *arg) SQ_MUST_CHECK;

/* --- boot check --- */

/* Calls warn once per thing an operator should mend: version, eviction policy, no persistence. */
typedef void (*store_warn_cb)(const char *text, void *arg);
void store_check_server(struct store *s, store_warn_cb warn, void *arg);

#endif

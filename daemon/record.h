/* Records outcomes in Redis, in batches, and keeps them until Redis has them. */
#ifndef SENDQ_DAEMON_RECORD_H
#define SENDQ_DAEMON_RECORD_H

#include "attempt.h"
#include "log.h"
#include "store.h"
#include "verdict.h"

struct record_stage;

struct record_ops {
    unsigned (*under_way)(void *arg); /* attempts that are being sent */
    /* What becomes of an attempt is decided; called from inside record_outcome. */
    void (*decided)(const struct attempt *t, enum verdict_kind kind, void *arg);
    /* A batch is in Redis; next_us: Redis time of the next due work, 0 = none waits. */
    void (*recorded)(int64_t next_us, void *arg);
    void (*fenced)(void *arg);
    void (*problem)(const char *what, void *arg); /* Redis refused; tried again soon */
    void *arg;
};

struct record_counters {
    uint64_t sent, failed, retried, throttled, released;
    uint64_t stale; /* a lease had passed to another worker before its outcome was recorded */
};

struct record_stage *record_new(struct loop *loop, struct store *store, struct attempts *attempts,
                                struct log *log, const struct record_ops *ops);
void record_free(struct record_stage *r);

/* Takes an attempt whose outcome is filled: logs its one result line, records it, frees it. */
void record_outcome(struct record_stage *r, struct attempt *t);
/* Takes an attempt that did not begin: back to the head of its queue. */
void record_release(struct record_stage *r, struct attempt *t);
/* The connection is registered again: what was on its way is sent once more (finish is fenced). */
void record_resume(struct record_stage *r);
void record_set_batch(struct record_stage *r, unsigned batch);

/* Of these, sent ones that wait for more of them: in flight as far as a crash is concerned. */
unsigned record_held(const struct record_stage *r);
unsigned record_pending(const struct record_stage *r); /* not yet in Redis */
const struct record_counters *record_counts(const struct record_stage *r);

#endif

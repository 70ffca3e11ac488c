/* Turns a batch of raw jobs into messages and rejects, in one step in Redis. */
#ifndef SENDQ_DAEMON_ACCEPT_H
#define SENDQ_DAEMON_ACCEPT_H

#include "attempt.h"
#include "log.h"
#include "store.h"

struct accept_stage;

struct accept_ops {
    bool (*needs_resolving)(const struct job *j);
    /* To resolve: completes these jobs, then comes back with accept_resolved. */
    void (*resolve)(struct job *const *jobs, size_t count, void *arg);
    /* The batch is done (or is not this worker's any more); messages may be due, and bulks. */
    void (*done)(unsigned accepted, unsigned bulks, void *arg);
    void (*problem)(const char *what, void *arg);
    void *arg;
};

struct accept_counters {
    uint64_t accepted, duplicates, rejected;
};

struct accept_stage *accept_new(struct loop *loop, struct store *store, struct log *log,
                                const struct accept_ops *ops);
void accept_free(struct accept_stage *a);
void accept_set_config(struct accept_stage *a, struct live_config *live); /* takes a reference */

/* Parses and validates all of it now; then one call, at once unless some jobs must be resolved
 * first. One batch at a time. */
void accept_batch(struct accept_stage *a, uint64_t tag, const struct store_raw *jobs, size_t count);
/* The jobs given to ops.resolve are complete; false: the connection broke meanwhile. */
void accept_resolved(struct accept_stage *a, bool ok);
/* The connection broke: the batch goes back to its lists by the next registration. Drops it and
 * calls done. */
void accept_abandon(struct accept_stage *a);
const struct accept_counters *accept_counts(const struct accept_stage *a);

#endif

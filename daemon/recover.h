/* This worker's place among the others: registers, renews its lease, brings back what the dead
 * left. */
#ifndef SENDQ_DAEMON_RECOVER_H
#define SENDQ_DAEMON_RECOVER_H

#include "attempt.h"
#include "store.h"

struct recover_stage;

/* What NS:worker:<name> says, refreshed with every beat. */
struct worker_status {
    unsigned in_flight;
    double rate; /* messages per second since the last beat */
    const char *state;
};

struct recover_ops {
    void (*status)(struct worker_status *ret, void *arg);
    /* Registered: claims and takes may begin. The lease holds until until_us (monotonic). */
    void (*registered)(int64_t until_us, void *arg);
    void (*renewed)(int64_t until_us, int64_t next_due_us, void *arg);
    /* Another worker declared this one dead; a new registration is under way. */
    void (*fenced)(void *arg);
    /* A message with an unknown outcome, now this worker's to record. */
    void (*adopted)(const struct store_adopted *a, void *arg);
    void (*brought_back)(unsigned jobs, unsigned messages, void *arg);
    void (*problem)(const char *what, void *arg);
    void *arg;
};

struct recover_stage *recover_new(struct loop *loop, struct store *store, struct attempts *attempts,
                                  int64_t lease_ms, const struct recover_ops *ops);
void recover_free(struct recover_stage *r);

/* The connection is up: registers anew, keeping the leases of all attempts alive. */
void recover_register(struct recover_stage *r);
/* The connection is down: stop beating. */
void recover_stop(struct recover_stage *r);

#endif

/* Decides when to claim, and when each claimed message may start. */
#ifndef SENDQ_DAEMON_DISPATCH_H
#define SENDQ_DAEMON_DISPATCH_H

#include "attempt.h"
#include "store.h"

struct dispatch_stage;

struct dispatch_ops {
    unsigned (*room)(void *arg);                 /* transfers that can start now */
    void (*begin)(struct attempt *t, void *arg); /* to transfer; takes the attempt */
    /* True: something must be fetched before it can begin; dispatch_prepared follows. */
    bool (*prepare)(struct attempt *t, void *arg);
    void (*release)(struct attempt *t, void *arg); /* to record: back to its queue, unsent */
    void (*settled)(struct attempt *t, void *arg); /* to record: outcome known without sending */
    void (*slice)(const struct store_claimed *c, void *arg); /* of a bulk, to render */
    unsigned (*rendering)(void *arg);   /* recipients there: dispatch_hold follows for each */
    void (*unknown_senders)(void *arg); /* Redis lacks their configuration */
    void (*problem)(const char *what,
                    void *arg); /* Redis refused a claim, or a part; said once per cause */
    void *arg;
};

struct dispatch_stage *dispatch_new(struct loop *loop, struct store *store,
                                    struct attempts *attempts, const struct dispatch_ops *ops);
void dispatch_free(struct dispatch_stage *d); /* its attempts stay in `attempts` */

/* The configuration for claims from now on; the stage takes its own reference. */
void dispatch_set_config(struct dispatch_stage *d, struct live_config *live);

/* May claim and start (registered, not draining); false: releases all that has not begun. */
void dispatch_set_open(struct dispatch_stage *d, bool open);
/* Nothing starts after this (monotonic us): the lease might end before the send does. */
void dispatch_set_lease(struct dispatch_stage *d, int64_t until_us);
/* An attempt of a slice is ready to start at slot_us (Redis time), or to be settled. */
void dispatch_hold(struct dispatch_stage *d, struct attempt *t, int64_t slot_us);
/* Releases all that has not begun: an operator has stopped some bulk, which a claim then sees. */
void dispatch_give_back(struct dispatch_stage *d);
/* What ops.prepare began is over; false: the attempt has its outcome. */
void dispatch_prepared(struct dispatch_stage *d, struct attempt *t, bool ok);
/* Something may be due: looks after this turn. next_us: Redis time of known due work, 0 = now. */
void dispatch_poke(struct dispatch_stage *d);
void dispatch_due_at(struct dispatch_stage *d, int64_t redis_us);

unsigned dispatch_waiting(const struct dispatch_stage *d); /* claimed, not begun */

#endif

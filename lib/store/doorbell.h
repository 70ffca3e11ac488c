/* The doorbell: tells an idle worker that a job was pushed, without polling.
 *
 * One blocking connection per job list runs BLMOVE list list RIGHT RIGHT: it waits until the list
 * has an element and moves that onto its own place, so nothing changes hands and nothing can be
 * lost with the connection; `take` alone moves jobs. (BRPOP would lose a job with the connection, a
 * BLMOVE into a private list would leave it there when this worker has been given up meanwhile.) */
#ifndef SENDQ_STORE_DOORBELL_H
#define SENDQ_STORE_DOORBELL_H

#include "loop.h"
#include "redis_link.h"

struct doorbell;

/* Starts connecting. ring runs in the loop when a job may wait, after which the doorbell is silent
 * until it is armed again. */
struct doorbell *doorbell_new(struct loop *loop, const struct redis_addr *addr, const char *ns,
                              int64_t connect_timeout_ms, void (*ring)(void *arg), void *arg);
/* See redis_link_set_login. */
void doorbell_set_login(struct doorbell *d, const struct redis_addr *addr);
void doorbell_free(struct doorbell *d);
/* Waits for the next job; no-op while armed. A connection that is down arms itself when it is up
 * again, and rings then, since a job may have come meanwhile. */
void doorbell_arm(struct doorbell *d);

#endif

/* Carries one attempt to its provider: build, send, classify, further steps. */
#ifndef SENDQ_DAEMON_TRANSFER_H
#define SENDQ_DAEMON_TRANSFER_H

#include "attempt.h"
#include "http_multi.h"

struct transfer_stage;

struct transfer_ops {
    /* Once per attempt begun, in the loop; its outcome is filled. Never from inside
     * transfer_begin. */
    void (*done)(struct attempt *t, void *arg);
    void (*warn)(const char *text, void *arg); /* what the operator should know */
    void *arg;
};

struct transfer_stage *transfer_new(struct loop *loop, const struct config *c,
                                    const struct transfer_ops *ops);
/* Ends what runs: done is called for each with an outcome as if the connection broke. */
void transfer_free(struct transfer_stage *s);

unsigned transfer_room(const struct transfer_stage *s);
unsigned transfer_in_flight(const struct transfer_stage *s);
/* The attempt is this stage's until done. There must be room. */
void transfer_begin(struct transfer_stage *s, struct attempt *t);

#endif

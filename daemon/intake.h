/* Takes raw jobs from Redis, a batch at a time; sleeps on the doorbell when there are none. */
#ifndef SENDQ_DAEMON_INTAKE_H
#define SENDQ_DAEMON_INTAKE_H

#include "config.h"
#include "store.h"

struct intake_stage;

struct intake_ops {
    /* A batch was taken; intake waits until intake_continue. The raw bytes live during the call. */
    void (*jobs)(uint64_t tag, const struct store_raw *jobs, size_t count, void *arg);
    void (*fenced)(void *arg);
    void (*problem)(const char *what, void *arg);
    void *arg;
};

struct intake_stage *intake_new(struct loop *loop, struct store *store,
                                const struct redis_addr *addr, const struct config *c,
                                const struct intake_ops *ops);
void intake_free(struct intake_stage *in);
void intake_set_login(struct intake_stage *in, const struct redis_addr *addr);
void intake_set_config(struct intake_stage *in, const struct config *c);

/* Opens or closes the intake. Closing does not undo a take under way: its jobs still come. */
void intake_set_open(struct intake_stage *in, bool open);
/* Takes again unless something is under way or the doorbell is awaited: a take that was fenced by a
 * lease which had run out and was then renewed after all left it standing. */
void intake_nudge(struct intake_stage *in);
/* The batch handed out was accepted or given back. */
void intake_continue(struct intake_stage *in);
bool intake_is_busy(const struct intake_stage *in); /* a take or a batch is under way */

#endif

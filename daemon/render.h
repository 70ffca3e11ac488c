/* Makes messages of a bulk's recipients: looks their leads up and fills the bulk's texts. */
#ifndef SENDQ_DAEMON_RENDER_H
#define SENDQ_DAEMON_RENDER_H

#include "attempt.h"
#include "directory.h"

struct render_stage;

struct render_ops {
    /* To dispatch: may start at slot_us of Redis' time, or is known not to be sent. */
    void (*ready)(struct attempt *t, int64_t slot_us, void *arg);
    void (*release)(struct attempt *t, void *arg); /* to record: back to its queue, unsent */
    void (*adopted)(struct attempt *t, void *arg); /* one of render_adopt */
    void (*problem)(const char *what, void *arg);
    void *arg;
};

/* The directory must outlive it. */
struct render_stage *render_new(struct store *store, struct directory *directory,
                                struct attempts *attempts, const struct render_ops *ops);
void render_free(struct render_stage *r); /* after the store was closed: nothing is under way */
void render_set_config(struct render_stage *r, struct live_config *live); /* own reference */

/* Takes a claimed slice: each of its leads becomes ready, or is released. When the connection
 * breaks meanwhile they are dropped: the next registration gives them back. */
void render_slice(struct render_stage *r, const struct store_claimed *c);
/* The same for one recipient whose sender died; nothing is looked up for it. */
void render_adopt(struct render_stage *r, const struct store_adopted *a);
/* What is still looked up will be released: an operator has stopped some bulk. */
void render_give_back(struct render_stage *r);

unsigned render_waiting(const struct render_stage *r); /* recipients being looked up */

#endif

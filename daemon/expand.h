/* Takes the selections of bulks into their queues, page by page. */
#ifndef SENDQ_DAEMON_EXPAND_H
#define SENDQ_DAEMON_EXPAND_H

#include "attempt.h"
#include "directory.h"

struct expand_stage;

struct expand_ops {
    void (*queued)(void *arg); /* recipients wait that did not before */
    void (*problem)(const char *what, void *arg);
    void *arg;
};

/* The directory must outlive it. */
struct expand_stage *expand_new(struct loop *loop, struct store *store, struct directory *directory,
                                const struct expand_ops *ops);
void expand_free(struct expand_stage *x); /* after the store was closed */
void expand_set_config(struct expand_stage *x, struct live_config *live); /* own reference */

/* May read pages (registered, not draining). A page being read ends. */
void expand_set_open(struct expand_stage *x, bool open);
/* There may be a bulk that wants its next page. */
void expand_poke(struct expand_stage *x);

#endif

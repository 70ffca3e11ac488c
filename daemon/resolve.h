/* Looks up what jobs need before they can be accepted: contacts, templates, and the
 * mails of ours that they answer or forward. */
#ifndef SENDQ_DAEMON_RESOLVE_H
#define SENDQ_DAEMON_RESOLVE_H

#include "attempt.h"
#include "directory.h"
#include "store.h"

struct resolve_stage;

struct resolve_ops {
    /* All jobs of the batch are complete, or refused in themselves; false: the connection broke. */
    void (*done)(bool ok, void *arg);
    void (*problem)(const char *what, void *arg);
    void *arg;
};

/* The directory must outlive it. */
struct resolve_stage *resolve_new(struct loop *loop, struct store *store,
                                  struct directory *directory, const struct resolve_ops *ops);
void resolve_free(struct resolve_stage *r);
void resolve_set_config(struct resolve_stage *r, struct live_config *live); /* own reference */

/* True if the job has to pass here. */
bool resolve_is_needed(const struct job *j);
/* Completes jobs that need it, all look-ups of a kind in one go; there is at least one job. They
 * must stay until done or resolve_abandon. One batch at a time. done may run from inside. */
void resolve_jobs(struct resolve_stage *r, struct job *const *jobs, size_t count);
/* Forgets the batch; done is not called. */
void resolve_abandon(struct resolve_stage *r);

#endif

/* Gets the attachments that a provider needs as bytes, and those that stand in Redis apart from
 * their message, before its transfer; bounds what all messages together attach. */
#ifndef SENDQ_DAEMON_FETCH_H
#define SENDQ_DAEMON_FETCH_H

#include "attempt.h"
#include "loop.h"
#include "store.h"

struct fetch_stage;

/* done runs once per attempt begun, in the loop, never from inside fetch_begin. ok: the message's
 * attachments have their contents; else its outcome is filled. */
struct fetch_stage *fetch_new(struct loop *loop, struct store *store, struct attempts *attempts,
                              const struct config *c,
                              void (*done)(struct attempt *t, bool ok, void *arg), void *arg);
/* The store must be closed already. done is not called any more; NULL is fine. */
void fetch_free(struct fetch_stage *s);

/* True if the attempt is this stage's until done: something must be fetched first, or there is no
 * room for its attachments. What was kept is used. False when it may begin. */
bool fetch_begin(struct fetch_stage *s, struct attempt *t);
/* The attempt goes back unsent, because its slot passed meanwhile: what was fetched for it is kept
 * for a while, for its next slot. */
void fetch_keep(struct fetch_stage *s, struct attempt *t);
/* Some attempts were freed: there may be room. */
void fetch_nudge(struct fetch_stage *s);
/* Bytes of attachments that messages hold, and what is kept. */
size_t fetch_held(const struct fetch_stage *s);

#endif

/* Looks at a contact's opt-outs again, just before the send of a message that has waited. */
#ifndef SENDQ_DAEMON_CONSENT_H
#define SENDQ_DAEMON_CONSENT_H

#include "attempt.h"
#include "directory.h"

struct consent_stage;

/* done runs once per attempt begun, in the loop, never from inside consent_begin. ok: the message
 * was looked at, and bears its refusal if its contact opted out meanwhile; else its outcome is
 * filled. The directory must outlive it. */
struct consent_stage *consent_new(struct loop *loop, struct store *store,
                                  struct directory *directory,
                                  void (*done)(struct attempt *t, bool ok, void *arg), void *arg);
void consent_free(struct consent_stage *s); /* once the store is closed; NULL is fine */

/* True if opt-outs concern the message and it was accepted a while ago, or for a later time: it
 * is this stage's until done. False: there is nothing to look at, or it was done. */
bool consent_begin(struct consent_stage *s, struct attempt *t);

#endif

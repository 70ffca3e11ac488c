/* Which sender carries a message. */
#ifndef SENDQ_DAEMON_CHOICE_H
#define SENDQ_DAEMON_CHOICE_H

#include "config.h"

/* The sender that the message names, or its channel's default. NULL: none, and e says why. */
const struct sender *choice_sender(const struct config *c, const struct message *m,
                                   struct err_text *e);

/* The sender to try next when `m` has definitely not been delivered by its sender: the origin's
 * fallbacks in their order, of those that serve its channel. NULL: there is none. */
const struct sender *choice_fallback(const struct config *c, const struct message *m);

/* Sets the message's units as its sender's limits count them. A message that no day's cap could
 * ever hold is refused. */
enum sq_err choice_count(const struct sender *s, struct message *m,
                         struct err_text *e) SQ_MUST_CHECK;

#endif

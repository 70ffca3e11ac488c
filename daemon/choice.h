/* Which sender carries a message. */
#ifndef SENDQ_DAEMON_CHOICE_H
#define SENDQ_DAEMON_CHOICE_H

#include "config.h"

/* The sender that the message names, or its channel's default. NULL: none, and e says why. */
const struct sender *choice_sender(const struct config *c, const struct message *m,
                                   struct err_text *e);

#endif

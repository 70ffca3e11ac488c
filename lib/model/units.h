/* Units: what a limit counts a message as. */
#ifndef SENDQ_MODEL_UNITS_H
#define SENDQ_MODEL_UNITS_H

#include "message.h"

/* Messages, the recipients in them, or SMS segments. */
enum limit_unit { LIMIT_MESSAGES, LIMIT_RECIPIENTS, LIMIT_SEGMENTS };

/* How many of them the message is: at least 1. Recipients are counted as addresses of to, cc and
 * bcc; segments on channel sms only. */
unsigned units_count(const struct message *m, enum limit_unit unit);

#endif

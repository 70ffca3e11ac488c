/* A message that was accepted and must not be sent: why. It travels with the message, which then
 * fails at its turn like any other, so that it has its hash, its statistics and its answer. */
#ifndef SENDQ_MODEL_REFUSAL_H
#define SENDQ_MODEL_REFUSAL_H

#include "message.h"
#include "outcome.h"

/* Notes the reason (the first one stays) and lets the message's time be now: nothing is gained by
 * waiting to fail. */
void refusal_set(struct message *m, enum error_code code, const char *fmt, ...) SQ_PRINTF(3, 4);
/* The code and the reason in words; CODE_NONE if the message may be sent. */
enum error_code refusal_get(const struct message *m, const char **ret_text);

#endif

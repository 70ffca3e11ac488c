/* Reasons not to send what was claimed. */
#ifndef SENDQ_DAEMON_REFUSE_H
#define SENDQ_DAEMON_REFUSE_H

#include "attempt.h"
#include "quiet_zones.h"

/* True: it must not go, or not now; its outcome says why. now_ms is Redis time. */
bool refuse_attempt(struct attempt *t, struct quiet_zones *zones, int64_t now_ms);

#endif

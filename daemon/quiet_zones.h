/* Quiet hours of messages: which of a sender's hours apply, and by whose clock. */
#ifndef SENDQ_DAEMON_QUIET_ZONES_H
#define SENDQ_DAEMON_QUIET_ZONES_H

#include "map.h"
#include "message.h"
#include "sender.h"

/* Zones that were asked for, so that each file is read once. Zero-initialise. */
struct quiet_zones {
    struct map loaded;
};

/* When the message may go: now_ms, or the end of the quiet hours that its type has at its sender,
 * by the clock of its recipient's zone, if that is known, else the sender's. */
int64_t quiet_until(struct quiet_zones *z, const struct sender *s, const struct message *m,
                    int64_t now_ms);
void quiet_zones_free(struct quiet_zones *z);

#endif

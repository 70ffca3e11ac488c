/* Tells systemd how the service is doing: the sd_notify protocol, one datagram per message.
 *
 * Without $NOTIFY_SOCKET (not started by systemd) every call does nothing. A message that cannot
 * be delivered is dropped: the service does not depend on being heard. */
#ifndef SENDQ_DAEMON_NOTIFY_H
#define SENDQ_DAEMON_NOTIFY_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* -1 = off */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_us; /* systemd expects a sign of life at least this often; 0 = it does not */
};

/* Reads $NOTIFY_SOCKET (a path, or "@name" for an abstract socket), $WATCHDOG_USEC and
 * $WATCHDOG_PID. The watchdog is off when it is meant for another process. */
void notify_init(struct notify *n);
void notify_done(struct notify *n); /* may be called twice */
bool notify_is_on(const struct notify *n);

void notify_ready(const struct notify *n);     /* started, or done reloading */
void notify_reloading(const struct notify *n); /* with the monotonic time systemd wants */
void notify_stopping(const struct notify *n);
/* One line for `systemctl status`; a line break ends it. */
void notify_status(const struct notify *n, const char *fmt, ...) SQ_PRINTF(2, 3);
void notify_watchdog(const struct notify *n); /* still alive: call every watchdog_us / 2 */

#endif

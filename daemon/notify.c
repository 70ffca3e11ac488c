/* Tells systemd how the service is doing, without libsystemd: the protocol is one datagram. */
#include "notify.h"

#include "text.h"
#include "timefmt.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool parse_address(const char *name, struct notify *n)
{
    size_t len = name != NULL ? strlen(name) : 0;

    if (len < 2 || len > sizeof(n->to.sun_path) - 1 || (name[0] != '/' && name[0] != '@'))
        return false;
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, name, len);
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (name[0] == '@')
        n->to.sun_path[0] = '\0'; /* abstract: its length counts, no NUL at the end */
    else
        n->to_len++;
    return true;
}

static int64_t watchdog_from_env(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t v, owner;

    if (usec == NULL || text_to_i64(usec, &v) != SQ_OK || v <= 0)
        return 0;
    if (pid != NULL && (text_to_i64(pid, &owner) != SQ_OK || owner != (int64_t)getpid()))
        return 0;
    return v;
}

void notify_init(struct notify *n)
{
    *n = (struct notify){.fd = -1};
    if (!parse_address(getenv("NOTIFY_SOCKET"), n))
        return;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (n->fd >= 0)
        n->watchdog_us = watchdog_from_env();
}

void notify_done(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
    n->watchdog_us = 0;
}

bool notify_is_on(const struct notify *n)
{
    return n->fd >= 0;
}

static void notify_send(const struct notify *n, const char *text)
{
    ssize_t sent;

    if (n->fd < 0)
        return;
    sent =
        sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_len);
    (void)sent; /* dropped: see the header */
}

void notify_ready(const struct notify *n)
{
    notify_send(n, "READY=1");
}

void notify_reloading(const struct notify *n)
{
    char text[64];

    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
    notify_send(n, text);
}

void notify_stopping(const struct notify *n)
{
    notify_send(n, "STOPPING=1");
}

void notify_status(const struct notify *n, const char *fmt, ...)
{
    static const char key[] = "STATUS=";
    char text[512];
    va_list args;

    memcpy(text, key, sizeof(key));
    va_start(args, fmt);
    vsnprintf(text + sizeof(key) - 1, sizeof(text) - sizeof(key) + 1, fmt, args);
    va_end(args);
    text[strcspn(text, "\r\n")] = '\0'; /* the next line would be another assignment */
    notify_send(n, text);
}

void notify_watchdog(const struct notify *n)
{
    notify_send(n, "WATCHDOG=1");
}

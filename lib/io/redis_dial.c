/* Begins one connection to Redis. */
#include "redis_dial.h"

#include "name_lookup.h"
#include "redis_attach.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A peer that vanished without a word is noticed within about 15 s also by a connection that only
 * waits (a blocking doorbell): by probes while it is idle, by unacknowledged data else. */
static void tcp_keep_alive(int fd)
{
    const int on = 1, idle_s = 5, interval_s = 3, probes = 3, user_timeout_ms = 15000;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms));
}

/* Hands the context over, or what hiredis says against it. */
static void hand_over(struct redis_dial *d, redisAsyncContext *ac, bool is_tcp)
{
    char why[160];

    if (ac == NULL)
        abort(); /* no memory */
    if (ac->err != 0) {
        snprintf(why, sizeof(why), "%s", ac->errstr);
        redisAsyncFree(ac);
        d->cb(NULL, why, d->arg);
        return;
    }
    if (is_tcp)
        tcp_keep_alive(ac->c.fd);
    redis_attach(ac, d->loop);
    d->cb(ac, NULL, d->arg);
}

/* One address a connection: the next one takes the name's next. */
static void on_found(const struct name_found *found, void *arg)
{
    struct redis_dial *d = arg;
    char why[200];

    d->lookup = NULL;
    if (found->count > 0) {
        hand_over(d, redisAsyncConnect(found->address[d->tries++ % found->count], d->to.port),
                  true);
        return;
    }
    snprintf(why, sizeof(why), "%.100s: %s", d->to.name, found->why);
    d->cb(NULL, why, d->arg);
}

void redis_dial_begin(struct redis_dial *d, const char *path, const struct redis_host *to)
{
    d->to = *to;
    if (path[0] != '\0')
        hand_over(d, redisAsyncConnectUnix(path), false);
    else if (name_is_address(to->name))
        hand_over(d, redisAsyncConnect(to->name, to->port), true);
    else
        d->lookup = name_lookup_new(d->loop, to->name, on_found, d);
}

void redis_dial_cancel(struct redis_dial *d)
{
    name_lookup_free(d->lookup);
    d->lookup = NULL;
}

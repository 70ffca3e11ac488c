/* Begins one connection to Redis. */
#include "redis_dial.h"

#include "name_lookup.h"
#include "redis_attach.h"
#include "tls_pipe.h"

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
static void hand_over(struct redis_dial *d, redisAsyncContext *ac, struct tls_pipe *tls)
{
    char why[160];

    if (ac == NULL)
        abort(); /* no memory */
    if (ac->err != 0) {
        snprintf(why, sizeof(why), "%s", ac->errstr);
        redisAsyncFree(ac);
        tls_pipe_free(tls);
        d->cb(NULL, why, d->arg);
        return;
    }
    redis_attach(ac, d->loop);
    redis_attach_tls(ac, tls);
    d->cb(ac, NULL, d->arg);
}

static void dial(struct redis_dial *d, const char *address)
{
    struct tls_pipe *tls = NULL;
    redisAsyncContext *ac;
    struct err_text e;

    if (d->tls->on && tls_pipe_new(d->tls, d->to.name, &tls, &e) != SQ_OK) {
        d->cb(NULL, e.text, d->arg);
        return;
    }
    ac = redisAsyncConnect(address, d->to.port);
    if (ac != NULL && ac->err == 0)
        tcp_keep_alive(ac->c.fd);
    hand_over(d, ac, tls);
}

/* One address a connection: the next one takes the name's next. */
static void on_found(const struct name_found *found, void *arg)
{
    struct redis_dial *d = arg;
    char why[200];

    d->lookup = NULL;
    if (found->count > 0) {
        dial(d, found->address[d->tries++ % found->count]);
        return;
    }
    snprintf(why, sizeof(why), "%.100s: %s", d->to.name, found->why);
    d->cb(NULL, why, d->arg);
}

void redis_dial_begin(struct redis_dial *d, const struct redis_addr *addr,
                      const struct redis_host *to)
{
    d->to = *to;
    d->tls = &addr->tls;
    if (addr->path[0] != '\0')
        hand_over(d, redisAsyncConnectUnix(addr->path), NULL);
    else if (name_is_address(to->name))
        dial(d, to->name);
    else
        d->lookup = name_lookup_new(d->loop, to->name, on_found, d);
}

void redis_dial_cancel(struct redis_dial *d)
{
    name_lookup_free(d->lookup);
    d->lookup = NULL;
}

/* Begins one connection to Redis: looks the name up, makes hiredis' context, joins it to the loop.
 * Private to lib/io. */
#ifndef SENDQ_IO_REDIS_DIAL_H
#define SENDQ_IO_REDIS_DIAL_H

#include "redis_addr.h"

struct loop;
struct name_lookup;
struct redisAsyncContext;

/* ac is connecting; or NULL, and why says why not. Runs once per redis_dial_begin, perhaps before
 * that returns. */
typedef void (*redis_dial_cb)(struct redisAsyncContext *ac, const char *why, void *arg);

struct redis_dial {
    struct loop *loop;
    redis_dial_cb cb;
    void *arg;
    struct name_lookup *lookup;
    struct redis_host to;
    const struct redis_tls *tls;
    unsigned tries; /* which of a name's addresses is the next */
};

/* To the address' unix socket, or to `to`. */
void redis_dial_begin(struct redis_dial *d, const struct redis_addr *addr,
                      const struct redis_host *to);
/* The callback does not run any more. */
void redis_dial_cancel(struct redis_dial *d);

#endif

/* Where a connection goes next: the hosts of an address in turn, the primary that a sentinel named,
 * the node that a cluster sends it to. Pure; private to lib/io. */
#ifndef SENDQ_IO_REDIS_ROUTE_H
#define SENDQ_IO_REDIS_ROUTE_H

#include "redis_addr.h"
#include <stdbool.h>
#include <stddef.h>

struct redis_route {
    const struct redis_addr *addr;
    unsigned next;        /* of the address' hosts */
    unsigned hops;        /* since it last stood, or failed */
    bool named;           /* `to` is known from a sentinel or another node */
    struct redis_host to; /* where the attempt under way goes; unused with a unix socket */
};

void redis_route_init(struct redis_route *r, const struct redis_addr *addr);
/* Begins an attempt: sets `to`. */
void redis_route_begin(struct redis_route *r);
/* True while `to` is a sentinel, to be asked for the primary. */
bool redis_route_is_asking(const struct redis_route *r);
/* The attempt, or what came of it, is over: whom a sentinel or node named is forgotten, since that
 * may have changed; another one is asked. */
void redis_route_fail(struct redis_route *r);
void redis_route_stand(struct redis_route *r);
/* The next attempt goes to this host. False: sent round in a circle. */
bool redis_route_follow(struct redis_route *r, const struct redis_host *to);
/* "MOVED <slot> <host>:<port>"; a host left out is the one that said so. False: another error. */
bool redis_route_read_moved(const struct redis_route *r, const char *error, struct redis_host *ret);
/* An error reply by which a server says that it is not the one to ask, now or at all. */
bool redis_error_is_elsewhere(const char *error);
/* How long the reason in an error is: Redis 7 adds the script and its line, " script: ...". */
size_t redis_error_reason(const char *error);

#endif

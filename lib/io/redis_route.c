/* Where a connection goes next. Of a sentinel's or node's word only the last one counts, and only
 * for one connection: who leads is asked anew whenever one has ended. */
#include "redis_route.h"

#include "text.h"
#include <string.h>

/* A redirection is followed at once, but two nodes that each name the other are an error. */
#define MAX_HOPS 5

void redis_route_init(struct redis_route *r, const struct redis_addr *addr)
{
    *r = (struct redis_route){.addr = addr};
}

void redis_route_begin(struct redis_route *r)
{
    if (!r->named && r->addr->host_count > 0)
        r->to = r->addr->hosts[r->next];
}

bool redis_route_is_asking(const struct redis_route *r)
{
    return r->addr->master[0] != '\0' && !r->named;
}

void redis_route_fail(struct redis_route *r)
{
    r->named = false;
    r->hops = 0;
    if (r->addr->host_count > 0)
        r->next = (r->next + 1) % r->addr->host_count;
}

void redis_route_stand(struct redis_route *r)
{
    r->hops = 0;
}

bool redis_route_follow(struct redis_route *r, const struct redis_host *to)
{
    if (++r->hops > MAX_HOPS)
        return false;
    r->to = *to;
    r->named = true;
    return true;
}

bool redis_route_read_moved(const struct redis_route *r, const char *error, struct redis_host *ret)
{
    struct redis_host h = {.port = 0};
    const char *host, *colon;
    int64_t port;
    size_t len;

    if (!text_starts(error, "MOVED "))
        return false;
    host = strchr(error + strlen("MOVED "), ' ');
    colon = host != NULL ? strrchr(++host, ':') : NULL;
    if (colon == NULL || text_to_i64(colon + 1, &port) != SQ_OK || port < 1 || port > 65535)
        return false;
    len = (size_t)(colon - host);
    if (len >= sizeof(h.name))
        return false;
    memcpy(h.name, host, len);
    if (len == 0 || strcmp(h.name, "?") == 0)
        memcpy(h.name, r->to.name, sizeof(h.name));
    h.port = (int)port;
    *ret = h;
    return true;
}

/* After a failover the old primary is a replica, or loads; a cluster's slot is with another node
 * (MOVED), on its way there (ASK, TRYAGAIN) or with nobody (CLUSTERDOWN). ASK is not followed: a
 * namespace's scripts need all of its keys, so they wait until the last one has moved. */
bool redis_error_is_elsewhere(const char *error)
{
    static const char *const codes[] = {"MOVED ",   "ASK ",    "TRYAGAIN",   "CLUSTERDOWN",
                                        "READONLY", "LOADING", "MASTERDOWN", "UNBLOCKED"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (text_starts(error, codes[i]))
            return true;
    return false;
}

size_t redis_error_reason(const char *error)
{
    const char *place = strstr(error, " script: ");

    return place != NULL ? (size_t)(place - error) : strlen(error);
}

/* One asynchronous Redis connection: connects, authenticates, reconnects with back-off. The only
 * place (with redis_sync) that calls hiredis; written to the 0.14 API, builds on 1.x. */
#ifndef SENDQ_IO_REDIS_LINK_H
#define SENDQ_IO_REDIS_LINK_H

#include "err.h"
#include "loop.h"
#include "redis_addr.h"
#include "resp.h"
#include <stddef.h>

struct redisReply;
struct redis_link;

struct redis_link_opts {
    const char *name;           /* "commands", "bell": CLIENT SETNAME and logs */
    const char *key;            /* one it works on: in a cluster, the node that holds it is asked.
                                   NULL = any */
    int64_t connect_timeout_ms; /* 5 s */
    int64_t command_timeout_ms; /* 5 s: oldest unanswered command; then the link is dropped.
                                   0 = none (a blocking doorbell) */
    int64_t backoff_base_ms, backoff_max_ms; /* reconnect: full jitter, 50 ms .. 2 s */
    size_t max_reply; /* a longer one is not read to its end: the link connects anew. 0 = any */
    /* Called in the loop on each change, the first failure to connect included; up=false carries
     * why. Never called from inside redis_link_new or redis_link_free; may free the link. */
    void (*on_state)(struct redis_link *l, bool up, const char *why, void *arg);
    void *arg;
};

/* reply is NULL when the link died before the answer came (it may or may not have been executed).
 * The reply is freed after the callback returns. Exactly one call per command, also when the link
 * is freed. */
typedef void (*redis_reply_cb)(struct redisReply *reply, void *arg);

struct redis_link *redis_link_new(struct loop *loop, const struct redis_addr *addr,
                                  const struct redis_link_opts *opts); /* starts connecting */
void redis_link_free(struct redis_link *l); /* pending callbacks run with NULL */
/* Takes user and password, those for sentinels too, for all connections from now on. */
void redis_link_set_login(struct redis_link *l, const struct redis_addr *addr);
bool redis_link_is_up(const struct redis_link *l); /* connected, authenticated, db selected */
/* An error reply that says that this server is not the one to ask (MOVED, READONLY, LOADING, ...)
 * is never handed on: nothing ran, the link goes down with it, and pending callbacks get NULL. */

/* Sends one command (argv form only: nothing is ever formatted into a command). cb may be NULL.
 * SQ_ERR_STATE when the link is not up: cb is not called then. Arguments are copied; lens NULL:
 * they are C strings. */
enum sq_err redis_link_command(struct redis_link *l, redis_reply_cb cb, void *arg, int argc,
                               const char **argv, const size_t *lens) SQ_MUST_CHECK;
/* The same with a command that is written already. */
enum sq_err redis_link_send(struct redis_link *l, redis_reply_cb cb, void *arg,
                            struct resp *command) SQ_MUST_CHECK;
/* Pub/sub: SUBSCRIBE channel; cb runs for each message with the payload reply array. Restored
 * after a reconnect. A link that subscribes sends no other command. */
void redis_link_subscribe(struct redis_link *l, const char *channel, redis_reply_cb cb, void *arg);

#endif

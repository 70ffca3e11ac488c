/* Joins one hiredis context to the loop. Private to lib/io. */
#ifndef SENDQ_IO_REDIS_ATTACH_H
#define SENDQ_IO_REDIS_ATTACH_H

#include "loop.h"
#include <stddef.h>

struct redisAsyncContext;
struct tls_pipe;

/* Watches the context's socket until hiredis frees the context, which ends the watching too. */
void redis_attach(struct redisAsyncContext *ac, struct loop *loop);
/* Takes the pipe over, for redis_attach_connected; freed with the context. */
void redis_attach_tls(struct redisAsyncContext *ac, struct tls_pipe *tls);
/* The context has connected: from here on all goes through TLS, where there is a pipe. */
void redis_attach_connected(struct redisAsyncContext *ac);
/* Why the connection ended: what TLS says, else hiredis. */
const char *redis_attach_error(const struct redisAsyncContext *ac);
/* Frees the context when of one reply more than max_reply bytes have come; 0 = never. */
void redis_attach_limit(struct redisAsyncContext *ac, size_t max_reply);

#endif

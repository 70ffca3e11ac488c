/* Joins one hiredis context to the loop. Private to lib/io. */
#ifndef SENDQ_IO_REDIS_ATTACH_H
#define SENDQ_IO_REDIS_ATTACH_H

#include "loop.h"

struct redisAsyncContext;

/* Watches the context's socket until hiredis frees the context, which ends the watching too. */
void redis_attach(struct redisAsyncContext *ac, struct loop *loop);

#endif

/* A blocking Redis connection for the operator's tool and for checks at start. */
#ifndef SENDQ_IO_REDIS_SYNC_H
#define SENDQ_IO_REDIS_SYNC_H

#include "redis_link.h"

struct redis_sync;

/* key: one that it will work on (a cluster's node that holds it is found), or NULL. */
enum sq_err redis_sync_open(const struct redis_addr *addr, const char *key, int64_t timeout_ms,
                            struct redis_sync **ret, struct err_text *e) SQ_MUST_CHECK;
void redis_sync_close(struct redis_sync *r); /* NULL is fine */
/* One command; *ret is freed by redis_reply_free. An error reply gives SQ_ERR_IO and its text in
 * e. lens may be NULL when all arguments are C strings. */
enum sq_err redis_sync_command(struct redis_sync *r, int argc, const char **argv,
                               const size_t *lens, struct redisReply **ret,
                               struct err_text *e) SQ_MUST_CHECK;
bool redis_sync_is_lost(const struct redis_sync *r); /* no command will work any more */
void redis_reply_free(struct redisReply *reply);     /* NULL is fine */

#endif

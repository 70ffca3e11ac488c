/* Typed reading of replies, so that nobody outside lib/io and lib/store includes hiredis. Every
 * accessor checks the type: Redis is only half trusted. */
#ifndef SENDQ_IO_REDIS_REPLY_H
#define SENDQ_IO_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;

bool reply_is_error(const struct redisReply *r);     /* NULL counts as an error */
const char *reply_error(const struct redisReply *r); /* its text, "" if none */
bool reply_is_nil(const struct redisReply *r);
/* Text of a string or status reply (NUL-terminated by hiredis), else NULL. *len may be NULL. */
const char *reply_str(const struct redisReply *r, size_t *len);
/* An integer, or a string that holds one; `fallback` else. */
int64_t reply_int(const struct redisReply *r, int64_t fallback);
size_t reply_count(const struct redisReply *r); /* elements of an array, else 0 */
const struct redisReply *reply_at(const struct redisReply *r, size_t i); /* NULL past the end */
/* The value after field `name` in a flat field/value array (HGETALL), or NULL. */
const char *reply_field(const struct redisReply *r, const char *name);

#endif

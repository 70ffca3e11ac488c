/* Typed reading of Redis replies: every accessor checks the type before it reads. */
#include "redis_reply.h"

#include "text.h"

#include <hiredis/hiredis.h>
#include <string.h>

bool reply_is_error(const struct redisReply *r)
{
    return r == NULL || r->type == REDIS_REPLY_ERROR;
}

const char *reply_error(const struct redisReply *r)
{
    if (r == NULL || r->type != REDIS_REPLY_ERROR || r->str == NULL)
        return "";
    return r->str;
}

bool reply_is_nil(const struct redisReply *r)
{
    return r != NULL && r->type == REDIS_REPLY_NIL;
}

const char *reply_str(const struct redisReply *r, size_t *len)
{
    if (r == NULL || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
        return NULL;
    if (len != NULL)
        *len = (size_t)r->len; /* int in 0.14, size_t since 1.0 */
    return r->str;
}

int64_t reply_int(const struct redisReply *r, int64_t fallback)
{
    const char *s;
    size_t len;
    int64_t v;

    if (r != NULL && r->type == REDIS_REPLY_INTEGER)
        return r->integer;
    s = reply_str(r, &len);
    if (s == NULL || strlen(s) != len || text_to_i64(s, &v) != SQ_OK)
        return fallback;
    return v;
}

size_t reply_count(const struct redisReply *r)
{
    return r != NULL && r->type == REDIS_REPLY_ARRAY ? r->elements : 0;
}

const struct redisReply *reply_at(const struct redisReply *r, size_t i)
{
    return i < reply_count(r) ? r->element[i] : NULL;
}

const char *reply_field(const struct redisReply *r, const char *name)
{
    size_t n = reply_count(r);

    for (size_t i = 0; i + 1 < n; i += 2) {
        const char *field = reply_str(r->element[i], NULL);

        if (field != NULL && strcmp(field, name) == 0)
            return reply_str(r->element[i + 1], NULL);
    }
    return NULL;
}

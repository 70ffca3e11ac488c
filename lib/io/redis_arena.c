/* Replies in an arena: hiredis lets its reader's objects be made by others.
 *
 * Whoever frees a reply says only which, so that a whole one has its arena in front of it. */
#include "redis_arena.h"

#include "buf.h"

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Unparsed bytes that a reader may keep room for: it would grow anew with each batch. */
#define READ_KEEP ((size_t)1 << 20)

struct redis_arena {
    struct redisReader *reader;
    struct arena arena;
};

/* A reply that is part of no other. */
struct whole {
    struct redis_arena *owner;
    redisReply reply;
};

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static redisReply *reply_new(const redisReadTask *task, int type)
{
    struct redis_arena *m = task->privdata;
    struct whole *w = NULL;
    redisReply *r;

    if (task->parent == NULL) {
        w = arena_alloc(&m->arena, sizeof(*w));
        w->owner = m;
    }
    r = w != NULL ? &w->reply : arena_alloc(&m->arena, sizeof(*r));
    memset(r, 0, sizeof(*r));
    r->type = type;
    if (w == NULL)
        ((redisReply *)task->parent->obj)->element[task->idx] = r;
    return r;
}

static void *on_string(const redisReadTask *task, char *text, size_t len)
{
    redisReply *r = reply_new(task, task->type);

    r->str = arena_strndup(&((struct redis_arena *)task->privdata)->arena, text, len);
    r->len = len;
    return r;
}

static void *on_array(const redisReadTask *task, element_count n)
{
    redisReply *r = reply_new(task, task->type);
    size_t size = (size_t)n * sizeof(redisReply *);

    if (n <= 0)
        return r;
    r->element = arena_alloc(&((struct redis_arena *)task->privdata)->arena, size);
    memset(r->element, 0, size);
    r->elements = (size_t)n;
    return r;
}

static void *on_integer(const redisReadTask *task, long long value)
{
    redisReply *r = reply_new(task, REDIS_REPLY_INTEGER);

    r->integer = value;
    return r;
}

static void *on_nil(const redisReadTask *task)
{
    return reply_new(task, REDIS_REPLY_NIL);
}

static void on_freed(void *reply)
{
    struct whole *w = (struct whole *)((char *)reply - offsetof(struct whole, reply));

    if (reply != NULL)
        arena_clear(&w->owner->arena);
}

static const redisReplyObjectFunctions functions = {.createString = on_string,
                                                    .createArray = on_array,
                                                    .createInteger = on_integer,
                                                    .createNil = on_nil,
                                                    .freeObject = on_freed};

struct redis_arena *redis_arena_new(struct redisReader *reader)
{
    struct redis_arena *m = mem_zalloc(sizeof(*m));

    m->reader = reader;
    reader->fn = (redisReplyObjectFunctions *)&functions; /* which it only reads */
    reader->privdata = m;
    reader->maxbuf = READ_KEEP;
    return m;
}

void redis_arena_free(struct redis_arena *m)
{
    if (m == NULL)
        return;
    m->reader->reply = NULL; /* half of one, which came before the connection broke */
    arena_free(&m->arena);
    free(m);
}

/* Replies of one hiredis reader, built in memory that is used again. */
#ifndef SENDQ_IO_REDIS_ARENA_H
#define SENDQ_IO_REDIS_ARENA_H

struct redisReader;
struct redis_arena;

/* From now on the reader's replies are built in an arena: a batch's would be hundreds of small
 * allocations. Only one reply may live at a time, as is so while hiredis calls back with each. */
struct redis_arena *redis_arena_new(struct redisReader *reader);
/* Before the reader is freed. NULL is fine. */
void redis_arena_free(struct redis_arena *m);

#endif

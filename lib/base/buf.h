/* A growing byte buffer with a cap, and the memory helpers that abort on exhaustion. */
#ifndef SENDQ_BASE_BUF_H
#define SENDQ_BASE_BUF_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Abort the process when memory is gone (style.md "Memory"): what it held is another one's then. */
_Noreturn void mem_gone(void); /* what they do then */
void *mem_alloc(size_t size);  /* not zeroed */
void *mem_zalloc(size_t size); /* zeroed */
void *mem_realloc(void *p, size_t size);
char *mem_strdup(const char *s);              /* NULL gives NULL */
char *mem_strndup(const char *s, size_t len); /* copies len bytes and adds a NUL */

/* Bytes in data[0..len); data[len] is always NUL once anything was appended, so text can be used
 * as a C string. Zero-initialise with a cap: struct buf b = {.max = 1 << 20}; max 0 means
 * BUF_DEFAULT_MAX. An append that would pass the cap changes nothing but sets `failed`; check it
 * once at the end. One that finds no memory ends the process. */
struct buf {
    char *data;
    size_t len, cap, max;
    bool failed;
};

#define BUF_DEFAULT_MAX ((size_t)64 << 20)

void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s); /* NULL adds nothing */
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) SQ_PRINTF(2, 3);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_i64(struct buf *b, int64_t v);
/* Makes room for n more bytes and returns where to write them, or NULL (failed set). The caller
 * then adds what it wrote to len; a NUL stands after the n-th byte, so one who writes fewer puts
 * his own. */
char *buf_reserve(struct buf *b, size_t n);
void buf_clear(struct buf *b);            /* empties, keeps the memory and the cap */
void buf_free(struct buf *b);             /* frees the memory; the struct can be used again */
const char *buf_str(const struct buf *b); /* "" when empty; never NULL */

/* An arena: many small copies freed at once. Zero-initialise. */
struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used; /* bytes handed out since the last clear */
};

void *arena_alloc(struct arena *a, size_t size);    /* 8-aligned, not zeroed */
char *arena_strdup(struct arena *a, const char *s); /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) SQ_PRINTF(2, 3);
void arena_clear(struct arena *a); /* keeps the first block */
void arena_free(struct arena *a);

#endif

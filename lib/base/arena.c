/* The arena: bump allocation in a chain of growing blocks, all freed at once.
 *
 * The block being filled is the head. An allocation too big for a fresh normal block gets a block
 * of its own behind the head, so that the rest of the head is not wasted. */
#include "buf.h"
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_FIRST = 2048,  /* a job's decoded strings usually fit */
    BLOCK_MAX = 1 << 16, /* blocks double up to here; a larger one is never kept by clear */
    ALIGN = 8,
};

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    alignas(ALIGN) char data[];
};

static struct arena_block *block_new(size_t size, struct arena_block *next)
{
    struct arena_block *b = mem_alloc(sizeof(*b) + size);

    b->next = next;
    b->size = size;
    b->used = 0;
    return b;
}

/* A block with room for size bytes, linked in. */
static struct arena_block *block_for(struct arena *a, size_t size)
{
    struct arena_block *head = a->head;
    size_t want = head ? head->size * 2 : BLOCK_FIRST;

    if (head && size <= head->size - head->used)
        return head;
    if (want > BLOCK_MAX)
        want = BLOCK_MAX;
    if (size > want / 2 && head) {
        head->next = block_new(size, head->next);
        return head->next;
    }
    a->head = block_new(size > want ? size : want, head);
    return a->head;
}

void *arena_alloc(struct arena *a, size_t size)
{
    struct arena_block *b;
    void *p;

    if (size > SIZE_MAX / 2)
        abort();
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    b = block_for(a, size);
    p = b->data + b->used;
    b->used += size;
    a->used += size;
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1);

    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *s;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        abort();
    s = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void arena_clear(struct arena *a)
{
    struct arena_block *b = a->head;

    while (b && b->next) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
    /* What one huge input needed must not stay for good. */
    if (b && b->size > BLOCK_MAX) {
        free(b);
        b = NULL;
    }
    if (b)
        b->used = 0;
    a->head = b;
    a->used = 0;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    arena_clear(a);
    free(a->head);
    a->head = NULL;
}

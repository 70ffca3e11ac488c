/* A binary min-heap of int64 keys whose elements know their index (so any can be removed). */
#ifndef SENDQ_BASE_HEAP_H
#define SENDQ_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Embed in the element; index is 0 while it is not in a heap. */
struct heap_node {
    int64_t key;
    size_t index;
};

/* Zero-initialise. */
struct heap {
    struct heap_node **nodes; /* nodes[1] is the smallest */
    size_t count, cap;
};

void heap_push(struct heap *h, struct heap_node *n, int64_t key);
void heap_remove(struct heap *h, struct heap_node *n); /* no-op if not in the heap */
struct heap_node *heap_min(const struct heap *h);      /* NULL when empty */
void heap_free(struct heap *h);

#endif

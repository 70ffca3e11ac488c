/* The binary min-heap: every move writes the element's index, so removal needs no search. */
#include "heap.h"
#include "buf.h"
#include <assert.h>
#include <stdlib.h>

static void put(struct heap *h, struct heap_node *n, size_t i)
{
    h->nodes[i] = n;
    n->index = i;
}

static void sift_up(struct heap *h, struct heap_node *n, size_t i)
{
    for (; i > 1 && h->nodes[i / 2]->key > n->key; i /= 2)
        put(h, h->nodes[i / 2], i);
    put(h, n, i);
}

static void sift_down(struct heap *h, struct heap_node *n, size_t i)
{
    while (2 * i <= h->count) {
        size_t child = 2 * i;

        if (child < h->count && h->nodes[child + 1]->key < h->nodes[child]->key)
            child++;
        if (h->nodes[child]->key >= n->key)
            break;
        put(h, h->nodes[child], i);
        i = child;
    }
    put(h, n, i);
}

void heap_push(struct heap *h, struct heap_node *n, int64_t key)
{
    heap_remove(h, n); /* pushing again is how a key changes */
    if (h->count + 1 >= h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->nodes = mem_realloc(h->nodes, h->cap * sizeof(*h->nodes));
    }
    n->key = key;
    h->count++;
    sift_up(h, n, h->count);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    size_t i = n->index;
    struct heap_node *last;

    if (i == 0)
        return;
    assert(i <= h->count && h->nodes[i] == n);
    last = h->nodes[h->count--];
    n->index = 0;
    if (last == n)
        return;
    /* The last element fills the hole; from there it may have to go either way. */
    if (i > 1 && h->nodes[i / 2]->key > last->key)
        sift_up(h, last, i);
    else
        sift_down(h, last, i);
}

struct heap_node *heap_min(const struct heap *h)
{
    return h->count ? h->nodes[1] : NULL;
}

void heap_free(struct heap *h)
{
    if (!h)
        return;
    for (size_t i = 1; i <= h->count; i++)
        h->nodes[i]->index = 0;
    free(h->nodes);
    *h = (struct heap){0};
}

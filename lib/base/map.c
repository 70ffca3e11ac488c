/* The string map: linear probing over a power of two of slots, at most three quarters used.
 *
 * A slot is empty, full (it has a key) or deleted (probing goes on past it). `used` counts full
 * and deleted slots; when it reaches the limit the slots are laid out anew, in a table whose size
 * follows the full ones only: a table of many deletions shrinks there. */
#include "map.h"
#include "buf.h"
#include "siphash.h"
#include "uuid.h"
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 16 };

struct map_slot {
    char *key; /* NULL: empty or deleted */
    void *value;
    uint64_t hash; /* of a slot without key: HASH_EMPTY or HASH_DELETED */
};

enum { HASH_EMPTY = 0, HASH_DELETED = 1 };

/* The slot of key, or NULL. */
static struct map_slot *find(const struct map *m, const char *key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];

        if (s->key && s->hash == hash && strcmp(s->key, key) == 0)
            return s;
        if (!s->key && s->hash == HASH_EMPTY)
            return NULL;
    }
}

/* The first slot without a key on the way of hash. */
static struct map_slot *find_free(const struct map *m, uint64_t hash)
{
    size_t i = hash & (m->cap - 1);

    while (m->slots[i].key)
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

static uint64_t hash_of(const struct map *m, const char *key)
{
    return siphash13(key, strlen(key), m->seed);
}

/* Moves all to a table for count + 1 entries that leaves half of it free. */
static void relayout(struct map *m)
{
    struct map_slot *old = m->slots;
    size_t old_cap = m->cap;

    m->cap = CAP_MIN;
    while (m->cap / 2 < m->count + 1)
        m->cap *= 2;
    m->slots = mem_alloc(m->cap * sizeof(*m->slots));
    memset(m->slots, 0, m->cap * sizeof(*m->slots));
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].key)
            *find_free(m, old[i].hash) = old[i];
    }
    m->used = m->count;
    free(old);
}

void *map_get(const struct map *m, const char *key)
{
    struct map_slot *s = m->count ? find(m, key, hash_of(m, key)) : NULL;

    return s ? s->value : NULL;
}

void *map_set(struct map *m, const char *key, void *value)
{
    struct map_slot *s;
    uint64_t hash;

    if (m->cap == 0)
        random_bytes(m->seed, sizeof(m->seed));
    if (m->cap == 0 || m->used + 1 > m->cap / 4 * 3)
        relayout(m);
    hash = hash_of(m, key);
    s = find(m, key, hash);
    if (s) {
        void *before = s->value;

        s->value = value;
        return before;
    }
    s = find_free(m, hash);
    m->used += s->hash == HASH_EMPTY;
    m->count++;
    *s = (struct map_slot){.key = mem_strdup(key), .value = value, .hash = hash};
    return NULL;
}

void *map_del(struct map *m, const char *key)
{
    struct map_slot *s = m->count ? find(m, key, hash_of(m, key)) : NULL;
    void *value;

    if (!s)
        return NULL;
    value = s->value;
    free(s->key);
    *s = (struct map_slot){.hash = HASH_DELETED};
    m->count--;
    /* Walking a table that a past peak left nearly empty would cost as much as at the peak. */
    if (m->cap > CAP_MIN * 4 && m->count < m->cap / 16)
        relayout(m);
    return value;
}

bool map_next(const struct map *m, size_t *pos, const char **ret_key, void **ret_value)
{
    while (*pos < m->cap) {
        const struct map_slot *s = &m->slots[(*pos)++];

        if (!s->key)
            continue;
        *ret_key = s->key;
        *ret_value = s->value;
        return true;
    }
    return false;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->cap; i++)
        free(m->slots[i].key);
    free(m->slots);
    *m = (struct map){0};
}

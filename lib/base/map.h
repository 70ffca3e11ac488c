/* A string-keyed hash map of pointers (open addressing, keyed hash, keys copied). */
#ifndef SENDQ_BASE_MAP_H
#define SENDQ_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct map_slot;

/* Zero-initialise; map_free when done. Iterate with map_next. */
struct map {
    struct map_slot *slots;
    size_t count, cap, used;
    unsigned char seed[16];
};

void *map_get(const struct map *m, const char *key);
/* Stores value (not NULL) under key; returns the value that was there, or NULL. */
void *map_set(struct map *m, const char *key, void *value);
void *map_del(struct map *m, const char *key); /* the value taken out, or NULL */
/* Walks all entries: *pos starts at 0; returns false at the end. No changes while walking. */
bool map_next(const struct map *m, size_t *pos, const char **ret_key, void **ret_value);
void map_free(struct map *m); /* not the values */

#endif

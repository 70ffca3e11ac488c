/* Memory that may hold secrets: everything taken from a pool is wiped before it is given back. */
#ifndef SENDQ_DAEMON_CONFIG_POOL_H
#define SENDQ_DAEMON_CONFIG_POOL_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

struct pool_block;

/* Zero-initialise; pool_free when done. */
struct pool {
    struct pool_block *head;
};

void *pool_alloc(struct pool *p, size_t size); /* zeroed, 16-aligned */
/* Makes a block at least this large. NULL gives a new one. */
void *pool_realloc(struct pool *p, void *old, size_t size);
void pool_release(struct pool *p, void *ptr); /* wipes and frees one block; NULL is fine */
char *pool_strndup(struct pool *p, const char *s, size_t len);
char *pool_strdup(struct pool *p, const char *s); /* NULL gives NULL */
char *pool_printf(struct pool *p, const char *fmt, ...) SQ_PRINTF(2, 3);
void pool_free(struct pool *p); /* wipes and frees all */

/* Reads a whole file of at most max bytes; a NUL is added behind it. only_regular refuses pipes
 * and devices, so that a reference can neither hang nor be endless. Texts never hold content.
 * ret_world_readable may be NULL. */
enum sq_err pool_read_file(struct pool *p, const char *path, size_t max, bool only_regular,
                           char **ret, size_t *ret_len, bool *ret_world_readable,
                           struct err_text *e) SQ_MUST_CHECK;

#endif

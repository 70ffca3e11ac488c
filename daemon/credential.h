/* Credentials by reference: file:PATH, env:NAME, credential:NAME (systemd), or the value itself. */
#ifndef SENDQ_DAEMON_CREDENTIAL_H
#define SENDQ_DAEMON_CREDENTIAL_H

#include "config_pool.h"

#define CREDENTIAL_MAX ((size_t)64 << 10) /* bytes: the largest (a service account) have 3 KiB */

struct credential {
    const char *value;   /* in the pool */
    const char *file;    /* in the pool: what file: named, else NULL */
    bool inlined;        /* the text was the value itself */
    bool world_readable; /* it came from a file that everybody can read */
};

/* The value of a variable in env ("NAME=value" lines ending with NULL), or NULL. */
const char *credential_env(const char *const *env, const char *name, size_t name_len);
/* Resolves text. One line end at the end of a file is not part of its value. The error says what
 * was expected; it holds neither the text nor any value, since a mistaken prefix may stand before
 * the secret itself. */
enum sq_err credential_resolve(const char *text, const char *const *env, struct pool *pool,
                               struct credential *ret, struct err_text *e) SQ_MUST_CHECK;

#endif

/* UUIDs (RFC 9562): time-ordered v7 for new ids, name-based v5 for derived ones. */
#ifndef SENDQ_BASE_UUID_H
#define SENDQ_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT 37 /* 36 characters and a NUL */

/* Millisecond timestamp and 74 random bits (getrandom; buffered, safe after fork is not needed). */
void uuid_v7(int64_t unix_ms, char ret[UUID_TEXT]);
/* SHA-1 of the namespace UUID's 16 bytes and the name. ns must be a valid UUID text, else the
 * nil UUID is the namespace. */
void uuid_v5(const char *ns, const char *name, char ret[UUID_TEXT]);
bool uuid_is_valid(const char *s);
void random_bytes(void *p, size_t n);
/* n random bytes as lower-case hex into ret[2n+1]. */
void random_hex(unsigned n, char *ret);
/* A uniform random number in [0, below); below > 0. */
uint64_t random_below(uint64_t below);

#endif

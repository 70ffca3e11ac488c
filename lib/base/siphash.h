/* SipHash-1-3 (Aumasson, Bernstein): a keyed hash, so that chosen keys cannot be made to collide.
 */
#ifndef SENDQ_BASE_SIPHASH_H
#define SENDQ_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash13(const void *p, size_t n, const unsigned char seed[16]);

#endif

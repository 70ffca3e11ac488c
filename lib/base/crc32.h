/* CRC-32 (ISO 3309, as in zlib): which of a bulk's ledgers a lead is in. */
#ifndef SENDQ_BASE_CRC32_H
#define SENDQ_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(const void *p, size_t n);

#endif

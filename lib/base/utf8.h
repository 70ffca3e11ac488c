/* One UTF-8 character at a time; private to this floor. */
#ifndef SENDQ_BASE_UTF8_H
#define SENDQ_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The size (1-4) of the well-formed character that starts at s, or 0; left bytes may be read.
 * The second byte's range carries all of RFC 3629's exclusions: overlong forms, surrogates and
 * anything past U+10FFFF. */
static inline size_t utf8_size(const char *s, size_t left)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char low = 0x80, high = 0xbf;
    size_t size;

    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (left < size || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

/* The code point of the well-formed character of that size at s. */
static inline uint32_t utf8_decode(const char *s, size_t size)
{
    const unsigned char *p = (const unsigned char *)s;
    uint32_t c;

    if (size == 1)
        return p[0];
    c = p[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

#endif

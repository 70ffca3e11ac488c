/* The growing byte buffer: capped, doubling, with a sticky failure flag instead of results. */
#include "buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 128, DIGITS_U64 = 20 };

/* Halved at the top, so that doubling below cannot overflow. */
static size_t cap_of(const struct buf *b)
{
    if (!b->max)
        return BUF_DEFAULT_MAX;
    return b->max > SIZE_MAX / 2 ? SIZE_MAX / 2 : b->max;
}

/* Makes cap at least len + n + 1 (the NUL). False, with failed set, past max.
 * A failed buffer stays as it is: text with a hole in it is worse than text cut short. */
static bool buf_grow(struct buf *b, size_t n)
{
    size_t max = cap_of(b);
    size_t cap = b->cap ? b->cap : FIRST_CAP;

    if (b->failed || b->len > max || n > max - b->len) {
        b->failed = true;
        return false;
    }
    while (cap <= b->len + n)
        cap = cap > max / 2 ? max + 1 : cap * 2;
    b->data = mem_realloc(b->data, cap); /* most callers know a length that cannot be too much */
    b->cap = cap;
    return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
    /* cap > 0 implies cap > len, so the subtraction is safe; the cap on size is checked by grow,
     * which a buffer whose max was lowered later must still meet. */
    if (b->failed || n >= b->cap - b->len || b->len + n > cap_of(b)) {
        if (!buf_grow(b, n))
            return NULL;
    }
    b->data[b->len + n] = '\0';
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    char *to = buf_reserve(b, n);

    if (!to || n == 0)
        return;
    memcpy(to, p, n);
    b->len += n;
}

void buf_adds(struct buf *b, const char *s)
{
    if (s)
        buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    char *to;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (!to) {
        b->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char digits[DIGITS_U64];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_add_i64(struct buf *b, int64_t v)
{
    uint64_t magnitude = (uint64_t)v;

    if (v < 0) {
        buf_addc(b, '-');
        magnitude = 0 - magnitude;
    }
    buf_add_u64(b, magnitude);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
    if (!b)
        return;
    free(b->data);
    *b = (struct buf){.max = b->max};
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

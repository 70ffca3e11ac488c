/* Text without a locale: UTF-8 checks, comparisons, strict numbers with units. */
#include "text.h"
#include "utf8.h"
#include <string.h>
#include <strings.h>

bool text_is_utf8(const char *s, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t size = utf8_size(s + i, len - i);

        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t text_chars(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += !is_continuation(*s);
    return n;
}

size_t text_cut(const char *s, size_t max)
{
    size_t len = strnlen(s, max), at = len;

    if (len < max || s[len] == '\0')
        return len;
    /* At most three steps: more continuation bytes in a row are not UTF-8, cut anywhere. */
    while (at > 0 && len - at < 4 && is_continuation(s[at]))
        at--;
    return is_continuation(s[at]) ? len : at;
}

bool text_has_control(const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            return true;
        /* C1 in UTF-8 is C2 80 to C2 9F; p[1] is at worst the NUL. */
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            return true;
    }
    return false;
}

bool text_has_crlf(const char *s)
{
    return s[strcspn(s, "\r\n")] != '\0';
}

bool text_eq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool text_ieq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

bool text_starts(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_is_empty(const char *s)
{
    return !s || !*s;
}

void text_lower(char *s)
{
    for (; *s; s++)
        *s = lower(*s);
}

/* Reads the digits at s into *ret, returns what follows them; NULL: none, or over UINT64_MAX. */
static const char *read_u64(const char *s, uint64_t *ret)
{
    uint64_t v = 0;
    const char *p = s;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
            return NULL;
    }
    *ret = v;
    return p == s ? NULL : p;
}

enum sq_err text_to_i64(const char *s, int64_t *ret)
{
    bool negative = s && *s == '-';
    const char *end;
    uint64_t v;

    end = s ? read_u64(s + negative, &v) : NULL;
    if (!end || *end)
        return SQ_ERR_INVALID;
    if (v > (uint64_t)INT64_MAX + negative)
        return SQ_ERR_INVALID;
    *ret = (int64_t)(negative ? 0 - v : v);
    return SQ_OK;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* A number and one of the n units, multiplied. */
static enum sq_err read_with_unit(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
    uint64_t v;
    const char *end = s ? read_u64(s, &v) : NULL;

    for (size_t i = 0; end && i < n; i++) {
        if (strcmp(end, units[i].name) == 0)
            return __builtin_mul_overflow(v, units[i].factor, ret) ? SQ_ERR_INVALID : SQ_OK;
    }
    return SQ_ERR_INVALID;
}

enum sq_err text_to_duration(const char *s, int64_t *ret_ms)
{
    static const struct unit units[] = {
        {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    uint64_t ms;
    enum sq_err err = read_with_unit(s, units, sizeof(units) / sizeof(*units), &ms);

    if (err || ms > INT64_MAX)
        return SQ_ERR_INVALID;
    *ret_ms = (int64_t)ms;
    return SQ_OK;
}

enum sq_err text_to_size(const char *s, uint64_t *ret)
{
    static const struct unit units[] = {
        {"", 1},          {"B", 1},         {"kB", 1000},     {"MB", 1000000}, {"GB", 1000000000},
        {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
    };
    uint64_t v;
    enum sq_err err = read_with_unit(s, units, sizeof(units) / sizeof(*units), &v);

    if (err)
        return err;
    *ret = v;
    return SQ_OK;
}

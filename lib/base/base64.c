/* Base64 (RFC 4648): tables and whole groups, since attachments are tens of megabytes. */
#include "crypto.h"
#include <string.h>

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes groups*4 characters for groups*3 bytes. */
static void encode_groups(char *to, const uint8_t *p, size_t groups, const char *digits)
{
    for (size_t i = 0; i < groups; i++) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

        to[0] = digits[v >> 18];
        to[1] = digits[v >> 12 & 63];
        to[2] = digits[v >> 6 & 63];
        to[3] = digits[v & 63];
        p += 3;
        to += 4;
    }
}

static void encode(struct buf *out, const void *data, size_t n, const char *digits, bool pad)
{
    const uint8_t *p = data;
    size_t groups = n / 3, rest = n % 3, len;
    char *to;

    if (n > SIZE_MAX / 2) {
        out->failed = true;
        return;
    }
    len = groups * 4 + (rest == 0 ? 0 : pad ? 4 : rest + 1);
    to = buf_reserve(out, len);
    if (!to)
        return;
    encode_groups(to, p, groups, digits);
    if (rest) {
        uint8_t last[3] = {p[groups * 3], rest == 2 ? p[groups * 3 + 1] : 0, 0};
        char chars[4];

        encode_groups(chars, last, 1, digits);
        memset(chars + rest + 1, '=', 3 - rest);
        memcpy(to + groups * 4, chars, len - groups * 4);
    }
    out->len += len;
}

void base64_encode(struct buf *out, const void *p, size_t n)
{
    encode(out, p, n, alphabet, true);
}

void base64url_encode(struct buf *out, const void *p, size_t n)
{
    encode(out, p, n, url_alphabet, false);
}

/* What a character stands for, plus one (so that the table's gaps, 0, mean "none"). */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* 0-63, or 255 for a character outside the alphabet. */
static uint8_t value_of(char c, bool url)
{
    if (url && c == '-')
        return 62;
    if (url && c == '_')
        return 63;
    return (uint8_t)(values[(uint8_t)c] - 1);
}

/* The number of digits before the padding; false if the length or the padding is wrong. */
static bool digits_in(const char *s, size_t len, bool url, size_t *ret)
{
    size_t n = len;

    if (len % 4 == 0) {
        n -= len && s[len - 1] == '=';
        n -= n < len && s[len - 2] == '=';
    } else if (!url) {
        return false;
    }
    if (n % 4 == 1)
        return false;
    *ret = n;
    return true;
}

/* The last, short group: no bit may be set past the bytes it holds, or two texts would decode to
 * the same bytes. to may be NULL. */
static bool decode_tail(uint8_t *to, const char *s, size_t digits, bool url)
{
    uint8_t v[3] = {0};

    for (size_t i = 0; i < digits; i++) {
        v[i] = value_of(s[i], url);
        if (v[i] > 63)
            return false;
    }
    if (digits == 2 ? v[1] & 15 : v[2] & 3)
        return false;
    if (to && digits)
        to[0] = (uint8_t)(v[0] << 2 | v[1] >> 4);
    if (to && digits == 3)
        to[1] = (uint8_t)(v[1] << 4 | v[2] >> 2);
    return true;
}

enum sq_err base64_decode(struct buf *out, const char *s, size_t len, bool url)
{
    size_t digits, size;
    uint8_t *to, bad = 0;

    if (!digits_in(s, len, url, &digits))
        return SQ_ERR_INVALID;
    size = digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0);
    to = (uint8_t *)buf_reserve(out, size);
    if (!to)
        return SQ_ERR_TOO_LARGE;
    for (size_t i = 0; i < digits / 4; i++, s += 4, to += 3) {
        uint8_t a = value_of(s[0], url), b = value_of(s[1], url);
        uint8_t c = value_of(s[2], url), d = value_of(s[3], url);

        bad |= a | b | c | d;
        to[0] = (uint8_t)(a << 2 | b >> 4);
        to[1] = (uint8_t)(b << 4 | c >> 2);
        to[2] = (uint8_t)(c << 6 | d);
    }
    if (bad > 63 || !decode_tail(to, s, digits % 4, url)) {
        if (out->data)
            out->data[out->len] = '\0';
        return SQ_ERR_INVALID;
    }
    out->len += size;
    return SQ_OK;
}

bool base64_check(const char *s, size_t len, size_t *ret_bytes)
{
    size_t digits;
    uint8_t bad = 0;

    if (!digits_in(s, len, false, &digits))
        return false;
    for (size_t i = 0; i < digits; i++)
        bad |= (uint8_t)(values[(uint8_t)s[i]] - 1);
    if (bad > 63 || !decode_tail(NULL, s + digits / 4 * 4, digits % 4, false))
        return false;
    *ret_bytes = digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0);
    return true;
}

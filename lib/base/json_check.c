/* The JSON check: one iterative pass over the bytes, without building anything.
 *
 * cJSON accepts much that is not JSON (control characters, numbers like 01, any byte as text) and
 * says little about what it refuses. So the whole grammar is checked here, with reasons and
 * offsets, and cJSON only builds the tree of a text known to be good. Nesting is a bit per open
 * bracket, so the depth of the input costs no stack. Strings are the bulk of a job: they are
 * skipped eight bytes at a time. */
#include "json_check.h"
#include "utf8.h"
#include <endian.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 63 }; /* characters; cJSON reads no longer ones */

const char json_check_too_deep[] = "nested too deeply";

struct check {
    const char *at, *end;
    const char *error; /* set once; at is then where it is */
    unsigned depth, max_depth;
    size_t values;
    uint64_t objects[JSON_DEPTH_MAX / 64]; /* bit n: the bracket open at depth n is a { */
};

/* What may come next. */
enum expect { VALUE, VALUE_OR_CLOSE, NAME, NAME_OR_CLOSE, COMMA_OR_CLOSE, END };

static bool fail(struct check *c, const char *at, const char *error)
{
    c->at = at;
    c->error = error;
    return false;
}

static void skip_space(struct check *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

/* The first byte at or after p that is a quote, a backslash, a control character or not ASCII.
 *
 * The high bit of a byte of `hits` is set where such a byte stands. Borrows of the subtractions can
 * set it falsely, but only in bytes after a true hit, and only the first hit is used. */
static const char *skip_plain(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;

    while (end - p >= 8) {
        uint64_t v, hits;

        memcpy(&v, p, sizeof(v));
        v = le64toh(v); /* so that the first byte is the lowest */
        hits = ((v - ones * 0x20) | ((v ^ ones * '"') - ones) | ((v ^ ones * '\\') - ones) | v) &
               highs;
        if (hits)
            return p + __builtin_ctzll(hits) / 8;
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

/* The four hex digits at p, or -1. */
static int read_hex4(const char *p, const char *end)
{
    int v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];

        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v * 16 + ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return v;
}

static bool is_surrogate(int v, int first)
{
    return v >= first && v < first + 0x400;
}

/* \uXXXX at p, as a pair where it has to be one; returns what follows, NULL on error. */
static const char *check_unicode(struct check *c, const char *p)
{
    int v = read_hex4(p + 2, c->end), low = -1;

    if (v < 0 || v == 0) {
        fail(c, p, v ? "bad \\u escape" : "NUL character");
        return NULL;
    }
    if (!is_surrogate(v, 0xd800) && !is_surrogate(v, 0xdc00))
        return p + 6;
    if (c->end - p >= 12 && p[6] == '\\' && p[7] == 'u')
        low = read_hex4(p + 8, c->end);
    if (!is_surrogate(v, 0xd800) || !is_surrogate(low, 0xdc00)) {
        fail(c, p, "lone surrogate");
        return NULL;
    }
    return p + 12;
}

/* The escape at p; returns what follows, NULL on error. */
static const char *check_escape(struct check *c, const char *p)
{
    if (c->end - p >= 2 && p[1] == 'u')
        return check_unicode(c, p);
    if (c->end - p < 2 || p[1] == '\0' || !strchr("\"\\/bfnrt", p[1])) {
        fail(c, p, "bad escape");
        return NULL;
    }
    return p + 2;
}

/* The string whose opening quote is at c->at. */
static bool check_string(struct check *c)
{
    const char *start = c->at, *p = start + 1;

    for (;;) {
        size_t size;

        p = skip_plain(p, c->end);
        if (p == c->end)
            return fail(c, start, "unterminated string");
        if (*p == '"') {
            c->at = p + 1;
            return true;
        }
        if (*p == '\\') {
            p = check_escape(c, p);
            if (!p)
                return false;
            continue;
        }
        if ((unsigned char)*p < 0x20)
            return fail(c, p, *p ? "control character in a string" : "NUL character");
        size = utf8_size(p, (size_t)(c->end - p));
        if (size == 0)
            return fail(c, p, "invalid UTF-8");
        p += size;
    }
}

static bool is_digit(const struct check *c, const char *p)
{
    return p < c->end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const struct check *c, const char *p)
{
    while (is_digit(c, p))
        p++;
    return p;
}

/* Only exponents reach past the range of a double in NUMBER_MAX characters. */
static bool is_finite(const char *s, size_t len)
{
    char copy[NUMBER_MAX + 1];

    memcpy(copy, s, len);
    copy[len] = '\0';
    return isfinite(strtod(copy, NULL));
}

static bool check_number(struct check *c)
{
    const char *start = c->at, *p = start + (*start == '-'), *digits = p;
    bool has_exponent;

    p = skip_digits(c, p);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return fail(c, start, "bad number");
    if (p < c->end && *p == '.') {
        digits = p + 1;
        p = skip_digits(c, digits);
        if (p == digits)
            return fail(c, start, "bad number");
    }
    has_exponent = p < c->end && (*p | 0x20) == 'e';
    if (has_exponent) {
        p++;
        p += p < c->end && (*p == '+' || *p == '-');
        digits = p;
        p = skip_digits(c, digits);
        if (p == digits)
            return fail(c, start, "bad number");
    }
    if (p - start > NUMBER_MAX)
        return fail(c, start, "number of too many digits");
    if (has_exponent && !is_finite(start, (size_t)(p - start)))
        return fail(c, start, "number out of range");
    c->at = p;
    return true;
}

static bool check_word(struct check *c)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t len = strlen(words[i]);

        if ((size_t)(c->end - c->at) >= len && memcmp(c->at, words[i], len) == 0) {
            c->at += len;
            return true;
        }
    }
    return fail(c, c->at, "unexpected character");
}

static bool in_object(const struct check *c)
{
    unsigned bit = c->depth - 1;

    return c->objects[bit / 64] >> bit % 64 & 1;
}

static enum expect after_value(const struct check *c)
{
    return c->depth ? COMMA_OR_CLOSE : END;
}

/* The opening bracket at c->at. */
static bool check_open(struct check *c, enum expect *next)
{
    uint64_t bit = (uint64_t)1 << c->depth % 64;

    if (c->depth >= c->max_depth)
        return fail(c, c->at, json_check_too_deep);
    if (*c->at == '{')
        c->objects[c->depth / 64] |= bit;
    else
        c->objects[c->depth / 64] &= ~bit;
    *next = *c->at == '{' ? NAME_OR_CLOSE : VALUE_OR_CLOSE;
    c->depth++;
    c->at++;
    return true;
}

static bool check_value(struct check *c, enum expect *next)
{
    char first = *c->at;

    c->values++;
    if (first == '{' || first == '[')
        return check_open(c, next);
    *next = after_value(c);
    if (first == '"')
        return check_string(c);
    if (first == '-' || is_digit(c, c->at))
        return check_number(c);
    return check_word(c);
}

static bool check_name(struct check *c, enum expect *next)
{
    if (*c->at != '"')
        return fail(c, c->at, "member name expected");
    if (!check_string(c))
        return false;
    skip_space(c);
    if (c->at == c->end || *c->at != ':')
        return fail(c, c->at, "':' expected");
    c->at++;
    *next = VALUE;
    return true;
}

static bool check_comma(struct check *c, enum expect *next)
{
    if (*c->at != ',')
        return fail(c, c->at, "',' or closing bracket expected");
    *next = in_object(c) ? NAME : VALUE;
    c->at++;
    return true;
}

/* The next token; c->at is not at the end. */
static bool check_token(struct check *c, enum expect *next)
{
    bool may_close = *next == VALUE_OR_CLOSE || *next == NAME_OR_CLOSE || *next == COMMA_OR_CLOSE;

    if (may_close && *c->at == (in_object(c) ? '}' : ']')) {
        c->depth--;
        c->at++;
        *next = after_value(c);
        return true;
    }
    switch (*next) {
    case VALUE:
    case VALUE_OR_CLOSE:
        return check_value(c, next);
    case NAME:
    case NAME_OR_CLOSE:
        return check_name(c, next);
    case COMMA_OR_CLOSE:
        return check_comma(c, next);
    case END:
        break;
    }
    return fail(c, c->at, "data after the value");
}

const char *json_check(const char *s, size_t len, unsigned max_depth, size_t *ret_offset,
                       size_t *ret_values)
{
    struct check c = {.at = s,
                      .end = s + len,
                      .max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX};
    enum expect next = VALUE;

    for (;;) {
        skip_space(&c);
        if (c.at == c.end) {
            if (next != END)
                fail(&c, c.at, "unexpected end");
            break;
        }
        if (!check_token(&c, &next))
            break;
    }
    if (c.error)
        *ret_offset = (size_t)(c.at - s);
    *ret_values = c.values;
    return c.error;
}

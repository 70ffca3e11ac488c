/* JSON out: an escaping writer that appends to a buffer. */
#include "json.h"
#include "utf8.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What ends a value is told by its last byte: a quote, a closing bracket, or a letter or digit.
 * After one, the next value or name needs a comma; after nothing else. */
static bool ends_value(const struct buf *b)
{
    char last = b->len ? b->data[b->len - 1] : '{';

    return (last >= '0' && last <= '9') || (last >= 'a' && last <= 'z') || last == '"' ||
           last == '}' || last == ']';
}

static void separate(struct buf *b)
{
    if (ends_value(b))
        buf_addc(b, ',');
}

void json_open(struct buf *b, char bracket)
{
    separate(b);
    buf_addc(b, bracket);
}

void json_close(struct buf *b, char bracket)
{
    buf_addc(b, bracket);
}

/* The escape of a byte below 0x20, or of a quote or backslash. */
static void add_escape(struct buf *b, unsigned char c)
{
    static const char shorts[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char pair[2] = {'\\', (char)c};

    if (c < 0x20 && !shorts[c]) {
        buf_addf(b, "\\u%04x", c);
        return;
    }
    if (c < 0x20)
        pair[1] = shorts[c];
    buf_add(b, pair, sizeof(pair));
}

#define BYTES(c) (0x0101010101010101u * (uint64_t)(c))

/* True if none of the eight bytes is below 0x20, above 0x7e, a quote or a backslash. Zero-byte
 * test after Mycroft; a byte it flags wrongly only sends us to the slow way. */
static bool plain_eight(const char *s)
{
    uint64_t x, quote, slash;

    memcpy(&x, s, sizeof(x));
    quote = x ^ BYTES('"');
    slash = x ^ BYTES('\\');
    return (((x - BYTES(0x20)) | (quote - BYTES(1)) | (slash - BYTES(1)) | x) & BYTES(0x80)) == 0;
}

/* The bytes from s that can be copied as they are. */
static size_t plain_run(const char *s, size_t len)
{
    size_t i = 0;

    while (i < len) {
        unsigned char c;
        size_t size = 1;

        if (len - i >= 8 && plain_eight(s + i)) {
            i += 8;
            continue;
        }
        /* The last few bytes: eight again, of which some were looked at before. */
        if (i >= 8 && len - i < 8 && plain_eight(s + len - 8))
            return len;
        c = (unsigned char)s[i];
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        if (c >= 0x80)
            size = utf8_size(s + i, len - i);
        if (size == 0)
            break;
        i += size;
    }
    return i;
}

/* A string with something to escape, piece by piece. */
static void add_escaped(struct buf *b, const char *s, size_t len)
{
    buf_addc(b, '"');
    while (len > 0) {
        size_t n = plain_run(s, len);

        if (n)
            buf_add(b, s, n);
        s += n;
        len -= n;
        if (len == 0)
            break;
        /* A byte that is not UTF-8 would make the whole text invalid: U+FFFD stands for it. */
        if ((unsigned char)*s >= 0x80)
            buf_adds(b, "\xef\xbf\xbd");
        else
            add_escape(b, (unsigned char)*s);
        s++;
        len--;
    }
    buf_addc(b, '"');
}

/* A quoted string. Nearly all have nothing to escape and go in with one reservation. */
static void add_quoted(struct buf *b, const char *s, size_t len)
{
    char *to;

    if (plain_run(s, len) != len) {
        add_escaped(b, s, len);
        return;
    }
    to = buf_reserve(b, len + 2);
    if (!to)
        return;
    *to = '"';
    memcpy(to + 1, s, len);
    to[len + 1] = '"';
    b->len += len + 2;
}

void json_key(struct buf *b, const char *name)
{
    separate(b);
    add_quoted(b, name, strlen(name));
    buf_addc(b, ':');
}

void json_val_strn(struct buf *b, const char *s, size_t len)
{
    separate(b);
    add_quoted(b, s, len);
}

void json_val_str(struct buf *b, const char *s)
{
    if (s)
        json_val_strn(b, s, strlen(s));
    else
        json_val_null(b);
}

void json_val_int(struct buf *b, int64_t v)
{
    separate(b);
    buf_add_i64(b, v);
}

void json_val_num(struct buf *b, double v)
{
    char text[32];

    if (!isfinite(v)) {
        json_val_null(b);
        return;
    }
    /* Integers a double holds exactly; -0 becomes 0 here. */
    if (v == floor(v) && fabs(v) <= 9007199254740992.0) {
        json_val_int(b, (int64_t)v);
        return;
    }
    /* 15 digits always survive, and %g drops their trailing zeros; subnormals may need fewer. No
     * locale is ever set in this program, so the decimal point is a point. */
    for (int digits = fabs(v) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    separate(b);
    buf_adds(b, text);
}

void json_val_bool(struct buf *b, bool v)
{
    separate(b);
    buf_adds(b, v ? "true" : "false");
}

void json_val_null(struct buf *b)
{
    separate(b);
    buf_adds(b, "null");
}

void json_val_raw(struct buf *b, const char *json, size_t len)
{
    /* White space at the end would hide from separate() that a value stands there. */
    while (len && strchr(" \t\r\n", json[len - 1]) && json[len - 1])
        len--;
    separate(b);
    buf_add(b, json, len);
}

/* The commonest call of all: one reservation where nothing has to be escaped. */
void json_key_str(struct buf *b, const char *name, const char *s)
{
    size_t n = strlen(name), len = s ? strlen(s) : 0;
    char *to;

    if (!s || plain_run(name, n) != n || plain_run(s, len) != len) {
        json_key(b, name);
        json_val_str(b, s);
        return;
    }
    to = buf_reserve(b, n + len + 6);
    if (!to)
        return;
    if (ends_value(b))
        *to++ = ',';
    *to++ = '"';
    memcpy(to, name, n);
    to += n;
    memcpy(to, "\":\"", 3);
    to += 3;
    memcpy(to, s, len);
    to += len;
    *to++ = '"';
    *to = '\0';
    b->len = (size_t)(to - b->data);
}

void json_key_int(struct buf *b, const char *name, int64_t v)
{
    json_key(b, name);
    json_val_int(b, v);
}

void json_key_bool(struct buf *b, const char *name, bool v)
{
    json_key(b, name);
    json_val_bool(b, v);
}

void json_opt_str(struct buf *b, const char *name, const char *s)
{
    if (s && *s)
        json_key_str(b, name, s);
}

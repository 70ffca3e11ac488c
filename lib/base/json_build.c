/* The tree behind json_parse: cJSON's nodes, laid into one block.
 *
 * cJSON's own parser takes four allocations a member and keeps numbers as doubles alone, which
 * changes 64-bit ids. The text was checked by json_check, so nothing is checked again here: this
 * file must never see other text. The block holds first the nodes (their number is known from the
 * check), then all strings: unescaped they are shorter than in the text, quotes included, so len
 * bytes and a NUL for each number are enough. The root is the block's first node, which makes
 * freeing it freeing all. What long strings leave unused of the block, because they stay where they
 * are, is memory never touched, which the system does not give. */
#include "json_build.h"

#include "json.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct build {
    const char *at, *end;
    cJSON *node;       /* the next free one */
    char *text;        /* where the next string goes */
    const char *start; /* of the text ... */
    char *stay;        /* ... where long strings stay in it; NULL: none does */
};

static void skip_space(struct build *b)
{
    while (b->at < b->end && (*b->at == ' ' || (*b->at >= '\t' && *b->at <= '\r')))
        b->at++;
}

static unsigned hex4(const char *s)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)s[i];

        v = v << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* One escape; at stands behind the backslash and is moved past the escape. */
static char *unescape(struct build *b, char *to)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = *b->at++;
    uint32_t code;

    if (c != 'u') {
        *to++ = meant[strchr(plain, c) - plain];
        return to;
    }
    code = hex4(b->at);
    b->at += 4;
    if (code >= 0xd800 && code < 0xdc00) { /* the other half follows: the check saw to that */
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(b->at + 2) - 0xdc00);
        b->at += 6;
    }
    return put_utf8(to, code);
}

/* Where a string goes whose first quote (its end, or an escaped one) is this. */
static char *place_for(const struct build *b, const char *quote)
{
    if (b->stay != NULL && (size_t)(quote - b->at) >= JSON_LONG)
        return b->stay + (b->at - b->start);
    return b->text;
}

/* A string; at stands on the opening quote and is moved past the closing one. */
static char *build_string(struct build *b)
{
    const char *quote = memchr(b->at + 1, '"', (size_t)(b->end - b->at - 1));
    char *start, *to;
    size_t run;

    b->at++;
    start = to = place_for(b, quote);
    for (;;) {
        const char *slash;

        /* Looked for again only once an escape has used it up: else a string of escapes would cost
         * its length squared. */
        if (quote < b->at)
            quote = memchr(b->at, '"', (size_t)(b->end - b->at));
        slash = memchr(b->at, '\\', (size_t)(quote - b->at));

        run = (size_t)((slash != NULL ? slash : quote) - b->at);
        memmove(to, b->at, run); /* in place both may be in one string */
        to += run;
        b->at += run + 1;
        if (slash == NULL)
            break;
        to = unescape(b, to);
    }
    *to++ = '\0';
    if (start == b->text)
        b->text = to;
    return start;
}

static void build_number(struct build *b, cJSON *n)
{
    const char *start = b->at;

    while (b->at < b->end && strchr("+-.eE0123456789", *b->at) != NULL && *b->at != '\0')
        b->at++;
    n->valuestring = b->text;
    memcpy(b->text, start, (size_t)(b->at - start));
    b->text += b->at - start;
    *b->text++ = '\0';
    n->type = cJSON_Number;
    n->valuedouble = strtod(n->valuestring, NULL);
    n->valueint = n->valuedouble >= INT_MAX   ? INT_MAX
                  : n->valuedouble <= INT_MIN ? INT_MIN
                                              : (int)n->valuedouble;
}

static void build_value(struct build *b, cJSON *n);

/* Members or items up to the closing bracket. cJSON's order: child is the first, whose prev is the
 * last. */
static void build_children(struct build *b, cJSON *parent)
{
    cJSON *last = NULL;

    b->at++;
    for (skip_space(b); *b->at != '}' && *b->at != ']'; skip_space(b)) {
        cJSON *n = b->node++;

        if (*b->at == ',') {
            b->at++;
            skip_space(b);
        }
        memset(n, 0, sizeof(*n));
        if (parent->type == cJSON_Object) {
            n->string = build_string(b);
            skip_space(b);
            b->at++; /* the colon */
        }
        build_value(b, n);
        if (last == NULL) {
            parent->child = n;
        } else {
            last->next = n;
            n->prev = last;
        }
        last = n;
    }
    if (last != NULL)
        parent->child->prev = last;
    b->at++;
}

/* Recursion is as deep as the text's nesting, which is checked. */
static void build_value(struct build *b, cJSON *n)
{
    skip_space(b);
    switch (*b->at) {
    case '{':
    case '[':
        n->type = *b->at == '{' ? cJSON_Object : cJSON_Array;
        build_children(b, n);
        break;
    case '"':
        n->type = cJSON_String;
        n->valuestring = build_string(b);
        break;
    case 't':
        n->type = cJSON_True;
        b->at += 4;
        break;
    case 'f':
        n->type = cJSON_False;
        b->at += 5;
        break;
    case 'n':
        n->type = cJSON_NULL;
        b->at += 4;
        break;
    default:
        build_number(b, n);
        break;
    }
}

cJSON *json_build(const char *s, size_t len, size_t values, char *stay)
{
    size_t nodes, size;
    struct build b = {.at = s, .end = s + len, .start = s, .stay = stay};
    cJSON *root;

    if (__builtin_mul_overflow(values, sizeof(cJSON), &nodes) ||
        __builtin_add_overflow(nodes, len, &size) ||
        __builtin_add_overflow(size, values + 1, &size))
        return NULL;
    root = malloc(size);
    if (root == NULL)
        return NULL;
    memset(root, 0, sizeof(*root));
    b.node = root + 1;
    b.text = (char *)root + nodes;
    build_value(&b, root);
    return root;
}

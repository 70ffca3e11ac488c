/* Commands in RESP: "*<count>", then "$<length>" and the bytes of each argument, with CR LF behind
 * each. The count is only known at the end: room is left for it in front. */
#include "resp.h"

#include <string.h>

#define COMMAND_MAX ((size_t)512 << 20)
#define HEAD_MAX 24
/* "$", up to 20 digits, and twice CR LF. */
#define ARGUMENT_FRAME 32

/* Writes the decimal digits of n so that they end before `end`; returns where they begin. */
static char *put_digits(char *end, uint64_t n)
{
    do
        *--end = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return end;
}

/* The same and CR LF, from `to` on; returns the place after them. */
static char *put_length(char *to, size_t n)
{
    char digits[24], *first;

    if (n < 10) { /* most arguments are this short */
        *to++ = (char)('0' + n);
    } else {
        first = put_digits(digits + sizeof(digits), n);
        memcpy(to, first, (size_t)(digits + sizeof(digits) - first));
        to += digits + sizeof(digits) - first;
    }
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

/* Room for n more bytes; NULL, and the command failed, where it would be too long. */
static char *reserve(struct resp *r, size_t n)
{
    bool fits = !r->out.failed && n <= COMMAND_MAX - r->out.len;
    char *to = fits ? buf_reserve(&r->out, n) : NULL;

    r->out.failed = to == NULL;
    return to;
}

void resp_begin(struct resp *r)
{
    r->out.max = COMMAND_MAX;
    buf_clear(&r->out);
    r->count = 0;
    reserve(r, HEAD_MAX);
    r->out.len = HEAD_MAX;
}

void resp_add(struct resp *r, const char *p, size_t len)
{
    char *to = len < COMMAND_MAX ? reserve(r, len + ARGUMENT_FRAME) : NULL;

    if (to == NULL) {
        r->out.failed = true;
        return;
    }
    *to++ = '$';
    to = put_length(to, len);
    if (len > 0)
        memcpy(to, p, len);
    to += len;
    *to++ = '\r';
    *to++ = '\n';
    r->out.len = (size_t)(to - r->out.data);
    r->count++;
}

void resp_adds(struct resp *r, const char *text)
{
    resp_add(r, text, text != NULL ? strlen(text) : 0);
}

void resp_add_int(struct resp *r, int64_t v)
{
    char digits[24], *end = digits + sizeof(digits), *first;

    first = put_digits(end, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    if (v < 0)
        *--first = '-';
    resp_add(r, first, (size_t)(end - first));
}

void resp_write(struct resp *r, int argc, const char **argv, const size_t *lens)
{
    resp_begin(r);
    for (int i = 0; i < argc; i++)
        resp_add(r, argv[i], lens != NULL ? lens[i] : strlen(argv[i]));
}

const char *resp_end(struct resp *r, size_t *ret_len)
{
    char *body = r->out.data + HEAD_MAX, *head;

    if (r->out.failed)
        return NULL;
    head = put_digits(body - 2, r->count);
    *--head = '*';
    memcpy(body - 2, "\r\n", 2);
    *ret_len = r->out.len - (size_t)(head - r->out.data);
    return head;
}

void resp_trim(struct resp *r)
{
    if (r->out.cap > RESP_KEEP)
        buf_free(&r->out);
}

void resp_free(struct resp *r)
{
    buf_free(&r->out);
}

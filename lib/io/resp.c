/* Commands in RESP. */
#include "resp.h"

#include <string.h>

#define COMMAND_MAX ((size_t)512 << 20)
/* "$", up to 20 digits, and twice CR LF. */
#define ARGUMENT_FRAME 32

/* Decimal digits of n and CR LF; returns the place after them. */
static char *put_length(char *to, size_t n)
{
    char digits[24];
    int i = sizeof(digits);

    if (n < 10) { /* most arguments are this short */
        *to++ = (char)('0' + n);
    } else {
        do
            digits[--i] = (char)('0' + n % 10);
        while ((n /= 10) > 0);
        memcpy(to, digits + i, sizeof(digits) - (size_t)i);
        to += sizeof(digits) - (size_t)i;
    }
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

static char *put_argument(char *to, const char *p, size_t len)
{
    *to++ = '$';
    to = put_length(to, len);
    if (len > 0)
        memcpy(to, p, len);
    to += len;
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

bool resp_format(struct buf *out, int argc, const char **argv, const size_t *lens)
{
    size_t total = ARGUMENT_FRAME;
    char *to;

    for (int i = 0; i < argc; i++)
        total += (lens != NULL ? lens[i] : strlen(argv[i])) + ARGUMENT_FRAME;
    out->max = COMMAND_MAX;
    buf_clear(out);
    to = buf_reserve(out, total);
    if (to == NULL)
        return false;
    *to++ = '*';
    to = put_length(to, (size_t)argc);
    for (int i = 0; i < argc; i++)
        to = put_argument(to, argv[i], lens != NULL ? lens[i] : strlen(argv[i]));
    *to = '\0';
    out->len = (size_t)(to - out->data);
    return true;
}

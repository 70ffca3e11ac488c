/* UUIDs of RFC 9562: version 7 from a time, version 5 from a name. */
#include "uuid.h"
#include "crypto.h"
#include <string.h>

static void print_uuid(const uint8_t b[16], char ret[UUID_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    char *to = ret;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[b[i] >> 4];
        *to++ = hex[b[i] & 15];
    }
    *to = '\0';
}

static void set_version(uint8_t b[16], unsigned version)
{
    b[6] = (uint8_t)((b[6] & 0x0f) | version << 4);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
}

void uuid_v7(int64_t unix_ms, char ret[UUID_TEXT])
{
    uint8_t b[16];

    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)((uint64_t)unix_ms >> (40 - 8 * i));
    random_bytes(b + 6, 10);
    set_version(b, 7);
    print_uuid(b, ret);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads the 8-4-4-4-12 form; false (b is then half written) if s is not one. */
static bool read_uuid(const char *s, uint8_t b[16])
{
    size_t at = 0;

    if (!s || strnlen(s, UUID_TEXT) != UUID_TEXT - 1)
        return false;
    for (int i = 0; i < 16; i++) {
        int high, low;

        if ((i == 4 || i == 6 || i == 8 || i == 10) && s[at++] != '-')
            return false;
        high = hex_value(s[at++]);
        low = hex_value(s[at++]);
        if (high < 0 || low < 0)
            return false;
        b[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool uuid_is_valid(const char *s)
{
    uint8_t b[16];

    return read_uuid(s, b);
}

void uuid_v5(const char *ns, const char *name, char ret[UUID_TEXT])
{
    struct buf input = {0};
    uint8_t space[16], digest[20];

    if (!read_uuid(ns, space))
        memset(space, 0, sizeof(space));
    buf_add(&input, space, sizeof(space));
    buf_adds(&input, name);
    crypto_sha1(input.data, input.len, digest);
    buf_free(&input);
    set_version(digest, 5);
    print_uuid(digest, ret);
}

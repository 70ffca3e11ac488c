/* Paths and JSON bodies, as several dialects judge them. */
#include "shape.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 pchar without '%'. */
static bool is_path_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~!$&'()*+,;=:@", c));
}

/* Decodes s[0..len) into out; false where it is no part of a path. */
static bool decode_part(const char *s, size_t len, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++, n++) {
        if (n + 1 >= SHAPE_PART_SIZE)
            return false;
        if (s[i] == '%') {
            int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(s[i + 2]) : -1;

            if (high < 0 || low < 0 || high + low == 0)
                return false;
            out[n] = (char)(high * 16 + low);
            i += 2;
        } else if (is_path_char(s[i])) {
            out[n] = s[i];
        } else {
            return false;
        }
    }
    out[n] = '\0';
    return n > 0;
}

bool shape_path(const char *path, struct shape_path *ret)
{
    ret->count = 0;
    while (*path == '/') {
        size_t len = strcspn(++path, "/");

        if (ret->count == SHAPE_PARTS_MAX || !decode_part(path, len, ret->part[ret->count]))
            return false;
        ret->count++;
        path += len;
    }
    return *path == '\0';
}

bool shape_path_is(const struct shape_path *p, const char *const *pattern, unsigned count)
{
    if (p->count != count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (pattern[i] && strcmp(pattern[i], p->part[i]) != 0)
            return false;
    }
    return true;
}

const char *shape_unknown(const cJSON *obj, const char *const *names)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, obj)
    {
        const char *const *n = names;

        while (*n && strcmp(*n, member->string) != 0)
            n++;
        if (!*n)
            return member->string;
    }
    return NULL;
}

bool shape_text(const cJSON *item, size_t min, size_t max)
{
    size_t chars;

    if (!cJSON_IsString(item))
        return false;
    chars = text_chars(item->valuestring);
    return chars >= min && chars <= max;
}

bool shape_url(const char *s)
{
    return s && (text_starts(s, "http://") || text_starts(s, "https://")) && !strpbrk(s, " \r\n\t");
}

bool shape_digits(const char *s)
{
    return s && *s && s[strspn(s, "0123456789")] == '\0';
}

bool shape_e164(const char *s)
{
    size_t len = s ? strlen(s) : 0;

    return len >= 8 && len <= 16 && s[0] == '+' && s[1] != '0' && shape_digits(s + 1);
}

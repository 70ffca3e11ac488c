/* Form bodies. Own code rather than libevent's parser, which forgives broken escapes: a test
 * double must refuse what a sender encoded wrongly. */
#include "form.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes s[0..len) into a string of the arena; NULL if it is not well-formed. */
static char *decode(struct arena *a, const char *s, size_t len)
{
    char *out = arena_alloc(a, len + 1), *p = out;

    for (size_t i = 0; i < len; i++) {
        if (s[i] != '%') {
            *p++ = s[i] == '+' ? ' ' : s[i];
            continue;
        }
        int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
        int low = i + 2 < len ? hex_digit(s[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return NULL;
        *p++ = (char)(high * 16 + low);
        i += 2;
    }
    *p = '\0';
    return out;
}

static bool add_field(struct form *f, const char *s, size_t len)
{
    const char *eq = memchr(s, '=', len);
    size_t name_len = eq ? (size_t)(eq - s) : len;
    struct form_field *field;

    if (f->count == FORM_FIELDS_MAX)
        return false;
    field = &f->fields[f->count++];
    field->name = decode(&f->arena, s, name_len);
    field->value = eq ? decode(&f->arena, eq + 1, len - name_len - 1) : decode(&f->arena, "", 0);
    return field->name && field->value;
}

bool form_parse(struct form *f, const char *s, size_t len)
{
    const char *end = s + len, *amp;

    f->fields = mem_zalloc(FORM_FIELDS_MAX * sizeof(*f->fields));
    for (; s < end; s = amp + 1) {
        amp = memchr(s, '&', (size_t)(end - s));
        amp = amp ? amp : end;
        if (amp > s && !add_field(f, s, (size_t)(amp - s)))
            return false;
    }
    return true;
}

void form_clear(struct form *f)
{
    free(f->fields);
    arena_free(&f->arena);
    *f = (struct form){0};
}

const char *form_get(const struct form *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->fields[i].name, name) == 0)
            return f->fields[i].value;
    }
    return NULL;
}

size_t form_count(const struct form *f, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++)
        n += strcmp(f->fields[i].name, name) == 0;
    return n;
}

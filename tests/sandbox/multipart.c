/* Splitting multipart bodies. A test double must refuse what a sender framed wrongly, so nothing
 * is forgiven: CRLF line ends, a boundary of RFC 2046's characters, a final "--". */
#include "multipart.h"

#include "text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "--" and the boundary; false if the Content-Type names none. */
static bool read_boundary(const struct exchange *x, char *out, size_t size)
{
    const char *type = record_header(x->record, "content-type");
    const char *p = type ? strstr(type, "boundary=") : NULL;
    size_t len;

    if (!p || !exchange_has_type(x, "multipart/form-data"))
        return false;
    p += strlen("boundary=");
    len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=?");
    if (len == 0 || len > 70 || p[len] != '\0')
        return false;
    snprintf(out, size, "--%.*s", (int)len, p);
    return true;
}

/* The value of `name="..."` in a header line; a backslash or %22 stays as it is. */
static bool read_param(const char *line, size_t len, const char *name, char *out, size_t size)
{
    char key[32];
    const char *p, *end;

    snprintf(key, sizeof(key), "; %s=\"", name);
    p = memmem(line, len, key, strlen(key));
    if (!p)
        return false;
    p += strlen(key);
    end = memchr(p, '"', len - (size_t)(p - line));
    if (!end || (size_t)(end - p) >= size)
        return false;
    memcpy(out, p, (size_t)(end - p));
    out[end - p] = '\0';
    return true;
}

static bool read_header(const char *line, size_t len, struct multipart_part *p)
{
    static const char disposition[] = "Content-Disposition: form-data";
    static const char type[] = "Content-Type: ";

    if (len > sizeof(disposition) && !strncasecmp(line, disposition, sizeof(disposition) - 1)) {
        read_param(line, len, "filename", p->filename, sizeof(p->filename));
        return read_param(line, len, "name", p->name, sizeof(p->name));
    }
    if (len > sizeof(type) && !strncasecmp(line, type, sizeof(type) - 1) &&
        len - (sizeof(type) - 1) < sizeof(p->type))
        snprintf(p->type, sizeof(p->type), "%.*s", (int)(len - (sizeof(type) - 1)),
                 line + sizeof(type) - 1);
    return true;
}

/* Headers up to the empty line; where the data begins, or NULL. */
static const char *read_headers(const char *s, const char *end, struct multipart_part *p)
{
    const char *eol;

    for (; (eol = memmem(s, (size_t)(end - s), "\r\n", 2)) != NULL; s = eol + 2) {
        if (eol == s)
            return p->name[0] ? s + 2 : NULL;
        if (!read_header(s, (size_t)(eol - s), p))
            return NULL;
    }
    return NULL;
}

bool multipart_read(const struct exchange *x, struct multipart *ret)
{
    const char *s = x->record->body, *end = s + x->record->body_len;
    char mark[80], next[84];
    size_t mark_len;

    memset(ret, 0, sizeof(*ret));
    if (!read_boundary(x, mark, sizeof(mark)))
        return false;
    mark_len = strlen(mark);
    snprintf(next, sizeof(next), "\r\n%s", mark);
    if ((size_t)(end - s) < mark_len || memcmp(s, mark, mark_len) != 0)
        return false;
    for (s += mark_len; end - s >= 2 && memcmp(s, "\r\n", 2) == 0; s += mark_len + 2) {
        struct multipart_part *p = &ret->part[ret->count];

        if (ret->count++ == MULTIPART_MAX - 1)
            return false;
        p->data = read_headers(s + 2, end, p);
        s = p->data ? memmem(p->data, (size_t)(end - p->data), next, strlen(next)) : NULL;
        if (!s)
            return false;
        p->len = (size_t)(s - p->data);
    }
    return ret->count > 0 && end - s >= 2 && memcmp(s, "--", 2) == 0;
}

const struct multipart_part *multipart_find(const struct multipart *m, const char *name)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (strcmp(m->part[i].name, name) == 0)
            return &m->part[i];
    }
    return NULL;
}

const char *multipart_text(const struct multipart *m, const char *name, char *out, size_t size)
{
    const struct multipart_part *p = multipart_find(m, name);

    if (!p || p->filename[0])
        return NULL;
    snprintf(out, size, "%.*s", (int)p->len, p->data);
    return out;
}

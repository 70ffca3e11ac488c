/* Error texts: formats into a fixed struct, cut at a UTF-8 character. */
#include "err.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

/* Room past the cut, so that text_cut sees the byte the cut falls on. */
enum { CUT_LOOKAHEAD = 8 };

static void copy_cut(char *dst, size_t size, const char *src)
{
    size_t n = text_cut(src, size - 1);

    memcpy(dst, src, n);
    dst[n] = '\0';
}

enum sq_err err_set(struct err_text *e, enum sq_err err, const char *fmt, ...)
{
    /* Formatted aside first: an argument may well be e->text itself. */
    char text[sizeof(e->text) + CUT_LOOKAHEAD];
    va_list ap;

    if (!e)
        return err;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    copy_cut(e->text, sizeof(e->text), text);
    e->field[0] = '\0';
    e->code[0] = '\0';
    return err;
}

enum sq_err err_set_field(struct err_text *e, enum sq_err err, const char *field, const char *fmt,
                          ...)
{
    char text[sizeof(e->text) + CUT_LOOKAHEAD];
    char name[sizeof(e->field)];
    va_list ap;
    int n;

    if (!e)
        return err;
    copy_cut(name, sizeof(name), field ? field : "");
    n = snprintf(text, sizeof(text), "%s%s", name, name[0] ? ": " : "");
    va_start(ap, fmt);
    vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
    va_end(ap);
    copy_cut(e->text, sizeof(e->text), text);
    memcpy(e->field, name, sizeof(name));
    e->code[0] = '\0';
    return err;
}

const char *err_name(enum sq_err err)
{
    switch (err) {
    case SQ_OK:
        return "ok";
    case SQ_ERR_INVALID:
        return "invalid";
    case SQ_ERR_TOO_LARGE:
        return "too_large";
    case SQ_ERR_NOT_FOUND:
        return "not_found";
    case SQ_ERR_NOMEM:
        return "no_memory";
    case SQ_ERR_IO:
        return "io";
    case SQ_ERR_STATE:
        return "state";
    }
    return "unknown";
}

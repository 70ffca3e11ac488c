/* Error classes shared by all floors, and the text that goes with one. */
#ifndef SENDQ_BASE_ERR_H
#define SENDQ_BASE_ERR_H

#include <stdarg.h>

#define SQ_MUST_CHECK __attribute__((warn_unused_result))
#define SQ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* What went wrong, in classes a caller can act on. The words are in struct err_text. */
enum sq_err {
    SQ_OK = 0,
    SQ_ERR_INVALID,   /* the input breaks a rule; the text names the field and the reason */
    SQ_ERR_TOO_LARGE, /* the input is over a configured cap */
    SQ_ERR_NOT_FOUND, /* what was named does not exist */
    SQ_ERR_NOMEM,     /* an input-sized allocation failed; small fixed ones abort */
    SQ_ERR_IO,        /* the system or a peer failed */
    SQ_ERR_STATE,     /* called at the wrong time (a bug, or a closing resource) */
};

/* One error in words, for people. Never holds a secret or message content. Fixed size: long
 * texts are cut at a UTF-8 character. */
struct err_text {
    char text[256];
    char field[96]; /* the field of the input at fault ("message_data.recipient"), or "" */
    char code[32];  /* contract error code where it is not the caller's default, or "" */
};

/* Formats text (field and code become ""). Returns err, so that a caller can
 * `return err_set(e, SQ_ERR_INVALID, "...")`. A NULL e is fine. */
enum sq_err err_set(struct err_text *e, enum sq_err err, const char *fmt, ...) SQ_PRINTF(3, 4);

/* The same with the field at fault: text is "<field>: <formatted>". */
enum sq_err err_set_field(struct err_text *e, enum sq_err err, const char *field, const char *fmt,
                          ...) SQ_PRINTF(4, 5);

/* "invalid", "too_large", ...: for logs. */
const char *err_name(enum sq_err err);

#endif

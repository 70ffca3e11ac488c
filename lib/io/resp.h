/* Commands in RESP, Redis' wire form. */
#ifndef SENDQ_IO_RESP_H
#define SENDQ_IO_RESP_H

#include "buf.h"

/* A buffer that has grown this big for one command is given back after use. */
#define RESP_KEEP ((size_t)4 << 20)

/* A command, written argument by argument straight into the form it has on the wire: hiredis' own
 * formatter costs five times as much, and a batch has thousands of arguments. Zero-initialise. */
struct resp {
    struct buf out;
    size_t count; /* arguments */
};

void resp_begin(struct resp *r);                          /* empties it; its memory is kept */
void resp_add(struct resp *r, const char *p, size_t len); /* copies; p may be NULL if len is 0 */
void resp_adds(struct resp *r, const char *text);         /* NULL = "" */
void resp_add_int(struct resp *r, int64_t v);             /* in decimal */
/* A command of these arguments; lens NULL: they are C strings. */
void resp_write(struct resp *r, int argc, const char **argv, const size_t *lens);
/* The whole command, which stands until it is changed or freed. NULL if it is over 512 MiB (Redis
 * refuses more). */
const char *resp_end(struct resp *r, size_t *ret_len);
/* Gives back what an unusual one took. */
void resp_trim(struct resp *r);
void resp_free(struct resp *r);

#endif

/* Commands in RESP, Redis' wire form. */
#ifndef SENDQ_IO_RESP_H
#define SENDQ_IO_RESP_H

#include "buf.h"

/* A buffer that has grown this big for one command is given back after use. */
#define RESP_KEEP ((size_t)4 << 20)

/* Replaces out by the command, in one pass: hiredis' own formatter costs five times as much, and a
 * batch has thousands of arguments. lens NULL: all arguments are C strings; an empty argument may
 * be NULL where its length is given. False if it is over 512 MiB (Redis refuses more) or memory. */
bool resp_format(struct buf *out, int argc, const char **argv, const size_t *lens);

#endif

/* Reads files below a directory, and never outside it. */
#ifndef SENDQ_IO_BELOW_H
#define SENDQ_IO_BELOW_H

#include "buf.h"

/* Appends the file root/path, of at most max bytes, to out. path is relative; no segment may be
 * ".",
 * ".." or empty, and none may be a symbolic link (so that nothing in the tree leads out of it); the
 * root may be one. SQ_ERR_INVALID: such a path, or no regular file; SQ_ERR_NOT_FOUND;
 * SQ_ERR_TOO_LARGE; SQ_ERR_IO: the system failed. The errors' texts hold no path. */
enum sq_err below_read(const char *root, const char *path, size_t max, struct buf *out,
                       struct err_text *e) SQ_MUST_CHECK;

#endif

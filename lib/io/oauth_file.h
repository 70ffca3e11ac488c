/* The file that holds one refresh token. Private to lib/io. */
#ifndef SENDQ_IO_OAUTH_FILE_H
#define SENDQ_IO_OAUTH_FILE_H

#include "buf.h"

/* Appends the token in the file, without its line end. */
enum sq_err oauth_file_read(const char *path, struct buf *ret, struct err_text *e) SQ_MUST_CHECK;
/* Replaces the file's content in one step, keeping its mode; synced before it takes the place. The
 * texts of errors hold neither token. */
enum sq_err oauth_file_write(const char *path, const char *token, struct err_text *e) SQ_MUST_CHECK;

#endif

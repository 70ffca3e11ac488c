/* Reads the content of an attachment out of the text of a large job, which Redis keeps. */
#ifndef SENDQ_DAEMON_STORED_H
#define SENDQ_DAEMON_STORED_H

#include "store.h"

/* whole: into holds the content; else, with STORE_OK, it is not there. */
typedef void (*stored_cb)(enum store_status st, bool whole, void *arg);

/* What the size of the content must be by the reference; 0 if that is malformed. */
size_t stored_size(const char *ref);
/* Appends the content to into, which must outlive the call, in pieces: nothing waits for it. id:
 * the message's; ref: attachment.stored. cb runs once, never from inside this call unless it
 * returns an error, with which it never runs. */
enum sq_err stored_read(struct store *s, const char *id, const char *ref, struct buf *into,
                        stored_cb cb, void *arg) SQ_MUST_CHECK;

#endif

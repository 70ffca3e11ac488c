/* The header of a mail, as far as dialects look at it. */
#ifndef SENDQ_SANDBOX_MIME_HEAD_H
#define SENDQ_SANDBOX_MIME_HEAD_H

#include "exchange.h"

/* One header's value, unfolded; NULL if absent or longer than size. The name in any case. */
const char *mime_head(const struct buf *mail, const char *name, char *out, size_t size);
/* Looks at a whole mail: CR LF everywhere, From, Date, Message-ID, a recipient, MIME-Version.
 * NULL = well, else what is wrong. */
const char *mime_fault(const struct buf *mail);
/* The message's identity (the left part of its Message-ID) and its first To, for the record. */
void mime_identify(const struct buf *mail, struct record *r);

#endif

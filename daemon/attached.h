/* What a message has attached, as far as it is not here yet and as far as it takes room. */
#ifndef SENDQ_DAEMON_ATTACHED_H
#define SENDQ_DAEMON_ATTACHED_H

#include "attempt.h"

/* True if the attachment must be fetched before its message can be sent. */
bool attached_is_missing(const struct attempt *t, const struct attachment *a);
bool attached_any_missing(const struct attempt *t);
/* Bytes of attachments that the attempt holds, or will: of what is not fetched yet, the most that
 * may come. 0 where the provider gets all of them as URLs. */
size_t attached_bytes(const struct attempt *t);

#endif

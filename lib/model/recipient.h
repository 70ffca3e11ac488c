/* A message's recipients: how they are stored, and read back. */
#ifndef SENDQ_MODEL_RECIPIENT_H
#define SENDQ_MODEL_RECIPIENT_H

#include "address.h"
#include "message.h"

/* Checks text by the rule of m's channel and makes it m's recipient; for email text is an RFC 5322
 * address list of at most max addresses. Sets MSG_RECIPIENT, MSG_TO and units. On failure e says
 * what was expected and m is as before. */
enum sq_err recipient_set(struct message *m, const char *text, unsigned max,
                          struct err_text *e) SQ_MUST_CHECK;
/* Makes these mailboxes m's recipients; the list is not empty. units counts copies too. */
void recipient_set_list(struct message *m, const struct address_list *list);

#define RECIPIENT_TEXT 513 /* the longest recipient and a NUL */

/* Takes the next single recipient off *cursor, which starts at MSG_RECIPIENT of a message of the
 * channel: an email may have several, any other channel has one. False at the end. For what is
 * looked up by recipient: suppression, a rate per recipient. */
bool recipient_next(enum channel c, const char **cursor, char ret[RECIPIENT_TEXT]);

#endif

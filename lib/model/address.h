/* Recipient checks per channel. Shape only: the provider is the authority. */
#ifndef SENDQ_MODEL_ADDRESS_H
#define SENDQ_MODEL_ADDRESS_H

#include "buf.h"
#include "channel.h"

/* '+' and 7 to 15 digits, first not 0 (ITU-T E.164). */
bool address_is_e164(const char *s);
/* One RFC 5321/6531 addr-spec (local@domain), UTF-8 allowed, no display name. */
bool address_is_email(const char *s);
/* Checks a recipient by its channel's rule; e says what was expected. */
enum sq_err address_check(enum channel c, const char *recipient, struct err_text *e) SQ_MUST_CHECK;

#endif

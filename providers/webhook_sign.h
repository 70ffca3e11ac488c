/* The headers of a webhook after the Standard Webhooks specification. */
#ifndef SENDQ_PROVIDERS_WEBHOOK_SIGN_H
#define SENDQ_PROVIDERS_WEBHOOK_SIGN_H

#include "message.h"
#include "request.h"

#define WEBHOOK_ID_TEXT (MESSAGE_ID_MAX + 1)

/* The webhook-id of a message. */
void webhook_id(const char *message_id, char ret[WEBHOOK_ID_TEXT]);
/* Checks a list of secrets ("whsec_<base64>", spaces between). */
enum sq_err webhook_secret_check(const char *secrets, struct err_text *e) SQ_MUST_CHECK;
/* Adds webhook-id, webhook-timestamp and, if secrets is not NULL, webhook-signature over the body,
 * which must be complete by then. */
enum sq_err webhook_sign(const char *secrets, const char *message_id, int64_t now_ms,
                         struct request *r, struct err_text *e) SQ_MUST_CHECK;

#endif

/* The steps before a send by Gmail: what its own ids stand for. Private to gmail*.c. */
#ifndef SENDQ_PROVIDERS_GMAIL_LOOKUP_H
#define SENDQ_PROVIDERS_GMAIL_LOOKUP_H

#include "original.h"
#include "provider_util.h"

/* What they found, in progress. A mail that was read whole is in ctx->answer. */
enum gmail_found { FOUND_THREAD, FOUND_MESSAGE_ID, FOUND_REFERENCES };

bool gmail_is_id(const char *s); /* NULL is none */
/* True if the message is a forward whose texts do not hold the mail yet; *ret is Gmail's own id of
 * that mail (in names), or NULL. */
bool gmail_forward_id(const struct message *m, struct original_names *names, const char **ret);

/* Builds the request after the endpoint; false: it is time to send. */
bool gmail_lookup_build(const struct build_ctx *ctx, const struct message *m, struct request *r);
/* Judges its answer, beginning with what the errors' table says; false: it was the send's. */
bool gmail_lookup_classify(const struct build_ctx *ctx, const struct response *r,
                           struct outcome *o);

#endif

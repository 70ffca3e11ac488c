/* AWS Signature Version 4 of one request. */
#ifndef SENDQ_PROVIDERS_AWS_SIGN_H
#define SENDQ_PROVIDERS_AWS_SIGN_H

#include "request.h"

struct aws_account {
    const char *access_key_id, *secret_access_key;
    const char *session_token; /* of temporary credentials, or NULL */
    const char *region, *service;
};

/* Adds X-Amz-Date, X-Amz-Security-Token (if any) and Authorization. Call it last: method, URL,
 * Content-Type (if any) and body must stand. A URL's path must be in its canonical form; a query is
 * taken as it is. */
enum sq_err aws_sign(struct request *r, const struct aws_account *a, int64_t now_ms,
                     struct err_text *e) SQ_MUST_CHECK;

#endif

/* How a sender gets its access tokens: a provider says it, lib/io/oauth does it. Here are the
 * requests and answers of RFC 6749 (refresh token, client credentials) and RFC 7523 (service
 * account), without any I/O. */
#ifndef SENDQ_MODEL_OAUTH_SPEC_H
#define SENDQ_MODEL_OAUTH_SPEC_H

#include "request.h"

enum oauth_grant {
    OAUTH_CLIENT_CREDENTIALS, /* client_id, client_secret */
    OAUTH_REFRESH_TOKEN,      /* client_id, client_secret, refresh_token, which the answer may
                                 replace by a new one */
    OAUTH_SERVICE_ACCOUNT,    /* service_account signs an assertion, for `subject` if given */
};

#define OAUTH_URL_MAX 512

/* What the token request is made of. Pointers borrow from the sender, or are static. */
struct provider_oauth {
    enum oauth_grant grant;
    char token_url[OAUTH_URL_MAX]; /* the provider's own; a sender's token_endpoint replaces it */
    const char *scope;             /* space-separated, or NULL */
    const char *client_id, *client_secret;
    const char *refresh_token;   /* OAUTH_REFRESH_TOKEN */
    const char *service_account; /* OAUTH_SERVICE_ACCOUNT: the key file's JSON */
    const char *subject;         /* the account to act for, or NULL */
};

#define OAUTH_TOKEN_MAX 8192 /* bytes of an access or refresh token */

enum oauth_state {
    OAUTH_GRANTED,
    OAUTH_REFUSED,     /* the credentials are no good: nothing but new ones helps */
    OAUTH_UNAVAILABLE, /* try again later */
};

struct oauth_grant_answer {
    enum oauth_state state;
    struct buf access_token;  /* wipe with oauth_answer_clear */
    struct buf refresh_token; /* empty: the old one stays */
    int64_t expires_ms;       /* from the answer on */
    int64_t retry_after_ms;   /* UNAVAILABLE: 0 = not told */
    bool grant_is_dead;       /* REFUSED as invalid_grant: another refresh token may do */
    char text[200];           /* what went wrong, without secrets */
};

/* Builds the request for a token at `url`. refresh_token stands for the spec's, where it is not
 * NULL. SQ_ERR_INVALID: a service account that is none; the text holds nothing of it. */
enum sq_err oauth_request(const struct provider_oauth *spec, const char *url,
                          const char *refresh_token, int64_t now_ms, struct request *r,
                          struct err_text *e) SQ_MUST_CHECK;
/* *ret is overwritten, and filled in any case. */
void oauth_read_answer(const struct response *r, struct oauth_grant_answer *ret);
void oauth_answer_clear(struct oauth_grant_answer *a);

#endif

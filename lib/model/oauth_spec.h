/* How a sender gets its access tokens: what a provider says and lib/io/oauth does. */
#ifndef SENDQ_MODEL_OAUTH_SPEC_H
#define SENDQ_MODEL_OAUTH_SPEC_H

enum oauth_grant {
    OAUTH_CLIENT_CREDENTIALS,
    OAUTH_REFRESH_TOKEN,
    OAUTH_SERVICE_ACCOUNT, /* RFC 7523: a signed JWT, as Google's key files have it */
};

/* Texts point into the sender's settings. */
struct provider_oauth {
    enum oauth_grant grant;
    char token_url[512];         /* the provider's own; the sender's token_endpoint replaces it */
    const char *scope;           /* or NULL */
    const char *client_id, *client_secret;
    const char *refresh_token;   /* OAUTH_REFRESH_TOKEN; an answer may replace it */
    const char *service_account; /* OAUTH_SERVICE_ACCOUNT: JSON of the key file */
    const char *subject;         /* acts for this account, or NULL */
};

#endif

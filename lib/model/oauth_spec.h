/* How a sender gets its access tokens: a provider says it, lib/io/oauth does it. */
#ifndef SENDQ_MODEL_OAUTH_SPEC_H
#define SENDQ_MODEL_OAUTH_SPEC_H

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

#endif

/* Which access token a sender's transfers carry. */
#ifndef SENDQ_DAEMON_TOKEN_H
#define SENDQ_DAEMON_TOKEN_H

#include "oauth.h"
#include "sender.h"

/* The account that gives this sender's access tokens; NULL if it needs none. */
struct oauth_account *token_account(struct oauth *o, const struct sender *s);

#endif

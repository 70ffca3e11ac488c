/* Access tokens: a cache, and one refresh at a time per credential for all who wait for it.
 *
 *   a = oauth_account(...);  token = oauth_token(a);  if (!token) oauth_wait(a, &waiter);
 *
 * A token that nears its end is renewed while it is still given out. A refresh token that the
 * answer replaces is written back to the file that it came from, before anybody gets the new access
 * token: with a provider that rotates them the old one is dead. */
#ifndef SENDQ_IO_OAUTH_H
#define SENDQ_IO_OAUTH_H

#include "http_multi.h"
#include "list.h"
#include "oauth_spec.h"

struct oauth;
struct oauth_account;

struct oauth_answer {
    enum oauth_state state;
    const char *text;       /* what went wrong; "" when granted. No secrets */
    int64_t retry_after_ms; /* UNAVAILABLE: not before */
};

/* In the waiter's own memory. After OAUTH_GRANTED oauth_token gives the token. */
struct oauth_waiter {
    struct list node;
    void (*cb)(const struct oauth_answer *a, void *arg);
    void *arg;
};

struct oauth_opts {
    struct http_opts http; /* for the token endpoints */
    int64_t timeout_ms;
    /* Told when a new refresh token could not be stored: it is kept in memory, and lost with it. */
    void (*warn)(const char *text, void *arg);
    void *arg;
};

struct oauth *oauth_new(struct loop *loop, const struct oauth_opts *opts);
/* Waiters get OAUTH_UNAVAILABLE. NULL is fine. */
void oauth_free(struct oauth *o);

/* The account of these credentials, found or made; valid until the next call of this function.
 * url: where to ask. file: where the refresh token came from, or NULL. All texts are copied. */
struct oauth_account *oauth_account(struct oauth *o, const struct provider_oauth *spec,
                                    const char *url, const char *file);
/* A token that is good for now, or NULL: wait. Valid until the loop goes on. */
const char *oauth_token(struct oauth_account *a);
/* cb runs once, in the loop, never from inside; the waiter is the account's until then. */
void oauth_wait(struct oauth_account *a, struct oauth_waiter *w);
/* The provider refused this token: it is not given out any more. */
void oauth_drop(struct oauth_account *a, const char *token);

unsigned oauth_waiting(const struct oauth *o);

#endif

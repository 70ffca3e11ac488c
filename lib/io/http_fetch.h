/* Fetches files that jobs name by URL, through the guard (guard.h).
 *
 * Only http and https, without user or password; redirects are followed at most three times, each
 * as strictly as the first URL; nothing is decoded, no cookie, proxy or netrc is used; every hop is
 * a connection of its own, so that each one's address is checked. */
#ifndef SENDQ_IO_HTTP_FETCH_H
#define SENDQ_IO_HTTP_FETCH_H

#include "buf.h"
#include "loop.h"

struct http_fetcher;

struct http_fetcher_opts {
    unsigned max_fetches; /* at once */
    int64_t connect_timeout_ms;
    const char *ca_file; /* CA bundle; NULL = the system's */
    const char *user_agent;
};

/* What one fetch may do; copied, except for the list, which must stay until its end. */
struct http_fetch_terms {
    size_t max_bytes;
    int64_t timeout_ms; /* of all its hops together */
    const char *const *allow_hosts;
    unsigned allow_count;
};

enum http_fetch_result {
    HTTP_FETCH_OK,
    HTTP_FETCH_FORBIDDEN, /* the guard says no, or the URL is not one to be fetched */
    HTTP_FETCH_REFUSED,   /* an answer that trying again will not change: 4xx and the like */
    HTTP_FETCH_TOO_LARGE,
    HTTP_FETCH_TROUBLE, /* may work later */
};

struct http_fetched {
    enum http_fetch_result result;
    const char *body; /* with HTTP_FETCH_OK */
    size_t len;
    char content_type[128]; /* as the server gave it; "" = none */
    char error[200];        /* in words; holds no URL */
};

/* Runs once per fetch, in the loop, never from inside http_fetch_start. Another fetch may be
 * started from inside. */
typedef void (*http_fetch_cb)(const struct http_fetched *f, void *arg);

struct http_fetcher *http_fetcher_new(struct loop *loop, const struct http_fetcher_opts *opts);
/* Aborts what runs; no callback is called. Not from inside a callback. NULL is fine. */
void http_fetcher_free(struct http_fetcher *h);
unsigned http_fetcher_room(const struct http_fetcher *h);

/* Starts a fetch. There must be room. */
void http_fetch_start(struct http_fetcher *h, const char *url, const struct http_fetch_terms *terms,
                      http_fetch_cb cb, void *arg);

#endif

/* A bounded cache of parsed URLs: parsing costs curl a tenth of a request. Private to lib/io. */
#ifndef SENDQ_IO_HTTP_URL_H
#define SENDQ_IO_HTTP_URL_H

#include "list.h"
#include "map.h"
#include "request.h"

#include <curl/curl.h>

struct http_url {
    CURLU *handle;
    struct list node; /* in the cache, most recently used first */
    unsigned refs;    /* transfers that use it, and the cache */
    char *text;
};

struct http_urls {
    struct map by_text;
    struct list recent;
    size_t count;
};

void http_urls_init(struct http_urls *c);
void http_urls_done(struct http_urls *c); /* entries in use live on until http_url_unref */

/* The parsed form of url, with a reference for the caller. SQ_ERR_INVALID: not an absolute http or
 * https URL, too long, or with a user or password in it. The text of an error holds no URL. */
enum sq_err http_urls_get(struct http_urls *c, const struct buf *url, struct http_url **ret,
                          struct err_text *e) SQ_MUST_CHECK;
void http_url_unref(struct http_url *u); /* NULL is fine */

#endif

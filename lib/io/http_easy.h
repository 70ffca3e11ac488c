/* One reusable curl easy handle: its options, the request it carries, the answer it collects.
 * Private to lib/io. */
#ifndef SENDQ_IO_HTTP_EASY_H
#define SENDQ_IO_HTTP_EASY_H

#include "http_multi.h"

#include <curl/curl.h>

struct http_easy {
    CURL *curl;
    /* Header lines as curl wants them, pointing into the request: "Expect:" first, then its own. */
    struct curl_slist lines[REQUEST_HEADERS_MAX + 1];
    struct buf head, body; /* of the answer */
    size_t max_head, max_body;
    size_t usual_body; /* max_body, unless the request says otherwise */
    bool too_big;
    bool repeatable;      /* this request may be written twice */
    bool repeat_refused;  /* curl wanted to, and was stopped */
    unsigned written;     /* connections it was (about to be) written to */
    int method;           /* what the handle is set to; -1 = nothing yet */
    bool http2, has_user; /* the same */
    char error[CURL_ERROR_SIZE];
};

/* Sets all that stays the same from request to request. private = CURLINFO_PRIVATE. */
void http_easy_init(struct http_easy *x, const struct http_opts *opts, void *private);
void http_easy_done(struct http_easy *x);

/* Sets the handle up for one request, whose buffers are used in place. */
void http_easy_prepare(struct http_easy *x, const struct request *req, CURLU *url,
                       int64_t timeout_ms);
/* What came of it. The response points into x. */
void http_easy_response(struct http_easy *x, CURLcode rc, int64_t now_ms, struct response *ret);

#endif

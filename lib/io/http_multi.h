/* HTTP transfers over curl_multi's socket API. Only lib/io/http_*.c calls libcurl.
 *
 * Recipe (limits.md): reused easy handles, CURLU parsed once per URL, sockets stay in epoll until
 * curl closes them, finished transfers drained once per loop turn, MAXCONNECTS set, at most 64
 * transfers per multi handle (several handles beyond that, filled in order so that connections
 * stay warm), and never a queue inside curl: the caller asks http_multi_room first. */
#ifndef SENDQ_IO_HTTP_MULTI_H
#define SENDQ_IO_HTTP_MULTI_H

#include "loop.h"
#include "request.h"

struct http_multi;
struct http_transfer;

struct http_opts {
    unsigned max_in_flight;     /* transfers at once, all hosts together */
    size_t max_response_body;   /* 64 KiB: more gives TRANSPORT_TOO_BIG */
    size_t max_response_head;   /* 64 KiB */
    int64_t connect_timeout_ms; /* 10 s */
    const char *ca_file;        /* CA bundle; NULL = the system's */
    const char *user_agent;     /* "sendq/<version>" */
    bool verify_tls;            /* true; false only in tests */
};

/* Runs once per transfer, in the loop, after the transfer has left curl; a new transfer may be
 * started from inside. The response and all it points to are valid during the call only. */
typedef void (*http_done_cb)(const struct response *r, void *arg);

/* Keeps copies of what opts points to. */
struct http_multi *http_multi_new(struct loop *loop, const struct http_opts *opts);
/* Aborts what runs: callbacks with TRANSPORT_LOST, or _NOT_SENT where no byte had been written.
 * Not from inside a callback. NULL is fine. */
void http_multi_free(struct http_multi *h);

unsigned http_multi_in_flight(const struct http_multi *h);
unsigned http_multi_room(const struct http_multi *h);

/* Starts a transfer. Only http and https; redirects are not followed, proxies and netrc ignored.
 * The request's buffers must stay alive and unchanged until the callback (they are not copied:
 * 25 MB bodies). SQ_ERR_STATE when there is no room; SQ_ERR_INVALID for a URL curl refuses: the
 * callback is not called then. */
enum sq_err http_multi_start(struct http_multi *h, const struct request *req, int64_t timeout_ms,
                             http_done_cb cb, void *arg, struct err_text *e) SQ_MUST_CHECK;

#endif

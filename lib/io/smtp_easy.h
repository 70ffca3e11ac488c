/* One reusable curl easy handle for SMTP. Private to lib/io. */
#ifndef SENDQ_IO_SMTP_EASY_H
#define SENDQ_IO_SMTP_EASY_H

#include "http_multi.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#define SMTP_SOCKETS 8

struct smtp_easy {
    CURL *curl;
    const atomic_bool *closing; /* gives up as soon as it sees that */
    pthread_mutex_t lock;       /* of sockets: a closed one's number may be somebody else's */
    int sockets[SMTP_SOCKETS];  /* -1 = none */
    const struct request *req;
    struct curl_slist *rcpt; /* points into the request */
    size_t at;               /* bytes of the mail that curl took */
    bool whole;              /* that was all: from now on the server may have taken it */
    bool in_mail;            /* MAIL was said: a refusal from now on ends the connection */
    bool reply_ended;        /* the next line begins a new reply */
    struct buf reply;        /* the last reply's lines */
    char error[CURL_ERROR_SIZE];
};

void smtp_easy_init(struct smtp_easy *x, const struct http_opts *opts, const atomic_bool *closing);
void smtp_easy_done(struct smtp_easy *x);
/* Sets the handle up for one request, whose buffers are used in place. */
void smtp_easy_prepare(struct smtp_easy *x, const struct request *req, int64_t timeout_ms);
/* Ends its connections, under curl's hands; from any thread. */
void smtp_easy_cut(struct smtp_easy *x);
/* What came of it. The response points into x. */
void smtp_easy_response(struct smtp_easy *x, CURLcode rc, int64_t now_ms, struct response *ret);

#endif

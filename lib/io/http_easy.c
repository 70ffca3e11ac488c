/* One reusable curl easy handle: its options, the request it carries, the answer it collects.
 *
 * Was it sent? CURLINFO_REQUEST_SIZE counts the request bytes the socket (or TLS) took, over all
 * connections of a transfer. 0 means that nothing left: DNS, connect and TLS failures, and
 * timeouts before them. Anything else without a whole answer is LOST.
 *
 * Curl repeats a request by itself, on a new connection, POST included, when a kept-alive
 * connection is closed before the first byte of an answer (Curl_retry_request; up to 5 times). If
 * the server had read the request before it closed, that is a duplicate nobody knows of. Curl
 * calls CURLOPT_PREREQFUNCTION before each writing, so the second one is stopped there, unless
 * nothing of the first has left or a repeat does no harm. The transfer is then LOST, and the
 * message's own rule for that decides. Such races stay rare: curl looks at a parked connection
 * before using it again, and those idle for longer than MAX_IDLE_S are not used again. */
#include "http_easy.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IDLE_S 50L      /* many servers and load balancers close after 60 s */
#define MAX_LIFETIME_S 600L /* then a name is resolved anew, for balancing and failover */
#define DNS_CACHE_S 300L    /* each lookup costs a thread (limits.md 2) */

/* ---- callbacks ---- */

/* Appends as much as the cap allows; false when it was not all. */
static bool collect(struct buf *b, size_t max, const char *p, size_t n)
{
    size_t room = max - b->len;

    buf_add(b, p, n < room ? n : room);
    return n <= room;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct http_easy *x = arg;

    if (collect(&x->body, x->max_body, p, size * count))
        return size * count;
    x->too_big = true;
    return 0; /* ends the transfer */
}

/* Keeps the lines of the last head (1xx heads come before it), without the status line. */
static size_t on_head(char *p, size_t size, size_t count, void *arg)
{
    struct http_easy *x = arg;
    size_t n = size * count;

    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
        buf_clear(&x->head);
        return n;
    }
    if (n <= 2 || collect(&x->head, x->max_head, p, n))
        return n;
    x->too_big = true;
    return 0;
}

/* True once any byte of the request may have left. What curl counts is only of this transfer when
 * that has begun: before, it is still the last one's. */
static bool is_sent(const struct http_easy *x)
{
    long bytes = 0;

    if (x->written > 0)
        curl_easy_getinfo(x->curl, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes != 0;
}

/* Just before the request is written to a connection. */
static int on_write(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    struct http_easy *x = arg;

    (void)peer;
    (void)local;
    (void)peer_port;
    (void)local_port;
    x->repeat_refused = !x->repeatable && is_sent(x);
    x->written++;
    return x->repeat_refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- options ---- */

/* A curl without one of these options is not one we can be safe with. */
static void must(CURLcode rc)
{
    if (rc != CURLE_OK)
        abort();
}

/* Nothing of the environment, the server's answer or the URL may send a request elsewhere. */
static void set_safety(CURL *c, const struct http_opts *o)
{
    must(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https"));
    must(curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L));
    must(curl_easy_setopt(c, CURLOPT_PROXY, ""));
    must(curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
    must(curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2));
    must(curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, o->verify_tls ? 1L : 0L));
    must(curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, o->verify_tls ? 2L : 0L));
    if (o->ca_file != NULL)
        must(curl_easy_setopt(c, CURLOPT_CAINFO, o->ca_file));
}

static void set_connection(CURL *c, const struct http_opts *o)
{
    must(curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
    must(curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L)); /* never wait for a resolver thread */
    must(curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_S));
    must(curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, MAX_IDLE_S));
    must(curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, MAX_LIFETIME_S));
    must(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms));
    must(curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1));
    if (o->user_agent != NULL)
        must(curl_easy_setopt(c, CURLOPT_USERAGENT, o->user_agent));
}

static void set_callbacks(struct http_easy *x, void *private)
{
    CURL *c = x->curl;

    must(curl_easy_setopt(c, CURLOPT_PRIVATE, private));
    must(curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->error));
    must(curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body));
    must(curl_easy_setopt(c, CURLOPT_WRITEDATA, x));
    must(curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_head));
    must(curl_easy_setopt(c, CURLOPT_HEADERDATA, x));
    must(curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_write));
    must(curl_easy_setopt(c, CURLOPT_PREREQDATA, x));
    must(curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->lines));
}

void http_easy_init(struct http_easy *x, const struct http_opts *opts, void *private)
{
    x->curl = curl_easy_init();
    if (x->curl == NULL)
        abort();
    x->max_head = opts->max_response_head;
    x->usual_body = x->max_body = opts->max_response_body;
    x->head.max = x->max_head + 1;
    x->body.max = x->max_body + 1;
    x->method = -1;
    x->lines[0].data = (char *)"Expect:"; /* never wait for a 100 before a large body */
    set_safety(x->curl, opts);
    set_connection(x->curl, opts);
    set_callbacks(x, private);
}

void http_easy_done(struct http_easy *x)
{
    curl_easy_cleanup(x->curl);
    buf_free(&x->head);
    buf_free(&x->body);
}

/* ---- one request ---- */

static void set_method(struct http_easy *x, enum http_method method)
{
    static const char *const names[HTTP_METHOD_COUNT] = {
        [HTTP_PUT] = "PUT", [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE"};

    if (x->method == (int)method)
        return;
    x->method = (int)method;
    curl_easy_setopt(x->curl, CURLOPT_CUSTOMREQUEST, names[method]); /* NULL: curl's own */
    if (method == HTTP_GET)
        curl_easy_setopt(x->curl, CURLOPT_HTTPGET, 1L);
}

static void set_user(struct http_easy *x, const struct buf *userpwd)
{
    bool has_user = userpwd->len > 0;

    if (has_user || x->has_user)
        must(curl_easy_setopt(x->curl, CURLOPT_USERPWD, has_user ? buf_str(userpwd) : NULL));
    x->has_user = has_user;
}

static void set_version(struct http_easy *x, bool http2)
{
    if (x->http2 == http2)
        return;
    x->http2 = http2;
    /* Wait for the first connection to say what it speaks, rather than open one each meanwhile. */
    curl_easy_setopt(x->curl, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
    curl_easy_setopt(x->curl, CURLOPT_HTTP_VERSION,
                     http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
}

/* The list is made of the lines where they are; curl only reads it, from the same first node. */
static void set_lines(struct http_easy *x, const struct request *req)
{
    char *line = req->head.data;

    for (unsigned i = 0; i < req->header_count; i++) {
        x->lines[i].next = &x->lines[i + 1];
        x->lines[i + 1].data = line;
        line += strlen(line) + 1;
    }
    x->lines[req->header_count].next = NULL;
}

/* What one large answer took is given back with the next request. */
static void set_room(struct http_easy *x, const struct request *req)
{
    buf_clear(&x->head);
    if (x->body.cap > x->usual_body + 2)
        buf_free(&x->body);
    buf_clear(&x->body);
    x->max_body = req->max_answer > 0 ? req->max_answer : x->usual_body;
    x->body.max = x->max_body + 1;
}

void http_easy_prepare(struct http_easy *x, const struct request *req, CURLU *url,
                       int64_t timeout_ms)
{
    x->too_big = x->repeat_refused = false;
    x->written = 0;
    x->repeatable = req->idempotent || (req->method != HTTP_POST && req->method != HTTP_PATCH);
    x->error[0] = '\0';
    set_room(x, req);
    curl_easy_setopt(x->curl, CURLOPT_CURLU, url);
    curl_easy_setopt(x->curl, CURLOPT_TIMEOUT_MS, timeout_ms > 0 ? (long)timeout_ms : 1L);
    if (req->method != HTTP_GET) { /* makes it a POST by itself */
        curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, buf_str(&req->body));
        curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
    }
    set_method(x, req->method);
    set_version(x, req->http2);
    set_user(x, &req->userpwd);
    set_lines(x, req);
}

/* ---- its outcome ---- */

static enum transport classify(const struct http_easy *x, CURLcode rc)
{
    if (x->too_big)
        return TRANSPORT_TOO_BIG;
    if (rc == CURLE_OK)
        return TRANSPORT_OK;
    return is_sent(x) ? TRANSPORT_LOST : TRANSPORT_NOT_SENT;
}

static const char *describe(const struct http_easy *x, CURLcode rc)
{
    if (x->too_big)
        return "the answer is larger than allowed";
    if (x->repeat_refused)
        return "the connection was closed before an answer came";
    return x->error[0] != '\0' ? x->error : curl_easy_strerror(rc);
}

void http_easy_response(struct http_easy *x, CURLcode rc, int64_t now_ms, struct response *ret)
{
    long status = 0;
    const char *text;

    if (is_sent(x))
        curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    ret->transport = classify(x, rc);
    ret->status = status >= 200 ? (int)status : 0; /* 1xx is no answer yet */
    ret->body = buf_str(&x->body);
    ret->body_len = x->body.len;
    ret->head = buf_str(&x->head);
    ret->now_ms = now_ms;
    ret->error[0] = '\0';
    if (ret->transport == TRANSPORT_OK)
        return;
    text = describe(x, rc);
    snprintf(ret->error, sizeof(ret->error), "%.*s", (int)text_cut(text, sizeof(ret->error) - 1),
             text);
}

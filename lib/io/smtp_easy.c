/* SMTP by curl: what it is told, and what its replies mean for the transport.
 *
 * Curl ends a refused transaction by a QUIT whose answer it waits for. So the connection is cut as
 * soon as a refusal has come: curl would not use it again anyway. */
#include "smtp_easy.h"

#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_MAX 4096
#define MAX_IDLE_S 30L      /* servers close idle connections after minutes, some sooner */
#define MAX_CONNECTIONS 2L  /* that one handle keeps */
#define MAX_LIFETIME_S 600L /* so that a new address of the server is noticed */

static void must(CURLcode rc)
{
    if (rc != CURLE_OK)
        abort();
}

/* --- curl's callbacks --- */

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct smtp_easy *x = arg;
    const struct buf *mail = &x->req->body;
    size_t n = size * count, left = mail->len - x->at;

    if (n > left)
        n = left;
    if (n > 0)
        memcpy(to, mail->data + x->at, n);
    x->at += n;
    x->whole = x->at == mail->len;
    return n;
}

/* One line of a reply: "250-..." goes on, "250 ..." ends it. */
static size_t on_line(char *line, size_t size, size_t count, void *arg)
{
    struct smtp_easy *x = arg;
    size_t n = size * count;

    if (x->reply_ended)
        buf_clear(&x->reply);
    x->reply_ended = n < 4 || line[3] != '-';
    if (x->reply.len + n <= REPLY_MAX)
        buf_add(&x->reply, line, n);
    if (x->in_mail && x->reply_ended && n > 0 && (line[0] == '4' || line[0] == '5'))
        smtp_easy_cut(x);
    return n;
}

static int on_debug(CURL *curl, curl_infotype type, char *data, size_t size, void *arg)
{
    struct smtp_easy *x = arg;

    (void)curl;
    if (type == CURLINFO_HEADER_OUT && size >= 5 && memcmp(data, "MAIL ", 5) == 0)
        x->in_mail = true;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct smtp_easy *x = arg;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(x->closing) ? 1 : 0;
}

/* Puts one in the place of the other. */
static void note_socket(struct smtp_easy *x, int old, int new)
{
    for (size_t i = 0; i < SMTP_SOCKETS; i++) {
        if (x->sockets[i] == old) {
            x->sockets[i] = new;
            return;
        }
    }
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct smtp_easy *x = arg;
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

    (void)purpose;
    pthread_mutex_lock(&x->lock);
    if (fd >= 0)
        note_socket(x, -1, fd);
    pthread_mutex_unlock(&x->lock);
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct smtp_easy *x = arg;
    int status;

    pthread_mutex_lock(&x->lock);
    note_socket(x, fd, -1);
    status = close(fd);
    pthread_mutex_unlock(&x->lock);
    return status;
}

void smtp_easy_cut(struct smtp_easy *x)
{
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < SMTP_SOCKETS; i++)
        if (x->sockets[i] >= 0)
            shutdown(x->sockets[i], SHUT_RDWR);
    pthread_mutex_unlock(&x->lock);
}

/* --- the handle --- */

static void set_safety(CURL *c, const struct http_opts *o)
{
    must(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps"));
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
    must(curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L));
    must(curl_easy_setopt(c, CURLOPT_MAXCONNECTS, MAX_CONNECTIONS));
    must(curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, MAX_IDLE_S));
    must(curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, MAX_LIFETIME_S));
    must(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms));
    must(curl_easy_setopt(c, CURLOPT_UPLOAD, 1L));
    must(curl_easy_setopt(c, CURLOPT_SASL_IR, 1L)); /* log in by one round trip, RFC 4954 4 */
}

static void set_callbacks(struct smtp_easy *x)
{
    CURL *c = x->curl;

    must(curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open));
    must(curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, x));
    must(curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, on_close));
    must(curl_easy_setopt(c, CURLOPT_CLOSESOCKETDATA, x));
    must(curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress));
    must(curl_easy_setopt(c, CURLOPT_XFERINFODATA, x));
    must(curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L));
    must(curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->error));
    must(curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read));
    must(curl_easy_setopt(c, CURLOPT_READDATA, x));
    must(curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body));
    must(curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_line));
    must(curl_easy_setopt(c, CURLOPT_HEADERDATA, x));
    must(curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, on_debug));
    must(curl_easy_setopt(c, CURLOPT_DEBUGDATA, x));
    must(curl_easy_setopt(c, CURLOPT_VERBOSE, 1L)); /* without it on_debug hears nothing */
}

void smtp_easy_init(struct smtp_easy *x, const struct http_opts *opts, const atomic_bool *closing)
{
    x->curl = curl_easy_init();
    if (x->curl == NULL)
        abort();
    x->closing = closing;
    pthread_mutex_init(&x->lock, NULL);
    for (size_t i = 0; i < SMTP_SOCKETS; i++)
        x->sockets[i] = -1;
    set_safety(x->curl, opts);
    set_connection(x->curl, opts);
    set_callbacks(x);
}

void smtp_easy_done(struct smtp_easy *x)
{
    smtp_easy_cut(x); /* a QUIT would wait for its answer */
    curl_easy_cleanup(x->curl);
    pthread_mutex_destroy(&x->lock);
    curl_slist_free_all(x->rcpt);
    buf_free(&x->reply);
}

/* --- one transaction --- */

static void set_envelope(struct smtp_easy *x, const struct smtp_envelope *smtp)
{
    const char *address = smtp->addresses.data;

    curl_easy_setopt(x->curl, CURLOPT_MAIL_FROM, address);
    curl_slist_free_all(x->rcpt);
    x->rcpt = NULL;
    for (unsigned i = 0; i < smtp->rcpt_count; i++) {
        struct curl_slist *more;

        address += strlen(address) + 1;
        more = curl_slist_append(x->rcpt, address);
        if (more == NULL)
            abort();
        x->rcpt = more;
    }
    curl_easy_setopt(x->curl, CURLOPT_MAIL_RCPT, x->rcpt);
}

/* NULL takes away what the last request set. */
static void set_login(struct smtp_easy *x, const struct request *req)
{
    const struct smtp_envelope *smtp = &req->smtp;
    bool bearer = smtp->bearer.len > 0;

    curl_easy_setopt(x->curl, CURLOPT_USERPWD, req->userpwd.len ? buf_str(&req->userpwd) : NULL);
    curl_easy_setopt(x->curl, CURLOPT_XOAUTH2_BEARER, bearer ? buf_str(&smtp->bearer) : NULL);
    /* Else curl might try a password, which there is none, by another mechanism first. */
    curl_easy_setopt(x->curl, CURLOPT_LOGIN_OPTIONS, bearer ? "AUTH=XOAUTH2" : NULL);
    curl_easy_setopt(x->curl, CURLOPT_USE_SSL,
                     smtp->plain ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
}

void smtp_easy_prepare(struct smtp_easy *x, const struct request *req, int64_t timeout_ms)
{
    x->req = req;
    x->at = 0;
    x->whole = x->in_mail = x->reply_ended = false;
    x->error[0] = '\0';
    buf_clear(&x->reply);
    curl_easy_setopt(x->curl, CURLOPT_URL, buf_str(&req->url));
    curl_easy_setopt(x->curl, CURLOPT_TIMEOUT_MS, timeout_ms > 0 ? (long)timeout_ms : 1L);
    curl_easy_setopt(x->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->body.len);
    set_envelope(x, &req->smtp);
    set_login(x, req);
}

/* A refusal is an answer, whatever curl calls it; so is 250 to the mail's end. */
static enum transport transport_of(const struct smtp_easy *x, CURLcode rc, long code)
{
    if (rc == CURLE_OK)
        return TRANSPORT_OK;
    if (code >= 400 && code < 600 && rc != CURLE_OPERATION_TIMEDOUT)
        return TRANSPORT_OK;
    return x->whole ? TRANSPORT_LOST : TRANSPORT_NOT_SENT;
}

void smtp_easy_response(struct smtp_easy *x, CURLcode rc, int64_t now_ms, struct response *ret)
{
    const char *text = x->error[0] != '\0' ? x->error : curl_easy_strerror(rc);
    long code = 0;

    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &code);
    ret->transport = transport_of(x, rc, code);
    ret->status = ret->transport == TRANSPORT_OK ? (int)code : 0;
    ret->body = buf_str(&x->reply);
    ret->body_len = x->reply.len;
    ret->head = "";
    ret->now_ms = now_ms;
    ret->error[0] = '\0';
    if (ret->transport != TRANSPORT_OK)
        snprintf(ret->error, sizeof(ret->error), "%.*s",
                 (int)text_cut(text, sizeof(ret->error) - 1), text);
    x->req = NULL;
}

/* TLS between two sockets: net is the server's, plain our end of the pair. One step moves what can
 * be moved without waiting, and says what to wait for. The handshake is part of the first ones. */
#include "tls_pipe.h"

#include "buf.h"
#include "loop.h"
#include "name_lookup.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 16384 /* a TLS record's size */

/* What one direction has read and not yet written. */
struct held {
    char data[CHUNK];
    size_t from, to;
};

struct tls_pipe {
    SSL *ssl;
    int net, plain;
    struct held up, down;
    bool over;
    char error[160];
    struct event *ev[4]; /* joined to a loop: net readable, writable, plain readable, writable */
    pthread_t thread;
    bool has_thread;
};

/* What a step waits for. */
enum { NET_READ = 1, NET_WRITE = 2, PLAIN_READ = 4, PLAIN_WRITE = 8 };

/* --- set-up --- */

static enum sq_err openssl_error(const char *what, const char *path, struct err_text *e)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return err_set(e, SQ_ERR_INVALID, "TLS: %s%s%s: %s", what, *path ? " " : "", path,
                   reason != NULL ? reason : "refused");
}

static enum sq_err load_files(SSL_CTX *ctx, const struct redis_tls *t, struct err_text *e)
{
    const char *key = t->key_file[0] != '\0' ? t->key_file : t->cert_file;

    if (t->ca_file[0] == '\0' && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return openssl_error("the system's CA certificates", "", e);
    if (t->ca_file[0] != '\0' && SSL_CTX_load_verify_locations(ctx, t->ca_file, NULL) != 1)
        return openssl_error("cannot use the CA file", t->ca_file, e);
    if (t->cert_file[0] != '\0' && SSL_CTX_use_certificate_chain_file(ctx, t->cert_file) != 1)
        return openssl_error("cannot use the certificate", t->cert_file, e);
    if (t->cert_file[0] != '\0' && SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return openssl_error("cannot use the key", key, e);
    return SQ_OK;
}

/* An address has to stand in the certificate as one, a name as a name. */
static bool expect_name(SSL *ssl, const char *name)
{
    if (name_is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static enum sq_err make_ssl(const struct redis_tls *t, const char *name, SSL **ret,
                            struct err_text *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    enum sq_err err;
    SSL *ssl;

    if (ctx == NULL)
        abort(); /* no memory */
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    err = load_files(ctx, t, e);
    ssl = err == SQ_OK ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx);
    if (err != SQ_OK)
        return err;
    if (ssl == NULL)
        abort();
    if (!expect_name(ssl, name)) {
        SSL_free(ssl);
        return openssl_error("cannot verify the name", name, e);
    }
    SSL_set_connect_state(ssl);
    *ret = ssl;
    return SQ_OK;
}

static void make_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* The connection's socket moves to a new number, one end of a pair takes its place. */
static bool swap_sockets(struct tls_pipe *p, int fd)
{
    int flags = fcntl(fd, F_GETFL), pair[2];

    p->net = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (flags < 0 || p->net < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    p->plain = pair[1];
    if (dup3(pair[0], fd, O_CLOEXEC) < 0) {
        close(pair[0]);
        return false;
    }
    close(pair[0]);
    fcntl(fd, F_SETFL, flags);
    make_nonblocking(p->net);
    make_nonblocking(p->plain);
    return SSL_set_fd(p->ssl, p->net) == 1;
}

enum sq_err tls_pipe_new(const struct redis_tls *tls, const char *name, struct tls_pipe **ret,
                         struct err_text *e)
{
    struct tls_pipe *p;
    SSL *ssl;
    enum sq_err err = make_ssl(tls, tls->server_name[0] != '\0' ? tls->server_name : name, &ssl, e);

    if (err != SQ_OK)
        return err;
    p = mem_zalloc(sizeof(*p));
    p->ssl = ssl;
    p->net = p->plain = -1;
    *ret = p;
    return SQ_OK;
}

/* What is written to the connection after a failure must not leave: it is ended. */
void tls_pipe_begin(struct tls_pipe *p, int fd)
{
    if (swap_sockets(p, fd))
        return;
    snprintf(p->error, sizeof(p->error), "TLS: no sockets: %s", strerror(errno));
    p->over = true;
    shutdown(fd, SHUT_RDWR);
}

/* --- moving --- */

/* Ends both sides: who reads the plain one sees the end of the connection. */
static unsigned end(struct tls_pipe *p)
{
    p->over = true;
    shutdown(p->plain, SHUT_RDWR);
    shutdown(p->net, SHUT_RDWR);
    return 0;
}

static void keep_error(struct tls_pipe *p)
{
    long verdict = SSL_get_verify_result(p->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    if (verdict != X509_V_OK)
        reason = X509_verify_cert_error_string(verdict);
    snprintf(p->error, sizeof(p->error), "TLS: %s",
             reason != NULL ? reason : "the server closed the connection");
    ERR_clear_error();
}

/* What an SSL call that did nothing waits for. False: it failed. */
static bool ssl_wait(struct tls_pipe *p, int result, unsigned *wait)
{
    switch (SSL_get_error(p->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *wait |= NET_READ;
        return true;
    case SSL_ERROR_WANT_WRITE:
        *wait |= NET_WRITE;
        return true;
    case SSL_ERROR_ZERO_RETURN:
        return false;
    default:
        keep_error(p);
        return false;
    }
}

static bool is_transient(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Plain text to the server. False: over. */
static bool move_up(struct tls_pipe *p, bool *moved, unsigned *wait)
{
    struct held *h = &p->up;
    ssize_t n;

    if (h->from == h->to) {
        h->from = h->to = 0;
        n = recv(p->plain, h->data, CHUNK, 0);
        if (n == 0 || (n < 0 && !is_transient()))
            return false;
        if (n < 0) {
            *wait |= PLAIN_READ;
            return true;
        }
        h->to = (size_t)n;
    }
    n = SSL_write(p->ssl, h->data + h->from, (int)(h->to - h->from));
    if (n <= 0)
        return ssl_wait(p, (int)n, wait);
    h->from += (size_t)n;
    return *moved = true;
}

/* And the other way. */
static bool move_down(struct tls_pipe *p, bool *moved, unsigned *wait)
{
    struct held *h = &p->down;
    ssize_t n;

    if (h->from == h->to) {
        h->from = h->to = 0;
        n = SSL_read(p->ssl, h->data, CHUNK);
        if (n <= 0)
            return ssl_wait(p, (int)n, wait);
        h->to = (size_t)n;
    }
    n = send(p->plain, h->data + h->from, h->to - h->from, MSG_NOSIGNAL);
    if (n < 0 && is_transient()) {
        *wait |= PLAIN_WRITE;
        return true;
    }
    if (n < 0)
        return false;
    h->from += (size_t)n;
    return *moved = true;
}

/* Moves what can be moved. Returns what to wait for; 0 = it is over. */
static unsigned step(struct tls_pipe *p)
{
    unsigned wait;
    bool moved;

    ERR_clear_error();
    do {
        moved = false;
        wait = 0;
        if (!move_up(p, &moved, &wait) || !move_down(p, &moved, &wait))
            return end(p);
    } while (moved);
    return wait;
}

/* --- served by the loop --- */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct tls_pipe *p = arg;
    unsigned wait = p->over ? 0 : step(p);

    (void)fd, (void)what;
    for (int i = 0; i < 4; i++) {
        if (wait & 1u << i)
            event_add(p->ev[i], NULL);
        else
            event_del(p->ev[i]);
    }
}

void tls_pipe_join(struct tls_pipe *p, struct loop *loop)
{
    if (p->over)
        return;
    for (int i = 0; i < 4; i++) {
        p->ev[i] = event_new(loop_base(loop), i < 2 ? p->net : p->plain,
                             i % 2 == 0 ? EV_READ : EV_WRITE, on_event, p);
        if (p->ev[i] == NULL)
            abort();
    }
    event_add(p->ev[1], NULL); /* the server's socket is writable: the handshake begins */
}

/* --- served by a thread --- */

static void *run_thread(void *arg)
{
    struct tls_pipe *p = arg;
    unsigned wait;

    while ((wait = step(p)) != 0) {
        struct pollfd fds[] = {{.fd = p->net}, {.fd = p->plain}};

        fds[0].events = (short)((wait & NET_READ ? POLLIN : 0) | (wait & NET_WRITE ? POLLOUT : 0));
        fds[1].events =
            (short)((wait & PLAIN_READ ? POLLIN : 0) | (wait & PLAIN_WRITE ? POLLOUT : 0));
        poll(fds, 2, -1);
    }
    return NULL;
}

void tls_pipe_run(struct tls_pipe *p)
{
    sigset_t all, before;

    if (p->over)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->has_thread = pthread_create(&p->thread, NULL, run_thread, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!p->has_thread) {
        snprintf(p->error, sizeof(p->error), "TLS: no thread to be had");
        end(p);
    }
}

/* --- life --- */

const char *tls_pipe_error(const struct tls_pipe *p)
{
    return p->error;
}

void tls_pipe_free(struct tls_pipe *p)
{
    if (p == NULL)
        return;
    if (p->has_thread) {
        shutdown(p->plain, SHUT_RDWR); /* wakes it up, ... */
        shutdown(p->net, SHUT_RDWR);   /* ... though the server may never say a word */
        pthread_join(p->thread, NULL);
    } else if (p->ev[0] != NULL && !p->over) {
        (void)step(p); /* the last words: nobody waits for an answer */
    }
    for (int i = 0; i < 4; i++)
        if (p->ev[i] != NULL)
            event_free(p->ev[i]);
    SSL_free(p->ssl);
    if (p->net >= 0)
        close(p->net);
    if (p->plain >= 0)
        close(p->plain);
    free(p);
}

/* A small HTTP server that no client can harm: few connections, one request each, in a few
 * seconds; those beyond wait in the kernel's queue. libevent's evhttp can neither count its
 * connections nor end one that sends a byte a second, which is why it is not used here. */
#include "admin_listen.h"

#include "list.h"
#include "text.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS 32
#define DEADLINE_US 10000000 /* from its first byte to the last of its answer */
#define LINGER_US 1000000    /* after the answer, for the client to close first */
#define HEAD_BYTES 8192
#define ACCEPT_PAUSE_US 1000000 /* after accept failed, for want of descriptors */

struct admin_listen {
    struct loop *loop;
    struct evconnlistener *listener;
    struct timer *pause;
    struct list connections;
    unsigned open;
    admin_request_cb request;
    void *arg;
    char path[108]; /* of the unix socket, or "" */
};

struct connection {
    struct list node;
    struct admin_listen *owner;
    struct bufferevent *socket;
    struct timer *deadline;
    bool answered;
};

/* --- one connection --- */

static void close_connection(struct connection *c)
{
    struct admin_listen *l = c->owner;

    list_del(&c->node);
    timer_free(c->deadline);
    bufferevent_free(c->socket);
    free(c);
    l->open--;
    evconnlistener_enable(l->listener);
}

static void on_deadline(void *arg)
{
    close_connection(arg);
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } all[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {421, "Misdirected Request"},
        {405, "Method Not Allowed"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].status == status)
            return all[i].reason;
    return "";
}

/* The content security policy: nothing from elsewhere, nothing inline. What a job says can never
 * run in the page. */
static void send_answer(struct connection *c, const struct admin_answer *a, bool head_only)
{
    struct evbuffer *out = bufferevent_get_output(c->socket);

    evbuffer_add_printf(out,
                        "HTTP/1.1 %d %s\r\n"
                        "Content-Type: %s\r\n"
                        "Content-Length: %zu\r\n"
                        "Connection: close\r\n"
                        "Cache-Control: no-store\r\n"
                        "X-Content-Type-Options: nosniff\r\n"
                        "Referrer-Policy: no-referrer\r\n"
                        "Content-Security-Policy: default-src 'none'; script-src 'self'; "
                        "style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
                        "form-action 'none'; frame-ancestors 'none'\r\n"
                        "%s\r\n",
                        a->status, reason(a->status), a->type, a->len,
                        a->status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!head_only)
        evbuffer_add(out, a->body, a->len);
    c->answered = true;
}

static void refuse(struct connection *c, int status, const char *why)
{
    const struct admin_answer a = {
        .status = status, .type = "text/plain; charset=utf-8", .body = why, .len = strlen(why)};

    send_answer(c, &a, false);
}

/* The value of the Host field without its port, in place; NULL if there is none. */
static char *find_host(char *fields)
{
    char *host = NULL, *colon;

    for (char *line = fields; host == NULL && line != NULL;) {
        char *end = strstr(line, "\r\n");

        if (end != NULL)
            *end = '\0';
        if (strncasecmp(line, "host:", 5) == 0)
            host = line + 5 + strspn(line + 5, " \t");
        line = end != NULL ? end + 2 : NULL;
    }
    colon = host != NULL ? strrchr(host, ':') : NULL;
    if (colon != NULL && strchr(colon, ']') == NULL)
        *colon = '\0';
    return host;
}

/* "GET /path?query HTTP/1.1" CRLF fields: cut up in place. */
static void take_request(struct connection *c, char *head)
{
    char *fields = strstr(head, "\r\n"), *path = strchr(head, ' ');
    char *version = path != NULL ? strchr(path + 1, ' ') : NULL;
    struct admin_answer answer = {.status = 500};
    bool is_head;

    if (fields == NULL || version == NULL || version > fields || path[1] != '/' ||
        !text_starts(version + 1, "HTTP/1.")) {
        refuse(c, 400, "this is not an HTTP/1 request\n");
        return;
    }
    *path++ = *version = *fields = '\0';
    path[strcspn(path, "?")] = '\0';
    is_head = text_eq(head, "HEAD");
    if (!is_head && !text_eq(head, "GET")) {
        refuse(c, 405, "nothing can be changed here\n");
        return;
    }
    c->owner->request(path, find_host(fields + 2), &answer, c->owner->arg);
    send_answer(c, &answer, is_head);
}

static void on_readable(struct bufferevent *socket, void *arg)
{
    struct connection *c = arg;
    struct evbuffer *in = bufferevent_get_input(socket);
    struct evbuffer_ptr end;
    char head[HEAD_BYTES + 1];
    ev_ssize_t n;

    if (c->answered) {
        evbuffer_drain(in, evbuffer_get_length(in));
        return;
    }
    end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0 && evbuffer_get_length(in) < HEAD_BYTES)
        return;
    if (end.pos < 0) {
        refuse(c, 431, "the request is too long\n");
        return;
    }
    n = evbuffer_remove(in, head, (size_t)end.pos + 2);
    head[n > 0 ? n : 0] = '\0';
    if (n <= 0 || memchr(head, '\0', (size_t)n) != NULL)
        refuse(c, 400, "this is not an HTTP/1 request\n");
    else
        take_request(c, head);
}

/* All of the answer is on its way. A close now, with bytes unread, could take it back. */
static void on_written(struct bufferevent *socket, void *arg)
{
    struct connection *c = arg;

    if (!c->answered)
        return;
    shutdown(bufferevent_getfd(socket), SHUT_WR);
    timer_set_us(c->deadline, LINGER_US);
}

static void on_end(struct bufferevent *socket, short what, void *arg)
{
    (void)socket, (void)what;
    close_connection(arg);
}

/* --- accepting --- */

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                        int len, void *arg)
{
    struct admin_listen *l = arg;
    struct connection *c = mem_zalloc(sizeof(*c));

    (void)from, (void)len;
    c->owner = l;
    c->socket = bufferevent_socket_new(loop_base(l->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->socket == NULL)
        abort(); /* no memory */
    c->deadline = timer_new(l->loop, on_deadline, c);
    timer_set_us(c->deadline, DEADLINE_US);
    bufferevent_setcb(c->socket, on_readable, on_written, on_end, c);
    bufferevent_setwatermark(c->socket, EV_READ, 0, HEAD_BYTES);
    bufferevent_enable(c->socket, EV_READ | EV_WRITE);
    list_add_tail(&l->connections, &c->node);
    if (++l->open == CONNECTIONS)
        evconnlistener_disable(listener);
}

static void on_accept_failed(struct evconnlistener *listener, void *arg)
{
    struct admin_listen *l = arg;

    evconnlistener_disable(listener);
    timer_set_us(l->pause, ACCEPT_PAUSE_US);
}

static void on_pause_over(void *arg)
{
    struct admin_listen *l = arg;

    if (l->open < CONNECTIONS)
        evconnlistener_enable(l->listener);
}

/* --- addresses --- */

struct address {
    struct sockaddr_storage to;
    int len;
};

static enum sq_err parse_unix(const char *path, struct address *ret, struct err_text *e)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&ret->to;

    if (strlen(path) >= sizeof(un->sun_path))
        return err_set(e, SQ_ERR_INVALID, "the path is too long");
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path) + 1);
    ret->len = sizeof(*un);
    return SQ_OK;
}

static enum sq_err parse_inet(const char *where, struct address *ret, struct err_text *e)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&ret->to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->to;
    const char *colon = strrchr(where, ':');
    char host[64];
    int64_t port;

    if (colon == NULL || text_to_i64(colon + 1, &port) != SQ_OK || port < 0 || port > 65535)
        return err_set(e, SQ_ERR_INVALID, "expected an address and a port");
    snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
    if (evutil_inet_pton(AF_INET, text_eq(host, "localhost") ? "127.0.0.1" : host, &in->sin_addr) ==
        1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        ret->len = sizeof(*in);
        return SQ_OK;
    }
    host[strcspn(host, "]")] = '\0';
    if (host[0] != '[' || evutil_inet_pton(AF_INET6, host + 1, &in6->sin6_addr) != 1)
        return err_set(e, SQ_ERR_INVALID, "not an IP address");
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    ret->len = sizeof(*in6);
    return SQ_OK;
}

/* Removes a socket that nobody listens on: its owner was killed. */
static void remove_stale(const struct address *a, const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd < 0)
        return;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(fd, (const struct sockaddr *)&a->to, (socklen_t)a->len) < 0 &&
        errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

static void tell_bound(const struct admin_listen *l, char ret[ADMIN_BOUND])
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);
    char host[64] = "";

    if (l->path[0] != '\0') {
        snprintf(ret, ADMIN_BOUND, "unix:%s", l->path);
        return;
    }
    getsockname(evconnlistener_get_fd(l->listener), (struct sockaddr *)&at, &len);
    if (at.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&at;

        evutil_inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(ret, ADMIN_BOUND, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&at;

        evutil_inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(ret, ADMIN_BOUND, "%s:%u", host, ntohs(in->sin_port));
    }
}

/* --- life --- */

static enum sq_err bind_to(struct admin_listen *l, const char *where, struct err_text *e)
{
    const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
    const char *path = text_starts(where, "unix:") ? where + 5 : NULL;
    struct address a = {.len = 0};
    enum sq_err err = path != NULL ? parse_unix(path, &a, e) : parse_inet(where, &a, e);

    if (err != SQ_OK)
        return err;
    if (path != NULL)
        remove_stale(&a, path);
    l->listener = evconnlistener_new_bind(loop_base(l->loop), on_accepted, l, flags, 16,
                                          (struct sockaddr *)&a.to, a.len);
    if (l->listener == NULL)
        return err_set(e, SQ_ERR_IO, "%s", strerror(errno));
    if (path != NULL) {
        snprintf(l->path, sizeof(l->path), "%s", path);
        (void)!chmod(path, 0660); /* the service's group may look */
    }
    return SQ_OK;
}

enum sq_err admin_listen_new(struct loop *loop, const char *where, admin_request_cb request,
                             void *arg, struct admin_listen **ret, char ret_bound[ADMIN_BOUND],
                             struct err_text *e)
{
    struct admin_listen *l = mem_zalloc(sizeof(*l));
    enum sq_err err;

    l->loop = loop;
    l->request = request;
    l->arg = arg;
    list_init(&l->connections);
    err = bind_to(l, where, e);
    if (err != SQ_OK) {
        free(l);
        return err;
    }
    l->pause = timer_new(loop, on_pause_over, l);
    evconnlistener_set_error_cb(l->listener, on_accept_failed);
    tell_bound(l, ret_bound);
    *ret = l;
    return SQ_OK;
}

void admin_listen_free(struct admin_listen *l)
{
    if (l == NULL)
        return;
    LIST_EACH(node, &l->connections)
    close_connection(LIST_ENTRY(node, struct connection, node));
    if (l->path[0] != '\0')
        unlink(l->path); /* before the socket closes: after it, the path may be another's */
    evconnlistener_free(l->listener);
    timer_free(l->pause);
    free(l);
}

/* An HTTP server in the test's own loop whose misbehaviour the path asks for. */
#ifndef SENDQ_TESTS_HTTP_PEER_H
#define SENDQ_TESTS_HTTP_PEER_H

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct peer_connection;

struct peer {
    struct event_base *base;
    struct evconnlistener *listener;
    struct peer_connection *open;
    int port;
    int connections, requests;
    char *last; /* the last request as it came, NUL-terminated */
};

struct peer_connection {
    struct peer *peer;
    struct bufferevent *bev;
    struct peer_connection *next, **prev;
    int requests;
    bool closing; /* when all is written */
};

static inline void peer_drop(struct peer_connection *c, bool reset)
{
    struct linger hard = {.l_onoff = 1};

    if (reset)
        setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    *c->prev = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    bufferevent_free(c->bev);
    free(c);
}

static inline void peer_say(struct peer_connection *c, const char *status, const char *headers,
                            const char *body, size_t len)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);

    evbuffer_add_printf(out, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status, headers, len);
    evbuffer_add(out, body, len);
}

static inline void peer_say_big(struct peer_connection *c, size_t body, size_t head)
{
    char *text = malloc(head + 1 + body);

    memset(text, 'x', head + 1 + body);
    text[head] = '\0';
    if (head > 0) {
        memcpy(text, "X: ", 3);
        memcpy(text + head - 2, "\r\n", 2);
    }
    peer_say(c, "200 OK", text, text + head + 1, body);
    free(text);
}

/* False when the connection is gone. */
static inline bool peer_answer(struct peer_connection *c, const char *path)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);

    if (strcmp(path, "/close") == 0 || (strcmp(path, "/once") == 0 && c->requests > 1)) {
        peer_drop(c, false);
        return false;
    }
    if (strcmp(path, "/reset") == 0) {
        peer_drop(c, true);
        return false;
    }
    if (strcmp(path, "/hang") == 0)
        return true;
    if (strcmp(path, "/half") == 0) {
        evbuffer_add_printf(out, "HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf");
        c->closing = true;
    } else if (strcmp(path, "/garbage") == 0) {
        evbuffer_add_printf(out, "not http at all\r\n\r\n");
        c->closing = true;
    } else if (strcmp(path, "/last") == 0) {
        peer_say(c, "200 OK", "Connection: close\r\n", "last", 4);
        c->closing = true;
    } else if (strcmp(path, "/big") == 0) {
        peer_say_big(c, 100000, 0);
    } else if (strcmp(path, "/bighead") == 0) {
        peer_say_big(c, 2, 5000);
    } else if (strcmp(path, "/redirect") == 0) {
        peer_say(c, "302 Found", "Location: /ok\r\n", "", 0);
    } else if (strncmp(path, "/to?", 4) == 0) {
        evbuffer_add_printf(out, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                            path + 4);
    } else if (strncmp(path, "/status/", 8) == 0) {
        peer_say(c, path + 8, "", "", 0);
    } else if (strcmp(path, "/interim") == 0) {
        evbuffer_add_printf(out, "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n");
        peer_say(c, "429 Too Many Requests", "Retry-After: 7\r\nX-Late: 2\r\n", "slow", 4);
    } else {
        peer_say(c, "200 OK", "Content-Type: text/plain\r\n", path, strlen(path));
    }
    return true;
}

/* Takes one whole request off the buffer; false if there is none yet, or no connection any more. */
static inline bool peer_request(struct peer_connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    size_t head = (size_t)end.pos + 4, body = 0;
    char path[64] = "";
    const char *length;
    char *text;

    if (end.pos < 0)
        return false;
    text = calloc(1, head + 1);
    evbuffer_copyout(in, text, head);
    length = strcasestr(text, "\r\nContent-Length:");
    if (length != NULL)
        body = strtoul(length + 17, NULL, 10);
    free(text);
    if (evbuffer_get_length(in) < head + body)
        return false;
    free(c->peer->last);
    c->peer->last = calloc(1, head + body + 1);
    evbuffer_remove(in, c->peer->last, head + body);
    sscanf(c->peer->last, "%*s %63s", path);
    c->peer->requests++;
    c->requests++;
    return peer_answer(c, path);
}

static inline void peer_on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    while (peer_request(arg))
        ;
}

static inline void peer_on_written(struct bufferevent *bev, void *arg)
{
    struct peer_connection *c = arg;

    if (c->closing && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        peer_drop(c, false);
}

static inline void peer_on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    peer_drop(arg, false);
}

static inline void peer_on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a,
                                  int len, void *arg)
{
    struct peer *p = arg;
    struct peer_connection *c = calloc(1, sizeof(*c));

    (void)l;
    (void)a;
    (void)len;
    p->connections++;
    c->peer = p;
    c->next = p->open;
    c->prev = &p->open;
    if (c->next != NULL)
        c->next->prev = &c->next;
    p->open = c;
    c->bev = bufferevent_socket_new(p->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(c->bev, peer_on_read, peer_on_written, peer_on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static inline void peer_start(struct peer *p, struct event_base *base)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    memset(p, 0, sizeof(*p));
    p->base = base;
    p->listener =
        evconnlistener_new_bind(base, peer_on_accept, p, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                1024, (struct sockaddr *)&a, sizeof(a));
    if (p->listener == NULL ||
        getsockname(evconnlistener_get_fd(p->listener), (struct sockaddr *)&a, &len) != 0)
        abort();
    p->port = ntohs(a.sin_port);
}

static inline void peer_stop(struct peer *p)
{
    for (struct peer_connection *c = p->open, *next; c != NULL; c = next) {
        next = c->next;
        peer_drop(c, false);
    }
    evconnlistener_free(p->listener);
    free(p->last);
}

#endif

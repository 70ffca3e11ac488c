/* Answers, prompt and spoiled.
 *
 * A prompt answer is libevent's own. For anything else the request is held: its connection's
 * bufferevent gets callbacks of ours, which is allowed because evhttp sets its own again with
 * every answer it writes. Reading is switched on meanwhile, so that a client that goes away is
 * noticed at once. A held request ends in one of two ways: evhttp answers it, or its connection
 * is freed, which frees the request too. Both pass through held_finish. */
#include "wire.h"

#include "buf.h"
#include "list.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HELD_READ_MAX ((size_t)64 * 1024) /* what a client may pipeline while it waits */

struct wire {
    struct event_base *base;
    void (*on_done)(void *arg, unsigned tag);
    void *arg;
    struct list held;
};

struct held {
    struct list node;
    struct wire *wire;
    struct wire_plan plan;
    struct evhttp_request *req;
    struct evhttp_connection *con;
    struct event *timer;
    struct evbuffer *rest; /* raw bytes still to be sent, or NULL */
    bool closing;          /* all was written: close when it has left */
};

struct wire *wire_new(struct event_base *base, void (*on_done)(void *arg, unsigned tag), void *arg)
{
    struct wire *w = mem_zalloc(sizeof(*w));

    w->base = base;
    w->on_done = on_done;
    w->arg = arg;
    list_init(&w->held);
    return w;
}

/* A reply without a body: HEAD asks for none, and these statuses have none. */
static bool has_no_body(const struct evhttp_request *req, int status)
{
    return evhttp_request_get_command(req) == EVHTTP_REQ_HEAD || status == 204 || status == 304;
}

static void send_reply(struct evhttp_request *req, int status)
{
    struct evbuffer *body = evhttp_request_get_output_buffer(req);

    if (has_no_body(req, status))
        evbuffer_drain(body, evbuffer_get_length(body));
    evhttp_send_reply(req, status, NULL, NULL);
}

static void held_finish(struct held *h)
{
    struct wire *w = h->wire;
    unsigned tag = h->plan.tag;

    list_del(&h->node);
    if (h->timer)
        event_free(h->timer);
    if (h->rest)
        evbuffer_free(h->rest);
    free(h);
    w->on_done(w->arg, tag);
}

static void held_close(struct held *h)
{
    evhttp_connection_free(h->con);
    held_finish(h);
}

static void held_reply(struct held *h)
{
    bufferevent_setwatermark(evhttp_connection_get_bufferevent(h->con), EV_READ, 0, 0);
    send_reply(h->req, h->plan.status);
    held_finish(h);
}

/* Disconnecting a connected TCP socket by connect(AF_UNSPEC) sends the RST at once. SO_LINGER 0
 * would not do: evhttp shuts the socket down before it closes it, so the client would see an
 * orderly end first. The linger is for unix sockets, where the call is refused. */
static void held_reset(struct held *h)
{
    int fd = (int)bufferevent_getfd(evhttp_connection_get_bufferevent(h->con));
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    (void)connect(fd, &nowhere, sizeof(nowhere));
    held_close(h);
}

/* The answer's bytes as they go over the wire, closing the connection. */
static struct evbuffer *raw_answer(const struct held *h)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(h->req);
    struct evbuffer *body = evhttp_request_get_output_buffer(h->req), *out = evbuffer_new();
    struct evkeyval *kv;

    evbuffer_add_printf(out, "HTTP/1.1 %d Sandbox\r\nConnection: close\r\n", h->plan.status);
    for (kv = headers->tqh_first; kv; kv = kv->next.tqe_next)
        evbuffer_add_printf(out, "%s: %s\r\n", kv->key, kv->value);
    evbuffer_add_printf(out, "Content-Length: %zu\r\n\r\n",
                        evbuffer_get_length(body) + h->plan.missing);
    evbuffer_add_buffer(out, body);
    return out;
}

static void set_timer(struct held *h, int64_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(h->timer, &after);
}

/* Sends up to n of the raw bytes; true when they were the last. */
static bool send_some(struct held *h, size_t n)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(h->con);

    evbuffer_remove_buffer(h->rest, bufferevent_get_output(bev), n);
    h->closing = evbuffer_get_length(h->rest) == 0;
    bufferevent_enable(bev, EV_WRITE);
    return h->closing;
}

static void held_step(struct held *h)
{
    if (!h->rest)
        h->rest = raw_answer(h);
    if (h->plan.mode == WIRE_TRUNCATE)
        send_some(h, evbuffer_get_length(h->rest));
    else if (!send_some(h, h->plan.step))
        set_timer(h, h->plan.tick_ms);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    struct held *h = arg;

    (void)fd;
    (void)what;
    switch (h->plan.mode) {
    case WIRE_REPLY:
        held_reply(h);
        break;
    case WIRE_RESET:
        held_reset(h);
        break;
    case WIRE_TRUNCATE:
    case WIRE_SLOW:
        held_step(h);
        break;
    case WIRE_HANG:
        break;
    }
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct held *h = arg;

    (void)bev;
    if (h->closing)
        held_close(h);
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    held_close(arg);
}

static void hold(struct wire *w, struct evhttp_request *req, const struct wire_plan *plan)
{
    struct held *h = mem_zalloc(sizeof(*h));
    struct bufferevent *bev;

    h->wire = w;
    h->plan = *plan;
    h->req = req;
    h->con = evhttp_request_get_connection(req);
    h->timer = evtimer_new(w->base, on_due, h);
    list_add_tail(&w->held, &h->node);
    bev = evhttp_connection_get_bufferevent(h->con);
    bufferevent_setcb(bev, NULL, on_written, on_gone, h);
    bufferevent_setwatermark(bev, EV_READ, 0, HELD_READ_MAX);
    bufferevent_enable(bev, EV_READ);
    if (plan->mode != WIRE_HANG)
        set_timer(h, plan->delay_ms);
}

void wire_send(struct wire *w, struct evhttp_request *req, const struct wire_plan *plan)
{
    if (plan->mode == WIRE_REPLY && plan->delay_ms == 0) {
        send_reply(req, plan->status);
        w->on_done(w->arg, plan->tag);
        return;
    }
    hold(w, req, plan);
}

void wire_free(struct wire *w)
{
    if (!w)
        return;
    LIST_EACH(node, &w->held)
    held_close(LIST_ENTRY(node, struct held, node));
    free(w);
}

/* Curl's multi handles joined to the loop by the socket API.
 *
 * Sockets stay in epoll between two requests: when curl loses interest in one we only note it, and
 * take it out when curl closes it. As curl tells us of closing only those sockets that we opened
 * for it, just these are kept; any other (the resolver's pipe) leaves at once. A socket number can
 * come back on another multi handle, so the table by number belongs to the wire, not to a lane.
 *
 * A timeout of 0 ("run me soon", once per transfer) runs with this turn's after-work instead of
 * waiting for a timer: a request on a warm connection leaves in the turn it was started in. Longer
 * ones only move our timer when they are earlier than it; a timer that runs early asks again. */
#include "http_wire.h"

#include "buf.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Idle connections a lane keeps for each of its transfers: enough for two hosts. Curl's default
 * depends on how many transfers run just now, so that every lull would close warm connections. */
#define TRANSFER_CONNECTIONS 2

struct http_socket {
    struct http_lane *lane;
    struct event *read_ev, *write_ev;
    bool reading, writing; /* is the event armed? */
    bool kept;             /* opened by us: stays in epoll until curl closes it */
    int want;              /* CURL_POLL_IN | CURL_POLL_OUT; 0 = curl has no interest */
    curl_socket_t fd;
};

struct http_lane {
    struct http_wire *wire;
    CURLM *multi;
    struct timer *timer;
    struct after *kick;
    int64_t timer_due_us; /* what the timer is set to */
    int64_t deadline_us;  /* what curl asked for; -1 = nothing */
    unsigned transfers;
    bool ended; /* has transfers to drain */
};

struct http_wire {
    struct loop *loop;
    struct after *drain;
    struct http_socket **sockets; /* by number */
    size_t socket_count;
    unsigned lane_count;
    struct http_lane lanes[];
};

/* ---- driving curl ---- */

static void lane_act(struct http_lane *lane, curl_socket_t fd, int events)
{
    int running = 0;

    curl_multi_socket_action(lane->multi, fd, events, &running);
    if ((unsigned)running < lane->transfers) {
        lane->ended = true;
        after_request(lane->wire->drain);
    }
}

static void on_kick(void *arg)
{
    lane_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void lane_arm(struct http_lane *lane)
{
    lane->timer_due_us = lane->deadline_us;
    timer_set_us(lane->timer, lane->deadline_us - loop_now_us(lane->wire->loop));
}

static void on_timer(void *arg)
{
    struct http_lane *lane = arg;

    if (lane->deadline_us < 0)
        return;
    if (lane->deadline_us > loop_now_us(lane->wire->loop)) {
        lane_arm(lane);
        return;
    }
    lane->deadline_us = -1;
    lane_act(lane, CURL_SOCKET_TIMEOUT, 0);
}

/* Runs inside curl, so curl must not be called from here. */
static int on_timeout_wanted(CURLM *multi, long ms, void *arg)
{
    struct http_lane *lane = arg;

    (void)multi;
    lane->deadline_us = -1;
    if (ms == 0)
        after_request(lane->kick);
    if (ms <= 0)
        return 0;
    lane->deadline_us = loop_now_us(lane->wire->loop) + (int64_t)ms * 1000;
    if (!timer_is_set(lane->timer) || lane->deadline_us < lane->timer_due_us)
        lane_arm(lane);
    return 0;
}

/* ---- sockets ---- */

static void socket_read(struct http_socket *s, bool on)
{
    if (s->reading == on)
        return;
    s->reading = on;
    if (on)
        event_add(s->read_ev, NULL);
    else
        event_del(s->read_ev);
}

static void socket_write(struct http_socket *s, bool on)
{
    if (s->writing == on)
        return;
    s->writing = on;
    if (on)
        event_add(s->write_ev, NULL);
    else
        event_del(s->write_ev);
}

/* A parked connection that becomes readable was closed by its server (or babbles): curl finds out
 * when it wants to use it again; until then it must not wake us any more. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct http_socket *s = arg;

    (void)what;
    if (s->want & CURL_POLL_IN)
        lane_act(s->lane, fd, CURL_CSELECT_IN);
    else
        socket_read(s, false);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct http_socket *s = arg;

    (void)what;
    lane_act(s->lane, fd, CURL_CSELECT_OUT);
}

static void socket_drop(struct http_wire *w, struct http_socket *s)
{
    w->sockets[s->fd] = NULL;
    event_free(s->read_ev);
    event_free(s->write_ev);
    free(s);
}

static struct http_socket *socket_find(const struct http_wire *w, curl_socket_t fd)
{
    return (size_t)fd < w->socket_count ? w->sockets[fd] : NULL;
}

static void sockets_grow(struct http_wire *w, curl_socket_t fd)
{
    size_t count = (size_t)fd * 2 + 64;

    if ((size_t)fd < w->socket_count)
        return;
    w->sockets = mem_realloc(w->sockets, count * sizeof(void *));
    memset(w->sockets + w->socket_count, 0, (count - w->socket_count) * sizeof(void *));
    w->socket_count = count;
}

static struct http_socket *socket_new(struct http_wire *w, curl_socket_t fd, bool kept)
{
    struct http_socket *s = mem_zalloc(sizeof(*s));
    struct event_base *base = loop_base(w->loop);

    s->fd = fd;
    s->kept = kept;
    s->read_ev = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, s);
    s->write_ev = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, s);
    if (s->read_ev == NULL || s->write_ev == NULL)
        abort();
    sockets_grow(w, fd);
    w->sockets[fd] = s;
    return s;
}

/* Curl tells what it wants to know of a socket. */
static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct http_lane *lane = arg;
    struct http_socket *s = socket_find(lane->wire, fd);

    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL && !s->kept) {
            socket_drop(lane->wire, s);
        } else if (s != NULL) {
            s->want = 0;
            socket_write(s, false); /* would wake us all the time; reading does not */
        }
        return 0;
    }
    if (s == NULL)
        s = socket_new(lane->wire, fd, false);
    s->lane = lane;
    s->want = what;
    if (what & CURL_POLL_IN)
        socket_read(s, true);
    socket_write(s, (what & CURL_POLL_OUT) != 0);
    return 0;
}

curl_socket_t http_wire_open(struct http_wire *w, const struct curl_sockaddr *a)
{
    curl_socket_t fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    struct http_socket *stale;

    if (fd < 0)
        return CURL_SOCKET_BAD;
    stale = socket_find(w, fd);
    if (stale != NULL) /* closed behind our back: its events would shadow the new socket's */
        socket_drop(w, stale);
    socket_new(w, fd, true);
    return fd;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    return http_wire_open(arg, a);
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct http_wire *w = arg;
    struct http_socket *s = socket_find(w, fd);

    if (s != NULL)
        socket_drop(w, s);
    return close(fd);
}

void http_wire_prepare(struct http_wire *w, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, w);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, w);
}

/* ---- transfers ---- */

struct http_lane *http_wire_add(struct http_wire *w, CURL *easy)
{
    for (unsigned i = 0; i < w->lane_count; i++) {
        struct http_lane *lane = &w->lanes[i];

        if (lane->transfers == HTTP_LANE_TRANSFERS)
            continue;
        if (curl_multi_add_handle(lane->multi, easy) != CURLM_OK)
            return NULL;
        lane->transfers++;
        return lane;
    }
    return NULL;
}

void http_wire_remove(struct http_lane *lane, CURL *easy)
{
    curl_multi_remove_handle(lane->multi, easy);
    lane->transfers--;
}

/* Reads all messages first: removing a handle walks the messages not yet read. */
static size_t lane_drain(struct http_lane *lane, struct http_ended *ret)
{
    const CURLMsg *m;
    size_t n = 0;
    int left;

    lane->ended = false;
    while ((m = curl_multi_info_read(lane->multi, &left)) != NULL)
        if (m->msg == CURLMSG_DONE)
            ret[n++] = (struct http_ended){m->easy_handle, m->data.result};
    for (size_t i = 0; i < n; i++)
        http_wire_remove(lane, ret[i].easy);
    return n;
}

size_t http_wire_drain(struct http_wire *w, struct http_ended *ret)
{
    size_t n = 0;

    for (unsigned i = 0; i < w->lane_count; i++)
        if (w->lanes[i].ended)
            n += lane_drain(&w->lanes[i], ret + n);
    return n;
}

/* ---- life ---- */

static void lane_init(struct http_lane *lane, struct http_wire *w, unsigned transfers)
{
    lane->wire = w;
    lane->deadline_us = -1;
    lane->timer = timer_new(w->loop, on_timer, lane);
    lane->kick = after_new(w->loop, on_kick, lane);
    lane->multi = curl_multi_init();
    if (lane->multi == NULL)
        abort();
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)transfers * TRANSFER_CONNECTIONS);
}

struct http_wire *http_wire_new(struct loop *loop, unsigned max_transfers, timer_cb on_ended,
                                void *arg)
{
    unsigned lanes = (max_transfers + HTTP_LANE_TRANSFERS - 1) / HTTP_LANE_TRANSFERS;
    struct http_wire *w = mem_zalloc(sizeof(*w) + lanes * sizeof(struct http_lane));

    w->loop = loop;
    w->lane_count = lanes;
    w->drain = after_new(loop, on_ended, arg);
    for (unsigned i = 0; i < lanes; i++)
        lane_init(&w->lanes[i], w, lanes > 1 ? HTTP_LANE_TRANSFERS : max_transfers);
    return w;
}

/* Closing the multi handles closes their connections, which still need the table. */
void http_wire_free(struct http_wire *w)
{
    if (w == NULL)
        return;
    for (unsigned i = 0; i < w->lane_count; i++) {
        curl_multi_cleanup(w->lanes[i].multi);
        timer_free(w->lanes[i].timer);
        after_free(w->lanes[i].kick);
    }
    for (size_t fd = 0; fd < w->socket_count; fd++)
        if (w->sockets[fd] != NULL)
            socket_drop(w, w->sockets[fd]);
    after_free(w->drain);
    free(w->sockets);
    free(w);
}

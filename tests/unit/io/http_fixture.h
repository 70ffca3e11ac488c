/* One http_multi, one misbehaving server and one loop for both. */
#ifndef SENDQ_TESTS_HTTP_FIXTURE_H
#define SENDQ_TESTS_HTTP_FIXTURE_H

#include "http_multi.h"
#include "http_peer.h"
#include "loop.h"

struct fixture {
    struct loop *loop;
    struct http_multi *http;
    struct http_opts opts;
    struct timer *guard;
    struct peer peer;
    struct request req;
    /* The last answer, and how many there were. */
    struct response r;
    char body[300000];
    char head[8192];
    int done, stop_at;
    int more; /* to start from inside the callback */
};

static inline void on_guard(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for too long");
}

static inline void fixture_open(struct fixture *f)
{
    f->http = http_multi_new(f->loop, &f->opts);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->loop = loop_new();
    f->guard = timer_new(f->loop, on_guard, f);
    timer_set_us(f->guard, 30 * 1000000);
    peer_start(&f->peer, loop_base(f->loop));
    f->opts = (struct http_opts){.max_in_flight = 200,
                                 .max_response_body = 65536,
                                 .max_response_head = 4096,
                                 .connect_timeout_ms = 10000,
                                 .user_agent = "sendq/test",
                                 .verify_tls = true};
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    http_multi_free(f->http);
    peer_stop(&f->peer);
    request_free(&f->req);
    timer_free(f->guard);
    loop_free(f->loop);
    free(f);
    return 0;
}

static inline void set_url(struct fixture *f, const char *host, int port, const char *path)
{
    buf_clear(&f->req.url);
    buf_addf(&f->req.url, "http://%s:%d%s", host, port, path);
}

static inline void set_path(struct fixture *f, const char *path)
{
    set_url(f, "127.0.0.1", f->peer.port, path);
}

static inline void on_done(const struct response *r, void *arg);

static inline void start(struct fixture *f, int64_t timeout_ms)
{
    struct err_text e = {.text = ""};

    if (http_multi_start(f->http, &f->req, timeout_ms, on_done, f, &e) != SQ_OK)
        fail_msg("%s", e.text);
}

static inline void on_done(const struct response *r, void *arg)
{
    struct fixture *f = arg;

    f->r = *r;
    snprintf(f->head, sizeof(f->head), "%s", r->head);
    snprintf(f->body, sizeof(f->body), "%s", r->body);
    f->done++;
    if (f->more > 0) {
        f->more--;
        start(f, 20000);
    }
    if (f->done == f->stop_at)
        loop_stop(f->loop);
}

static inline void run_for(struct fixture *f, int n)
{
    f->stop_at = f->done + n;
    loop_run(f->loop);
    assert_int_equal(strlen(f->body), f->r.body_len);
}

/* One whole transfer to a path of the peer. */
static inline void get_answer(struct fixture *f, const char *path)
{
    set_path(f, path);
    start(f, 20000);
    run_for(f, 1);
}

static inline void assert_sent(struct fixture *f, const char *text)
{
    if (strstr(f->peer.last, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, f->peer.last);
}

static inline void assert_not_sent(struct fixture *f, const char *text)
{
    if (strcasestr(f->peer.last, text) != NULL)
        fail_msg("\"%s\" is in:\n%s", text, f->peer.last);
}

static inline void assert_lost(struct fixture *f, int status)
{
    if (f->r.transport != TRANSPORT_LOST)
        fail_msg("transport %d: %s", f->r.transport, f->r.error);
    assert_int_equal(f->r.status, status);
    assert_string_not_equal(f->r.error, "");
}

#endif

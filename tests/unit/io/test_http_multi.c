/* Transfers against a server in the same loop: what is sent, what is reported when it goes wrong,
 * and that connections are reused. */
#include "unit.h"

#include "http_multi.h"
#include "http_peer.h"
#include "loop.h"
#include "text.h"

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

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for too long");
}

static void fixture_open(struct fixture *f)
{
    f->http = http_multi_new(f->loop, &f->opts);
}

static int setup(void **state)
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

static int teardown(void **state)
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

static void set_url(struct fixture *f, const char *host, int port, const char *path)
{
    buf_clear(&f->req.url);
    buf_addf(&f->req.url, "http://%s:%d%s", host, port, path);
}

static void set_path(struct fixture *f, const char *path)
{
    set_url(f, "127.0.0.1", f->peer.port, path);
}

static void on_done(const struct response *r, void *arg);

static void start(struct fixture *f, int64_t timeout_ms)
{
    struct err_text e = {.text = ""};

    if (http_multi_start(f->http, &f->req, timeout_ms, on_done, f, &e) != SQ_OK)
        fail_msg("%s", e.text);
}

static void on_done(const struct response *r, void *arg)
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

static void run_for(struct fixture *f, int n)
{
    f->stop_at = f->done + n;
    loop_run(f->loop);
    assert_int_equal(strlen(f->body), f->r.body_len);
}

/* One whole transfer to a path of the peer. */
static void get_answer(struct fixture *f, const char *path)
{
    set_path(f, path);
    start(f, 20000);
    run_for(f, 1);
}

static void assert_sent(struct fixture *f, const char *text)
{
    if (strstr(f->peer.last, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, f->peer.last);
}

static void assert_not_sent(struct fixture *f, const char *text)
{
    if (strcasestr(f->peer.last, text) != NULL)
        fail_msg("\"%s\" is in:\n%s", text, f->peer.last);
}

static void assert_lost(struct fixture *f, int status)
{
    if (f->r.transport != TRANSPORT_LOST)
        fail_msg("transport %d: %s", f->r.transport, f->r.error);
    assert_int_equal(f->r.status, status);
    assert_string_not_equal(f->r.error, "");
}

/* ---- requests ---- */

static void test_post(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    assert_int_equal(request_header(&f->req, "Content-Type", "application/json", NULL), SQ_OK);
    assert_int_equal(request_header(&f->req, "X-Second", "2", NULL), SQ_OK);
    buf_adds(&f->req.body, "{\"a\":1}");
    get_answer(f, "/ok?q=1");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    assert_int_equal(f->r.status, 200);
    assert_string_equal(f->body, "/ok?q=1");
    assert_string_equal(f->r.error, "");
    assert_string_equal(f->head, "Content-Type: text/plain\r\nContent-Length: 7\r\n");
    assert_true(f->r.now_ms > 1600000000000);
    assert_sent(f, "POST /ok?q=1 HTTP/1.1\r\n");
    assert_sent(f, "\r\nContent-Type: application/json\r\n");
    assert_sent(f, "\r\nX-Second: 2\r\n");
    assert_sent(f, "\r\nUser-Agent: sendq/test\r\n");
    assert_sent(f, "\r\nContent-Length: 7\r\n");
    assert_sent(f, "\r\n\r\n{\"a\":1}");
    assert_not_sent(f, "Accept-Encoding");
    assert_not_sent(f, "Authorization");
}

/* One handle carries all of these: nothing of one request may show in the next. */
static void test_nothing_stays_from_request_to_request(void **state)
{
    struct fixture *f = *state;
    struct peer second;

    f->opts.max_in_flight = 1;
    fixture_open(f);
    peer_start(&second, loop_base(f->loop));
    assert_int_equal(request_header(&f->req, "X-One", "1", NULL), SQ_OK);
    buf_adds(&f->req.body, "body");
    buf_adds(&f->req.userpwd, "user:pass");
    get_answer(f, "/1");
    assert_sent(f, "POST /1 ");
    assert_sent(f, "Authorization: Basic dXNlcjpwYXNz\r\n");
    request_reset(&f->req);
    f->req.method = HTTP_GET;
    get_answer(f, "/2");
    assert_sent(f, "GET /2 ");
    assert_not_sent(f, "x-one");
    assert_not_sent(f, "authorization");
    assert_not_sent(f, "content-length");
    f->req.method = HTTP_PUT;
    buf_adds(&f->req.body, "new");
    get_answer(f, "/3");
    assert_sent(f, "PUT /3 ");
    assert_sent(f, "\r\n\r\nnew");
    request_reset(&f->req);
    f->req.method = HTTP_DELETE;
    get_answer(f, "/4");
    assert_sent(f, "DELETE /4 ");
    f->req.method = HTTP_PATCH;
    get_answer(f, "/5");
    assert_sent(f, "PATCH /5 ");
    f->req.method = HTTP_GET;
    get_answer(f, "/6");
    assert_sent(f, "GET /6 ");
    f->req.method = HTTP_POST;
    set_url(f, "127.0.0.1", second.port, "/7");
    start(f, 20000);
    run_for(f, 1);
    assert_string_equal(f->body, "/7");
    assert_non_null(strstr(second.last, "POST /7 "));
    assert_non_null(strstr(second.last, "\r\nContent-Length: 0\r\n"));
    assert_sent(f, "GET /6 "); /* the first server was left alone */
    get_answer(f, "/8");
    assert_sent(f, "POST /8 ");
    assert_int_equal(f->peer.connections, 1);
    peer_stop(&second);
}

static void test_large_body_is_sent_at_once(void **state)
{
    struct fixture *f = *state;
    const size_t size = 3 << 20;
    char *p;

    fixture_open(f);
    p = buf_reserve(&f->req.body, size);
    memset(p, 'b', size);
    f->req.body.len += size;
    p[size] = '\0';
    get_answer(f, "/ok");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    assert_not_sent(f, "Expect:");
    assert_int_equal(strlen(strstr(f->peer.last, "\r\n\r\n") + 4), size);
}

static void refuse(struct fixture *f, const char *url, const char *reason)
{
    struct err_text e = {.text = ""};

    buf_clear(&f->req.url);
    buf_adds(&f->req.url, url);
    assert_int_equal(http_multi_start(f->http, &f->req, 1000, on_done, f, &e), SQ_ERR_INVALID);
    if (strstr(e.text, reason) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", url, e.text, reason);
    assert_null(strstr(e.text, "s3cret"));
    assert_int_equal(http_multi_in_flight(f->http), 0);
}

static void test_urls_refused(void **state)
{
    struct fixture *f = *state;
    char longest[9000];

    fixture_open(f);
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memcpy(longest, "http://h/", 9);
    refuse(f, "", "empty");
    refuse(f, longest, "8192");
    refuse(f, "ftp://host/s3cret", "only http and https");
    refuse(f, "file:///etc/s3cret", "only http and https");
    refuse(f, "gopher2://host/", "cannot be used");
    refuse(f, "host/s3cret", "cannot be used");
    refuse(f, "http://", "cannot be used");
    refuse(f, "http://user:s3cret@host/", "cannot be used");
    refuse(f, "http://host/a b", "cannot be used");
    refuse(f, "http://host/\r\nX: 1", "cannot be used");
    refuse(f, "http://host:99999/", "cannot be used");
}

static void test_redirects_are_not_followed(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    get_answer(f, "/redirect");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    assert_int_equal(f->r.status, 302);
    assert_int_equal(f->peer.requests, 1);
}

static void test_environment_proxy_is_ignored(void **state)
{
    struct fixture *f = *state;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    fixture_open(f);
    get_answer(f, "/ok");
    unsetenv("http_proxy");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
}

static void test_interim_heads_are_dropped(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    get_answer(f, "/interim");
    assert_int_equal(f->r.status, 429);
    assert_string_equal(f->head, "Retry-After: 7\r\nX-Late: 2\r\nContent-Length: 4\r\n");
    assert_string_equal(f->body, "slow");
}

/* ---- what goes wrong ---- */

static void test_refused_connection_is_not_sent(void **state)
{
    struct fixture *f = *state;
    struct peer gone;

    fixture_open(f);
    peer_start(&gone, loop_base(f->loop));
    peer_stop(&gone);
    set_url(f, "127.0.0.1", gone.port, "/s3cret");
    start(f, 20000);
    run_for(f, 1);
    assert_int_equal(f->r.transport, TRANSPORT_NOT_SENT);
    assert_int_equal(f->r.status, 0);
    assert_string_not_equal(f->r.error, "");
    assert_null(strstr(f->r.error, "s3cret"));
    assert_int_equal(http_multi_in_flight(f->http), 0);
}

static void test_failed_tls_is_not_sent(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    buf_addf(&f->req.url, "https://127.0.0.1:%d/", f->peer.port); /* answers in plain text */
    start(f, 300);
    run_for(f, 1);
    assert_int_equal(f->r.transport, TRANSPORT_NOT_SENT);
    assert_int_equal(f->peer.requests, 0);
}

static void test_no_answer_is_lost(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/close", "/reset", "/garbage"};

    fixture_open(f);
    buf_adds(&f->req.body, "b");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        get_answer(f, paths[i]);
        assert_lost(f, 0);
        assert_int_equal(f->peer.requests, i + 1);
    }
}

static void test_timeout_is_lost(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    set_path(f, "/hang");
    start(f, 150);
    run_for(f, 1);
    assert_int_equal(f->peer.requests, 1);
    assert_lost(f, 0);
    get_answer(f, "/ok");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    assert_string_equal(f->r.error, "");
}

static void test_half_an_answer_is_lost(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    get_answer(f, "/half");
    assert_lost(f, 202);
    assert_string_equal(f->body, "half");
}

static void test_too_big(void **state)
{
    struct fixture *f = *state;

    f->opts.max_in_flight = 1;
    fixture_open(f);
    get_answer(f, "/big");
    assert_int_equal(f->r.transport, TRANSPORT_TOO_BIG);
    assert_int_equal(f->r.status, 200);
    assert_int_equal(f->r.body_len, f->opts.max_response_body);
    get_answer(f, "/bighead");
    assert_int_equal(f->r.transport, TRANSPORT_TOO_BIG);
    assert_int_equal(f->r.status, 200);
    assert_string_equal(f->r.error, "the answer is larger than allowed");
    get_answer(f, "/ok");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    assert_string_equal(f->body, "/ok");
}

/* The server reads the second request on a kept-alive connection, then closes it. Curl alone would
 * send it again. */
static void test_request_is_not_repeated_behind_our_back(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    buf_adds(&f->req.body, "pay");
    get_answer(f, "/once");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    get_answer(f, "/once");
    assert_lost(f, 0);
    assert_string_equal(f->r.error, "the connection was closed before an answer came");
    assert_int_equal(f->peer.requests, 2);
    get_answer(f, "/once");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    assert_int_equal(f->peer.requests, 3);
}

static void test_request_is_repeated_where_it_does_no_harm(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    f->req.idempotent = true;
    get_answer(f, "/once");
    get_answer(f, "/once");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    assert_int_equal(f->peer.requests, 3);
    assert_int_equal(f->peer.connections, 2);
}

/* ---- many ---- */

static void test_connections_are_reused(void **state)
{
    struct fixture *f = *state;
    int opened;

    fixture_open(f);
    set_path(f, "/ok");
    f->more = 99; /* each from inside the last one's callback */
    start(f, 20000);
    run_for(f, 100);
    assert_int_equal(f->peer.connections, 1);
    for (int i = 0; i < 200; i++)
        start(f, 20000);
    run_for(f, 200);
    opened = f->peer.connections;
    assert_in_range(opened, 1, 200);
    f->more = 800;
    for (int i = 0; i < 200; i++)
        start(f, 20000);
    run_for(f, 1000);
    assert_int_equal(f->peer.connections, opened);
    assert_int_equal(f->peer.requests, 1300);
    assert_int_equal(http_multi_in_flight(f->http), 0);
}

static void test_room(void **state)
{
    struct fixture *f = *state;
    struct err_text e;

    f->opts.max_in_flight = 65;
    fixture_open(f);
    assert_int_equal(http_multi_room(f->http), 65);
    set_path(f, "/ok");
    for (int i = 0; i < 65; i++)
        start(f, 20000);
    assert_int_equal(http_multi_room(f->http), 0);
    assert_int_equal(http_multi_in_flight(f->http), 65);
    assert_int_equal(http_multi_start(f->http, &f->req, 1000, on_done, f, &e), SQ_ERR_STATE);
    run_for(f, 65);
    assert_int_equal(http_multi_room(f->http), 65);
    assert_int_equal(f->peer.requests, 65);
}

/* Socket numbers come back on other multi handles, and the resolver's pipes take some between. */
static void test_sockets_that_come_and_go(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/last", "/ok", "/close", "/half"};

    fixture_open(f);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 150; i++) {
            set_url(f, i % 5 == 0 ? "localhost" : "127.0.0.1", f->peer.port,
                    paths[(i + round) % 4]);
            start(f, 20000);
        }
        run_for(f, 150);
    }
    assert_int_equal(f->peer.requests, 1800);
    assert_int_equal(http_multi_in_flight(f->http), 0);
}

static void test_more_urls_than_are_cached(void **state)
{
    struct fixture *f = *state;
    char path[32];

    fixture_open(f);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 400; i++) {
            snprintf(path, sizeof(path), "/%d", i);
            get_answer(f, path);
            assert_string_equal(f->body, path);
        }
    }
    assert_int_equal(f->peer.connections, 1);
}

/* An entry that leaves the cache while a transfer uses it must live on. */
static void test_url_leaves_the_cache_while_in_use(void **state)
{
    struct fixture *f = *state;
    char path[32];

    fixture_open(f);
    set_path(f, "/hang");
    start(f, 20000);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "/%d", i);
        get_answer(f, path);
    }
    assert_int_equal(http_multi_in_flight(f->http), 1);
}

static void test_free_answers_what_runs(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    set_path(f, "/hang");
    start(f, 20000);
    get_answer(f, "/ok"); /* by now the first one has been written as well */
    start(f, 20000);
    http_multi_free(f->http);
    f->http = NULL;
    assert_int_equal(f->done, 3);
    assert_int_equal(f->r.transport, TRANSPORT_NOT_SENT); /* the last one never ran */
}

static void test_free_loses_what_was_written(void **state)
{
    struct fixture *f = *state;

    fixture_open(f);
    set_path(f, "/hang");
    start(f, 20000);
    get_answer(f, "/ok");
    http_multi_free(f->http);
    f->http = NULL;
    assert_int_equal(f->done, 2);
    assert_lost(f, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_post),
        TEST(test_nothing_stays_from_request_to_request),
        TEST(test_large_body_is_sent_at_once),
        TEST(test_urls_refused),
        TEST(test_redirects_are_not_followed),
        TEST(test_environment_proxy_is_ignored),
        TEST(test_interim_heads_are_dropped),
        TEST(test_refused_connection_is_not_sent),
        TEST(test_failed_tls_is_not_sent),
        TEST(test_no_answer_is_lost),
        TEST(test_timeout_is_lost),
        TEST(test_half_an_answer_is_lost),
        TEST(test_too_big),
        TEST(test_request_is_not_repeated_behind_our_back),
        TEST(test_request_is_repeated_where_it_does_no_harm),
        TEST(test_connections_are_reused),
        TEST(test_room),
        TEST(test_sockets_that_come_and_go),
        TEST(test_more_urls_than_are_cached),
        TEST(test_url_leaves_the_cache_while_in_use),
        TEST(test_free_answers_what_runs),
        TEST(test_free_loses_what_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

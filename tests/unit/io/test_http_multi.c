/* Transfers against a server in the same loop: what is sent, that nothing stays from one request
 * to the next, that connections are reused, and how all ends. */
#include "unit.h"

#include "http_fixture.h"

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
    assert_int_equal(request_header(&f->req, "X-Two", "2", NULL), SQ_OK);
    buf_adds(&f->req.body, "body");
    buf_adds(&f->req.userpwd, "user:pass");
    get_answer(f, "/1");
    assert_sent(f, "POST /1 ");
    assert_sent(f, "\r\nX-Two: 2\r\n");
    assert_sent(f, "Authorization: Basic dXNlcjpwYXNz\r\n");
    request_reset(&f->req);
    assert_int_equal(request_header(&f->req, "A", "1", NULL), SQ_OK);
    get_answer(f, "/1");
    assert_sent(f, "\r\nA: 1\r\n");
    assert_not_sent(f, "x-two");
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

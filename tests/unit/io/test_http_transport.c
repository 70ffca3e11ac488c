/* What is reported when a transfer goes wrong: whether it was certainly not sent, perhaps sent, or
 * answered too large; and that curl never sends a request twice behind our back. */
#include "unit.h"

#include "http_fixture.h"

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_refused_connection_is_not_sent),
        TEST(test_failed_tls_is_not_sent),
        TEST(test_no_answer_is_lost),
        TEST(test_timeout_is_lost),
        TEST(test_half_an_answer_is_lost),
        TEST(test_too_big),
        TEST(test_request_is_not_repeated_behind_our_back),
        TEST(test_request_is_repeated_where_it_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

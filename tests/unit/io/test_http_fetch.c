/* Fetching: through the guard or not at all. */
#include "unit.h"

#include "http_fetch.h"
#include "http_peer.h"
#include "loop.h"

struct fixture {
    struct loop *loop;
    struct timer *guard;
    struct http_fetcher *fetcher;
    struct peer peer;
    struct http_fetch_terms terms;
    int done, stop_at;
    struct http_fetched last;
    char body[1024];
};

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for too long");
}

static int set_up(void **state)
{
    const struct http_fetcher_opts opts = {
        .max_fetches = 4, .connect_timeout_ms = 2000, .user_agent = "sendq/test"};
    struct fixture *f = calloc(1, sizeof(*f));

    f->loop = loop_new();
    f->guard = timer_new(f->loop, on_guard, f);
    timer_set_us(f->guard, 120 * (int64_t)1000000);
    f->fetcher = http_fetcher_new(f->loop, &opts);
    f->terms = (struct http_fetch_terms){.max_bytes = 1000, .timeout_ms = 5000};
    peer_start(&f->peer, loop_base(f->loop));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    http_fetcher_free(f->fetcher);
    peer_stop(&f->peer);
    timer_free(f->guard);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void on_fetched(const struct http_fetched *r, void *arg)
{
    struct fixture *f = arg;

    f->last = *r;
    snprintf(f->body, sizeof(f->body), "%s", r->body != NULL ? r->body : "");
    if (++f->done == f->stop_at)
        loop_stop(f->loop);
}

static enum http_fetch_result fetch(struct fixture *f, const char *url)
{
    f->stop_at = f->done + 1;
    http_fetch_start(f->fetcher, url, &f->terms, on_fetched, f);
    assert_int_equal(f->done, f->stop_at - 1); /* never from inside */
    loop_run(f->loop);
    return f->last.result;
}

/* Copies text, with the peer's port for PORT. */
static void with_port(const struct fixture *f, const char *text, char ret[256])
{
    const char *at = strstr(text, "PORT");

    if (at == NULL)
        snprintf(ret, 256, "%s", text);
    else
        snprintf(ret, 256, "%.*s%d%s", (int)(at - text), text, f->peer.port, at + 4);
}

/* With the peer's host and port as allowed. */
static void allow_peer(struct fixture *f)
{
    static const char *const hosts[] = {"127.0.0.1"};

    f->terms.allow_hosts = hosts;
    f->terms.allow_count = 1;
}

static enum http_fetch_result fetch_path(struct fixture *f, const char *path)
{
    char url[256];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", f->peer.port, path);
    return fetch(f, url);
}

/* PORT is the peer's port: whoever gets through is seen there. */
static const char *const spellings[] = {
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F.0x0.0x0.0x1:PORT/",
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.0.0.01:PORT/",
    "http://00000177.0.0.1:PORT/",
    "http://127.000.000.001:PORT/",
    "http://127.0.0x1:PORT/",
    "http://127.255.255.254:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://0.0:PORT/",
    "http://0x0:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://LocalHost:PORT/?x=8.8.8.8",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000::1]:PORT/",
    "http://[::]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::FFFF:7F00:0001]:PORT/",
    "http://[::ffff:0:7f00:1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b:1::127.0.0.1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fc00::1]:PORT/",
    "http://[fd00:ec2::254]:PORT/",
    "http://[fec0::1]:PORT/",
    "http://[ff02::1]:PORT/",
    "http://[localhost]:PORT/",
    "http://[127.0.0.1]:PORT/",
    "http://10.0.0.1:PORT/",
    "http://172.16.0.1:PORT/",
    "http://192.168.0.1:PORT/",
    "http://100.64.0.1:PORT/",
    "http://198.18.0.1:PORT/",
    "http://169.254.169.254:PORT/latest/meta-data/",
    "http://0xa9fea9fe:PORT/",
    "http://2852039166:PORT/",
    "http://168.63.129.16:PORT/",
    "http://224.0.0.1:PORT/",
    "http://240.0.0.1:PORT/",
    "http://255.255.255.255:PORT/",
    "http://user@127.0.0.1:PORT/",
    "http://user:pw@8.8.8.8:PORT/",
    "http://8.8.8.8@127.0.0.1:PORT/",
    "http://name.invalid#@127.0.0.1:PORT/",
    "http://8.8.8.8\\@127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@8.8.8.8/",
    "http://127.0.0.1 :PORT/",
    "http://127.0.0.1:PORT/\r\nX: y",
    "http://127.0.0.1\t:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://%6c%6f%63%61%6c%68%6f%73%74:PORT/",
    "http://1\xe2\x82\x82"
    "7.0.0.1:PORT/",
    "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1:PORT/",
    "http://127\xe3\x80\x82"
    "0\xe3\x80\x82"
    "0\xe3\x80\x82"
    "1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:////127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT/",
    "localhost:PORT/",
    "https://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_x",
    "dict://127.0.0.1:PORT/x",
    "ftp://127.0.0.1:PORT/",
    "telnet://127.0.0.1:PORT/",
    "ldap://127.0.0.1:PORT/",
    "smtp://127.0.0.1:PORT/",
    "ws://127.0.0.1:PORT/",
    "file:///etc/passwd#PORT",
    "file://127.0.0.1/etc/passwd?PORT",
    "data:,PORT",
    "javascript:PORT",
    "http://:PORT/",
    "http://?PORT",
    "http://127.0.0.1:99999PORT/",
    "PORT",
    "",
};

static void no_spelling_gets_through(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        char url[256];

        with_port(f, spellings[i], url);
        if (fetch(f, url) == HTTP_FETCH_OK || f->peer.connections > 0)
            fail_msg("%s: %d: %s", url, (int)f->last.result, f->last.error);
        assert_string_not_equal(f->last.error, "");
        assert_null(f->last.body);
        /* What is certain is told as such; a name may also just not be there. */
        if (strstr(url, "localhost") == NULL && f->last.result != HTTP_FETCH_FORBIDDEN &&
            f->last.result != HTTP_FETCH_TROUBLE)
            fail_msg("%s: %d", url, (int)f->last.result);
    }
}

static void what_is_certainly_wrong_is_not_tried_again(void **state)
{
    static const char *const urls[] = {"http://127.0.0.1/",      "http://[::1]/",
                                       "http://169.254.169.254", "ftp://8.8.8.8/",
                                       "http://u@8.8.8.8/",      "http://localhost/"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_int_equal(fetch(f, urls[i]), HTTP_FETCH_FORBIDDEN);
}

static void the_list_opens_a_private_host(void **state)
{
    struct fixture *f = *state;

    allow_peer(f);
    assert_int_equal(fetch_path(f, "/file"), HTTP_FETCH_OK);
    assert_string_equal(f->body, "/file");
    assert_int_equal(f->last.len, 5);
    assert_string_equal(f->last.content_type, "text/plain");
    assert_null(strcasestr(f->peer.last, "cookie"));
    assert_null(strcasestr(f->peer.last, "accept-encoding"));
}

static void the_list_holds_for_the_port_it_names(void **state)
{
    struct fixture *f = *state;
    char entry[32];
    const char *list[] = {entry};

    snprintf(entry, sizeof(entry), "127.0.0.1:%d", f->peer.port);
    f->terms.allow_hosts = list;
    f->terms.allow_count = 1;
    assert_int_equal(fetch_path(f, "/file"), HTTP_FETCH_OK);
    snprintf(entry, sizeof(entry), "127.0.0.1:%d", f->peer.port ^ 1);
    assert_int_equal(fetch_path(f, "/file"), HTTP_FETCH_FORBIDDEN);
    assert_int_equal(f->peer.requests, 1);
}

static void redirects_are_followed_three_times(void **state)
{
    struct fixture *f = *state;

    allow_peer(f);
    assert_int_equal(fetch_path(f, "/redirect"), HTTP_FETCH_OK);
    assert_string_equal(f->body, "/ok");
    assert_int_equal(fetch_path(f, "/to?/to?/to?/ok"), HTTP_FETCH_OK);
    assert_int_equal(fetch_path(f, "/to?/to?/to?/to?/ok"), HTTP_FETCH_REFUSED);
    assert_string_equal(f->last.error, "more than 3 redirects");
}

static void a_redirect_is_as_strict_as_the_first_url(void **state)
{
    static const char *const targets[] = {
        "http://localhost:PORT/x",     "http://[::1]:PORT/x", "http://127.1.1.1:PORT/x",
        "http://169.254.169.254/PORT", "file:///etc/PORT",    "gopher://127.0.0.1:PORT/",
        "http://u:p@127.0.0.1:PORT/",  "//127.0.0.2:PORT/x",
    };
    struct fixture *f = *state;

    allow_peer(f);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        char target[256], path[300];
        int before = f->peer.requests;

        with_port(f, targets[i], target);
        snprintf(path, sizeof(path), "/to?%s", target);
        if (fetch_path(f, path) != HTTP_FETCH_FORBIDDEN)
            fail_msg("%s: %d %s", target, (int)f->last.result, f->last.error);
        assert_int_equal(f->peer.requests, before + 1);
    }
}

static void sizes_are_capped(void **state)
{
    struct fixture *f = *state;

    allow_peer(f);
    assert_int_equal(fetch_path(f, "/big"), HTTP_FETCH_TOO_LARGE);
    assert_string_equal(f->last.error, "it is larger than 1000 bytes");
    f->terms.max_bytes = 100000;
    assert_int_equal(fetch_path(f, "/big"), HTTP_FETCH_OK);
    assert_int_equal(f->last.len, 100000);
    f->terms.max_bytes = 99999;
    assert_int_equal(fetch_path(f, "/big"), HTTP_FETCH_TOO_LARGE);
}

static void trouble_is_told_from_refusal(void **state)
{
    static const struct {
        const char *path;
        enum http_fetch_result result;
    } cases[] = {
        {"/status/404", HTTP_FETCH_REFUSED}, {"/status/403", HTTP_FETCH_REFUSED},
        {"/status/204", HTTP_FETCH_REFUSED}, {"/status/304", HTTP_FETCH_REFUSED},
        {"/status/302", HTTP_FETCH_REFUSED}, {"/status/408", HTTP_FETCH_TROUBLE},
        {"/status/429", HTTP_FETCH_TROUBLE}, {"/status/500", HTTP_FETCH_TROUBLE},
        {"/status/503", HTTP_FETCH_TROUBLE}, {"/close", HTTP_FETCH_TROUBLE},
        {"/reset", HTTP_FETCH_TROUBLE},      {"/half", HTTP_FETCH_TROUBLE},
    };
    struct fixture *f = *state;

    allow_peer(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (fetch_path(f, cases[i].path) != cases[i].result)
            fail_msg("%s: %d %s", cases[i].path, (int)f->last.result, f->last.error);
    f->terms.timeout_ms = 100;
    assert_int_equal(fetch_path(f, "/hang"), HTTP_FETCH_TROUBLE);
}

static void many_at_once_and_an_abort(void **state)
{
    struct fixture *f = *state;
    char url[64];

    allow_peer(f);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/hang", f->peer.port);
    f->stop_at = 1;
    f->terms.timeout_ms = 60000;
    for (int i = 0; i < 3; i++)
        http_fetch_start(f->fetcher, url, &f->terms, on_fetched, f);
    assert_int_equal(http_fetcher_room(f->fetcher), 1);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", f->peer.port);
    http_fetch_start(f->fetcher, url, &f->terms, on_fetched, f);
    assert_int_equal(http_fetcher_room(f->fetcher), 0);
    loop_run(f->loop);
    assert_int_equal(f->last.result, HTTP_FETCH_OK);
    assert_int_equal(http_fetcher_room(f->fetcher), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_spelling_gets_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_certainly_wrong_is_not_tried_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_list_opens_a_private_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_list_holds_for_the_port_it_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redirects_are_followed_three_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_redirect_is_as_strict_as_the_first_url, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sizes_are_capped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trouble_is_told_from_refusal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_at_once_and_an_abort, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

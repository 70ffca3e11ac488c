/* Header lines out and in. */
#include "model_test.h"

#include "request.h"
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *value;
    const char *line; /* NULL: refused */
} header_cases[] = {
    {"Content-Type", "application/json", "Content-Type: application/json"},
    {"X-Tab", "a\tb", "X-Tab: a\tb"},
    {"X-All", " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "X-All:  !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
    {"x!#$%&'*+-.^_`|~9", "", "x!#$%&'*+-.^_`|~9: "},
    {"X", "a\r\nEvil: yes", NULL},
    {"X", "a\nEvil: yes", NULL},
    {"X", "a\rEvil: yes", NULL},
    {"X", "a\x01", NULL},
    {"X", "a\x7f", NULL},
    {"X", "caf\xc3\xa9", NULL},
    {"X", NULL, NULL},
    {"", "a", NULL},
    {NULL, "a", NULL},
    {"X Y", "a", NULL},
    {"X:", "a", NULL},
    {"X\r\nEvil", "a", NULL},
    {"X\t", "a", NULL},
    {"caf\xc3\xa9", "a", NULL},
    {"X(1)", "a", NULL},
};

static void test_header(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(header_cases); i++) {
        struct request r = {0};
        struct err_text e = {.text = ""};
        enum sq_err err = request_header(&r, header_cases[i].name, header_cases[i].value, &e);

        if (header_cases[i].line) {
            assert_int_equal(err, SQ_OK);
            assert_int_equal(r.header_count, 1);
            assert_string_equal(request_header_at(&r, 0), header_cases[i].line);
        } else {
            assert_int_equal(err, SQ_ERR_INVALID);
            assert_int_equal(r.header_count, 0);
            assert_null(request_header_at(&r, 0));
            assert_true(e.text[0]);
        }
        request_free(&r);
    }
}

/* Every byte there is, in a name and in a value. */
static void test_header_bytes(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[] = {'a', (char)c, 'b', 0};
        struct request r = {0};
        bool printable = c >= 0x20 && c < 0x7f;
        bool token = printable && !strchr(" \"(),/:;<=>?@[\\]{}", c);

        assert_int_equal(request_header(&r, "X", text, NULL) == SQ_OK, printable || c == '\t');
        assert_int_equal(request_header(&r, text, "x", NULL) == SQ_OK, token);
        request_free(&r);
    }
}

/* A value may be a secret: it must not come back in the error. */
static void test_header_error_hides_value(void **state)
{
    struct request r = {0};
    struct err_text e;

    (void)state;
    assert_int_equal(request_header(&r, "Authorization", "Bearer s3cret\n", &e), SQ_ERR_INVALID);
    assert_null(strstr(e.text, "s3cret"));
    assert_non_null(strstr(e.text, "Authorization"));
    request_free(&r);
}

static void test_headers_in_order_and_capped(void **state)
{
    struct request r = {0};
    struct err_text e;

    (void)state;
    for (unsigned i = 0; i < REQUEST_HEADERS_MAX; i++) {
        char value[8];

        snprintf(value, sizeof value, "%u", i);
        assert_int_equal(request_header(&r, "X", value, &e), SQ_OK);
    }
    assert_int_equal(request_header(&r, "X", "more", &e), SQ_ERR_INVALID);
    assert_string_equal(request_header_at(&r, 0), "X: 0");
    assert_string_equal(request_header_at(&r, REQUEST_HEADERS_MAX - 1), "X: 23");
    assert_null(request_header_at(&r, REQUEST_HEADERS_MAX));
    request_free(&r);
}

static void test_reset(void **state)
{
    struct request r = {.method = HTTP_PUT, .http2 = true, .idempotent = true};
    struct err_text e;

    (void)state;
    buf_adds(&r.url, "http://x/");
    buf_adds(&r.body, "body");
    buf_adds(&r.userpwd, "u:p");
    assert_int_equal(request_header(&r, "A", "b", &e), SQ_OK);
    request_reset(&r);
    assert_int_equal(r.method, HTTP_POST);
    assert_false(r.http2 || r.idempotent);
    assert_int_equal(r.url.len + r.body.len + r.userpwd.len + r.head.len + r.header_count, 0);
    assert_int_equal(request_header(&r, "C", "d", &e), SQ_OK);
    assert_string_equal(request_header_at(&r, 0), "C: d");
    request_free(&r);
    request_free(NULL);
}

#define HEAD(lines) "HTTP/1.1 200 OK\r\n" lines "\r\n"

static const struct {
    const char *head, *name, *value; /* value NULL: not there */
} response_cases[] = {
    {HEAD("X-Id: abc\r\n"), "X-Id", "abc"},
    {HEAD("x-id:abc\r\n"), "X-ID", "abc"},
    {HEAD("X-Id: \t abc \t\r\n"), "X-Id", "abc"},
    {HEAD("X-Id:\r\n"), "X-Id", ""},
    {HEAD("X-Idea: no\r\nX-Id: yes\r\n"), "X-Id", "yes"},
    {HEAD("X-Id: first\r\nX-Id: second\r\n"), "X-Id", "first"},
    {HEAD("A: x-id: no\r\n"), "X-Id", NULL},
    {HEAD("X-Id : spaced\r\n"), "X-Id", NULL},
    {HEAD("X-Id\r\n"), "X-Id", NULL},
    {HEAD(""), "X-Id", NULL},
    {"", "X-Id", NULL},
    {NULL, "X-Id", NULL},
    {"HTTP/1.1 100 Continue\r\nX-Id: interim\r\n\r\nHTTP/1.1 200 OK\r\nX-Id: final\r\n\r\n", "X-Id",
     "final"},
    {"HTTP/1.1 103 Early Hints\r\nX-Id: interim\r\n\r\nHTTP/2 200\r\n\r\n", "X-Id", NULL},
    {HEAD("X-Id: 0123456789abcdef\r\n"), "X-Id", NULL}, /* too long for the 16 bytes below */
    {HEAD("X-Id: 0123456789abcde\r\n"), "X-Id", "0123456789abcde"},
};

static void test_response_header(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(response_cases); i++) {
        struct response r = {.head = response_cases[i].head};
        char value[16] = "untouched";
        bool found = response_header(&r, response_cases[i].name, value, sizeof value);

        assert_int_equal(found, response_cases[i].value != NULL);
        assert_string_equal(value, found ? response_cases[i].value : "untouched");
    }
}

#define NOW INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct {
    const char *value;
    int64_t ms;
} retry_cases[] = {
    {"0", 0},
    {"1", 1000},
    {"120", 120000},
    {"3600", 3600000},
    {"3601", 3600000}, /* the maximum given below */
    {"99999999999999999999999", 3600000},
    {"Sun, 06 Nov 1994 08:50:07 GMT", 30000},
    {"Sunday, 06-Nov-94 08:49:38 GMT", 1000},
    {"Sun Nov  6 08:49:40 1994", 3000},
    {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
    {"Sun, 06 Nov 1994 08:00:00 GMT", 0}, /* past */
    {"Mon, 07 Nov 1994 08:49:37 GMT", 3600000},
    {"-5", 0},
    {"1.5", 0},
    {"soon", 0},
    {"", 0},
    {"10 seconds", 0},
};

static void test_retry_after(void **state)
{
    struct response none = {.head = HEAD("X: 1\r\n"), .now_ms = NOW};

    (void)state;
    for (unsigned i = 0; i < COUNT(retry_cases); i++) {
        char head[128];
        struct response r = {.head = head, .now_ms = NOW};

        snprintf(head, sizeof head, HEAD("retry-after: %s\r\n"), retry_cases[i].value);
        assert_int_equal(response_retry_after(&r, 3600000), retry_cases[i].ms);
    }
    assert_int_equal(response_retry_after(&none, 3600000), 0);
}

static void test_quota_wait(void **state)
{
    static const struct {
        const char *head;
        int64_t wait_ms;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1700000003\r\n", 3000},
        {"HTTP/2 200\r\nratelimit-remaining: 0\r\nratelimit-reset: 2\r\n", 2000},
        {"HTTP/2 200\r\nratelimit-remaining: 1\r\nratelimit-reset: 2\r\n", 0},
        {"HTTP/2 200\r\nX-RateLimit-Remaining: 0\r\n", 0},
        {"HTTP/2 200\r\nX-RateLimit-Remaining: none\r\nX-RateLimit-Reset: 5\r\n", 0},
        {"HTTP/2 200\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1699999999\r\n", 0},
        {"HTTP/2 200\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 9223372036854775807\r\n", 0},
        {"HTTP/2 200\r\n", 0},
        {NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct response r = {.head = cases[i].head, .now_ms = INT64_C(1700000000000)};

        assert_int_equal(response_quota_wait(&r), cases[i].wait_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quota_wait),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_header_bytes),
        cmocka_unit_test(test_header_error_hides_value),
        cmocka_unit_test(test_headers_in_order_and_capped),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_response_header),
        cmocka_unit_test(test_retry_after),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

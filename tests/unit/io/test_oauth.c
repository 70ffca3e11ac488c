/* The token cache against an endpoint in the same loop: who asks, how often, and what is kept. */
#include "unit.h"

#include "oauth.h"
#include "text.h"
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAITERS 50

struct fixture {
    struct loop *loop;
    struct oauth *oauth;
    struct evhttp *http;
    struct timer *guard, *poll;
    struct provider_oauth spec;
    char url[64], file[64];
    /* the endpoint: what it was asked, and what it says next */
    int asked;
    char body[4096];
    int status;
    const char *answer[4]; /* one after the other; the last again and again */
    /* the waiters */
    struct oauth_waiter waiters[WAITERS];
    int done, stop_at;
    struct oauth_answer last;
    char text[256], warning[512];
};

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for too long");
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct fixture *f = arg;
    struct evbuffer *in = evhttp_request_get_input_buffer(req), *out = evbuffer_new();
    size_t len = evbuffer_get_length(in);
    int i = f->asked < 3 ? f->asked : 3;

    assert_true(len < sizeof(f->body));
    evbuffer_copyout(in, f->body, len);
    f->body[len] = '\0';
    f->asked++;
    while (i > 0 && !f->answer[i])
        i--;
    evbuffer_add_printf(out, "%s", f->answer[i]);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Retry-After", "7");
    evhttp_send_reply(req, strstr(f->answer[i], "access") ? 200 : f->status, "", out);
    evbuffer_free(out);
}

static void on_warning(const char *text, void *arg)
{
    struct fixture *f = arg;

    snprintf(f->warning, sizeof(f->warning), "%s", text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct oauth_opts opts = {.timeout_ms = 10000, .warn = on_warning, .arg = f};
    struct evhttp_bound_socket *bound;
    struct sockaddr_in a;
    socklen_t len = sizeof(a);

    f->loop = loop_new();
    f->guard = timer_new(f->loop, on_guard, f);
    timer_set_us(f->guard, 30 * 1000000);
    f->http = evhttp_new(loop_base(f->loop));
    bound = evhttp_bind_socket_with_handle(f->http, "127.0.0.1", 0);
    assert_non_null(bound);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&a, &len),
                     0);
    evhttp_set_gencb(f->http, on_request, f);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/token", ntohs(a.sin_port));
    opts.http = (struct http_opts){.max_response_body = 65536,
                                   .max_response_head = 65536,
                                   .connect_timeout_ms = 10000,
                                   .verify_tls = true};
    f->oauth = oauth_new(f->loop, &opts);
    f->spec = (struct provider_oauth){.grant = OAUTH_REFRESH_TOKEN,
                                      .client_id = "id",
                                      .client_secret = "s&cret",
                                      .refresh_token = "r0"};
    f->status = 400;
    f->answer[0] = "{\"access_token\":\"a1\",\"expires_in\":3600}";
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    oauth_free(f->oauth);
    evhttp_free(f->http);
    timer_free(f->guard);
    loop_free(f->loop);
    if (f->file[0])
        unlink(f->file);
    free(f);
    return 0;
}

static struct oauth_account *account(struct fixture *f)
{
    return oauth_account(f->oauth, &f->spec, f->url, f->file[0] ? f->file : NULL);
}

static void on_token(const struct oauth_answer *a, void *arg)
{
    struct fixture *f = arg;

    f->last = *a;
    snprintf(f->text, sizeof(f->text), "%s", a->text);
    if (++f->done == f->stop_at)
        loop_stop(f->loop);
}

/* n waiters at once; returns when all have their answer. */
static void wait_for(struct fixture *f, int n)
{
    f->stop_at = f->done + n;
    for (int i = 0; i < n; i++) {
        f->waiters[i].cb = on_token;
        f->waiters[i].arg = f;
        oauth_wait(account(f), &f->waiters[i]);
    }
    assert_int_equal(f->done, f->stop_at - n); /* never from inside */
    loop_run(f->loop);
}

static void write_file(struct fixture *f, const char *text)
{
    FILE *out;

    if (!f->file[0]) {
        strcpy(f->file, "/tmp/oauth-test-XXXXXX");
        close(mkstemp(f->file));
    }
    out = fopen(f->file, "w");
    fputs(text, out);
    fclose(out);
}

static void expect_file(struct fixture *f, const char *text)
{
    char found[100] = "";
    FILE *in = fopen(f->file, "r");

    found[fread(found, 1, sizeof(found) - 1, in)] = '\0';
    fclose(in);
    assert_string_equal(found, text);
}

static void test_all_share_one_request(void **state)
{
    struct fixture *f = *state;

    assert_null(oauth_token(account(f)));
    wait_for(f, WAITERS);
    assert_int_equal(f->last.state, OAUTH_GRANTED);
    assert_int_equal(f->asked, 1);
    assert_string_equal(oauth_token(account(f)), "a1");
    assert_string_equal(
        f->body, "grant_type=refresh_token&client_id=id&client_secret=s%26cret&refresh_token=r0");
    assert_int_equal(oauth_waiting(f->oauth), 0);
}

static void test_credentials_do_not_mix(void **state)
{
    struct fixture *f = *state;

    wait_for(f, 1);
    f->spec.client_secret = "other";
    assert_null(oauth_token(account(f)));
    f->spec.client_secret = "s&cret";
    assert_string_equal(oauth_token(account(f)), "a1");
}

static void test_client_credentials(void **state)
{
    struct fixture *f = *state;

    f->spec = (struct provider_oauth){.grant = OAUTH_CLIENT_CREDENTIALS,
                                      .client_id = "id",
                                      .client_secret = "secret",
                                      .scope = "https://x/.default"};
    wait_for(f, 1);
    assert_string_equal(f->body, "grant_type=client_credentials&client_id=id&client_secret=secret"
                                 "&scope=https%3A%2F%2Fx%2F.default");
}

static void test_a_dropped_token_is_asked_for_anew(void **state)
{
    struct fixture *f = *state;

    f->answer[1] = "{\"access_token\":\"a2\",\"expires_in\":3600}";
    wait_for(f, 1);
    oauth_drop(account(f), "a0"); /* of an earlier time: another has renewed it since */
    assert_string_equal(oauth_token(account(f)), "a1");
    oauth_drop(account(f), "a1");
    assert_null(oauth_token(account(f)));
    wait_for(f, 1);
    assert_string_equal(oauth_token(account(f)), "a2");
}

/* The loop's clock as oauth.c reads it: the linker gives it this one. */
static int64_t passed_us;

int64_t __real_loop_now_us(const struct loop *l);
int64_t __wrap_loop_now_us(const struct loop *l);

int64_t __wrap_loop_now_us(const struct loop *l)
{
    return __real_loop_now_us(l) + passed_us;
}

static void pass(int64_t seconds)
{
    passed_us += seconds * 1000000;
}

static void test_a_token_is_not_given_out_to_its_end(void **state)
{
    struct fixture *f = *state;

    wait_for(f, 1);
    pass(3600 - 31);
    assert_string_equal(oauth_token(account(f)), "a1");
    pass(2);
    assert_null(oauth_token(account(f)));
}

static void on_poll(void *arg)
{
    struct fixture *f = arg;

    if (text_eq(oauth_token(account(f)), "a2"))
        loop_stop(f->loop);
    else
        timer_set_us(f->poll, 1000);
}

/* Who asks near the end gets the old one at once, and nobody waits for the new one. */
static void test_a_token_is_renewed_early(void **state)
{
    struct fixture *f = *state;

    f->answer[1] = "{\"access_token\":\"a2\",\"expires_in\":3600}";
    wait_for(f, 1);
    pass(3600 - 301);
    assert_string_equal(oauth_token(account(f)), "a1");
    pass(2);
    for (int i = 0; i < WAITERS; i++)
        assert_string_equal(oauth_token(account(f)), "a1");
    assert_int_equal(oauth_waiting(f->oauth), 0);
    f->poll = timer_new(f->loop, on_poll, f);
    timer_set_us(f->poll, 0);
    loop_run(f->loop);
    timer_free(f->poll);
    assert_int_equal(f->asked, 2);
    pass(1000);
    assert_string_equal(oauth_token(account(f)), "a2");
}

static void test_rotation_goes_to_the_file(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    write_file(f, "r0\n");
    chmod(f->file, 0640);
    f->answer[0] = "{\"access_token\":\"a1\",\"expires_in\":3600,\"refresh_token\":\"r1\"}";
    wait_for(f, 1);
    expect_file(f, "r1\n");
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_string_equal(f->warning, "");
    oauth_drop(account(f), "a1");
    wait_for(f, 1);
    assert_non_null(strstr(f->body, "refresh_token=r1"));
}

static void test_rotation_without_a_file_is_told(void **state)
{
    struct fixture *f = *state;

    f->answer[0] = "{\"access_token\":\"a1\",\"refresh_token\":\"r1\"}";
    wait_for(f, 1);
    assert_non_null(strstr(f->warning, "only in memory"));
    assert_null(strstr(f->warning, "r1"));
    oauth_drop(account(f), "a1");
    wait_for(f, 1);
    assert_non_null(strstr(f->body, "refresh_token=r1"));
}

static void test_rotation_that_cannot_be_written_is_told(void **state)
{
    struct fixture *f = *state;

    snprintf(f->file, sizeof(f->file), "/nonexistent/token");
    f->answer[0] = "{\"access_token\":\"a1\",\"refresh_token\":\"r1\"}";
    wait_for(f, 1);
    assert_int_equal(f->last.state, OAUTH_GRANTED);
    assert_non_null(strstr(f->warning, "/nonexistent/token"));
    f->file[0] = '\0';
}

/* Another worker has rotated the token while this one asked with the old one. */
static void test_a_dead_token_is_read_again(void **state)
{
    struct fixture *f = *state;

    write_file(f, "r0\n");
    f->answer[0] = "{\"error\":\"invalid_grant\"}";
    f->answer[1] = "{\"access_token\":\"a2\"}";
    f->stop_at = f->done + 1;
    f->waiters[0].cb = on_token;
    f->waiters[0].arg = f;
    oauth_wait(account(f), &f->waiters[0]); /* has read r0 by now */
    write_file(f, "r9\n");
    loop_run(f->loop);
    assert_int_equal(f->last.state, OAUTH_GRANTED);
    assert_int_equal(f->asked, 2);
    assert_non_null(strstr(f->body, "refresh_token=r9"));
}

static void test_refused(void **state)
{
    struct fixture *f = *state;

    write_file(f, "r0\n");
    f->answer[0] = "{\"error\":\"invalid_grant\",\"error_description\":\"r0 is dead\"}";
    wait_for(f, WAITERS);
    assert_int_equal(f->last.state, OAUTH_REFUSED);
    assert_string_equal(f->text, "the token endpoint says invalid_grant");
    assert_int_equal(f->asked, 1);
    wait_for(f, WAITERS); /* it rests: nobody asks again at once */
    assert_int_equal(f->last.state, OAUTH_REFUSED);
    assert_int_equal(f->asked, 1);
}

static void test_unavailable(void **state)
{
    struct fixture *f = *state;

    f->status = 503;
    f->answer[0] = "busy";
    wait_for(f, 3);
    assert_int_equal(f->last.state, OAUTH_UNAVAILABLE);
    assert_true(f->last.retry_after_ms > 5000 && f->last.retry_after_ms <= 7000);
    assert_string_equal(f->text, "the token endpoint answers HTTP 503");
}

static void test_unreachable(void **state)
{
    struct fixture *f = *state;

    strcpy(f->url, "http://127.0.0.1:1/token");
    wait_for(f, 2);
    assert_int_equal(f->last.state, OAUTH_UNAVAILABLE);
    assert_non_null(strstr(f->text, "cannot be reached"));
}

static void test_garbage(void **state)
{
    struct fixture *f = *state;

    f->answer[0] = "{\"access_token\":\"a b\\n\"}";
    wait_for(f, 1);
    assert_int_equal(f->last.state, OAUTH_UNAVAILABLE);
    assert_null(oauth_token(account(f)));
}

static void test_a_service_account_that_is_none(void **state)
{
    struct fixture *f = *state;

    f->spec = (struct provider_oauth){.grant = OAUTH_SERVICE_ACCOUNT,
                                      .service_account = "{\"client_email\":\"x\","
                                                         "\"private_key\":\"canary\"}"};
    wait_for(f, 1);
    assert_int_equal(f->last.state, OAUTH_REFUSED);
    assert_non_null(strstr(f->text, "no key file"));
    assert_null(strstr(f->text, "canary"));
    assert_int_equal(f->asked, 0);
}

static void test_more_accounts_than_requests_at_a_time(void **state)
{
    struct fixture *f = *state;
    char secrets[WAITERS][16];

    f->stop_at = WAITERS;
    for (int i = 0; i < WAITERS; i++) {
        snprintf(secrets[i], sizeof(secrets[i]), "s%d", i);
        f->spec.client_secret = secrets[i];
        f->waiters[i].cb = on_token;
        f->waiters[i].arg = f;
        oauth_wait(account(f), &f->waiters[i]);
    }
    loop_run(f->loop);
    assert_int_equal(f->asked, WAITERS);
    assert_int_equal(f->last.state, OAUTH_GRANTED);
}

static void test_the_end_comes_while_they_wait(void **state)
{
    struct fixture *f = *state;

    f->waiters[0].cb = on_token;
    f->waiters[0].arg = f;
    f->stop_at = -1;
    oauth_wait(account(f), &f->waiters[0]);
    oauth_free(f->oauth);
    f->oauth = NULL;
    assert_int_equal(f->done, 1);
    assert_int_equal(f->last.state, OAUTH_UNAVAILABLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_all_share_one_request),
        TEST(test_credentials_do_not_mix),
        TEST(test_client_credentials),
        TEST(test_a_dropped_token_is_asked_for_anew),
        TEST(test_a_token_is_not_given_out_to_its_end),
        TEST(test_a_token_is_renewed_early),
        TEST(test_rotation_goes_to_the_file),
        TEST(test_rotation_without_a_file_is_told),
        TEST(test_rotation_that_cannot_be_written_is_told),
        TEST(test_a_dead_token_is_read_again),
        TEST(test_refused),
        TEST(test_unavailable),
        TEST(test_unreachable),
        TEST(test_garbage),
        TEST(test_a_service_account_that_is_none),
        TEST(test_more_accounts_than_requests_at_a_time),
        TEST(test_the_end_comes_while_they_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

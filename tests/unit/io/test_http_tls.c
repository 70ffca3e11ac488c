/* TLS: a certificate of the configured authority is accepted, any other is not, and a request to a
 * server that cannot prove who it is was never sent. */
#include "unit.h"

#include "http_multi.h"
#include "loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char dir[32], cert[64], key[64];
    pid_t server;
    int port;
    struct loop *loop;
    struct response r;
};

static struct fixture fixture;

/* Runs openssl; its output goes to out, or nowhere (-1). */
static pid_t openssl(const char *const *argv, int out)
{
    pid_t pid = fork();
    int null;

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(out >= 0 ? out : null, 1);
    dup2(null, 2);
    execvp("openssl", (char *const *)argv);
    _exit(127);
}

static void make_certificate(struct fixture *f)
{
    const char *const argv[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "ec",
                                "-pkeyopt",
                                "ec_paramgen_curve:P-256",
                                "-nodes",
                                "-subj",
                                "/CN=localhost",
                                "-addext",
                                "subjectAltName=DNS:localhost",
                                "-days",
                                "2",
                                "-keyout",
                                f->key,
                                "-out",
                                f->cert,
                                NULL};
    int status = -1;

    waitpid(openssl(argv, -1), &status, 0);
    assert_int_equal(status, 0);
}

/* It tells the port it was given in a line "ACCEPT 127.0.0.1:PORT". */
static void start_server(struct fixture *f)
{
    const char *const argv[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-www",
                                "-cert",   f->cert,    "-key",    f->key,        NULL};
    char line[256] = "";
    FILE *out;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    f->server = openssl(argv, fds[1]);
    close(fds[1]);
    out = fdopen(fds[0], "r");
    while (f->port == 0 && fgets(line, sizeof(line), out) != NULL)
        if (strncmp(line, "ACCEPT", 6) == 0)
            f->port = (int)strtol(strrchr(line, ':') + 1, NULL, 10);
    assert_true(f->port > 0);
    fclose(out);
}

static int start(void **state)
{
    struct fixture *f = &fixture;

    strcpy(f->dir, "/tmp/sendq-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cert, sizeof(f->cert), "%.31s/cert.pem", f->dir);
    snprintf(f->key, sizeof(f->key), "%.31s/key.pem", f->dir);
    make_certificate(f);
    start_server(f);
    *state = f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    kill(f->server, SIGKILL);
    waitpid(f->server, NULL, 0);
    unlink(f->cert);
    unlink(f->key);
    rmdir(f->dir);
    return 0;
}

static void on_done(const struct response *r, void *arg)
{
    struct fixture *f = arg;

    f->r = *r;
    loop_stop(f->loop);
}

static void get_from(struct fixture *f, const char *host, const char *ca_file, bool verify)
{
    struct http_opts opts = {.max_in_flight = 4,
                             .max_response_body = 65536,
                             .max_response_head = 65536,
                             .connect_timeout_ms = 10000,
                             .ca_file = ca_file,
                             .verify_tls = verify};
    struct request req = {.method = HTTP_GET};
    struct http_multi *http;
    struct err_text e = {.text = ""};

    f->loop = loop_new();
    http = http_multi_new(f->loop, &opts);
    buf_addf(&req.url, "https://%s:%d/", host, f->port);
    if (http_multi_start(http, &req, 10000, on_done, f, &e) != SQ_OK)
        fail_msg("%s", e.text);
    loop_run(f->loop);
    http_multi_free(http);
    loop_free(f->loop);
    request_free(&req);
}

static void test_known_authority(void **state)
{
    struct fixture *f = *state;

    get_from(f, "localhost", f->cert, true);
    assert_string_equal(f->r.error, "");
    assert_int_equal(f->r.transport, TRANSPORT_OK);
    assert_int_equal(f->r.status, 200);
}

static void test_unknown_authority(void **state)
{
    struct fixture *f = *state;

    get_from(f, "localhost", NULL, true);
    assert_int_equal(f->r.transport, TRANSPORT_NOT_SENT);
    assert_non_null(strstr(f->r.error, "certificate"));
}

static void test_wrong_name(void **state)
{
    struct fixture *f = *state;

    get_from(f, "127.0.0.1", f->cert, true);
    assert_int_equal(f->r.transport, TRANSPORT_NOT_SENT);
    assert_non_null(strstr(f->r.error, "certificate"));
}

static void test_unverified(void **state)
{
    struct fixture *f = *state;

    get_from(f, "127.0.0.1", NULL, false);
    assert_int_equal(f->r.transport, TRANSPORT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_authority),
        cmocka_unit_test(test_unknown_authority),
        cmocka_unit_test(test_wrong_name),
        cmocka_unit_test(test_unverified),
    };

    return cmocka_run_group_tests(tests, start, stop);
}

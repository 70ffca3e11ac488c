/* sendq-sandbox: plays the providers, for tests, demo and bench. See README.md here. */
#include "server.h"

#include "text.h"

#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define USAGE                                                                                      \
    "usage: sendq-sandbox [--listen ADDRESS:PORT] [--port-file PATH] [--unix PATH]\n"              \
    "           [--latency-ms N] [--webhook-secret whsec_...] [--max-requests N]\n"                \
    "           [--max-bytes SIZE] [--quiet]\n"

enum option_key {
    OPT_LISTEN,
    OPT_PORT_FILE,
    OPT_UNIX,
    OPT_LATENCY,
    OPT_SECRET,
    OPT_REQUESTS,
    OPT_BYTES,
    OPT_QUIET,
    OPT_HELP
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"port-file", required_argument, NULL, OPT_PORT_FILE},
    {"unix", required_argument, NULL, OPT_UNIX},
    {"latency-ms", required_argument, NULL, OPT_LATENCY},
    {"webhook-secret", required_argument, NULL, OPT_SECRET},
    {"max-requests", required_argument, NULL, OPT_REQUESTS},
    {"max-bytes", required_argument, NULL, OPT_BYTES},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static bool read_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    int64_t n;

    if (text_to_i64(text, &n) || n < min || n > max)
        return false;
    *ret = n;
    return true;
}

static bool read_option(struct server_options *o, int key, const char *value)
{
    int64_t number = 0;
    uint64_t size;

    switch (key) {
    case OPT_LISTEN:
        o->listen = value;
        return true;
    case OPT_PORT_FILE:
        o->port_file = value;
        return true;
    case OPT_UNIX:
        o->unix_path = value;
        return true;
    case OPT_SECRET:
        o->webhook_secret = value;
        return true;
    case OPT_QUIET:
        o->quiet = true;
        return true;
    case OPT_LATENCY:
        return read_number(value, 0, FAULT_DELAY_MAX_MS, &o->latency_ms);
    case OPT_REQUESTS:
        if (!read_number(value, 1, 100000000, &number))
            return false;
        o->max_requests = (size_t)number;
        return true;
    case OPT_BYTES:
        if (text_to_size(value, &size) || size == 0)
            return false;
        o->max_bytes = size;
        return true;
    default:
        return false;
    }
}

static bool read_options(struct server_options *o, int argc, char **argv)
{
    int key;

    while ((key = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!read_option(o, key, optarg))
            return false;
    }
    return optind == argc && (o->listen || o->unix_path) && (o->listen || !o->port_file);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    event_base_loopbreak(arg);
}

/* The port file says "ready", and whoever waits for it may end us at once: until the loop takes
 * signals they are held back. */
static void hold_signals(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(how, &set, NULL);
}

static void run(struct server *s)
{
    struct event *term = evsignal_new(s->base, SIGTERM, on_signal, s->base);
    struct event *interrupt = evsignal_new(s->base, SIGINT, on_signal, s->base);

    event_add(term, NULL);
    event_add(interrupt, NULL);
    hold_signals(SIG_UNBLOCK);
    event_base_dispatch(s->base);
    event_free(term);
    event_free(interrupt);
}

int main(int argc, char **argv)
{
    struct server_options options = {.max_requests = 200000, .max_bytes = (size_t)512 << 20};
    struct err_text e = {0};
    struct server server;
    enum sq_err err;

    if (!read_options(&options, argc, argv)) {
        fputs(USAGE, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    hold_signals(SIG_BLOCK);
    err = server_open(&server, &options, &e);
    if (err)
        fprintf(stderr, "sendq-sandbox: %s\n", e.text);
    else
        run(&server);
    server_close(&server);
    libevent_global_shutdown();
    return err ? 1 : 0;
}

/* The floor of the benchmark: sends one captured HTTP request N times, and does nothing else. What
 * sendqd costs above this is sendqd's own. */
#include "floor_http.h"

#include <stdio.h>

struct floor {
    struct floor_http http;
    CURL *easy[FLOOR_MAX_CONCURRENCY];
    unsigned handles;
    uint64_t to_start, to_finish, failed;
};

static void start_transfer(struct floor *f, CURL *easy)
{
    if (f->to_start == 0)
        return;
    f->to_start--;
    floor_http_start(&f->http, easy);
}

static void on_done(CURL *easy, bool ok, void *arg)
{
    struct floor *f = arg;

    f->failed += !ok;
    f->to_finish--;
    start_transfer(f, easy);
}

static void on_turn(void *arg)
{
    struct floor *f = arg;

    if (f->to_finish == 0)
        event_base_loopbreak(f->http.base);
}

/* Sends `count` requests over the handles; the connections stay open for the next run. */
static void send_all(struct floor *f, uint64_t count)
{
    f->to_start = f->to_finish = count;
    for (unsigned i = 0; i < f->handles; i++)
        start_transfer(f, f->easy[i]);
    event_base_dispatch(f->http.base);
}

static void measure(struct floor *f, uint64_t count)
{
    double wall, cpu;

    send_all(f, f->handles); /* opens the connections */
    f->failed = 0;
    wall = floor_seconds(CLOCK_MONOTONIC);
    cpu = floor_seconds(CLOCK_PROCESS_CPUTIME_ID);
    send_all(f, count);
    wall = floor_seconds(CLOCK_MONOTONIC) - wall;
    cpu = floor_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"n\": %llu, \"failed\": %llu, \"warm_up\": %u, \"seconds\": %.6f, "
           "\"cpu_seconds\": %.6f, \"rss_kib\": %ld, \"body_bytes\": %zu}\n",
           (unsigned long long)count, (unsigned long long)f->failed, f->handles, wall, cpu,
           floor_resident_kib(), f->http.body_len);
}

int main(int argc, char **argv)
{
    static struct floor f;

    if (argc != 6 && argc != 7) {
        fprintf(stderr, "usage: floor_curl URL REQUEST-FILE COUNT CONCURRENCY STATUS [CA-FILE]\n"
                        "With a CA file: HTTP/2 over TLS.\n");
        return 2;
    }
    f.handles = (unsigned)floor_number(argv[4], FLOOR_MAX_CONCURRENCY);
    f.http.expect_status = (long)floor_number(argv[5], 599);
    f.http.ca_file = argc == 7 ? argv[6] : NULL;
    f.http.done = on_done;
    f.http.turn = on_turn;
    f.http.arg = &f;
    floor_http_open(&f.http, argv[1], argv[2], (long)f.handles);
    for (unsigned i = 0; i < f.handles; i++)
        f.easy[i] = floor_http_easy(&f.http);
    measure(&f, floor_number(argv[3], UINT64_MAX));
    for (unsigned i = 0; i < f.handles; i++)
        curl_easy_cleanup(f.easy[i]);
    floor_http_close(&f.http);
    return f.failed == 0 ? 0 : 1;
}

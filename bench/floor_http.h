/* What the floors share: one HTTP request sent over and over by libcurl's socket API and libevent,
 * with every means that makes libcurl cheap. Errors end the program. */
#ifndef SENDQ_BENCH_FLOOR_HTTP_H
#define SENDQ_BENCH_FLOOR_HTTP_H

#include <curl/curl.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { FLOOR_MAX_CONCURRENCY = 1024, FLOOR_MAX_FDS = 4096 };

struct floor_http;

/* What epoll watches for one socket, and whether curl still cares. */
struct floor_sock {
    struct event *ev;
    short watched;
    bool wanted;
    struct floor_http *http;
};

struct floor_http {
    struct event_base *base;
    CURLM *multi;
    struct event *timer;   /* curl's timeout */
    struct event *collect; /* runs after the sockets of this turn */
    struct floor_sock socks[FLOOR_MAX_FDS];
    CURLU *url;
    struct curl_slist *headers;
    char *raw;
    const char *body; /* of the captured request */
    size_t body_len;
    long expect_status;
    const char *ca_file; /* HTTP/2 over TLS, else HTTP/1.1 */
    /* Each transfer of a turn that is over, whose handle may start again; then once, after all. */
    void (*done)(CURL *easy, bool ok, void *arg);
    void (*turn)(void *arg);
    void *arg;
};

/* `request_file` holds a raw HTTP/1.1 request, whose header lines each transfer has. */
void floor_http_open(struct floor_http *h, const char *url, const char *request_file,
                     long connections);
void floor_http_close(struct floor_http *h);
/* A handle that sends the captured request, until it is given another body. */
CURL *floor_http_easy(struct floor_http *h);
void floor_http_start(struct floor_http *h, CURL *easy);

void floor_die(const char *what, const char *why);
double floor_seconds(clockid_t clock);
long floor_resident_kib(void);
uint64_t floor_number(const char *text, uint64_t max);

#endif

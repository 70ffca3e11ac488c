/* The server: requests in, records and answers out. */
#ifndef SENDQ_TESTS_SANDBOX_SERVER_H
#define SENDQ_TESTS_SANDBOX_SERVER_H

#include "dialect.h"
#include "fault.h"
#include "record.h"
#include "tally.h"

struct event_base;
struct evhttp;
struct wire;

struct server_options {
    const char *listen;             /* "127.0.0.1:0" or NULL */
    const char *unix_path;          /* or NULL */
    const char *port_file;          /* gets the port once it listens, or NULL */
    const char *webhook_secret;     /* or NULL */
    int64_t latency_ms;             /* before each answer of a dialect */
    size_t max_requests, max_bytes; /* bounds of the log */
    bool quiet;
};

/* All that the server has; control.c reads and resets it. */
struct server {
    const struct server_options *options;
    struct event_base *base;
    struct evhttp *http;
    struct wire *wire;
    struct record_log log;
    struct fault_set faults;
    struct tally tallies[DIALECT_MAX]; /* by dialect; [DIALECT_NONE] for unknown paths */
    void *states[DIALECT_MAX];
    uint64_t serials[DIALECT_MAX];
    uint64_t in_flight, in_flight_max; /* over all dialects */
    struct buf heads;                  /* scratch */
};

enum sq_err server_open(struct server *s, const struct server_options *options,
                        struct err_text *e) SQ_MUST_CHECK;
void server_reset(struct server *s); /* as just started, but for what was configured */
void server_close(struct server *s); /* NULL-safe parts: fine after a failed server_open */

#endif

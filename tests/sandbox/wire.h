/* Carrying an answer to the client, in time and form as a fault wants it. */
#ifndef SENDQ_TESTS_SANDBOX_WIRE_H
#define SENDQ_TESTS_SANDBOX_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct evhttp_request;
struct wire;

enum wire_mode {
    WIRE_REPLY,    /* an ordinary answer; the connection lives on */
    WIRE_TRUNCATE, /* Content-Length is `missing` too large; closes after the body */
    WIRE_SLOW,     /* `step` bytes each tick_ms, then closes */
    WIRE_RESET,    /* RST, no answer */
    WIRE_HANG,     /* nothing, until the client goes */
};

struct wire_plan {
    enum wire_mode mode;
    int status;
    int64_t delay_ms; /* before anything happens */
    int64_t tick_ms;
    size_t step, missing;
    unsigned tag; /* handed to on_done */
};

/* on_done: the request is over (answered, or its connection is gone). Called once for each
 * wire_send, perhaps before it returns. */
struct wire *wire_new(struct event_base *base, void (*on_done)(void *arg, unsigned tag), void *arg);
/* Answers req, whose output headers and output buffer hold the answer's. Takes req over. */
void wire_send(struct wire *w, struct evhttp_request *req, const struct wire_plan *plan);
/* Ends what is still held, with its connections. Before evhttp_free. */
void wire_free(struct wire *w);

#endif

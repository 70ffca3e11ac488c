/* Curl's multi handles joined to the loop: sockets, timers, and which transfers have ended.
 * Private to lib/io. */
#ifndef SENDQ_IO_HTTP_WIRE_H
#define SENDQ_IO_HTTP_WIRE_H

#include "loop.h"

#include <curl/curl.h>

/* Curl's own cost grows with the square of what one multi handle carries (limits.md 1a). */
#define HTTP_LANE_TRANSFERS 64

struct http_wire;
struct http_lane; /* one multi handle */

struct http_ended {
    CURL *easy;
    CURLcode rc;
};

/* on_ended runs after the turn in which transfers ended; it calls http_wire_drain. */
struct http_wire *http_wire_new(struct loop *loop, unsigned max_transfers, timer_cb on_ended,
                                void *arg);
void http_wire_free(struct http_wire *w); /* all transfers must have been removed */

/* Sets the options an easy handle needs to run on any lane of this wire; once per handle. */
void http_wire_prepare(struct http_wire *w, CURL *easy);
/* Opens a socket for such a handle: for an OPENSOCKETFUNCTION of one's own that asks first. */
curl_socket_t http_wire_open(struct http_wire *w, const struct curl_sockaddr *a);

/* Starts a transfer on the first lane with room (so connections stay warm); NULL if curl refuses
 * or all lanes are full. */
struct http_lane *http_wire_add(struct http_wire *w, CURL *easy);
void http_wire_remove(struct http_lane *lane, CURL *easy); /* aborts it */

/* All transfers that have ended since the last call, already removed from their lanes. `ret` must
 * have room for all that were added. */
size_t http_wire_drain(struct http_wire *w, struct http_ended *ret);

#endif

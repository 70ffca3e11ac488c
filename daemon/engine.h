/* The engine: wires the stages. Reading engine.c is reading the flow. */
#ifndef SENDQ_DAEMON_ENGINE_H
#define SENDQ_DAEMON_ENGINE_H

#include "config.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "overview.h"
#include "redis_link.h"

struct engine;

struct engine_status {
    const char *state; /* "connecting", "running", "draining" */
    bool ready;        /* it holds a lease, and takes jobs */
    bool redis_up;
    unsigned in_flight, in_flight_max;
    size_t attachment_bytes, attachment_bytes_max;
    unsigned unrecorded; /* outcomes that Redis does not have yet */
    uint64_t sent, failed, retried, stale;
    uint64_t problems; /* that the log has as event=redis, repeated ones too */
    uint64_t accepted, duplicates, rejected;
};

/* Owns config. ready runs once, when the worker is registered for the first time; drained runs when
 * a drain has ended. */
struct engine *engine_new(struct loop *loop, struct log *log, struct config *config,
                          const struct redis_addr *addr, void (*ready)(void *arg),
                          void (*drained)(void *arg), void *arg);
void engine_free(struct engine *e);

/* Takes over a new configuration (SIGHUP): senders, limits, credentials, settings. What is in
 * flight ends under the old one. Namespace and Redis address cannot change in a running process:
 * they are kept, and the caller warns. */
void engine_reload(struct engine *e, struct config *config);
/* User and password for connections to the same Redis from now on. */
void engine_set_login(struct engine *e, const struct redis_addr *addr);
/* Stops taking and claiming, lets transfers end (at most the configured time), records, leaves. */
void engine_drain(struct engine *e);
void engine_get_status(const struct engine *e, struct engine_status *ret);
const struct metrics *engine_metrics(const struct engine *e);
/* Reads what stands in Redis (overview_read); days are by all providers and "none". */
enum sq_err engine_read_overview(struct engine *e, overview_cb cb, void *arg) SQ_MUST_CHECK;

#endif

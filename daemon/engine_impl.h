/* Inside of the engine. Only engine*.c include it. */
#ifndef SENDQ_DAEMON_ENGINE_IMPL_H
#define SENDQ_DAEMON_ENGINE_IMPL_H

#include "engine.h"

#include "accept.h"
#include "consent.h"
#include "dispatch.h"
#include "fetch.h"
#include "intake.h"
#include "record.h"
#include "recover.h"
#include "repeats.h"
#include "resolve.h"
#include "transfer.h"

struct engine {
    struct loop *loop;
    struct log *log;
    struct live_config *live;
    struct store *store;
    struct attempts attempts;
    struct metrics metrics;
    const char *providers[METRICS_PROVIDERS + 2]; /* their names and "none", ending with NULL */
    struct intake_stage *intake;
    struct directory *directory;
    struct resolve_stage *resolve;
    struct accept_stage *accept;
    struct dispatch_stage *dispatch;
    struct consent_stage *consent;
    struct fetch_stage *fetch;
    struct transfer_stage *transfer;
    struct record_stage *record;
    struct recover_stage *recover;
    struct timer *drain_timer;
    struct after *drain_look;
    struct timer *publish_again;
    void (*ready)(void *arg);
    void (*drained)(void *arg);
    void *arg;
    bool was_ready, told_down, registered, draining, ended;
    int64_t drain_until_us;
    int64_t rate_at_us;
    uint64_t rate_sent;
    struct repeats repeats;
};

void engine_name_providers(struct engine *e);

#endif

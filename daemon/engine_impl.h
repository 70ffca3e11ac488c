/* Inside of the engine. Only engine*.c include it. */
#ifndef SENDQ_DAEMON_ENGINE_IMPL_H
#define SENDQ_DAEMON_ENGINE_IMPL_H

#include "engine.h"

#include "accept.h"
#include "consent.h"
#include "dispatch.h"
#include "expand.h"
#include "fetch.h"
#include "intake.h"
#include "record.h"
#include "recover.h"
#include "render.h"
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
    struct expand_stage *expand;
    struct dispatch_stage *dispatch;
    struct render_stage *render;
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
    uint64_t problems; /* told by it or not */
};

void engine_name_providers(struct engine *e);

/* engine_bulk.c: callbacks of expand, dispatch and render; arg is the engine. */
void engine_on_expanded(void *arg);
void engine_on_slice(const struct store_claimed *c, void *arg);
unsigned engine_on_rendering(void *arg);
unsigned engine_on_room(void *arg);
unsigned engine_on_under_way(void *arg);
void engine_on_rendered(struct attempt *t, int64_t slot_us, void *arg);
/* An operator has stopped a bulk, or lets it go on. */
void engine_on_bulk_bell(struct engine *e);
/* Records an attempt whose outcome nobody knows. */
void engine_record_unknown(struct attempt *t, void *arg);

#endif

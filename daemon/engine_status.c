/* What the engine tells of itself: to systemd, and to the admin pages. */
#include "engine_impl.h"

void engine_name_providers(struct engine *e)
{
    for (unsigned i = 0; i < METRICS_PROVIDERS; i++)
        e->providers[i] = provider_at(i)->name;
    e->providers[METRICS_PROVIDERS] = "none"; /* of senders that are gone; see record.c */
}

void engine_get_status(const struct engine *e, struct engine_status *ret)
{
    const struct record_counters *r = record_counts(e->record);
    const struct accept_counters *a = accept_counts(e->accept);

    *ret = (struct engine_status){
        .state = e->draining     ? "draining"
                 : e->registered ? "running"
                                 : "connecting",
        .ready = e->registered && !e->draining,
        .redis_up = store_is_up(e->store),
        .in_flight = transfer_in_flight(e->transfer),
        .in_flight_max = e->live->config->max_in_flight,
        .attachment_bytes = fetch_held(e->fetch),
        .attachment_bytes_max = (size_t)e->live->config->attachments_in_flight,
        .unrecorded = record_pending(e->record),
        .sent = r->sent,
        .failed = r->failed,
        .retried = r->retried,
        .stale = r->stale,
        .problems = e->problems,
        .accepted = a->accepted,
        .duplicates = a->duplicates,
        .rejected = a->rejected,
    };
}

const struct metrics *engine_metrics(const struct engine *e)
{
    return &e->metrics;
}

enum sq_err engine_read_overview(struct engine *e, overview_cb cb, void *arg)
{
    return overview_read(e->store, e->providers, cb, arg);
}

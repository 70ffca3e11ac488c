/* The flow, top to bottom:
 *
 *   intake -> accept -> [Redis: ready queues] -> dispatch -> transfer -> record
 *             |    ^                               |    ^
 *             |    |                               consent, fetch: opt-outs of what has waited;
 *             |    |                               attachments where bytes are needed
 *             resolve: contacts and templates, for the jobs that need them
 *             expand, render: what bulks need before and behind the queues (engine_bulk.c)
 *                 recover keeps the worker's lease and brings back what dead workers held
 *
 * Stages know only the store and their neighbours' names given here as callbacks. Everything in
 * Redis stops and resumes with the registration: a connection that comes back registers a new
 * identity, which settles what the old one left open (see recover.lua). */
#include "engine_impl.h"

#include "quota.h"
#include "settings.h"
#include <stdlib.h>

/* How often an unfinished drain is looked at, besides at every event that could end it. */
#define DRAIN_LOOK_US 50000
/* Before limits that Redis refused are written again. */
#define PUBLISH_PAUSE_US 1000000

/* --- problems are told once, not with every repetition --- */

static void tell(struct engine *e, enum log_level level, const char *event, const char *text)
{
    unsigned held;

    if (!repeats_pass(&e->repeats, text, loop_now_us(e->loop), &held) ||
        !log_begin(e->log, level, event))
        return;
    log_str(e->log, "msg", text);
    if (held > 0)
        log_int(e->log, "repeated", held);
    log_end(e->log);
}

static void on_problem(const char *what, void *arg)
{
    ((struct engine *)arg)->problems++;
    tell(arg, LOG_LVL_ERROR, "redis", what);
}

static void on_warning(const char *text, void *arg)
{
    struct engine *e = arg;

    log_line(e->log, LOG_LVL_WARN, "redis_check", "%s", text);
}

/* --- intake -> accept --- */

static void on_jobs(uint64_t tag, const struct store_raw *jobs, size_t count, void *arg)
{
    struct engine *e = arg;

    accept_batch(e->accept, tag, jobs, count);
}

static void on_unresolved(struct job *const *jobs, size_t count, void *arg)
{
    struct engine *e = arg;

    resolve_jobs(e->resolve, jobs, count);
}

static void on_resolved(bool ok, void *arg)
{
    struct engine *e = arg;

    accept_resolved(e->accept, ok);
}

static void on_batch_accepted(unsigned accepted, unsigned bulks, void *arg)
{
    struct engine *e = arg;

    if (accepted > 0)
        dispatch_poke(e->dispatch);
    if (accepted > 0 && bulks > 0)
        expand_poke(e->expand);
    intake_continue(e->intake);
}

static void on_intake_fenced(void *arg)
{
    struct engine *e = arg;

    recover_register(e->recover);
}

/* --- dispatch -> transfer -> record --- */

static void on_begin(struct attempt *t, void *arg)
{
    struct engine *e = arg;
    const struct message *m = &t->message;
    int64_t due_ms = m->scheduled_at > m->queued_at ? m->scheduled_at : m->queued_at;

    if (m->attempts == 1)
        metrics_wait(&e->metrics, m->priority, store_now_us(e->store) - due_ms * 1000);
    transfer_begin(e->transfer, t);
}

static bool on_prepare(struct attempt *t, void *arg)
{
    struct engine *e = arg;

    return consent_begin(e->consent, t) || fetch_begin(e->fetch, t);
}

static void on_prepared(struct attempt *t, bool ok, void *arg)
{
    struct engine *e = arg;

    dispatch_prepared(e->dispatch, t, ok);
}

static void on_release(struct attempt *t, void *arg)
{
    struct engine *e = arg;

    fetch_keep(e->fetch, t);
    record_release(e->record, t);
}

static void on_settled(struct attempt *t, void *arg)
{
    struct engine *e = arg;

    record_outcome(e->record, t);
}

static void on_attempt_done(struct attempt *t, void *arg)
{
    struct engine *e = arg;

    record_outcome(e->record, t);
    dispatch_due_at(e->dispatch, 0); /* there is room again */
}

static void on_transfer_warning(const char *text, void *arg)
{
    tell(arg, LOG_LVL_WARN, "token", text);
}

static void on_decided(const struct attempt *t, enum verdict_kind kind, void *arg)
{
    struct engine *e = arg;

    metrics_attempt(&e->metrics, t->sender != NULL ? t->sender->provider : NULL, kind,
                    t->begun_us != 0 ? loop_now_us(e->loop) - t->begun_us : -1);
}

/* A retry or a freed place may be the next thing due. */
static void on_recorded(int64_t next_us, void *arg)
{
    struct engine *e = arg;

    fetch_nudge(e->fetch);
    dispatch_due_at(e->dispatch, next_us);
    if (e->draining)
        after_request(e->drain_look);
}

static void on_bell(bool is_bulk, void *arg)
{
    struct engine *e = arg;

    if (is_bulk)
        engine_on_bulk_bell(e);
    dispatch_poke(e->dispatch);
}

/* --- limits in Redis --- */

static void on_published(enum store_status st, void *arg);

static void publish_quota(struct engine *e)
{
    quota_publish(e->store, e->live->config, on_published, e);
}

static void on_published(enum store_status st, void *arg)
{
    struct engine *e = arg;

    if (st == STORE_AGAIN) {
        publish_quota(e);
    } else if (st == STORE_ERROR) {
        /* Most likely Redis has no memory to spare: the old limits hold until it takes the new. */
        on_problem(store_error(e->store), e);
        timer_set_us(e->publish_again, PUBLISH_PAUSE_US);
    } else if (st == STORE_OK) {
        dispatch_poke(e->dispatch);
    }
}

static void on_publish_again(void *arg)
{
    struct engine *e = arg;

    if (e->registered)
        publish_quota(e);
}

static void on_unknown_senders(void *arg)
{
    publish_quota(arg);
}

/* --- recover --- */

static void on_status(struct worker_status *ret, void *arg)
{
    struct engine *e = arg;
    const struct record_counters *c = record_counts(e->record);
    int64_t now = loop_now_us(e->loop);
    double seconds = (double)(now - e->rate_at_us) / 1e6;

    ret->in_flight = transfer_in_flight(e->transfer);
    ret->state = e->draining ? "draining" : "running";
    ret->rate = seconds > 0 ? (double)(c->sent - e->rate_sent) / seconds : 0;
    e->rate_at_us = now;
    e->rate_sent = c->sent;
}

static void on_registered(int64_t until_us, void *arg)
{
    struct engine *e = arg;

    e->registered = true;
    e->told_down = false;
    log_line(e->log, LOG_LVL_INFO, "registered", "worker %s", store_worker_id(e->store));
    publish_quota(e);
    record_resume(e->record);
    dispatch_set_lease(e->dispatch, until_us);
    intake_set_open(e->intake, !e->draining);
    dispatch_set_open(e->dispatch, !e->draining);
    expand_set_open(e->expand, !e->draining);
    if (!e->was_ready) {
        e->was_ready = true;
        store_check_server(e->store, on_warning, e);
        e->ready(e->arg);
    }
}

/* Nothing starts in the last third of a lease: a send that outlives it may be repeated by others.
 */
static void on_renewed(int64_t until_us, int64_t next_due_us, void *arg)
{
    struct engine *e = arg;

    dispatch_set_lease(e->dispatch, until_us - e->live->config->lease_ms * 1000 / 3);
    dispatch_due_at(e->dispatch, next_due_us);
    intake_nudge(e->intake);
    expand_poke(e->expand);
}

static void close_stages(struct engine *e)
{
    e->registered = false;
    intake_set_open(e->intake, false);
    dispatch_set_open(e->dispatch, false);
    expand_set_open(e->expand, false);
}

static void on_fenced(void *arg)
{
    struct engine *e = arg;

    log_line(e->log, LOG_LVL_WARN, "fenced", "this worker's lease ran out; registering anew");
    close_stages(e);
}

static void on_adopted(const struct store_adopted *a, void *arg)
{
    struct engine *e = arg;
    struct attempt *t;

    if (a->id != NULL && a->id[0] == '@') {
        render_adopt(e->render, a);
        return;
    }
    t = attempt_new(&e->attempts, e->live, a->id, a->packed, a->packed_len);
    t->fence = a->fence;
    t->message.attempts = a->attempts;
    engine_record_unknown(t, e);
}

static void on_brought_back(unsigned jobs, unsigned messages, void *arg)
{
    struct engine *e = arg;

    log_line(e->log, LOG_LVL_INFO, "recovered", "%u jobs and %u messages of dead workers", jobs,
             messages);
}

/* --- the connection --- */

static void on_link(bool up, const char *why, void *arg)
{
    struct engine *e = arg;
    unsigned held;

    if (up && !e->ended)
        recover_register(e->recover);
    if (up)
        return;
    /* Down for another reason than before is told too: it may be one that an operator can mend. */
    if (!e->told_down || repeats_pass(&e->repeats, why, loop_now_us(e->loop), &held))
        log_line(e->log, LOG_LVL_ERROR, "redis_down", "%s; waiting for it", why);
    e->told_down = true;
    recover_stop(e->recover);
    close_stages(e);
    resolve_abandon(e->resolve);
    accept_abandon(e->accept);
}

/* --- drain --- */

static void end_drain(struct engine *e)
{
    e->ended = true;
    timer_cancel(e->drain_timer);
    recover_stop(e->recover);
    store_unregister(e->store);
    log_line(e->log, LOG_LVL_INFO, "drained", "%u attempts left", e->attempts.count);
    e->drained(e->arg);
}

static void look_at_drain(void *arg)
{
    struct engine *e = arg;
    bool idle = e->attempts.count == 0 && !intake_is_busy(e->intake);

    if (!e->draining || e->ended)
        return;
    if (idle || loop_now_us(e->loop) >= e->drain_until_us)
        end_drain(e);
    else
        timer_set_us(e->drain_timer, DRAIN_LOOK_US);
}

void engine_drain(struct engine *e)
{
    if (e->draining)
        return;
    e->draining = true;
    e->drain_until_us = loop_now_us(e->loop) + e->live->config->drain_timeout_ms * 1000;
    log_line(e->log, LOG_LVL_INFO, "draining", "%u in flight", transfer_in_flight(e->transfer));
    intake_set_open(e->intake, false);
    dispatch_set_open(e->dispatch, false);
    expand_set_open(e->expand, false);
    after_request(e->drain_look);
}

/* --- life --- */

static void apply_settings(struct engine *e)
{
    const struct config *c = e->live->config;

    settings_apply(c, e->store);
    dispatch_set_config(e->dispatch, e->live);
    accept_set_config(e->accept, e->live);
    resolve_set_config(e->resolve, e->live);
    expand_set_config(e->expand, e->live);
    render_set_config(e->render, e->live);
    intake_set_config(e->intake, c);
    record_set_batch(e->record, c->record_batch);
}

static void new_store(struct engine *e, const struct redis_addr *addr)
{
    const struct config *c = e->live->config;
    char name[SETTINGS_NAME];
    struct store_opts opts = {
        .loop = e->loop,
        .addr = addr,
        .ns = c->ns,
        .worker_name = settings_worker_name(c, name),
        .timeout_ms = c->redis_timeout_ms,
        .on_state = on_link,
        .on_bell = on_bell,
        .arg = e,
    };

    e->store = store_new(&opts);
}

static void new_stages(struct engine *e, const struct redis_addr *addr)
{
    const struct config *c = e->live->config;
    const struct intake_ops intake = {on_jobs, on_intake_fenced, on_problem, e};
    const struct accept_ops accept = {resolve_is_needed, on_unresolved, on_batch_accepted,
                                      on_problem, e};
    const struct resolve_ops resolve = {on_resolved, on_problem, e};
    const struct expand_ops expand = {engine_on_expanded, on_problem, e};
    const struct render_ops render = {engine_on_rendered, on_release, engine_record_unknown,
                                      on_problem, e};
    const struct dispatch_ops dispatch = {engine_on_room,      on_begin,
                                          on_prepare,          on_release,
                                          on_settled,          engine_on_slice,
                                          engine_on_rendering, on_unknown_senders,
                                          on_problem,          e};
    const struct transfer_ops transfer = {on_attempt_done, on_transfer_warning, e};
    const struct record_ops record = {engine_on_under_way, on_decided, on_recorded,
                                      on_intake_fenced,    on_problem, e};
    const struct recover_ops recover = {on_status,  on_registered,   on_renewed, on_fenced,
                                        on_adopted, on_brought_back, on_problem, e};

    e->intake = intake_new(e->loop, e->store, addr, c, &intake);
    e->accept = accept_new(e->loop, e->store, e->log, &accept);
    e->directory = directory_redis_new(e->store);
    e->resolve = resolve_new(e->loop, e->store, e->directory, &resolve);
    e->expand = expand_new(e->loop, e->store, e->directory, &expand);
    e->render = render_new(e->store, e->directory, &e->attempts, &render);
    e->dispatch = dispatch_new(e->loop, e->store, &e->attempts, &dispatch);
    e->consent = consent_new(e->loop, e->store, e->directory, on_prepared, e);
    e->fetch = fetch_new(e->loop, e->store, &e->attempts, c, on_prepared, e);
    e->transfer = transfer_new(e->loop, c, &transfer);
    e->record = record_new(e->loop, e->store, &e->attempts, e->log, &record);
    e->recover = recover_new(e->loop, e->store, &e->attempts, c->lease_ms, &recover);
}

struct engine *engine_new(struct loop *loop, struct log *log, struct config *config,
                          const struct redis_addr *addr, void (*ready)(void *arg),
                          void (*drained)(void *arg), void *arg)
{
    struct engine *e = mem_zalloc(sizeof(*e));

    e->loop = loop;
    e->log = log;
    e->ready = ready;
    e->drained = drained;
    e->arg = arg;
    e->live = live_config_new(config);
    e->rate_at_us = loop_now_us(loop);
    attempts_init(&e->attempts);
    engine_name_providers(e);
    e->drain_timer = timer_new(loop, look_at_drain, e);
    e->drain_look = after_new(loop, look_at_drain, e);
    e->publish_again = timer_new(loop, on_publish_again, e);
    new_store(e, addr);
    new_stages(e, addr);
    apply_settings(e);
    return e;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    /* What is under way comes home first, while the stages still stand. */
    transfer_free(e->transfer);
    store_close(e->store);
    fetch_free(e->fetch);
    intake_free(e->intake);
    resolve_free(e->resolve);
    consent_free(e->consent);
    expand_free(e->expand);
    directory_free(e->directory);
    accept_free(e->accept);
    dispatch_free(e->dispatch);
    record_free(e->record);
    recover_free(e->recover);
    store_free(e->store);
    attempts_done(&e->attempts);
    render_free(e->render);
    timer_free(e->drain_timer);
    after_free(e->drain_look);
    timer_free(e->publish_again);
    live_config_unref(e->live);
    free(e);
}

void engine_reload(struct engine *e, struct config *config)
{
    struct live_config *old = e->live;

    e->live = live_config_new(config);
    apply_settings(e);
    live_config_unref(old);
    if (e->registered)
        publish_quota(e);
}

/* /status: what the page shows, as one JSON object. Texts are passed on as they are: whoever shows
 * them must show them as text. */
#include "admin_view.h"

#include "json.h"
#include "timefmt.h"

static void print_worker(const struct admin_view *v, struct buf *b)
{
    const struct engine_status *s = &v->status;
    char started[TIME_TEXT];

    time_format(v->started_ms, started);
    json_key(b, "worker");
    json_open(b, '{');
    json_key_str(b, "name", v->worker);
    json_key_str(b, "version", SENDQ_VERSION);
    json_key_str(b, "state", s->state);
    json_key_str(b, "started_at", started);
    json_key_bool(b, "redis", s->redis_up);
    json_key_int(b, "in_flight", s->in_flight);
    json_key_int(b, "in_flight_max", s->in_flight_max);
    json_key_int(b, "unrecorded", s->unrecorded);
    json_key_int(b, "accepted", (int64_t)s->accepted);
    json_key_int(b, "rejected", (int64_t)s->rejected);
    json_key_int(b, "sent", (int64_t)s->sent);
    json_key_int(b, "failed", (int64_t)s->failed);
    json_key_int(b, "retried", (int64_t)s->retried);
    json_close(b, '}');
}

static void print_hour(const struct overview *o, struct buf *b)
{
    json_key(b, "hour");
    json_open(b, '{');
    json_key(b, "sent");
    json_open(b, '[');
    for (size_t i = 0; i < OVERVIEW_MINUTES; i++)
        json_val_int(b, o->hour[i].sent);
    json_close(b, ']');
    json_key(b, "errors");
    json_open(b, '[');
    for (size_t i = 0; i < OVERVIEW_MINUTES; i++)
        json_val_int(b, o->hour[i].errors);
    json_close(b, ']');
    json_close(b, '}');
}

static void print_queues(const struct overview *o, struct buf *b)
{
    int64_t sent = 0, failed = 0, cancelled = 0;

    json_key(b, "jobs");
    json_open(b, '{');
    json_key_int(b, "high", o->jobs_high);
    json_key_int(b, "normal", o->jobs);
    json_key_int(b, "low", o->jobs_low);
    json_close(b, '}');
    json_key_int(b, "taken", o->taken);
    json_key_int(b, "ready", o->ready);
    json_key_int(b, "delayed", o->delayed);
    json_key_int(b, "in_flight", o->leased);
    json_key_int(b, "dead", o->dead);
    json_key_int(b, "rejected", o->rejected);
    for (size_t i = 0; i < o->day_count; i++) {
        sent += o->days[i].sent;
        failed += o->days[i].failed;
        cancelled += o->days[i].cancelled;
    }
    json_key(b, "today");
    json_open(b, '{');
    json_key_int(b, "sent", sent);
    json_key_int(b, "failed", failed);
    json_key_int(b, "cancelled", cancelled);
    json_close(b, '}');
}

static void print_senders(const struct overview *o, struct buf *b)
{
    json_key_int(b, "sender_total", o->sender_total);
    json_key(b, "senders");
    json_open(b, '[');
    for (size_t i = 0; i < o->sender_count; i++) {
        const struct overview_sender *s = &o->senders[i];

        json_open(b, '{');
        json_key_str(b, "id", s->id);
        json_key_str(b, "state", s->state);
        json_opt_str(b, "until", s->until);
        json_key_int(b, "waiting", s->waiting);
        json_key_int(b, "in_flight", s->in_flight);
        json_key_int(b, "sent_today", s->sent_today);
        json_key_int(b, "day_cap", s->day_cap);
        json_key_int(b, "sent", s->sent);
        json_key_int(b, "failed", s->failed);
        json_opt_str(b, "error_message", s->error);
        json_close(b, '}');
    }
    json_close(b, ']');
}

static void print_workers(const struct overview *o, struct buf *b)
{
    json_key(b, "workers");
    json_open(b, '[');
    for (size_t i = 0; i < o->worker_count; i++) {
        const struct overview_worker *w = &o->workers[i];

        json_open(b, '{');
        json_key_str(b, "name", w->name);
        json_opt_str(b, "state", w->state);
        json_key_int(b, "in_flight", w->in_flight);
        json_opt_str(b, "rate", w->rate);
        json_opt_str(b, "version", w->version);
        json_opt_str(b, "started_at", w->started_at);
        json_close(b, '}');
    }
    json_close(b, ']');
}

static void print_bulks(const struct overview *o, struct buf *b)
{
    json_key(b, "bulks");
    json_open(b, '[');
    for (size_t i = 0; i < o->bulk_count; i++) {
        const struct overview_bulk *k = &o->bulks[i];

        json_open(b, '{');
        json_key_str(b, "id", k->id);
        json_opt_str(b, "status", k->status);
        json_key_int(b, "total_leads", k->total);
        json_key_int(b, "messages_queued", k->queued);
        json_key_int(b, "messages_sent", k->sent);
        json_key_int(b, "messages_failed", k->failed);
        json_key_int(b, "messages_cancelled", k->cancelled);
        json_opt_str(b, "success_rate", k->success_rate);
        json_opt_str(b, "created_at", k->created_at);
        json_close(b, '}');
    }
    json_close(b, ']');
}

static void print_failures(const struct overview *o, struct buf *b)
{
    json_key(b, "failures");
    json_open(b, '[');
    for (size_t i = 0; i < o->failure_count; i++) {
        const struct overview_failure *f = &o->failures[i];

        json_open(b, '{');
        json_key_str(b, "id", f->id);
        json_opt_str(b, "failed_at", f->failed_at);
        json_opt_str(b, "sender", f->sender);
        json_opt_str(b, "channel", f->channel);
        json_key_int(b, "attempts", f->attempts);
        json_opt_str(b, "error_code", f->error_code);
        json_opt_str(b, "error_message", f->error);
        json_close(b, '}');
    }
    json_close(b, ']');
}

void admin_print_status(const struct admin_view *v, struct buf *out)
{
    const struct overview *o = v->overview;
    char at[TIME_TEXT];

    time_format(o != NULL ? o->at_ms : v->wall_ms, at);
    json_open(out, '{');
    json_key_str(out, "namespace", v->ns);
    json_key_str(out, "at", at);
    print_worker(v, out);
    if (o != NULL) {
        print_hour(o, out);
        print_queues(o, out);
        print_senders(o, out);
        print_workers(o, out);
        print_bulks(o, out);
        print_failures(o, out);
    }
    json_close(out, '}');
    buf_addc(out, '\n');
}

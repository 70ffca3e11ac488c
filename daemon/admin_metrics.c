/* /metrics: this process's counters, and what stands in Redis, as Prometheus reads it. Labels are
 * names from the configuration; never a recipient, a message's id or text. */
#include "admin_view.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_escaped(struct buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '\n')
            buf_adds(b, "\\n");
        else if (*s == '"' || *s == '\\')
            buf_addf(b, "\\%c", *s);
        else
            buf_addc(b, *s);
    }
}

static void add_label(struct buf *b, char before, const char *name, const char *value)
{
    buf_addc(b, before);
    buf_adds(b, name);
    buf_adds(b, "=\"");
    add_escaped(b, value);
    buf_addc(b, '"');
}

/* name{label="value"} n; without label: name n. */
static void sample(struct buf *b, const char *name, const char *label, const char *value, int64_t n)
{
    buf_adds(b, name);
    if (label != NULL) {
        add_label(b, '{', label, value);
        buf_addc(b, '}');
    }
    buf_addc(b, ' ');
    buf_add_i64(b, n);
    buf_addc(b, '\n');
}

static void sample2(struct buf *b, const char *name, const char *label, const char *value,
                    const char *label2, const char *value2, int64_t n)
{
    buf_adds(b, name);
    add_label(b, '{', label, value);
    add_label(b, ',', label2, value2);
    buf_adds(b, "} ");
    buf_add_i64(b, n);
    buf_addc(b, '\n');
}

static void single(struct buf *b, const char *name, const char *type, const char *help, int64_t n)
{
    head(b, name, type, help);
    sample(b, name, NULL, NULL, n);
}

static void seconds(struct buf *b, const char *name, const char *type, const char *help, double s)
{
    head(b, name, type, help);
    buf_addf(b, "%s %.6f\n", name, s);
}

/* --- this process --- */

static void print_histogram(struct buf *b, const char *name, const char *label, const char *value,
                            const struct histogram *h)
{
    uint64_t below = 0;
    char bound[32];

    for (int i = 0; i < METRICS_BOUNDS; i++) {
        below += h->counts[i];
        snprintf(bound, sizeof(bound), "%g", (double)metrics_bounds_us[i] / 1e6);
        buf_addf(b, "%s_bucket{%s=\"%s\",le=\"%s\"} %llu\n", name, label, value, bound,
                 (unsigned long long)below);
    }
    buf_addf(b, "%s_bucket{%s=\"%s\",le=\"+Inf\"} %llu\n", name, label, value,
             (unsigned long long)h->total);
    buf_addf(b, "%s_sum{%s=\"%s\"} %.6f\n", name, label, value, (double)h->sum_us / 1e6);
    buf_addf(b, "%s_count{%s=\"%s\"} %llu\n", name, label, value, (unsigned long long)h->total);
}

static const char *provider_label(unsigned i)
{
    return i < METRICS_PROVIDERS ? provider_at(i)->name : "none";
}

static bool was_used(const struct metrics *m, unsigned i)
{
    for (int k = 0; k < VERDICT_COUNT; k++)
        if (m->attempts[i][k] > 0)
            return true;
    return false;
}

static void print_attempts(const struct metrics *m, struct buf *b)
{
    head(b, "sendq_attempts_total", "counter", "Attempts of this process by their result.");
    for (unsigned i = 0; i <= METRICS_PROVIDERS; i++)
        for (int k = 0; was_used(m, i) && k < VERDICT_COUNT; k++)
            sample2(b, "sendq_attempts_total", "provider", provider_label(i), "result",
                    verdict_name((enum verdict_kind)k), (int64_t)m->attempts[i][k]);
    head(b, "sendq_provider_latency_seconds", "histogram",
         "From the beginning of an attempt until the provider's last answer.");
    for (unsigned i = 0; i < METRICS_PROVIDERS; i++)
        if (m->latency[i].total > 0)
            print_histogram(b, "sendq_provider_latency_seconds", "provider", provider_label(i),
                            &m->latency[i]);
    head(b, "sendq_queue_wait_seconds", "histogram",
         "From the time a message was due until its first attempt began.");
    print_histogram(b, "sendq_queue_wait_seconds", "priority", "high", &m->wait[PRIORITY_HIGH]);
    print_histogram(b, "sendq_queue_wait_seconds", "priority", "normal", &m->wait[PRIORITY_NORMAL]);
    print_histogram(b, "sendq_queue_wait_seconds", "priority", "low", &m->wait[PRIORITY_LOW]);
}

static void print_worker(const struct engine_status *s, struct buf *b)
{
    head(b, "sendq_jobs_total", "counter", "Jobs taken by this process by what became of them.");
    sample(b, "sendq_jobs_total", "result", "accepted", (int64_t)s->accepted);
    sample(b, "sendq_jobs_total", "result", "duplicate", (int64_t)s->duplicates);
    sample(b, "sendq_jobs_total", "result", "rejected", (int64_t)s->rejected);
    single(b, "sendq_stale_outcomes_total", "counter",
           "Outcomes that came after the message's lease had passed to another worker.",
           (int64_t)s->stale);
    single(b, "sendq_redis_problems_total", "counter",
           "How often Redis refused something, or a key of another type held something up.",
           (int64_t)s->problems);
    single(b, "sendq_ready", "gauge", "Whether this process holds its lease and takes jobs.",
           s->ready);
    single(b, "sendq_redis_up", "gauge", "Whether the connection to Redis stands.", s->redis_up);
    single(b, "sendq_in_flight", "gauge", "Transfers under way.", s->in_flight);
    single(b, "sendq_in_flight_max", "gauge", "Transfers that may be under way.", s->in_flight_max);
    single(b, "sendq_attachment_bytes", "gauge", "Attachments of messages that are being sent.",
           (int64_t)s->attachment_bytes);
    single(b, "sendq_attachment_bytes_max", "gauge", "How many of those there may be.",
           (int64_t)s->attachment_bytes_max);
    single(b, "sendq_unrecorded_outcomes", "gauge", "Outcomes that Redis does not have yet.",
           s->unrecorded);
}

static int64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long long pages = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%*d %lld", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * getpagesize();
}

static double time_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void print_process(const struct admin_view *v, struct buf *b)
{
    struct rusage use;

    head(b, "sendq_build_info", "gauge", "The version that runs.");
    sample(b, "sendq_build_info", "version", SENDQ_VERSION, 1);
    if (getrusage(RUSAGE_SELF, &use) == 0)
        seconds(b, "process_cpu_seconds_total", "counter", "User and system time used.",
                time_of(use.ru_utime) + time_of(use.ru_stime));
    single(b, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    seconds(b, "process_start_time_seconds", "gauge", "Start, in seconds since the epoch.",
            (double)v->started_ms / 1000);
}

/* --- the whole namespace --- */

static void print_queues(const struct overview *o, struct buf *b)
{
    head(b, "sendq_queue_jobs", "gauge", "Jobs not accepted yet by list.");
    sample(b, "sendq_queue_jobs", "list", "high", o->jobs_high);
    sample(b, "sendq_queue_jobs", "list", "normal", o->jobs);
    sample(b, "sendq_queue_jobs", "list", "low", o->jobs_low);
    sample(b, "sendq_queue_jobs", "list", "taken", o->taken);
    head(b, "sendq_queue_messages", "gauge", "Messages that are not final by where they wait.");
    sample(b, "sendq_queue_messages", "state", "ready", o->ready);
    sample(b, "sendq_queue_messages", "state", "delayed", o->delayed);
    sample(b, "sendq_queue_messages", "state", "leased", o->leased);
    single(b, "sendq_dead_messages", "gauge", "Messages that failed for good and can be retried.",
           o->dead);
    single(b, "sendq_rejected_jobs", "gauge", "Jobs that could not be accepted and are kept.",
           o->rejected);
}

static void print_day(const struct overview *o, struct buf *b)
{
    const char *name = "sendq_day_messages";

    head(b, name, "gauge", "Messages that became final since midnight UTC over all workers.");
    for (size_t i = 0; i < o->day_count; i++) {
        const struct overview_day *d = &o->days[i];

        if (d->sent + d->failed + d->cancelled == 0)
            continue;
        sample2(b, name, "provider", d->provider, "status", "sent", d->sent);
        sample2(b, name, "provider", d->provider, "status", "failed", d->failed);
        sample2(b, name, "provider", d->provider, "status", "cancelled", d->cancelled);
    }
}

static void print_senders(const struct overview *o, struct buf *b)
{
    head(b, "sendq_sender_waiting_messages", "gauge", "Messages ready to be sent by a sender.");
    for (size_t i = 0; i < o->sender_count; i++)
        sample(b, "sendq_sender_waiting_messages", "sender", o->senders[i].id,
               o->senders[i].waiting);
    head(b, "sendq_sender_state", "gauge", "1 for the state that a sender is in.");
    for (size_t i = 0; i < o->sender_count; i++)
        sample2(b, "sendq_sender_state", "sender", o->senders[i].id, "state", o->senders[i].state,
                1);
    head(b, "sendq_sender_day_used", "gauge", "What a sender has used of its day cap.");
    for (size_t i = 0; i < o->sender_count; i++)
        if (o->senders[i].day_cap > 0)
            sample(b, "sendq_sender_day_used", "sender", o->senders[i].id,
                   o->senders[i].sent_today);
    head(b, "sendq_sender_day_cap", "gauge", "The day cap of a sender that has one.");
    for (size_t i = 0; i < o->sender_count; i++)
        if (o->senders[i].day_cap > 0)
            sample(b, "sendq_sender_day_cap", "sender", o->senders[i].id, o->senders[i].day_cap);
}

void admin_print_metrics(const struct admin_view *v, struct buf *out)
{
    print_process(v, out);
    print_worker(&v->status, out);
    print_attempts(v->metrics, out);
    if (v->overview == NULL)
        return;
    single(out, "sendq_workers", "gauge", "Workers of this namespace.",
           (int64_t)v->overview->worker_count);
    print_queues(v->overview, out);
    print_day(v->overview, out);
    print_senders(v->overview, out);
}

/* The process's own counters, histograms, and the last hour by minutes. */
#include "metrics.h"

#define MINUTE_US INT64_C(60000000)
#define MS 1000
#define SECOND 1000000

/* From a provider next door to a queue that waits for an hour's quota. */
const int64_t metrics_bounds_us[METRICS_BOUNDS] = {
    5 * MS,       25 * MS,
    50 * MS,      100 * MS,
    250 * MS,     500 * MS,
    1 * SECOND,   5 * SECOND,
    10 * SECOND,  30 * SECOND,
    60 * SECOND,  300 * SECOND,
    900 * SECOND, INT64_C(3600) * SECOND,
};

static void observe(struct histogram *h, int64_t us)
{
    int i = 0;

    if (us < 0)
        us = 0; /* two clocks were compared */
    while (i < METRICS_BOUNDS && us > metrics_bounds_us[i])
        i++;
    h->counts[i]++;
    h->total++;
    h->sum_us += (uint64_t)us;
}

static unsigned index_of(const struct provider *p)
{
    unsigned i = 0;

    while (i < METRICS_PROVIDERS && provider_at(i) != p)
        i++;
    return i;
}

static void count_minute(struct metrics *m, enum verdict_kind kind, int64_t now_us)
{
    int64_t minute = now_us / MINUTE_US;
    struct metrics_minute *slot = &m->minutes[minute % METRICS_MINUTES];

    if (slot->minute != minute)
        *slot = (struct metrics_minute){.minute = minute};
    if (kind == VERDICT_SENT)
        slot->sent++;
    else if (kind == VERDICT_FAILED || kind == VERDICT_RETRY || kind == VERDICT_BROKEN)
        slot->errors++; /* waiting for a limit is none */
}

void metrics_attempt(struct metrics *m, const struct provider *p, enum verdict_kind kind,
                     int64_t took_us, int64_t now_us)
{
    unsigned i = index_of(p);

    m->attempts[i][kind]++;
    if (took_us >= 0 && i < METRICS_PROVIDERS)
        observe(&m->latency[i], took_us);
    count_minute(m, kind, now_us);
}

void metrics_wait(struct metrics *m, enum priority p, int64_t waited_us)
{
    observe(&m->wait[p], waited_us);
}

struct metrics_minute metrics_minute(const struct metrics *m, int64_t now_us, int ago)
{
    int64_t minute = now_us / MINUTE_US - ago;
    const struct metrics_minute *slot;

    if (minute < 0)
        return (struct metrics_minute){.minute = minute};
    slot = &m->minutes[minute % METRICS_MINUTES];
    return slot->minute == minute ? *slot : (struct metrics_minute){.minute = minute};
}

/* The process's own counters and histograms. */
#include "metrics.h"

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

void metrics_attempt(struct metrics *m, const struct provider *p, enum verdict_kind kind,
                     int64_t took_us)
{
    unsigned i = index_of(p);

    m->attempts[i][kind]++;
    if (took_us >= 0 && i < METRICS_PROVIDERS)
        observe(&m->latency[i], took_us);
}

void metrics_wait(struct metrics *m, enum priority p, int64_t waited_us)
{
    observe(&m->wait[p], waited_us);
}

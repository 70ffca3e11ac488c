/* Counters of this process: fed by the stages (engine.c wires them), read by the admin pages.
 * Plain numbers of a fixed size; time is a parameter. */
#ifndef SENDQ_DAEMON_METRICS_H
#define SENDQ_DAEMON_METRICS_H

#include "registry.h"
#include "verdict.h"

#define METRICS_ONE(name) +1
enum {
    METRICS_PROVIDERS = 0 PROVIDER_LIST(METRICS_ONE),
    METRICS_BOUNDS = 14,
};
#undef METRICS_ONE

struct histogram {
    uint64_t counts[METRICS_BOUNDS + 1]; /* each bound's own; the last: above all bounds */
    uint64_t total, sum_us;
};

struct metrics {
    /* By provider_at's index; the last is of attempts without one (their sender is gone). */
    uint64_t attempts[METRICS_PROVIDERS + 1][VERDICT_COUNT];
    struct histogram latency[METRICS_PROVIDERS];
    struct histogram wait[PRIORITY_COUNT];
};

/* The upper bounds of the histograms' buckets in microseconds, ascending. */
extern const int64_t metrics_bounds_us[METRICS_BOUNDS];

/* An attempt has its verdict. p may be NULL; took_us < 0: it never began. */
void metrics_attempt(struct metrics *m, const struct provider *p, enum verdict_kind kind,
                     int64_t took_us);
/* A message's first attempt begins, so long after it was due. */
void metrics_wait(struct metrics *m, enum priority p, int64_t waited_us);

#endif

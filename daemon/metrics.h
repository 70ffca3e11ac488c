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
    METRICS_MINUTES = 60,
};
#undef METRICS_ONE

struct histogram {
    uint64_t counts[METRICS_BOUNDS + 1]; /* each bound's own; the last: above all bounds */
    uint64_t total, sum_us;
};

/* Attempts that ended in one minute of the monotonic clock. */
struct metrics_minute {
    int64_t minute;
    uint64_t sent, errors;
};

struct metrics {
    /* By provider_at's index; the last is of attempts without one (their sender is gone). */
    uint64_t attempts[METRICS_PROVIDERS + 1][VERDICT_COUNT];
    struct histogram latency[METRICS_PROVIDERS];
    struct histogram wait[PRIORITY_COUNT];
    struct metrics_minute minutes[METRICS_MINUTES]; /* a ring, by minute % METRICS_MINUTES */
};

/* The upper bounds of the histograms' buckets in microseconds, ascending. */
extern const int64_t metrics_bounds_us[METRICS_BOUNDS];

/* An attempt has its verdict. p may be NULL; took_us < 0: it never began. */
void metrics_attempt(struct metrics *m, const struct provider *p, enum verdict_kind kind,
                     int64_t took_us, int64_t now_us);
/* A message's first attempt begins, so long after it was due. */
void metrics_wait(struct metrics *m, enum priority p, int64_t waited_us);
/* What ended `ago` minutes before the one of now_us (0 .. METRICS_MINUTES - 1). */
struct metrics_minute metrics_minute(const struct metrics *m, int64_t now_us, int ago);

#endif

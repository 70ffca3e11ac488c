/* One limit as it stands now: a bucket of the scripts (buckets.lua), read for people. */
#ifndef SENDQ_DAEMON_CTL_LIMIT_H
#define SENDQ_DAEMON_CTL_LIMIT_H

#include "ctl.h"

struct ctl_limit {
    const char *name;                       /* "sender:<id>", "tenant:<id>", "global" ... */
    double interval_us;                     /* between sends now; 0 = no rate */
    double full_us;                         /* ... when the provider does not throttle */
    int64_t burst, free_us;                 /* free_us: when the next send may start */
    int64_t day_cap, day_used, day_next_us; /* day_cap 0 = none */
    const char *day_zone;                   /* or "rolling" */
    int64_t concurrency, busy, pause_us;    /* pause_us 0 = not paused */
    int64_t errors, trip;                   /* of the breaker; trip 0 = none */
};

/* What holds a send up. */
enum ctl_hold { HOLD_NONE, HOLD_PAUSE, HOLD_BREAKER, HOLD_PLACES, HOLD_DAY, HOLD_RATE };

/* The limit of this name; false where there is none. Texts live as long as the replies. */
bool ctl_limit_read(struct ctl *c, const char *name, int64_t now_us, struct ctl_limit *ret);
/* What it holds up now, and until when (0 = nobody knows). */
enum ctl_hold ctl_limit_holds(const struct ctl_limit *l, int64_t now_us, int64_t *ret_until_us);
/* A time of Redis as text; NULL for 0. */
const char *ctl_limit_time(struct ctl *c, int64_t us);

#endif

/* The counters of one day, read by sendqctl's stats and status. */
#ifndef SENDQ_DAEMON_CTL_DAY_H
#define SENDQ_DAEMON_CTL_DAY_H

#include "ctl.h"

struct ctl_count {
    const char *scope, *name, *status; /* of NS:stats:<day>: <scope>:<name>:<status> */
    int64_t sent, failed, cancelled;
};

struct ctl_day {
    char day[11];
    struct ctl_count *rows; /* sorted; in the arena */
    size_t count;
    struct ctl_count total;
};

void ctl_read_day(struct ctl *c, int64_t ms, struct ctl_day *ret); /* the UTC day of ms */
void ctl_json_counts(struct ctl *c, const struct ctl_count *n);

#endif

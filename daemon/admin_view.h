/* What the admin pages are made of, and their texts. Pure. */
#ifndef SENDQ_DAEMON_ADMIN_VIEW_H
#define SENDQ_DAEMON_ADMIN_VIEW_H

#include "engine.h"

struct admin_view {
    struct engine_status status;
    const struct metrics *metrics;
    const struct overview *overview; /* NULL: Redis has not told, or is away */
    const char *ns, *worker;
    int64_t wall_ms, started_ms; /* Unix */
};

/* /metrics: Prometheus' text format 0.0.4. */
void admin_print_metrics(const struct admin_view *v, struct buf *out);
/* /status: one JSON object. */
void admin_print_status(const struct admin_view *v, struct buf *out);

#endif

/* Rates in words: "10/s", "10/s burst 20", "100/min", "2000/day calendar Europe/Berlin". */
#ifndef SENDQ_MODEL_RATE_H
#define SENDQ_MODEL_RATE_H

#include "err.h"
#include <stdbool.h>
#include <stdint.h>

/* count per period. burst 0 = strict: sends are spaced so that no window of `period_ms` ever holds
 * more than count. burst B = a token bucket of depth B refilled at count per period. */
struct rate {
    int64_t count;     /* 0 = no limit */
    int64_t period_ms; /* 1000, 60000, 3600000, 86400000 */
    int64_t burst;
};

enum day_mode { DAY_CALENDAR, DAY_ROLLING };

struct day_cap {
    int64_t count; /* 0 = no limit */
    enum day_mode mode;
    char zone[64]; /* IANA name, "UTC" by default */
};

/* What may be limited in one place. */
struct limit {
    struct rate rate;
    struct day_cap day;
    unsigned concurrency; /* 0 = none */
};

/* "<n>/<s|sec|second|min|minute|h|hour|day>[ burst <n>]". The error names what is wrong. */
enum sq_err rate_parse(const char *s, struct rate *ret, struct err_text *e);
/* "<n>[/day] [calendar [ZONE] | rolling]". The zone's spelling is checked, not its existence. */
enum sq_err day_cap_parse(const char *s, struct day_cap *ret, struct err_text *e);

/* Adds one limit in words: "concurrency <n>", a day cap ("<n>/day ...") or another rate. */
enum sq_err limit_parse(const char *s, struct limit *io, struct err_text *e);

/* The local day in `zone` that holds unix_ms and its neighbours: bounds[0] = start of the day
 * before, [1] = start of that day, [2] = start of the next, [3] = start of the one after; Unix ms.
 * DST-safe: days of 23, 24 or 25 hours come from the system's tzdata (read from
 * /usr/share/zoneinfo or $TZDIR without touching the process' own TZ). SQ_ERR_NOT_FOUND for an
 * unknown zone. */
enum sq_err day_bounds(const char *zone, int64_t unix_ms, int64_t bounds[4]);

#endif

/* Quiet hours: the times of day at which a kind of message waits. */
#ifndef SENDQ_MODEL_QUIET_H
#define SENDQ_MODEL_QUIET_H

#include "err.h"
#include "tz.h"

/* From and to as minutes of the local day; over midnight where from > to. Equal: none. */
struct quiet_hours {
    int from, to;
};

/* "22:00-08:00" */
enum sq_err quiet_parse(const char *s, struct quiet_hours *ret, struct err_text *e) SQ_MUST_CHECK;
/* The first moment, from unix_ms on, that is not quiet by the zone's clocks: unix_ms itself if it
 * is not. Clock changes are the zone's: a quiet hour that comes twice is quiet twice. */
int64_t quiet_end(const struct quiet_hours *q, const struct tz *z, int64_t unix_ms);

#endif

/* Time zones from the system's TZif files (RFC 8536, version 2 and later).
 *
 * The C library knows one zone per process (TZ); a daemon with senders in many zones reads the
 * files itself. */
#ifndef SENDQ_MODEL_TZ_H
#define SENDQ_MODEL_TZ_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When a POSIX TZ rule changes the clock: a day of the year and seconds after its midnight. */
struct tz_date {
    enum { TZ_DAY_JULIAN, TZ_DAY_ZERO, TZ_DAY_MONTH } kind; /* Jn, n, Mm.w.d */
    int month, week, day;
    int time;
};

/* One loaded zone; tz_free when done. */
struct tz {
    unsigned char *data;                          /* the file, owned */
    const unsigned char *times, *indexes, *types; /* inside data */
    size_t time_count, type_count;
    bool has_rule;              /* a footer says what holds after the last transition */
    bool has_dst;               /* ... and it knows summer time */
    int std_offset, dst_offset; /* seconds east of UTC */
    struct tz_date dst_start, dst_end;
};

#define TZ_NEVER INT64_MAX

/* True if s is spelled like a zone name ("Europe/Berlin"): it cannot leave the directory. */
bool tz_name_is_valid(const char *s);
/* Reads a zone from $TZDIR or /usr/share/zoneinfo; "UTC" needs no file. SQ_ERR_NOT_FOUND if there
 * is no such file, SQ_ERR_INVALID if it is not a TZif file of version 2 or later. */
enum sq_err tz_load(const char *name, struct tz *ret) SQ_MUST_CHECK;
/* The same from bytes in memory (copied). */
enum sq_err tz_parse(const void *data, size_t len, struct tz *ret) SQ_MUST_CHECK;
void tz_free(struct tz *z);

/* Seconds east of UTC at unix_s; *ret_next = when that may change next, or TZ_NEVER. */
int tz_offset(const struct tz *z, int64_t unix_s, int64_t *ret_next);
/* The first instant (Unix seconds) whose local date is the given day (days since 1970-01-01) or a
 * later one: a day may begin at 01:00, and may be skipped. */
int64_t tz_day_start(const struct tz *z, int64_t day);

#endif

/* Times: RFC 3339 text and Unix milliseconds. No clock is read here except clock_*. */
#ifndef SENDQ_BASE_TIMEFMT_H
#define SENDQ_BASE_TIMEFMT_H

#include "err.h"
#include <stdint.h>

#define TIME_TEXT 25 /* "2026-11-21T09:10:11.123Z" and a NUL */

/* UTC with milliseconds; for years 1970 to 9999 (clamped). */
void time_format(int64_t unix_ms, char ret[TIME_TEXT]);
/* The same without milliseconds: "2026-11-21T09:10:11Z". */
void time_format_seconds(int64_t unix_ms, char ret[TIME_TEXT]);
/* "2026-11-21": the UTC day. ret needs 11 bytes. */
void time_format_day(int64_t unix_ms, char ret[11]);
/* RFC 3339 (with Z or +hh:mm, fraction optional, 'T' or space, any case). */
enum sq_err time_parse(const char *s, int64_t *ret_unix_ms) SQ_MUST_CHECK;
/* An HTTP date (RFC 9110 5.6.7, IMF-fixdate and the two obsolete forms). */
enum sq_err time_parse_http(const char *s, int64_t *ret_unix_ms) SQ_MUST_CHECK;

int64_t clock_wall_ms(void); /* CLOCK_REALTIME */
int64_t clock_mono_us(void); /* CLOCK_MONOTONIC */

#endif

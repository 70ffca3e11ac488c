/* When to try again: exponential back-off with full jitter, and the end of trying. */
#ifndef SENDQ_MODEL_BACKOFF_H
#define SENDQ_MODEL_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/* Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): a uniform random delay in
 * [0, min(max, base * 2^(attempt-1))], but at least `floor_ms` (a Retry-After), and at least 1 ms.
 * attempt counts from 1; `random` is any 64-bit random number (a parameter, so tests are exact). */
int64_t backoff_delay(int64_t base_ms, int64_t max_ms, unsigned attempt, int64_t floor_ms,
                      uint64_t random);

/* True when no further attempt may follow: attempts used up, or the message would be older than
 * max_age at its next attempt (due_ms; max_age 0 = any age), or expired by then (expires_at 0 =
 * never). A scheduled message ages from its scheduled time: pass the later of the two. */
bool backoff_is_over(unsigned attempts, unsigned max_attempts, int64_t queued_at,
                     int64_t max_age_ms, int64_t expires_at, int64_t due_ms);

#endif

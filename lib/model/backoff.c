/* Back-off arithmetic: no clock, no random source, so that every case can be tested. */
#include "backoff.h"

static int64_t ceiling(int64_t base_ms, int64_t max_ms, unsigned attempt)
{
    int64_t cap = base_ms;

    for (unsigned i = 1; i < attempt && cap < max_ms; i++)
        cap = cap > INT64_MAX / 2 ? INT64_MAX : cap * 2;
    if (cap > max_ms)
        cap = max_ms;
    return cap > 0 ? cap : 0;
}

int64_t backoff_delay(int64_t base_ms, int64_t max_ms, unsigned attempt, int64_t floor_ms,
                      uint64_t random)
{
    uint64_t span = (uint64_t)ceiling(base_ms, max_ms, attempt) + 1;
    /* The high half of random * span is uniform in [0, span) without modulo bias. */
    int64_t delay = (int64_t)(((unsigned __int128)random * span) >> 64);

    if (delay < floor_ms)
        delay = floor_ms;
    return delay > 0 ? delay : 1;
}

bool backoff_is_over(unsigned attempts, unsigned max_attempts, int64_t queued_at,
                     int64_t max_age_ms, int64_t expires_at, int64_t due_ms)
{
    if (attempts >= max_attempts)
        return true;
    if (max_age_ms > 0 && due_ms - queued_at > max_age_ms)
        return true;
    return expires_at && due_ms >= expires_at;
}

/* The distance of two clocks, as an interval. */
#include "clock_offset.h"

void clock_offset_see(struct clock_offset *o, int64_t remote_us, int64_t asked_us,
                      int64_t answered_us)
{
    int64_t low = remote_us - answered_us, high = remote_us - asked_us;

    if (o->known && low <= o->high && high >= o->low) {
        low = low > o->low ? low : o->low;
        high = high < o->high ? high : o->high;
    }
    *o = (struct clock_offset){.low = low, .high = high, .known = true};
}

int64_t clock_offset_spread_us(const struct clock_offset *o)
{
    return o->high - o->low;
}

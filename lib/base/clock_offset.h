/* How far another machine's clock is from this one's monotonic clock, from the times it puts into
 * its answers. */
#ifndef SENDQ_BASE_CLOCK_OFFSET_H
#define SENDQ_BASE_CLOCK_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

/* The other clock minus ours, in us, lies within [low, high]: an answer that carries its time T,
 * asked for at t0 and here at t1, shows that it lies within [T - t1, T - t0] (the interval of
 * Marzullo's algorithm, RFC 5905 A.5.5). Answers narrow it; one that contradicts it means that a
 * clock was moved, and begins anew. Zeroed = nothing seen. */
struct clock_offset {
    int64_t low, high;
    bool known;
};

void clock_offset_see(struct clock_offset *o, int64_t remote_us, int64_t asked_us,
                      int64_t answered_us);
/* How far apart the earliest and the latest possible time are. */
int64_t clock_offset_spread_us(const struct clock_offset *o);

#endif

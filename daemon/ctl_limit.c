/* One limit as it stands now: the state that buckets.lua keeps, read by the same rules. */
#include "ctl_limit.h"

#include "rate.h"
#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in buckets.lua. */
#define RECOVERY_MS 300000.0
#define SLOT_MS INT64_C(900000)
#define DAY_SLOTS 96

static int64_t number(const struct redisReply *hash, const char *name)
{
    const char *value = reply_field(hash, name);
    int64_t n;

    return value != NULL && text_to_i64(value, &n) == SQ_OK ? n : 0;
}

/* "<errors in a row> <factor> <when it throttled last, ms> <interval of the full rate, us>": a
 * throttled rate comes back evenly. */
static void read_trouble(const struct redisReply *hash, int64_t now_us, struct ctl_limit *l)
{
    const char *text = reply_field(hash, "trouble");
    double errors, factor, at, full;

    if (text == NULL || sscanf(text, "%lf %lf %lf %lf", &errors, &factor, &at, &full) != 4)
        return;
    l->errors = (int64_t)errors;
    factor += ((double)now_us / 1000 - at) / RECOVERY_MS;
    if (factor >= 1 || factor <= 0)
        return;
    if (l->full_us <= 0)
        l->full_us = full;
    l->interval_us = l->full_us / factor;
}

/* Sends of the last 24 hours, in slots: "slot:count ...". The oldest one leaves first. */
static void read_ring(const char *ring, int64_t now_us, struct ctl_limit *l)
{
    int64_t first = now_us / 1000 / SLOT_MS - DAY_SLOTS, oldest = 0;
    long long slot, n;
    int len;

    for (; ring != NULL && sscanf(ring, "%lld:%lld%n", &slot, &n, &len) == 2; ring += len) {
        if (slot < first)
            continue;
        l->day_used += n;
        if (oldest == 0 || slot < oldest)
            oldest = slot;
    }
    l->day_next_us = ((oldest != 0 ? oldest : first) + DAY_SLOTS + 1) * SLOT_MS * 1000;
}

static void read_day(const struct redisReply *hash, int64_t now_us, struct ctl_limit *l)
{
    int64_t bounds[4];

    if (text_eq(l->day_zone, "rolling")) {
        read_ring(reply_field(hash, "ring"), now_us, l);
    } else if (day_bounds(text_is_empty(l->day_zone) ? "UTC" : l->day_zone, now_us / 1000,
                          bounds) == SQ_OK) {
        l->day_used = number(hash, "day_start") >= bounds[1] ? number(hash, "used") : 0;
        l->day_next_us = bounds[2] * 1000;
    }
}

static const struct redisReply *read_hash(struct ctl *c, const char *name)
{
    return ctl_call(c, "HGETALL", ctl_key(c, KEY_BUCKET, name));
}

bool ctl_limit_read(struct ctl *c, const char *name, int64_t now_us, struct ctl_limit *ret)
{
    const struct redisReply *state = read_hash(c, name), *limits = state;
    struct ctl_limit l = {.name = name};

    if (reply_field(limits, "interval") == NULL && text_starts(name, "tenant:"))
        limits = read_hash(c, "tenant:*");
    if (reply_field(limits, "interval") == NULL)
        return false;
    l.interval_us = l.full_us = (double)number(limits, "interval");
    l.burst = l.full_us > 0 ? (int64_t)((double)number(limits, "tolerance") / l.full_us) + 1 : 0;
    l.free_us = l.full_us > 0 ? number(state, "tat") - number(limits, "tolerance") : 0;
    l.day_cap = number(limits, "day_cap");
    l.day_zone = reply_field(limits, "zone");
    l.concurrency = number(limits, "conc");
    l.busy = number(state, "busy");
    l.pause_us = number(state, "pause") > now_us ? number(state, "pause") : 0;
    if (reply_field(limits, "trip") != NULL)
        l.trip = strtoll(reply_field(limits, "trip"), NULL, 10);
    read_trouble(state, now_us, &l);
    if (l.day_cap > 0)
        read_day(state, now_us, &l);
    *ret = l;
    return true;
}

enum ctl_hold ctl_limit_holds(const struct ctl_limit *l, int64_t now_us, int64_t *ret_until_us)
{
    bool tripped = l->trip > 0 && l->errors >= l->trip;

    *ret_until_us = 0;
    if (l->pause_us > now_us) {
        *ret_until_us = l->pause_us;
        return tripped ? HOLD_BREAKER : HOLD_PAUSE;
    }
    if (l->day_cap > 0 && l->day_used >= l->day_cap) {
        *ret_until_us = l->day_next_us;
        return HOLD_DAY;
    }
    if (tripped && l->busy > 0)
        return HOLD_BREAKER;
    if (l->concurrency > 0 && l->busy >= l->concurrency)
        return HOLD_PLACES;
    if (l->free_us <= now_us)
        return HOLD_NONE;
    *ret_until_us = l->free_us;
    return HOLD_RATE;
}

const char *ctl_limit_time(struct ctl *c, int64_t us)
{
    char text[TIME_TEXT];

    if (us <= 0)
        return NULL;
    time_format(us / 1000, text);
    return arena_strdup(&c->arena, text);
}

/* The zones whose days the configured caps count. */
#include "zones.h"

#include "rate.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

static void add(struct zones *z, const struct day_cap *day)
{
    if (day->count == 0 || day->mode == DAY_ROLLING)
        return;
    for (size_t i = 0; i < z->count; i++)
        if (text_eq(z->items[i].name, day->zone))
            return;
    z->items = mem_realloc(z->items, (z->count + 1) * sizeof(*z->items));
    z->items[z->count++] = (struct store_zone){.name = day->zone};
}

void zones_set(struct zones *z, const struct config *c)
{
    z->count = 0;
    add(z, &c->global_limit.day);
    for (unsigned i = 0; i < c->channel_limit_count; i++)
        add(z, &c->channel_limits[i].limit.day);
    for (unsigned i = 0; i < c->tenant_limit_count; i++)
        add(z, &c->tenant_limits[i].limit.day);
    for (unsigned i = 0; i < c->sender_count; i++) {
        add(z, &c->senders[i].day);
        add(z, &c->senders[i].account_limit.day);
    }
}

void zones_refresh(struct zones *z, int64_t now_ms)
{
    for (size_t i = 0; i < z->count; i++) {
        int64_t *bounds = z->items[i].bounds;

        if (now_ms < bounds[1] || now_ms >= bounds[2])
            if (day_bounds(z->items[i].name, now_ms, bounds) != SQ_OK)
                memset(bounds, 0, sizeof(z->items[i].bounds));
    }
}

void zones_free(struct zones *z)
{
    free(z->items);
    *z = (struct zones){0};
}

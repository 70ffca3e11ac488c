/* The zones whose days the configured caps count, with their days' bounds. */
#ifndef SENDQ_DAEMON_ZONES_H
#define SENDQ_DAEMON_ZONES_H

#include "config.h"
#include "store.h"

/* Names are the configuration's. Zero-initialise. */
struct zones {
    struct store_zone *items;
    size_t count;
};

void zones_set(struct zones *z, const struct config *c);
/* Fresh bounds for every zone where now_ms is not in the day they were made for. */
void zones_refresh(struct zones *z, int64_t now_ms);
void zones_free(struct zones *z);

#endif

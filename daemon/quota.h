/* From configured limits to the buckets that claim works with. */
#ifndef SENDQ_DAEMON_QUOTA_H
#define SENDQ_DAEMON_QUOTA_H

#include "config.h"
#include "store.h"

/* Writes the buckets and senders of a configuration to Redis, a bounded number per call. cb runs
 * once per call that could be sent. */
void quota_publish(struct store *store, const struct config *c, store_simple_cb cb, void *arg);

/* The GCRA numbers of a rate. Strict (burst 0): sends are (period + jitter) / count apart, so that
 * a window of one period, with every send up to `jitter` late, never holds more than count.
 * Burst B: period / count apart, with (B - 1) intervals of tolerance. */
void quota_bucket(const struct rate *rate, int64_t jitter_ms, struct store_bucket *ret);

#endif

/* What the verbs of sendqctl bulk share. */
#ifndef SENDQ_DAEMON_CTL_BULK_H
#define SENDQ_DAEMON_CTL_BULK_H

#include "ctl.h"

/* A bulk's hash; without elements if there is no such bulk. */
const struct redisReply *ctl_bulk_read(struct ctl *c, const char *id);
int64_t ctl_bulk_number(const struct redisReply *hash, const char *name); /* 0 = none */
/* Seconds until all that is known so far is final at that rate; -1 = nobody knows. */
int64_t ctl_bulk_eta(const struct redisReply *hash, double rate);

/* The verbs that have a file of their own. */
enum ctl_exit ctl_bulk_watch(struct ctl *c);
enum ctl_exit ctl_bulk_preview(struct ctl *c);

#endif

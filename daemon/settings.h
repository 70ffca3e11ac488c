/* What the store needs from the configuration. */
#ifndef SENDQ_DAEMON_SETTINGS_H
#define SENDQ_DAEMON_SETTINGS_H

#include "config.h"
#include "store.h"

/* The numbers that the scripts need. */
void settings_apply(const struct config *c, struct store *s);

#define SETTINGS_NAME 300
/* The worker's name: as configured, else host-pid, written to scratch. */
const char *settings_worker_name(const struct config *c, char scratch[SETTINGS_NAME]);

#endif

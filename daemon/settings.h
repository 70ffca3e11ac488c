/* The numbers that the scripts need, from the configuration. */
#ifndef SENDQ_DAEMON_SETTINGS_H
#define SENDQ_DAEMON_SETTINGS_H

#include "config.h"
#include "store.h"

void settings_apply(const struct config *c, struct store *s);

#endif

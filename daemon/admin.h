/* The admin pages: health, metrics and a status page over HTTP, on loopback or a unix socket. They
 * only show; nothing can be changed through them. */
#ifndef SENDQ_DAEMON_ADMIN_H
#define SENDQ_DAEMON_ADMIN_H

#include "engine.h"
#include "log.h"

struct admin;

struct admin *admin_new(struct loop *loop, struct log *log, struct engine *engine);
/* Frees what it still holds; only after the engine, whose callbacks may still come, is gone. */
void admin_free(struct admin *a); /* NULL is fine */

/* Takes the names to show and where to listen ("" = nowhere); may be called again after a reload.
 * An address that is taken is tried again until it is free: sending does not wait for it. */
void admin_set_config(struct admin *a, const struct config *c);

#endif

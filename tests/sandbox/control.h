/* The control API: everything below /_control. Not recorded, not spoiled. */
#ifndef SENDQ_TESTS_SANDBOX_CONTROL_H
#define SENDQ_TESTS_SANDBOX_CONTROL_H

#include "server.h"

struct evhttp_request;

#define CONTROL_PREFIX "/_control/"

void control_serve(struct server *s, struct evhttp_request *req, const char *path);

#endif

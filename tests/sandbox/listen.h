/* Where the server listens. */
#ifndef SENDQ_TESTS_SANDBOX_LISTEN_H
#define SENDQ_TESTS_SANDBOX_LISTEN_H

#include "server.h"

/* Binds what the options name, then writes the port file. */
enum sq_err listen_open(struct server *s, struct err_text *e) SQ_MUST_CHECK;

#endif

/* The admin pages' HTTP server: which connections are let in, and for how long. */
#ifndef SENDQ_DAEMON_ADMIN_LISTEN_H
#define SENDQ_DAEMON_ADMIN_LISTEN_H

#include "buf.h"
#include "loop.h"

struct admin_listen;

struct admin_answer {
    int status;
    const char *type;
    const char *body; /* copied at once */
    size_t len;
};

/* A GET or HEAD of path, which begins with '/'; host: the Host field without its port, or NULL. */
typedef void (*admin_request_cb)(const char *path, const char *host, struct admin_answer *ret,
                                 void *arg);

#define ADMIN_BOUND 128

/* where: "127.0.0.1:9108", "[::1]:0", "localhost:9108" or "unix:/path". ret_bound: where it listens
 * in fact, with the port that was chosen for 0. */
enum sq_err admin_listen_new(struct loop *loop, const char *where, admin_request_cb request,
                             void *arg, struct admin_listen **ret, char ret_bound[ADMIN_BOUND],
                             struct err_text *e) SQ_MUST_CHECK;
void admin_listen_free(struct admin_listen *l); /* NULL is fine */

#endif

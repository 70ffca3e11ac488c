/* What is said first on a new connection, one command after the other, and what the answers mean:
 * to a sentinel, the question for the primary; to Redis, who we are, and whether it is the one that
 * serves us. Pure but for reading hiredis' replies; private to lib/io. */
#ifndef SENDQ_IO_REDIS_HELLO_H
#define SENDQ_IO_REDIS_HELLO_H

#include "redis_route.h"

struct redisReply;

enum redis_hello_step {
    HELLO_AUTH,
    HELLO_SENTINEL, /* the last one to a sentinel */
    HELLO_ROLE,
    HELLO_SELECT,
    HELLO_NAME,
    HELLO_KEY, /* or PING: a Redis that still loads its data says so here */
    HELLO_DONE,
};

struct redis_hello {
    const struct redis_route *route;
    const char *name; /* CLIENT SETNAME, or NULL */
    const char *key;  /* one that it works on, or NULL */
    enum redis_hello_step step;
    char db[16];
    char other[128]; /* a key that a cluster keeps elsewhere, unless there is a hash tag */
};

#define REDIS_HELLO_ARGS 3

/* The command to say now; 0 = all is said. */
int redis_hello_next(struct redis_hello *h, const char *argv[REDIS_HELLO_ARGS]);

enum redis_hello_answer {
    HELLO_GO_ON,
    HELLO_GO_TO,  /* *ret is where to connect instead */
    HELLO_FAILED, /* why says it */
};

struct redis_hello_why {
    char text[200];
};

enum redis_hello_answer redis_hello_judge(struct redis_hello *h, const struct redisReply *reply,
                                          struct redis_host *ret, struct redis_hello_why *why);

#endif

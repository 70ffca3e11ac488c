/* A blocking Redis connection for the operator's tool and for checks at start. */
#include "redis_sync.h"

#include "buf.h"
#include "redis_hello.h"
#include "redis_reply.h"
#include "tls_pipe.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <sys/time.h>

struct redis_sync {
    redisContext *c;
    struct tls_pipe *tls; /* NULL = none */
};

void redis_reply_free(struct redisReply *reply)
{
    if (reply != NULL)
        freeReplyObject(reply);
}

void redis_sync_close(struct redis_sync *r)
{
    if (r == NULL)
        return;
    redisFree(r->c);
    tls_pipe_free(r->tls);
    free(r);
}

bool redis_sync_is_lost(const struct redis_sync *r)
{
    return r->c->err != 0;
}

enum sq_err redis_sync_command(struct redis_sync *r, int argc, const char **argv,
                               const size_t *lens, struct redisReply **ret, struct err_text *e)
{
    redisReply *reply;

    if (r->c->err != 0) /* hiredis contexts do not recover */
        return err_set(e, SQ_ERR_IO, "Redis: the connection was lost (%s)", r->c->errstr);
    reply = redisCommandArgv(r->c, argc, argv, lens);
    if (reply == NULL)
        return err_set(e, SQ_ERR_IO, "Redis: %s", r->c->errstr);
    if (reply_is_error(reply)) {
        err_set(e, SQ_ERR_IO, "Redis: %s", reply_error(reply));
        redis_reply_free(reply);
        return SQ_ERR_IO;
    }
    *ret = reply;
    return SQ_OK;
}

/* What TLS says, or else hiredis. */
static const char *error_of(const struct redis_sync *r)
{
    const char *tls = r->tls != NULL ? tls_pipe_error(r->tls) : "";

    return *tls != '\0' ? tls : r->c->errstr;
}

static void start_tls(struct redis_sync *r)
{
    tls_pipe_begin(r->tls, r->c->fd);
    tls_pipe_run(r->tls);
}

/* One connection. */
static enum sq_err dial(const struct redis_route *route, int64_t timeout_ms,
                        struct redis_sync **ret, struct err_text *e)
{
    const struct redis_addr *addr = route->addr;
    struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    struct redis_sync *r = mem_zalloc(sizeof(*r));
    enum sq_err err = SQ_OK;

    if (addr->tls.on)
        err = tls_pipe_new(&addr->tls, route->to.name, &r->tls, e);
    if (err != SQ_OK) {
        free(r);
        return err;
    }
    r->c = addr->path[0] != '\0' ? redisConnectUnixWithTimeout(addr->path, tv)
                                 : redisConnectWithTimeout(route->to.name, route->to.port, tv);
    if (r->c == NULL)
        abort(); /* no memory */
    if (r->c->err != 0)
        err = err_set(e, SQ_ERR_IO, "cannot connect to Redis: %s", r->c->errstr);
    else if (r->tls != NULL)
        start_tls(r);
    if (err == SQ_OK && redisSetTimeout(r->c, tv) != REDIS_OK)
        err = err_set(e, SQ_ERR_IO, "Redis: %s", r->c->errstr);
    if (err == SQ_OK)
        *ret = r;
    else
        redis_sync_close(r);
    return err;
}

/* Says hello. GO_ON = all is said; FAILED: e says why. */
static enum redis_hello_answer greet(struct redis_sync *r, struct redis_hello *h,
                                     struct redis_host *to, struct err_text *e)
{
    enum redis_hello_answer answer = HELLO_GO_ON;
    const char *argv[REDIS_HELLO_ARGS];
    struct redis_hello_why why;
    redisReply *reply;
    int argc;

    while (answer == HELLO_GO_ON && (argc = redis_hello_next(h, argv)) > 0) {
        reply = redisCommandArgv(r->c, argc, argv, NULL);
        if (reply == NULL) {
            (void)err_set(e, SQ_ERR_IO, "Redis: %s", error_of(r));
            return HELLO_FAILED;
        }
        answer = redis_hello_judge(h, reply, to, &why);
        redis_reply_free(reply);
    }
    if (answer == HELLO_FAILED)
        (void)err_set(e, SQ_ERR_IO, "Redis: %s", why.text);
    return answer;
}

/* One host of the address, and whom it names. */
static enum sq_err follow(struct redis_route *route, const char *key, int64_t timeout_ms,
                          struct redis_sync **ret, struct err_text *e)
{
    struct redis_sync *r;

    for (;;) {
        struct redis_hello hello = {.route = route, .key = key};
        struct redis_host to;
        enum redis_hello_answer answer;
        enum sq_err err;

        redis_route_begin(route);
        err = dial(route, timeout_ms, &r, e);
        if (err != SQ_OK)
            return err;
        answer = greet(r, &hello, &to, e);
        if (answer == HELLO_GO_ON) {
            *ret = r;
            return SQ_OK;
        }
        redis_sync_close(r);
        if (answer == HELLO_FAILED)
            return SQ_ERR_IO;
        if (!redis_route_follow(route, &to))
            return err_set(e, SQ_ERR_IO,
                           "Redis: sent from one server to the next, and round again");
    }
}

enum sq_err redis_sync_open(const struct redis_addr *addr, const char *key, int64_t timeout_ms,
                            struct redis_sync **ret, struct err_text *e)
{
    enum sq_err err = SQ_ERR_IO;
    struct redis_route route;
    unsigned tries = addr->host_count > 0 ? addr->host_count : 1;

    redis_route_init(&route, addr);
    for (unsigned i = 0; i < tries && err != SQ_OK; i++) {
        err = follow(&route, key, timeout_ms, ret, e);
        redis_route_fail(&route);
    }
    return err;
}

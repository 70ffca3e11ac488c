/* A blocking Redis connection for the operator's tool and for checks at start. */
#include "redis_sync.h"

#include "buf.h"
#include "redis_reply.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

struct redis_sync {
    redisContext *c;
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
    free(r);
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

/* AUTH's error is cut to its code: Redis repeats the arguments of a command it does not know. */
static enum sq_err authenticate(struct redis_sync *r, const struct redis_addr *a,
                                struct err_text *e)
{
    const char *with_user[] = {"AUTH", a->user, a->password};
    const char *without[] = {"AUTH", a->password};
    bool user = a->user[0] != '\0';
    redisReply *reply;

    if (a->password[0] == '\0')
        return SQ_OK;
    reply = redisCommandArgv(r->c, user ? 3 : 2, user ? with_user : without, NULL);
    if (reply == NULL)
        return err_set(e, SQ_ERR_IO, "Redis: %s", r->c->errstr);
    if (reply_is_error(reply)) {
        const char *text = reply_error(reply);

        err_set(e, SQ_ERR_IO, "Redis refused the credentials (%.*s)", (int)strcspn(text, " "),
                text);
        redis_reply_free(reply);
        return SQ_ERR_IO;
    }
    redis_reply_free(reply);
    return SQ_OK;
}

static enum sq_err select_db(struct redis_sync *r, int db, struct err_text *e)
{
    char text[16];
    struct redisReply *reply = NULL;
    enum sq_err err;

    if (db == 0)
        return SQ_OK;
    snprintf(text, sizeof(text), "%d", db);
    err = redis_sync_command(r, 2, (const char *[]){"SELECT", text}, NULL, &reply, e);
    redis_reply_free(reply);
    return err;
}

enum sq_err redis_sync_open(const struct redis_addr *addr, int64_t timeout_ms,
                            struct redis_sync **ret, struct err_text *e)
{
    struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    struct redis_sync *r = mem_zalloc(sizeof(*r));
    enum sq_err err = SQ_OK;

    r->c = addr->path[0] != '\0' ? redisConnectUnixWithTimeout(addr->path, tv)
                                 : redisConnectWithTimeout(addr->host, addr->port, tv);
    if (r->c == NULL)
        abort(); /* no memory */
    if (r->c->err != 0)
        err = err_set(e, SQ_ERR_IO, "cannot connect to Redis: %s", r->c->errstr);
    else if (redisSetTimeout(r->c, tv) != REDIS_OK)
        err = err_set(e, SQ_ERR_IO, "Redis: %s", r->c->errstr);
    if (err == SQ_OK)
        err = authenticate(r, addr, e);
    if (err == SQ_OK)
        err = select_db(r, addr->db, e);
    if (err == SQ_OK)
        *ret = r;
    else
        redis_sync_close(r);
    return err;
}

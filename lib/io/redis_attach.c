/* Joins one hiredis context to the loop.
 *
 * Instead of hiredis' own libevent adapter, for speed: commands of one turn are written by one
 * write() when the turn ends, without arming a write event first; the read event stays in epoll;
 * and a reply longer than hiredis' 16 KiB read is read on at once, not a chunk a turn. */
#include "redis_attach.h"

#include "buf.h"
#include "redis_arena.h"
#include "tls_pipe.h"

#include <event2/event.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define READS_PER_TURN 64 /* 1 MiB: then other sockets get their turn */

struct attached {
    redisAsyncContext *ac;
    struct loop *loop;
    struct tls_pipe *tls;      /* NULL = none */
    struct redis_arena *arena; /* of its replies */
    struct event *read_ev, *write_ev;
    struct after *flush;
    bool reading, writing; /* is the event armed? */
    bool flushing;
    bool *gone; /* set when hiredis frees the context during a call of ours */
    size_t max_reply;
};

static void on_add_read(void *arg)
{
    struct attached *a = arg;

    if (!a->reading)
        event_add(a->read_ev, NULL);
    a->reading = true;
}

static void on_del_read(void *arg)
{
    struct attached *a = arg;

    if (a->reading)
        event_del(a->read_ev);
    a->reading = false;
}

/* hiredis has something to write. What the flush could not write waits for the socket. */
static void on_add_write(void *arg)
{
    struct attached *a = arg;

    if (a->writing)
        return;
    if ((a->ac->c.flags & REDIS_CONNECTED) && !a->flushing) {
        after_request(a->flush);
        return;
    }
    event_add(a->write_ev, NULL);
    a->writing = true;
}

static void on_del_write(void *arg)
{
    struct attached *a = arg;

    if (a->writing)
        event_del(a->write_ev);
    a->writing = false;
}

static void on_cleanup(void *arg)
{
    struct attached *a = arg;

    if (a->gone != NULL)
        *a->gone = true;
    a->ac->ev.data = NULL;
    event_free(a->read_ev);
    event_free(a->write_ev);
    after_free(a->flush);
    tls_pipe_free(a->tls);
    redis_arena_free(a->arena);
    free(a);
}

/* True while a reply is half read and its next bytes are there already. */
static bool has_more(const struct attached *a)
{
    int bytes = 0;

    return a->ac->c.reader->ridx >= 0 && ioctl(a->ac->c.fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

static bool is_too_long(const struct attached *a)
{
    const redisReader *r = a->ac->c.reader;

    return a->max_reply > 0 && r->len - r->pos > a->max_reply;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct attached *a = arg;
    bool gone = false;
    int reads = 0;

    (void)fd;
    (void)what;
    a->gone = &gone;
    do {
        redisAsyncHandleRead(a->ac);
    } while (!gone && ++reads < READS_PER_TURN && has_more(a));
    if (!gone && is_too_long(a))
        redisAsyncFree(a->ac);
    if (!gone)
        a->gone = NULL;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct attached *a = arg;

    (void)fd;
    (void)what;
    redisAsyncHandleWrite(a->ac); /* may free a */
}

static void on_flush(void *arg)
{
    struct attached *a = arg;
    bool gone = false;

    a->gone = &gone;
    a->flushing = true;
    redisAsyncHandleWrite(a->ac);
    if (gone)
        return;
    a->flushing = false;
    a->gone = NULL;
}

void redis_attach_limit(redisAsyncContext *ac, size_t max_reply)
{
    struct attached *a = ac->ev.data;

    a->max_reply = max_reply;
}

void redis_attach(redisAsyncContext *ac, struct loop *loop)
{
    struct attached *a = mem_zalloc(sizeof(*a));
    struct event_base *base = loop_base(loop);

    a->ac = ac;
    a->loop = loop;
    a->arena = redis_arena_new(ac->c.reader);
    a->flush = after_new(loop, on_flush, a);
    a->read_ev = event_new(base, ac->c.fd, EV_READ | EV_PERSIST, on_readable, a);
    a->write_ev = event_new(base, ac->c.fd, EV_WRITE | EV_PERSIST, on_writable, a);
    if (a->read_ev == NULL || a->write_ev == NULL)
        abort();
    ac->ev.data = a;
    ac->ev.addRead = on_add_read;
    ac->ev.delRead = on_del_read;
    ac->ev.addWrite = on_add_write;
    ac->ev.delWrite = on_del_write;
    ac->ev.cleanup = on_cleanup;
    on_add_read(a);
    on_add_write(a); /* writable = connected, or failed to */
}

void redis_attach_tls(redisAsyncContext *ac, struct tls_pipe *tls)
{
    struct attached *a = ac->ev.data;

    a->tls = tls;
}

/* The descriptor keeps its number, but not what it stands for: epoll has to be told. */
void redis_attach_connected(redisAsyncContext *ac)
{
    struct attached *a = ac->ev.data;

    if (a->tls == NULL)
        return;
    event_del(a->read_ev);
    event_del(a->write_ev);
    tls_pipe_begin(a->tls, ac->c.fd);
    tls_pipe_join(a->tls, a->loop);
    if (a->reading)
        event_add(a->read_ev, NULL);
    if (a->writing)
        event_add(a->write_ev, NULL);
}

const char *redis_attach_error(const redisAsyncContext *ac)
{
    const struct attached *a = ac->ev.data;
    const char *tls = a != NULL && a->tls != NULL ? tls_pipe_error(a->tls) : "";

    return *tls != '\0' ? tls : ac->errstr;
}

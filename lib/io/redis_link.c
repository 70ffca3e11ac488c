/* One asynchronous Redis connection: connects, says hello, reconnects with back-off.
 *
 * All ways a connection ends go through link_lost (or redis_link_free): detach from the hiredis
 * context, tell the owner, answer what is pending with NULL, and only then free the context.
 * hiredis frees a context by itself after a failed connect, a lost socket or a broken reply; it
 * then answers its callbacks with NULL, calls on_disconnect, and the context is gone. So:
 *
 * - `ac->data` and `command.link` are cleared on detaching; a callback that finds NULL there comes
 *   from a context this link has left, and only frees its command.
 * - the context is freed by us only where hiredis is not freeing it at that moment.
 * - a callback of the owner may free the link: `busy` keeps the memory until we are out of it.
 *
 * Where it connects to is redis_route's: a host, the primary that a sentinel names, the node of a
 * cluster that has the keys. A sentinel is asked over the same machinery, as a connection that ends
 * with its answer.
 *
 * Replies come in order, so one timer for the oldest command is enough; it is armed lazily. */
#include "redis_link.h"

#include "backoff.h"
#include "buf.h"
#include "list.h"
#include "redis_attach.h"
#include "redis_dial.h"
#include "redis_hello.h"
#include "redis_reply.h"
#include "resp.h"
#include "uuid.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In life order. The timer means: */
enum link_state {
    LINK_WAITING,    /* when to connect again */
    LINK_CONNECTING, /* when the attempt has taken too long, hello included */
    LINK_HELLO,      /* the same */
    LINK_UP,         /* when the oldest command is overdue */
};

struct redis_link {
    struct loop *loop;
    struct redis_addr addr;
    struct redis_link_opts opts;
    char *name, *key;
    struct redis_route route;
    struct redis_hello hello;
    struct redis_dial dial;
    redisAsyncContext *ac; /* NULL while waiting, or looking a name up */
    enum link_state state;
    struct timer *timer;
    struct list pending; /* struct command, oldest first */
    struct list doomed;  /* those whose owners are still to be told NULL */
    struct list subs;    /* struct subscription */
    size_t unconfirmed;
    unsigned failures;          /* since it was last up */
    bool reported, reported_up; /* what on_state was last told, if anything */
    char reported_why[200];
    unsigned busy; /* callbacks of the owner we are inside of */
    bool dead;     /* redis_link_free was called */
};

struct command {
    struct list node;
    struct redis_link *link; /* NULL once answered or detached */
    redis_reply_cb cb;
    void *arg;
    int64_t sent_us;
};

struct subscription {
    struct list node;
    struct redis_link *link;
    char *channel;
    redis_reply_cb cb;
    void *arg;
};

static void hello_next(struct redis_link *l);

/* ---- the end of a connection ---- */

static void link_destroy(struct redis_link *l)
{
    LIST_EACH(node, &l->subs)
    {
        struct subscription *s = LIST_ENTRY(node, struct subscription, node);

        free(s->channel);
        free(s);
    }
    timer_free(l->timer);
    explicit_bzero(&l->addr, sizeof(l->addr));
    free(l->name);
    free(l->key);
    free(l);
}

static void link_release(struct redis_link *l)
{
    if (--l->busy == 0 && l->dead)
        link_destroy(l);
}

/* Leaves the context, which is returned, and dooms what is pending. */
static redisAsyncContext *link_detach(struct redis_link *l)
{
    redisAsyncContext *ac = l->ac;
    struct list *node;

    l->state = LINK_WAITING;
    l->ac = NULL;
    if (ac != NULL)
        ac->data = NULL;
    while ((node = list_pop(&l->pending)) != NULL) {
        LIST_ENTRY(node, struct command, node)->link = NULL;
        list_add_tail(&l->doomed, node);
    }
    timer_cancel(l->timer);
    redis_dial_cancel(&l->dial);
    return ac;
}

/* The commands themselves are freed by on_reply, which hiredis still calls for each. */
static void link_answer_doomed(struct redis_link *l)
{
    struct list *node;

    while ((node = list_pop(&l->doomed)) != NULL) {
        struct command *c = LIST_ENTRY(node, struct command, node);

        if (c->cb != NULL)
            c->cb(NULL, c->arg);
    }
}

/* A link that stays down for another reason than before says so: a Redis that is there at last,
 * but refuses the password, is another matter than one that is not there. */
static void link_report(struct redis_link *l, bool up, const char *why)
{
    if (l->reported && l->reported_up == up && (up || strcmp(l->reported_why, why) == 0))
        return;
    l->reported = true;
    l->reported_up = up;
    snprintf(l->reported_why, sizeof(l->reported_why), "%s", why);
    if (l->opts.on_state != NULL)
        l->opts.on_state(l, up, why, l->opts.arg);
}

static int64_t reconnect_delay_us(struct redis_link *l)
{
    uint64_t random;

    random_bytes(&random, sizeof(random));
    l->failures++;
    return 1000 *
           backoff_delay(l->opts.backoff_base_ms, l->opts.backoff_max_ms, l->failures, 0, random);
}

/* why: NULL = nobody is told. free_context: hiredis is not freeing the context by itself now. */
static void link_end(struct redis_link *l, const char *why, bool free_context, int64_t delay_us)
{
    redisAsyncContext *ac = link_detach(l);
    char text[200];

    if (why != NULL && *why == '\0')
        why = "connection lost";
    timer_set_us(l->timer, delay_us);
    l->busy++;
    if (why != NULL) {
        snprintf(text, sizeof(text), "%.*s", (int)redis_error_reason(why), why);
        link_report(l, false, text);
    }
    link_answer_doomed(l);
    if (free_context && ac != NULL)
        redisAsyncFree(ac);
    link_release(l);
}

static void link_lost(struct redis_link *l, const char *why, bool free_context)
{
    redis_route_fail(&l->route);
    link_end(l, why, free_context, reconnect_delay_us(l));
}

/* This server is not the one to ask: to the one that it names at once, else again after the
 * longest back-off, for that is how long such things take. Nothing ran. */
static void link_turned_away(struct redis_link *l, const char *error)
{
    struct redis_host to;
    int64_t delay_us = 0;

    if (!redis_route_read_moved(&l->route, error, &to) || !redis_route_follow(&l->route, &to)) {
        redis_route_fail(&l->route);
        delay_us = l->opts.backoff_max_ms * 1000;
    }
    link_end(l, error, true, delay_us);
}

/* Leaves a sentinel, or a node without our keys, for whom it named; nobody was told yet that the
 * link stands. */
static void link_follow(struct redis_link *l, const struct redis_host *to)
{
    if (redis_route_follow(&l->route, to))
        link_end(l, NULL, true, 0);
    else
        link_lost(l, "sent from one server to the next, and round again", true);
}

/* ---- commands ---- */

static void command_watch(struct redis_link *l)
{
    if (l->opts.command_timeout_ms > 0 && !timer_is_set(l->timer))
        timer_set_us(l->timer, l->opts.command_timeout_ms * 1000);
}

/* Runs once for each command, at the latest when hiredis frees the context. */
static void on_reply(redisAsyncContext *ac, void *reply, void *arg)
{
    struct command *c = arg;
    struct redis_link *l = c->link;

    if (l != NULL && reply == NULL) {
        if (ac->err == REDIS_ERR_OOM)
            mem_gone(); /* connected anew, it would ask for as much again, for ever */
        link_lost(l, redis_attach_error(ac), false); /* answers c too */
    } else if (l != NULL && l->state == LINK_UP && redis_error_is_elsewhere(reply_error(reply))) {
        link_turned_away(l, reply_error(reply)); /* so does this */
    } else if (l != NULL) {
        list_del(&c->node);
        if (c->cb != NULL)
            c->cb(reply, c->arg); /* may free l */
    }
    free(c);
}

static enum sq_err command_send(struct redis_link *l, redis_reply_cb cb, void *arg,
                                struct resp *command)
{
    struct command *c;
    size_t len = 0;
    const char *text = resp_end(command, &len);

    if (text == NULL)
        return SQ_ERR_STATE;
    c = mem_zalloc(sizeof(*c));
    c->link = l;
    c->cb = cb;
    c->arg = arg;
    c->sent_us = loop_now_us(l->loop);
    if (redisAsyncFormattedCommand(l->ac, on_reply, c, text, len) != REDIS_OK) {
        free(c);
        return SQ_ERR_STATE;
    }
    list_add_tail(&l->pending, &c->node);
    return SQ_OK;
}

enum sq_err redis_link_send(struct redis_link *l, redis_reply_cb cb, void *arg,
                            struct resp *command)
{
    enum sq_err err = l->state == LINK_UP ? command_send(l, cb, arg, command) : SQ_ERR_STATE;

    if (err == SQ_OK)
        command_watch(l);
    return err;
}

/* The timer may be from a command answered long since: only the oldest pending one counts. */
static void command_overdue(struct redis_link *l)
{
    const struct command *oldest;
    int64_t left;

    if (list_is_empty(&l->pending))
        return;
    oldest = LIST_ENTRY(l->pending.next, struct command, node);
    left = oldest->sent_us + l->opts.command_timeout_ms * 1000 - loop_now_us(l->loop);
    if (left > 0)
        timer_set_us(l->timer, left);
    else
        link_lost(l, "no answer in time", true);
}

/* ---- subscriptions ---- */

static void link_up(struct redis_link *l)
{
    l->state = LINK_UP;
    l->failures = 0;
    redis_route_stand(&l->route);
    timer_cancel(l->timer);
    link_report(l, true, "connected"); /* may free l */
}

static void on_message(redisAsyncContext *ac, void *reply, void *arg)
{
    struct redis_link *l = ac->data;
    struct subscription *s = arg;
    const char *kind = reply_str(reply_at(reply, 0), NULL);

    if (l == NULL || kind == NULL)
        return;
    if (strcmp(kind, "message") == 0)
        s->cb(reply, s->arg);
    else if (strcmp(kind, "subscribe") == 0 && l->state == LINK_HELLO && --l->unconfirmed == 0)
        link_up(l);
}

static void subscription_send(struct subscription *s)
{
    const char *argv[] = {"SUBSCRIBE", s->channel};

    redisAsyncCommandArgv(s->link->ac, on_message, s, 2, argv, NULL);
}

void redis_link_subscribe(struct redis_link *l, const char *channel, redis_reply_cb cb, void *arg)
{
    struct subscription *s = mem_zalloc(sizeof(*s));

    s->link = l;
    s->channel = mem_strdup(channel);
    s->cb = cb;
    s->arg = arg;
    list_add_tail(&l->subs, &s->node);
    if (l->state == LINK_UP)
        subscription_send(s);
}

/* A link is up when Redis has confirmed all of them; none: at once. */
static void subscribe_all(struct redis_link *l)
{
    l->unconfirmed = 0;
    LIST_EACH(node, &l->subs)
    {
        l->unconfirmed++;
        subscription_send(LIST_ENTRY(node, struct subscription, node));
    }
    if (l->unconfirmed == 0)
        link_up(l);
}

/* ---- hello ---- */

static void on_hello(struct redisReply *reply, void *arg)
{
    struct redis_link *l = arg;
    struct redis_hello_why why;
    struct redis_host to;

    if (reply == NULL || l->state != LINK_HELLO)
        return;
    switch (redis_hello_judge(&l->hello, reply, &to, &why)) {
    case HELLO_GO_ON:
        hello_next(l);
        break;
    case HELLO_GO_TO:
        link_follow(l, &to);
        break;
    case HELLO_FAILED:
        link_lost(l, why.text, true);
        break;
    }
}

/* hiredis refuses a command only while it closes; the deadline of connecting covers that too. */
static void hello_next(struct redis_link *l)
{
    const char *argv[REDIS_HELLO_ARGS];
    int argc = redis_hello_next(&l->hello, argv);
    struct resp out = {.count = 0};

    if (argc <= 0) {
        subscribe_all(l);
        return;
    }
    resp_write(&out, argc, argv, NULL);
    (void)command_send(l, on_hello, l, &out);
    resp_free(&out);
}

/* ---- connecting ---- */

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct redis_link *l = ac->data;

    if (l == NULL)
        return;
    if (status != REDIS_OK) {
        link_lost(l, ac->errstr, false);
        return;
    }
    redis_attach_connected(l->ac);
    l->state = LINK_HELLO;
    l->hello = (struct redis_hello){.route = &l->route, .name = l->name, .key = l->key};
    hello_next(l);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
    struct redis_link *l = ac->data;

    (void)status;
    if (l != NULL)
        link_lost(l, ac->errstr, false);
}

static void on_dialed(redisAsyncContext *ac, const char *why, void *arg)
{
    struct redis_link *l = arg;

    if (ac == NULL) {
        link_lost(l, why, false);
        return;
    }
    l->ac = ac;
    ac->data = l;
    redis_attach_limit(ac, l->opts.max_reply);
    redisAsyncSetConnectCallback(ac, on_connect);
    redisAsyncSetDisconnectCallback(ac, on_disconnect);
}

static void link_connect(struct redis_link *l)
{
    redis_route_begin(&l->route);
    l->state = LINK_CONNECTING;
    timer_set_us(l->timer, l->opts.connect_timeout_ms * 1000);
    redis_dial_begin(&l->dial, &l->addr, &l->route.to);
}

static void on_timer(void *arg)
{
    struct redis_link *l = arg;

    switch (l->state) {
    case LINK_WAITING:
        link_connect(l);
        break;
    case LINK_CONNECTING:
    case LINK_HELLO:
        link_lost(l, "connecting took too long", true);
        break;
    case LINK_UP:
        command_overdue(l);
        break;
    }
}

/* ---- life ---- */

struct redis_link *redis_link_new(struct loop *loop, const struct redis_addr *addr,
                                  const struct redis_link_opts *opts)
{
    struct redis_link *l = mem_zalloc(sizeof(*l));

    l->loop = loop;
    l->addr = *addr;
    l->opts = *opts;
    l->name = mem_strdup(opts->name);
    l->key = mem_strdup(opts->key);
    redis_route_init(&l->route, &l->addr);
    l->dial = (struct redis_dial){.loop = loop, .cb = on_dialed, .arg = l};
    l->timer = timer_new(loop, on_timer, l);
    list_init(&l->pending);
    list_init(&l->doomed);
    list_init(&l->subs);
    timer_set_us(l->timer, 0); /* so that nothing is reported from inside this call */
    return l;
}

void redis_link_free(struct redis_link *l)
{
    redisAsyncContext *ac;

    if (l == NULL || l->dead)
        return;
    l->dead = true;
    l->busy++;
    ac = link_detach(l);
    link_answer_doomed(l);
    if (ac != NULL)
        redisAsyncFree(ac);
    link_release(l);
}

void redis_link_set_login(struct redis_link *l, const struct redis_addr *addr)
{
    l->addr.login = addr->login;
    l->addr.sentinel = addr->sentinel;
}

bool redis_link_is_up(const struct redis_link *l)
{
    return l->state == LINK_UP;
}

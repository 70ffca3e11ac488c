/* getaddrinfo in a thread of its own: it follows the system's nsswitch.conf, unlike resolvers for
 * event loops, but blocks, for minutes with an unreachable server.
 *
 * The thread shares nothing with the loop but one end of a socket pair. It writes its answer there
 * and ends; a look-up given up closes the other end, and the answer goes nowhere. */
#include "name_lookup.h"

#include "buf.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct name_lookup {
    struct event *ev;
    int fd;
    name_cb cb;
    void *arg;
};

/* The thread's own. */
struct question {
    int fd;
    char name[256];
};

static void add_family(struct name_found *f, const struct addrinfo *list, int family)
{
    for (const struct addrinfo *a = list; a != NULL && f->count < NAME_ADDRESSES; a = a->ai_next) {
        if (a->ai_family == family &&
            getnameinfo(a->ai_addr, a->ai_addrlen, f->address[f->count], sizeof(f->address[0]),
                        NULL, 0, NI_NUMERICHOST) == 0)
            f->count++;
    }
}

static void look_up(const char *name, struct name_found *ret)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int status = getaddrinfo(name, NULL, &hints, &list);

    *ret = (struct name_found){0};
    if (status == 0) {
        add_family(ret, list, AF_INET);
        add_family(ret, list, AF_INET6);
        freeaddrinfo(list);
    }
    if (ret->count == 0)
        snprintf(ret->why, sizeof(ret->why), "%s", gai_strerror(status != 0 ? status : EAI_NONAME));
}

static void *run_question(void *arg)
{
    struct question *q = arg;
    struct name_found found;

    look_up(q->name, &found);
    (void)send(q->fd, &found, sizeof(found), MSG_NOSIGNAL); /* refused: nobody waits any more */
    close(q->fd);
    free(q);
    return NULL;
}

/* Signals are the loop's: the thread blocks them all. */
static bool ask(const char *name, int fd)
{
    struct question *q = mem_zalloc(sizeof(*q));
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int status;

    q->fd = fd;
    snprintf(q->name, sizeof(q->name), "%s", name);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    status = pthread_create(&thread, &attr, run_question, q);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0)
        free(q);
    return status == 0;
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
    struct name_lookup *n = arg;
    struct name_found found = {0};
    name_cb cb = n->cb;
    void *cb_arg = n->arg;

    (void)what;
    if (recv(fd, &found, sizeof(found), 0) != (ssize_t)sizeof(found))
        found = (struct name_found){.why = "no thread to look it up"};
    name_lookup_free(n);
    cb(&found, cb_arg);
}

struct name_lookup *name_lookup_new(struct loop *loop, const char *name, name_cb cb, void *arg)
{
    struct name_lookup *n = mem_zalloc(sizeof(*n));
    int pair[2] = {-1, -1};

    n->cb = cb;
    n->arg = arg;
    n->fd = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
        n->fd = pair[0];
        if (!ask(name, pair[1]))
            close(pair[1]); /* which is an answer too */
    }
    n->ev = event_new(loop_base(loop), n->fd, EV_READ, on_answer, n);
    if (n->ev == NULL)
        abort();
    if (n->fd >= 0)
        event_add(n->ev, NULL);
    else
        event_active(n->ev, EV_READ, 0);
    return n;
}

void name_lookup_free(struct name_lookup *n)
{
    if (n == NULL)
        return;
    event_free(n->ev);
    if (n->fd >= 0)
        close(n->fd);
    free(n);
}

bool name_is_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    return strchr(name, '%') != NULL || inet_pton(AF_INET, name, address) == 1 ||
           inet_pton(AF_INET6, name, address) == 1;
}

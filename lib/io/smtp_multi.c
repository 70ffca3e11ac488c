/* SMTP transfers, each in a thread of its own: idle -> running (in curl) -> ended (its callback
 * runs, in the loop) -> idle.
 *
 * Curl waits in smtp_done() for the reply to the mail's end, which a server gives when it has
 * looked through the mail: seconds, and minutes by RFC 5321. In a multi handle all other transfers
 * wait with it, and so would the loop. So each handle has a thread that waits, and that keeps the
 * handle's connections; nothing else of this process runs there. What is shared stands under
 * `lock`: a transfer is the loop's while it is idle or ended, and its thread's while it has work.
 */
#include "smtp_multi.h"

#include "crash.h"
#include "list.h"
#include "smtp_easy.h"
#include "text.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_BYTES (512u << 10) /* curl, TLS and a mail's buffers need a tenth of it */

struct smtp_transfer {
    struct smtp_easy easy;
    struct smtp_multi *multi;
    struct list node;       /* in idle or running */
    struct list ended_node; /* in ended; under lock */
    pthread_t thread;
    pthread_cond_t wake;
    bool has_work; /* under lock */
    CURLcode rc;
    char *url; /* that it was used for last: its connection is warm */
    http_done_cb cb;
    void *arg;
};

struct smtp_multi {
    struct loop *loop;
    struct http_opts opts;
    pthread_mutex_t lock;
    struct list ended; /* under lock */
    atomic_bool closing;
    int bell[2]; /* a byte in it: something has ended */
    struct event *ev;
    struct list idle, running;
    unsigned in_flight;
    bool delivering;
};

static void *run_transfers(void *arg)
{
    struct smtp_transfer *t = arg;
    struct smtp_multi *h = t->multi;

    pthread_mutex_lock(&h->lock);
    for (;;) {
        while (!t->has_work && !atomic_load(&h->closing))
            pthread_cond_wait(&t->wake, &h->lock);
        if (!t->has_work)
            break;
        pthread_mutex_unlock(&h->lock);
        t->rc = curl_easy_perform(t->easy.curl);
        pthread_mutex_lock(&h->lock);
        t->has_work = false;
        list_add_tail(&h->ended, &t->ended_node);
        (void)send(h->bell[1], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* full: it rings already */
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* Signals are the loop's: the thread blocks them all. */
static bool start_thread(struct smtp_transfer *t)
{
    sigset_t all, before;
    pthread_attr_t attr;
    int status;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    status = pthread_create(&t->thread, &attr, run_transfers, t);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status == 0;
}

static void deliver(struct smtp_transfer *t)
{
    struct smtp_multi *h = t->multi;
    struct response r;

    CRASH_POINT("transfer", ".after");
    smtp_easy_response(&t->easy, t->rc, loop_wall_ms(h->loop), &r);
    list_del(&t->node);
    h->in_flight--;
    t->cb(&r, t->arg);
    list_add_head(&h->idle, &t->node);
}

static struct smtp_transfer *next_ended(struct smtp_multi *h)
{
    struct list *node;

    pthread_mutex_lock(&h->lock);
    node = list_pop(&h->ended);
    pthread_mutex_unlock(&h->lock);
    return node != NULL ? LIST_ENTRY(node, struct smtp_transfer, ended_node) : NULL;
}

static void deliver_all(struct smtp_multi *h)
{
    struct smtp_transfer *t;

    h->delivering = true;
    while ((t = next_ended(h)) != NULL)
        deliver(t);
    h->delivering = false;
}

static void on_bell(evutil_socket_t fd, short what, void *arg)
{
    char bytes[256];

    (void)what;
    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    deliver_all(arg);
}

static void transfer_free(struct smtp_transfer *t)
{
    smtp_easy_done(&t->easy);
    pthread_cond_destroy(&t->wake);
    free(t->url);
    free(t);
}

static struct smtp_transfer *transfer_new(struct smtp_multi *h)
{
    struct smtp_transfer *t = mem_zalloc(sizeof(*t));

    t->multi = h;
    list_init(&t->node);
    list_init(&t->ended_node);
    pthread_cond_init(&t->wake, NULL);
    smtp_easy_init(&t->easy, &h->opts, &h->closing);
    if (start_thread(t))
        return t;
    transfer_free(t);
    return NULL;
}

/* One whose connection may be warm, else any; NULL = there is no thread for it. */
static struct smtp_transfer *transfer_take(struct smtp_multi *h, const char *url)
{
    struct smtp_transfer *found = NULL;

    LIST_EACH(node, &h->idle)
    {
        struct smtp_transfer *t = LIST_ENTRY(node, struct smtp_transfer, node);

        if (found == NULL || (text_eq(t->url, url) && !text_eq(found->url, url)))
            found = t;
    }
    if (found == NULL)
        return transfer_new(h);
    list_del(&found->node);
    return found;
}

static void give_work(struct smtp_transfer *t)
{
    pthread_mutex_lock(&t->multi->lock);
    t->has_work = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->multi->lock);
}

enum sq_err smtp_multi_start(struct smtp_multi *h, const struct request *req, int64_t timeout_ms,
                             http_done_cb cb, void *arg, struct err_text *e)
{
    const char *url = buf_str(&req->url);
    struct smtp_transfer *t;

    if (atomic_load(&h->closing) || h->in_flight == h->opts.max_in_flight)
        return err_set(e, SQ_ERR_STATE, "no room for another transfer");
    if (!text_starts(url, "smtp://") && !text_starts(url, "smtps://"))
        return err_set(e, SQ_ERR_INVALID, "the URL is not one of smtp or smtps");
    t = transfer_take(h, url);
    if (t == NULL)
        return err_set(e, SQ_ERR_IO, "no thread for the transfer");
    t->cb = cb;
    t->arg = arg;
    free(t->url);
    t->url = mem_strdup(url);
    smtp_easy_prepare(&t->easy, req, timeout_ms);
    CRASH_POINT("transfer", ".before");
    list_add_tail(&h->running, &t->node);
    h->in_flight++;
    give_work(t);
    return SQ_OK;
}

unsigned smtp_multi_in_flight(const struct smtp_multi *h)
{
    return h->in_flight;
}

struct smtp_multi *smtp_multi_new(struct loop *loop, const struct http_opts *opts)
{
    struct smtp_multi *h = mem_zalloc(sizeof(*h));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, h->bell) != 0)
        abort();
    h->loop = loop;
    h->opts = *opts;
    pthread_mutex_init(&h->lock, NULL);
    list_init(&h->ended);
    list_init(&h->idle);
    list_init(&h->running);
    h->ev = event_new(loop_base(loop), h->bell[0], EV_READ | EV_PERSIST, on_bell, h);
    if (h->ev == NULL || event_add(h->ev, NULL) != 0)
        abort();
    return h;
}

/* Threads that wait for a server are cut off from it. */
static void end_threads(struct smtp_multi *h)
{
    struct list *lists[] = {&h->idle, &h->running};

    pthread_mutex_lock(&h->lock);
    atomic_store(&h->closing, true);
    for (size_t i = 0; i < 2; i++)
        LIST_EACH(node, lists[i])
        {
            pthread_cond_signal(&LIST_ENTRY(node, struct smtp_transfer, node)->wake);
        }
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < 2; i++)
        LIST_EACH(node, lists[i])
        {
            smtp_easy_cut(&LIST_ENTRY(node, struct smtp_transfer, node)->easy);
        }
    for (size_t i = 0; i < 2; i++)
        LIST_EACH(node, lists[i])
        {
            pthread_join(LIST_ENTRY(node, struct smtp_transfer, node)->thread, NULL);
        }
}

void smtp_multi_free(struct smtp_multi *h)
{
    struct list *node;

    if (h == NULL)
        return;
    assert(!h->delivering);
    end_threads(h);
    deliver_all(h);
    while ((node = list_pop(&h->idle)) != NULL)
        transfer_free(LIST_ENTRY(node, struct smtp_transfer, node));
    event_free(h->ev);
    close(h->bell[0]);
    close(h->bell[1]);
    pthread_mutex_destroy(&h->lock);
    free(h);
    curl_global_cleanup();
}

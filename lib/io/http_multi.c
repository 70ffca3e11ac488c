/* HTTP transfers: starts them on reused handles and hands over their outcome.
 *
 * http_easy sets up one handle, http_wire runs many on the loop, http_url keeps parsed URLs. Here
 * a transfer goes round: idle -> running (in curl) -> ended (its callback runs) -> idle. A transfer
 * counts as in flight until its callback begins, so the callback may start the next one. */
#include "http_multi.h"

#include "buf.h"
#include "crash.h"
#include "http_easy.h"
#include "http_url.h"
#include "http_wire.h"
#include "list.h"

#include <assert.h>
#include <stdlib.h>

struct http_transfer {
    struct http_easy easy;
    struct http_multi *multi;
    struct list node; /* in idle or running */
    struct http_lane *lane;
    struct http_url *url;
    http_done_cb cb;
    void *arg;
};

struct http_multi {
    struct loop *loop;
    struct http_opts opts;
    struct http_wire *wire;
    struct http_urls urls;
    struct list idle;    /* the last used first: its memory is warm */
    struct list running; /* also those that ended, until their callback */
    unsigned in_flight;
    struct http_ended *ended; /* scratch of on_ended */
    bool delivering, closing;
};

/* ---- ends ---- */

/* Once per transfer, after it has left curl. */
static void deliver(struct http_transfer *t, CURLcode rc)
{
    struct http_multi *h = t->multi;
    struct response r;

    CRASH_POINT("transfer", ".after");
    http_easy_response(&t->easy, rc, loop_wall_ms(h->loop), &r);
    list_del(&t->node);
    h->in_flight--;
    http_url_unref(t->url); /* from http_multi_start */
    t->url = NULL;
    t->cb(&r, t->arg);
    list_add_head(&h->idle, &t->node);
}

static void on_ended(void *arg)
{
    struct http_multi *h = arg;
    size_t n = http_wire_drain(h->wire, h->ended);

    h->delivering = true;
    for (size_t i = 0; i < n; i++) {
        struct http_transfer *t;

        curl_easy_getinfo(h->ended[i].easy, CURLINFO_PRIVATE, (char **)&t);
        deliver(t, h->ended[i].rc);
    }
    h->delivering = false;
}

/* ---- starts ---- */

static struct http_transfer *transfer_take(struct http_multi *h)
{
    struct list *node = list_pop(&h->idle);
    struct http_transfer *t;

    if (node != NULL)
        return LIST_ENTRY(node, struct http_transfer, node);
    t = mem_zalloc(sizeof(*t));
    t->multi = h;
    list_init(&t->node);
    http_easy_init(&t->easy, &h->opts, t);
    http_wire_prepare(h->wire, t->easy.curl);
    return t;
}

enum sq_err http_multi_start(struct http_multi *h, const struct request *req, int64_t timeout_ms,
                             http_done_cb cb, void *arg, struct err_text *e)
{
    struct http_transfer *t;
    struct http_url *url;
    enum sq_err err;

    if (http_multi_room(h) == 0)
        return err_set(e, SQ_ERR_STATE, "no room for another transfer");
    err = http_urls_get(&h->urls, &req->url, &url, e);
    if (err != SQ_OK)
        return err;
    t = transfer_take(h);
    t->url = url;
    t->cb = cb;
    t->arg = arg;
    http_easy_prepare(&t->easy, req, url->handle, timeout_ms);
    CRASH_POINT("transfer", ".before");
    t->lane = http_wire_add(h->wire, t->easy.curl);
    if (t->lane == NULL) {
        http_url_unref(url);
        t->url = NULL;
        list_add_head(&h->idle, &t->node);
        return err_set(e, SQ_ERR_IO, "curl refused the transfer");
    }
    list_add_tail(&h->running, &t->node);
    h->in_flight++;
    return SQ_OK;
}

unsigned http_multi_in_flight(const struct http_multi *h)
{
    return h->in_flight;
}

unsigned http_multi_room(const struct http_multi *h)
{
    return h->closing ? 0 : h->opts.max_in_flight - h->in_flight;
}

/* ---- life ---- */

struct http_multi *http_multi_new(struct loop *loop, const struct http_opts *opts)
{
    struct http_multi *h = mem_zalloc(sizeof(*h));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    h->loop = loop;
    h->opts = *opts;
    h->opts.ca_file = mem_strdup(opts->ca_file);
    h->opts.user_agent = mem_strdup(opts->user_agent);
    h->wire = http_wire_new(loop, opts->max_in_flight, on_ended, h);
    h->ended = mem_alloc(opts->max_in_flight * sizeof(*h->ended));
    http_urls_init(&h->urls);
    list_init(&h->idle);
    list_init(&h->running);
    return h;
}

static void abort_running(struct http_multi *h)
{
    while (!list_is_empty(&h->running)) {
        struct http_transfer *t = LIST_ENTRY(h->running.next, struct http_transfer, node);

        http_wire_remove(t->lane, t->easy.curl);
        deliver(t, CURLE_ABORTED_BY_CALLBACK);
    }
}

void http_multi_free(struct http_multi *h)
{
    if (h == NULL)
        return;
    assert(!h->delivering);
    h->closing = true;
    abort_running(h);
    LIST_EACH(node, &h->idle)
    {
        struct http_transfer *t = LIST_ENTRY(node, struct http_transfer, node);

        http_easy_done(&t->easy);
        free(t);
    }
    http_wire_free(h->wire);
    http_urls_done(&h->urls);
    free(h->ended);
    free((char *)h->opts.ca_file);
    free((char *)h->opts.user_agent);
    free(h);
    curl_global_cleanup();
}

/* SMTP transfers: idle -> running (in curl) -> ended (its callback runs) -> idle, as http_multi. */
#include "smtp_multi.h"

#include "crash.h"
#include "list.h"
#include "smtp_easy.h"
#include "text.h"

#include <assert.h>
#include <stdlib.h>

struct smtp_transfer {
    struct smtp_easy easy;
    struct smtp_multi *multi;
    struct list node; /* in idle or running */
    struct http_lane *lane;
    http_done_cb cb;
    void *arg;
};

struct smtp_multi {
    struct loop *loop;
    struct http_opts opts;
    struct http_wire *wire;
    struct list idle, running;
    unsigned in_flight;
    struct http_ended *ended; /* scratch of on_ended */
    bool delivering, closing;
};

static void deliver(struct smtp_transfer *t, CURLcode rc)
{
    struct smtp_multi *h = t->multi;
    struct response r;

    CRASH_POINT("transfer", ".after");
    smtp_easy_response(&t->easy, rc, loop_wall_ms(h->loop), &r);
    list_del(&t->node);
    h->in_flight--;
    t->cb(&r, t->arg);
    list_add_head(&h->idle, &t->node);
}

static void on_ended(void *arg)
{
    struct smtp_multi *h = arg;
    size_t n = http_wire_drain(h->wire, h->ended);

    h->delivering = true;
    for (size_t i = 0; i < n; i++) {
        struct smtp_transfer *t;

        curl_easy_getinfo(h->ended[i].easy, CURLINFO_PRIVATE, (char **)&t);
        deliver(t, h->ended[i].rc);
    }
    h->delivering = false;
}

static struct smtp_transfer *transfer_take(struct smtp_multi *h)
{
    struct list *node = list_pop(&h->idle);
    struct smtp_transfer *t;

    if (node != NULL)
        return LIST_ENTRY(node, struct smtp_transfer, node);
    t = mem_zalloc(sizeof(*t));
    t->multi = h;
    list_init(&t->node);
    smtp_easy_init(&t->easy, &h->opts, h->wire, t);
    http_wire_prepare(h->wire, t->easy.curl);
    return t;
}

enum sq_err smtp_multi_start(struct smtp_multi *h, const struct request *req, int64_t timeout_ms,
                             http_done_cb cb, void *arg, struct err_text *e)
{
    const char *url = buf_str(&req->url);
    struct smtp_transfer *t;

    if (h->closing || h->in_flight == h->opts.max_in_flight)
        return err_set(e, SQ_ERR_STATE, "no room for another transfer");
    if (!text_starts(url, "smtp://") && !text_starts(url, "smtps://"))
        return err_set(e, SQ_ERR_INVALID, "the URL is not one of smtp or smtps");
    t = transfer_take(h);
    t->cb = cb;
    t->arg = arg;
    smtp_easy_prepare(&t->easy, req, timeout_ms);
    CRASH_POINT("transfer", ".before");
    t->lane = http_wire_add(h->wire, t->easy.curl);
    if (t->lane == NULL) {
        list_add_head(&h->idle, &t->node);
        return err_set(e, SQ_ERR_IO, "curl refused the transfer");
    }
    list_add_tail(&h->running, &t->node);
    h->in_flight++;
    return SQ_OK;
}

unsigned smtp_multi_in_flight(const struct smtp_multi *h)
{
    return h->in_flight;
}

struct smtp_multi *smtp_multi_new(struct loop *loop, const struct http_opts *opts)
{
    struct smtp_multi *h = mem_zalloc(sizeof(*h));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    h->loop = loop;
    h->opts = *opts;
    h->wire = http_wire_new(loop, opts->max_in_flight, on_ended, h);
    h->ended = mem_alloc(opts->max_in_flight * sizeof(*h->ended));
    list_init(&h->idle);
    list_init(&h->running);
    return h;
}

void smtp_multi_free(struct smtp_multi *h)
{
    struct list *node;

    if (h == NULL)
        return;
    assert(!h->delivering);
    h->closing = true;
    http_wire_cut(h->wire, NULL); /* a QUIT would wait for its answer */
    while (!list_is_empty(&h->running)) {
        struct smtp_transfer *t = LIST_ENTRY(h->running.next, struct smtp_transfer, node);

        http_wire_remove(t->lane, t->easy.curl);
        deliver(t, CURLE_ABORTED_BY_CALLBACK);
    }
    while ((node = list_pop(&h->idle)) != NULL) {
        struct smtp_transfer *t = LIST_ENTRY(node, struct smtp_transfer, node);

        smtp_easy_done(&t->easy);
        free(t);
    }
    http_wire_free(h->wire);
    free(h->ended);
    free(h);
    curl_global_cleanup();
}

/* A bounded cache of parsed URLs, the least recently used one out first. */
#include "http_url.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CACHED 256
#define MAX_URL 8192 /* with MAX_CACHED: 2 MiB of text */

void http_urls_init(struct http_urls *c)
{
    *c = (struct http_urls){.count = 0};
    list_init(&c->recent);
}

void http_url_unref(struct http_url *u)
{
    if (u == NULL || --u->refs > 0)
        return;
    curl_url_cleanup(u->handle);
    free(u->text);
    free(u);
}

static void drop_oldest(struct http_urls *c)
{
    struct http_url *u = LIST_ENTRY(c->recent.prev, struct http_url, node);

    map_del(&c->by_text, u->text);
    list_del(&u->node);
    c->count--;
    http_url_unref(u); /* the cache's */
}

void http_urls_done(struct http_urls *c)
{
    while (c->count > 0)
        drop_oldest(c);
    map_free(&c->by_text);
}

static bool is_http(CURLU *handle)
{
    char *scheme = NULL;
    bool ok = curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (text_eq(scheme, "http") || text_eq(scheme, "https"));

    curl_free(scheme);
    return ok;
}

static enum sq_err parse(const struct buf *url, CURLU **ret, struct err_text *e)
{
    const char *text = buf_str(url);
    CURLU *handle;
    CURLUcode rc;

    if (url->len == 0 || url->len > MAX_URL || strlen(text) != url->len)
        return err_set(e, SQ_ERR_INVALID, "the URL is empty, over %d bytes or holds a NUL",
                       MAX_URL);
    handle = curl_url();
    if (handle == NULL)
        abort();
    rc = curl_url_set(handle, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    if (rc == CURLUE_OK && is_http(handle)) {
        *ret = handle;
        return SQ_OK;
    }
    curl_url_cleanup(handle);
    return err_set(e, SQ_ERR_INVALID, "the URL cannot be used: %s",
                   rc != CURLUE_OK ? curl_url_strerror(rc) : "only http and https are");
}

static enum sq_err insert(struct http_urls *c, const struct buf *url, struct http_url **ret,
                          struct err_text *e)
{
    CURLU *handle = NULL;
    struct http_url *u;
    enum sq_err err = parse(url, &handle, e);

    if (err != SQ_OK)
        return err;
    if (c->count == MAX_CACHED)
        drop_oldest(c);
    u = mem_zalloc(sizeof(*u));
    u->handle = handle;
    u->text = mem_strdup(buf_str(url));
    u->refs = 1; /* the cache's */
    list_add_head(&c->recent, &u->node);
    map_set(&c->by_text, u->text, u);
    c->count++;
    *ret = u;
    return SQ_OK;
}

enum sq_err http_urls_get(struct http_urls *c, const struct buf *url, struct http_url **ret,
                          struct err_text *e)
{
    struct http_url *u = map_get(&c->by_text, buf_str(url));

    if (u == NULL || strlen(u->text) != url->len) {
        enum sq_err err = insert(c, url, &u, e);

        if (err != SQ_OK)
            return err;
    } else {
        list_del(&u->node);
        list_add_head(&c->recent, &u->node);
    }
    u->refs++; /* the caller's */
    *ret = u;
    return SQ_OK;
}

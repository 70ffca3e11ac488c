/* Fetches through the guard.
 *
 * One easy handle per fetch, used for all its hops and thrown away: fetches are rare beside sends,
 * and nothing of one may be left for the next. A hop is refused in two places: here, where its URL
 * is not one to be fetched or holds a closed address in numbers (which gives the clearer error),
 * and in on_open, where the address that curl is about to connect to is known. */
#include "http_fetch.h"

#include "guard.h"
#include "http_wire.h"
#include "list.h"
#include "text.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDIRECTS_MAX 3
#define URL_MAX 4096
#define HEAD_MAX ((size_t)64 << 10)

struct fetch {
    struct http_fetcher *owner;
    struct list node; /* in running, or in ended */
    CURL *easy;
    CURLU *url;
    struct http_lane *lane; /* NULL: not in curl */
    struct http_fetch_terms terms;
    http_fetch_cb cb;
    void *arg;
    int64_t deadline_us;
    unsigned redirects;
    bool is_listed; /* this hop's host is in the list of the allowed ones */
    bool is_closed; /* on_open refused an address of this hop */
    bool is_too_large;
    struct buf body;
    size_t head_bytes;
    char curl_error[CURL_ERROR_SIZE];
    struct http_fetched out;
};

struct http_fetcher {
    struct loop *loop;
    struct http_fetcher_opts opts;
    struct http_wire *wire;
    struct after *after; /* delivers what ended without curl */
    struct list running, ended;
    unsigned count;
    struct http_ended *scratch;
};

/* --- the end --- */

static void fetch_free(struct fetch *f)
{
    list_del(&f->node);
    if (f->lane != NULL)
        http_wire_remove(f->lane, f->easy);
    curl_easy_cleanup(f->easy);
    curl_url_cleanup(f->url);
    buf_free(&f->body);
    free(f);
}

/* The fetch is over; its callback runs after this turn. */
static void end(struct fetch *f, enum http_fetch_result result, const char *fmt, ...)
    SQ_PRINTF(3, 4);

static void end(struct fetch *f, enum http_fetch_result result, const char *fmt, ...)
{
    va_list args;

    f->out.result = result;
    va_start(args, fmt);
    vsnprintf(f->out.error, sizeof(f->out.error), fmt, args);
    va_end(args);
    list_del(&f->node);
    list_add_tail(&f->owner->ended, &f->node);
    after_request(f->owner->after);
}

static void on_after(void *arg)
{
    struct http_fetcher *h = arg;
    struct list *node;

    while ((node = list_pop(&h->ended)) != NULL) {
        struct fetch *f = LIST_ENTRY(node, struct fetch, node);

        if (f->out.result == HTTP_FETCH_OK) {
            f->out.body = buf_str(&f->body);
            f->out.len = f->body.len;
        }
        h->count--;
        f->cb(&f->out, f->arg);
        fetch_free(f);
    }
}

/* --- inside curl --- */

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct fetch *f = arg;

    (void)purpose;
    if (!f->is_listed && !guard_is_public(&a->addr)) {
        f->is_closed = true;
        return CURL_SOCKET_BAD;
    }
    return http_wire_open(f->owner->wire, a);
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct fetch *f = arg;
    size_t n = size * count;

    if (n > f->terms.max_bytes - f->body.len) {
        f->is_too_large = true;
        return 0;
    }
    buf_add(&f->body, p, n);
    return f->body.failed ? 0 : n;
}

static size_t on_head(char *p, size_t size, size_t count, void *arg)
{
    struct fetch *f = arg;

    (void)p;
    f->head_bytes += size * count;
    return f->head_bytes <= HEAD_MAX ? size * count : 0;
}

/* --- one hop --- */

/* A part of the hop's URL, or "" where it has none; free with curl_free. */
static char *part_of(const struct fetch *f, CURLUPart part, unsigned flags)
{
    char *text = NULL;

    return curl_url_get(f->url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

static bool has_part(const struct fetch *f, CURLUPart part)
{
    char *text = part_of(f, part, 0);
    bool has = text != NULL;

    curl_free(text);
    return has;
}

/* Why the hop's URL is not one to be fetched, or NULL. */
static const char *judge_host(struct fetch *f)
{
    char *host = part_of(f, CURLUPART_HOST, 0),
         *port = part_of(f, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    const char *why = NULL;
    size_t len = host != NULL ? strlen(host) : 0;

    if (len == 0 || len > 255 || port == NULL) {
        why = "the URL has no usable host";
    } else {
        if (host[len - 1] == '.')
            host[len - 1] = '\0';
        f->is_listed = guard_is_listed(f->terms.allow_hosts, f->terms.allow_count, host,
                                       (unsigned)strtoul(port, NULL, 10));
        if (!f->is_listed && !guard_is_public_text(host))
            why = "the URL's address is not a public one";
    }
    curl_free(host);
    curl_free(port);
    return why;
}

static const char *judge_url(struct fetch *f, const char *url)
{
    char *scheme;
    bool is_http;

    if (strlen(url) > URL_MAX || text_has_control(url) || strpbrk(url, " \\"))
        return "the URL is too long or holds a forbidden character";
    if (curl_url_set(f->url, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return "the URL cannot be understood";
    scheme = part_of(f, CURLUPART_SCHEME, 0);
    is_http = text_ieq(scheme ? scheme : "", "http") || text_ieq(scheme ? scheme : "", "https");
    curl_free(scheme);
    if (!is_http)
        return "the URL is not http or https";
    if (has_part(f, CURLUPART_USER) || has_part(f, CURLUPART_PASSWORD))
        return "the URL holds a user or a password";
    if (has_part(f, CURLUPART_ZONEID))
        return "the URL's address has a zone";
    return judge_host(f);
}

static void start_hop(struct fetch *f, const char *url)
{
    int64_t left_ms = (f->deadline_us - loop_now_us(f->owner->loop)) / 1000;
    const char *why = judge_url(f, url);

    if (why != NULL) {
        end(f, HTTP_FETCH_FORBIDDEN, "%s", why);
        return;
    }
    if (left_ms <= 0) {
        end(f, HTTP_FETCH_TROUBLE, "it took too long");
        return;
    }
    buf_clear(&f->body);
    f->head_bytes = 0;
    f->is_closed = f->is_too_large = false;
    f->curl_error[0] = '\0';
    curl_easy_setopt(f->easy, CURLOPT_CURLU, f->url);
    curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
    f->lane = http_wire_add(f->owner->wire, f->easy);
    if (f->lane == NULL)
        end(f, HTTP_FETCH_TROUBLE, "curl refused the transfer");
}

/* --- its outcome --- */

static void end_failed(struct fetch *f, CURLcode rc)
{
    if (f->is_closed)
        end(f, HTTP_FETCH_FORBIDDEN, "the URL's host has an address that is not a public one");
    else if (f->is_too_large || rc == CURLE_FILESIZE_EXCEEDED)
        end(f, HTTP_FETCH_TOO_LARGE, "it is larger than %zu bytes", f->terms.max_bytes);
    else
        end(f, HTTP_FETCH_TROUBLE, "%.150s",
            f->curl_error[0] != '\0' ? f->curl_error : curl_easy_strerror(rc));
}

static bool is_temporary(long status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static void redirect(struct fetch *f)
{
    const char *next = NULL;
    char *url;

    curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &next);
    if (next == NULL) {
        end(f, HTTP_FETCH_REFUSED, "a redirect without a target");
    } else if (f->redirects++ == REDIRECTS_MAX) {
        end(f, HTTP_FETCH_REFUSED, "more than %d redirects", REDIRECTS_MAX);
    } else {
        url = mem_strdup(next); /* curl's own is gone with the next hop */
        start_hop(f, url);
        free(url);
    }
}

static void end_good(struct fetch *f)
{
    const char *type = NULL;

    curl_easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &type);
    snprintf(f->out.content_type, sizeof(f->out.content_type), "%s", type != NULL ? type : "");
    end(f, HTTP_FETCH_OK, "%s", "");
}

static void judge(struct fetch *f, CURLcode rc)
{
    long status = 0;

    f->lane = NULL;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    if (rc != CURLE_OK)
        end_failed(f, rc);
    else if (status >= 301 && status <= 308 && status != 304)
        redirect(f);
    else if (status == 200)
        end_good(f);
    else
        end(f, is_temporary(status) ? HTTP_FETCH_TROUBLE : HTTP_FETCH_REFUSED,
            "the server answered %ld", status);
}

static void on_ended(void *arg)
{
    struct http_fetcher *h = arg;
    size_t n = http_wire_drain(h->wire, h->scratch);

    for (size_t i = 0; i < n; i++) {
        struct fetch *f;

        curl_easy_getinfo(h->scratch[i].easy, CURLINFO_PRIVATE, (char **)&f);
        judge(f, h->scratch[i].rc);
    }
}

/* --- set-up --- */

/* A curl without one of these options is not one we can be safe with. */
static void must(CURLcode rc)
{
    if (rc != CURLE_OK)
        abort();
}

static void set_safety(CURL *c, const struct http_fetcher_opts *o)
{
    must(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https"));
    must(curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L));
    must(curl_easy_setopt(c, CURLOPT_PROXY, ""));
    must(curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
    must(curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2));
    must(curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L));
    must(curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L));
    must(curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L));
    must(curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L));
    must(curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
    must(curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L));
    must(curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1));
    must(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms));
    if (o->ca_file != NULL)
        must(curl_easy_setopt(c, CURLOPT_CAINFO, o->ca_file));
    if (o->user_agent != NULL)
        must(curl_easy_setopt(c, CURLOPT_USERAGENT, o->user_agent));
}

static void set_callbacks(struct fetch *f)
{
    CURL *c = f->easy;

    http_wire_prepare(f->owner->wire, c);
    must(curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open));
    must(curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f));
    must(curl_easy_setopt(c, CURLOPT_PRIVATE, f));
    must(curl_easy_setopt(c, CURLOPT_ERRORBUFFER, f->curl_error));
    must(curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body));
    must(curl_easy_setopt(c, CURLOPT_WRITEDATA, f));
    must(curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_head));
    must(curl_easy_setopt(c, CURLOPT_HEADERDATA, f));
    must(curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)f->terms.max_bytes));
}

void http_fetch_start(struct http_fetcher *h, const char *url, const struct http_fetch_terms *terms,
                      http_fetch_cb cb, void *arg)
{
    struct fetch *f = mem_zalloc(sizeof(*f));

    *f = (struct fetch){.owner = h, .terms = *terms, .cb = cb, .arg = arg};
    f->easy = curl_easy_init();
    f->url = curl_url();
    if (f->easy == NULL || f->url == NULL)
        abort();
    f->body.max = terms->max_bytes + 1;
    f->deadline_us = loop_now_us(h->loop) + terms->timeout_ms * 1000;
    list_add_tail(&h->running, &f->node);
    h->count++;
    set_safety(f->easy, &h->opts);
    set_callbacks(f);
    start_hop(f, url);
}

unsigned http_fetcher_room(const struct http_fetcher *h)
{
    return h->opts.max_fetches - h->count;
}

struct http_fetcher *http_fetcher_new(struct loop *loop, const struct http_fetcher_opts *opts)
{
    struct http_fetcher *h = mem_zalloc(sizeof(*h));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    h->loop = loop;
    h->opts = *opts;
    h->wire = http_wire_new(loop, opts->max_fetches, on_ended, h);
    h->after = after_new(loop, on_after, h);
    h->scratch = mem_alloc(opts->max_fetches * sizeof(*h->scratch));
    list_init(&h->running);
    list_init(&h->ended);
    return h;
}

void http_fetcher_free(struct http_fetcher *h)
{
    if (h == NULL)
        return;
    LIST_EACH(node, &h->running)
    fetch_free(LIST_ENTRY(node, struct fetch, node));
    LIST_EACH(done, &h->ended)
    fetch_free(LIST_ENTRY(done, struct fetch, node));
    http_wire_free(h->wire);
    after_free(h->after);
    free(h->scratch);
    free(h);
    curl_global_cleanup();
}

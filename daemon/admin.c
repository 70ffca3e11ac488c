/* The admin pages: answers each request at once from numbers that are at hand. What stands in Redis
 * is read by a timer, however often somebody asks, so that no scrape costs Redis anything. */
#include "admin.h"

#include "admin_listen.h"
#include "admin_pages.h"
#include "admin_view.h"
#include "settings.h"
#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <stdlib.h>

#define REFRESH_US 2000000
#define BIND_AGAIN_US 5000000

struct admin {
    struct loop *loop;
    struct log *log;
    struct engine *engine;
    char *where, *ns;
    char worker[SETTINGS_NAME];
    int64_t started_ms;
    struct admin_listen *listen; /* NULL: off, or the address is taken */
    bool told;                   /* that it is taken */
    struct timer *bind_again, *refresh;
    bool reading;
    struct overview *overview; /* the last one read; NULL while Redis is away */
    struct buf text;           /* the answer being made */
};

/* --- what stands in Redis --- */

static void on_overview(enum store_status st, struct overview *o, void *arg)
{
    struct admin *a = arg;

    (void)st; /* a failure shows as no overview; the stages tell of it */
    a->reading = false;
    overview_free(a->overview);
    a->overview = o;
}

static void refresh(void *arg)
{
    struct admin *a = arg;

    timer_set_us(a->refresh, REFRESH_US);
    if (a->reading)
        return;
    a->reading = engine_read_overview(a->engine, on_overview, a) == SQ_OK;
    if (!a->reading) {
        overview_free(a->overview);
        a->overview = NULL;
    }
}

static void look(const struct admin *a, struct admin_view *ret)
{
    *ret = (struct admin_view){
        .metrics = engine_metrics(a->engine),
        .overview = a->overview,
        .ns = a->ns,
        .worker = a->worker,
        .wall_ms = loop_wall_ms(a->loop),
        .started_ms = a->started_ms,
    };
    engine_get_status(a->engine, &ret->status);
}

/* --- pages --- */

static int page_metrics(const struct admin_view *v, struct buf *out)
{
    admin_print_metrics(v, out);
    return 200;
}

static int page_status(const struct admin_view *v, struct buf *out)
{
    admin_print_status(v, out);
    return 200;
}

/* That it answers at all is the news: the loop turns. */
static int page_health(const struct admin_view *v, struct buf *out)
{
    (void)v;
    buf_adds(out, "ok\n");
    return 200;
}

static int page_ready(const struct admin_view *v, struct buf *out)
{
    buf_addf(out, "%s\n", v->status.state);
    return v->status.ready && v->status.redis_up ? 200 : 503;
}

static int page_html(const struct admin_view *v, struct buf *out)
{
    (void)v;
    buf_adds(out, page_admin_html);
    return 200;
}

static int page_css(const struct admin_view *v, struct buf *out)
{
    (void)v;
    buf_adds(out, page_admin_css);
    return 200;
}

static int page_js(const struct admin_view *v, struct buf *out)
{
    (void)v;
    buf_adds(out, page_admin_js);
    return 200;
}

static const struct page {
    const char *path, *type;
    int (*print)(const struct admin_view *v, struct buf *out); /* returns the HTTP status */
} pages[] = {
    {"/", "text/html; charset=utf-8", page_html},
    {"/page.css", "text/css; charset=utf-8", page_css},
    {"/page.js", "text/javascript; charset=utf-8", page_js},
    {"/status", "application/json", page_status},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", page_metrics},
    {"/healthz", "text/plain; charset=utf-8", page_health},
    {"/readyz", "text/plain; charset=utf-8", page_ready},
};

static const struct page *find_page(const char *path)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (text_eq(pages[i].path, path))
            return &pages[i];
    return NULL;
}

/* --- answering --- */

/* A page of another site whose name was made to point here (DNS rebinding) may not read ours. A
 * listener that is not on loopback has names that we do not know. */
static bool is_our_name(const struct admin *a, const char *host)
{
    bool loopback = text_starts(a->where, "127.") || text_starts(a->where, "localhost:") ||
                    text_starts(a->where, "[::1]:");

    return !loopback || host == NULL || text_starts(host, "127.") || text_ieq(host, "localhost") ||
           text_eq(host, "[::1]") || text_eq(host, "::1");
}

static void on_request(const char *path, const char *host, struct admin_answer *ret, void *arg)
{
    struct admin *a = arg;
    const struct page *page = find_page(path);
    struct admin_view view;

    buf_clear(&a->text);
    ret->type = "text/plain; charset=utf-8";
    if (!is_our_name(a, host)) {
        ret->status = 421;
        buf_adds(&a->text, "not a name of this server\n");
    } else if (page == NULL) {
        ret->status = 404;
        buf_adds(&a->text, "no such page\n");
    } else {
        look(a, &view);
        ret->status = page->print(&view, &a->text);
        ret->type = page->type;
    }
    ret->body = buf_str(&a->text);
    ret->len = a->text.len;
}

/* --- life --- */

static void listen_now(void *arg)
{
    struct admin *a = arg;
    struct err_text e = {0};
    char bound[ADMIN_BOUND];

    if (admin_listen_new(a->loop, a->where, on_request, a, &a->listen, bound, &e) == SQ_OK) {
        log_line(a->log, LOG_LVL_INFO, "admin", "listening on %s", bound);
        refresh(a);
        return;
    }
    if (!a->told)
        log_line(a->log, LOG_LVL_ERROR, "admin", "admin.listen: %s: %s; trying again", a->where,
                 e.text);
    a->told = true;
    timer_set_us(a->bind_again, BIND_AGAIN_US);
}

static void stop_listening(struct admin *a)
{
    timer_cancel(a->bind_again);
    timer_cancel(a->refresh);
    admin_listen_free(a->listen);
    a->listen = NULL;
    a->told = false;
}

struct admin *admin_new(struct loop *loop, struct log *log, struct engine *engine)
{
    struct admin *a = mem_zalloc(sizeof(*a));

    a->loop = loop;
    a->log = log;
    a->engine = engine;
    a->started_ms = clock_wall_ms();
    a->where = mem_strdup("");
    a->ns = mem_strdup("");
    a->bind_again = timer_new(loop, listen_now, a);
    a->refresh = timer_new(loop, refresh, a);
    return a;
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    stop_listening(a);
    timer_free(a->bind_again);
    timer_free(a->refresh);
    overview_free(a->overview);
    buf_free(&a->text);
    free(a->where);
    free(a->ns);
    free(a);
}

void admin_set_config(struct admin *a, const struct config *c)
{
    char name[SETTINGS_NAME];

    if (a->ns[0] == '\0') { /* they do not change in a running process */
        free(a->ns);
        a->ns = mem_strdup(c->ns);
        snprintf(a->worker, sizeof(a->worker), "%s", settings_worker_name(c, name));
    }
    if (text_eq(a->where, c->admin_listen))
        return;
    stop_listening(a);
    free(a->where);
    a->where = mem_strdup(c->admin_listen);
    if (!text_is_empty(a->where))
        listen_now(a);
}

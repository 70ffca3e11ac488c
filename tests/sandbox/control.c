/* /_control: what the server saw, and what it shall do.
 *   GET    requests?dialect=&since=&limit=&fields=compact
 *   GET    stats, ids?dialect=, window?dialect=&ms=&recipient=, faults
 *   POST   reset, faults [rules], dialects/<name> {settings}
 *   DELETE faults
 * Errors: {"error":{"code","message"}}. */
#include "control.h"

#include "control_view.h"
#include "json.h"
#include "text.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX ((size_t)1 << 30)

struct control_route {
    enum evhttp_cmd_type method;
    const char *path; /* below the prefix; a trailing slash stands for anything behind it */
    enum sq_err (*handle)(struct server *s, const struct control_call *call, struct buf *out,
                          struct err_text *e);
};

static enum sq_err parse_body(const struct control_call *call, cJSON **ret, struct err_text *e)
{
    const struct json_limits limits = {.max_bytes = EXCHANGE_BODY_MAX};

    return json_parse(call->body, call->body_len, &limits, ret, e);
}

static void print_done(struct buf *out)
{
    json_open(out, '{');
    json_key_bool(out, "ok", true);
    json_close(out, '}');
}

static enum sq_err post_reset(struct server *s, const struct control_call *call, struct buf *out,
                              struct err_text *e)
{
    (void)call;
    (void)e;
    server_reset(s);
    print_done(out);
    return SQ_OK;
}

static enum sq_err get_faults(struct server *s, const struct control_call *call, struct buf *out,
                              struct err_text *e)
{
    (void)call;
    (void)e;
    fault_set_print(&s->faults, out);
    return SQ_OK;
}

static enum sq_err post_faults(struct server *s, const struct control_call *call, struct buf *out,
                               struct err_text *e)
{
    cJSON *rules = NULL;
    enum sq_err err = parse_body(call, &rules, e);

    if (!err)
        err = fault_set_load(&s->faults, rules, e);
    if (!err)
        fault_set_print(&s->faults, out);
    json_free(rules);
    return err;
}

static enum sq_err delete_faults(struct server *s, const struct control_call *call, struct buf *out,
                                 struct err_text *e)
{
    (void)call;
    (void)e;
    fault_set_clear(&s->faults);
    print_done(out);
    return SQ_OK;
}

static enum sq_err post_dialect(struct server *s, const struct control_call *call, struct buf *out,
                                struct err_text *e)
{
    unsigned i = dialect_by_name(call->rest);
    const struct dialect *d = dialect_at(i);
    cJSON *settings = NULL;
    enum sq_err err;

    if (!d || !d->configure)
        return err_set(e, SQ_ERR_NOT_FOUND, "no dialect of that name has settings");
    err = parse_body(call, &settings, e);
    if (!err)
        err = d->configure(s->states[i], settings, e);
    if (!err)
        print_done(out);
    json_free(settings);
    return err;
}

static const struct control_route routes[] = {
    {EVHTTP_REQ_GET, "requests", control_view_requests},
    {EVHTTP_REQ_GET, "stats", control_view_stats},
    {EVHTTP_REQ_GET, "ids", control_view_ids},
    {EVHTTP_REQ_GET, "window", control_view_window},
    {EVHTTP_REQ_GET, "faults", get_faults},
    {EVHTTP_REQ_POST, "faults", post_faults},
    {EVHTTP_REQ_DELETE, "faults", delete_faults},
    {EVHTTP_REQ_POST, "reset", post_reset},
    {EVHTTP_REQ_POST, "dialects/", post_dialect},
};

static bool route_matches(const struct control_route *r, const char *path)
{
    size_t len = strlen(r->path);

    if (r->path[len - 1] == '/')
        return strncmp(path, r->path, len) == 0;
    return strcmp(path, r->path) == 0;
}

static const struct control_route *find_route(struct evhttp_request *req, const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].method == evhttp_request_get_command(req) && route_matches(&routes[i], path))
            return &routes[i];
    }
    return NULL;
}

static void on_sent(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    free(arg);
}

/* Hands the buffer's memory over to libevent: an answer may be hundreds of megabytes. */
static void answer(struct evhttp_request *req, int status, struct buf *out)
{
    struct evbuffer *body = evhttp_request_get_output_buffer(req);

    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "application/json");
    if (out->len == 0 || evbuffer_add_reference(body, out->data, out->len, on_sent, out->data) != 0)
        buf_free(out);
    evhttp_send_reply(req, status, NULL, NULL);
}

static void answer_error(struct evhttp_request *req, int status, enum sq_err err,
                         const struct err_text *e)
{
    struct buf out = {0};

    json_open(&out, '{');
    json_key(&out, "error");
    json_open(&out, '{');
    json_key_str(&out, "code", err_name(err));
    json_key_str(&out, "message", e->text);
    json_close(&out, '}');
    json_close(&out, '}');
    answer(req, status, &out);
}

static enum sq_err run(struct server *s, const struct control_route *r, struct evhttp_request *req,
                       const char *path, struct buf *out, struct err_text *e)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(req);
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));
    struct control_call call = {.rest = path + strlen(r->path)};
    struct form form = {0};
    enum sq_err err = SQ_OK;

    call.body_len = evbuffer_get_length(body);
    call.body = (const char *)evbuffer_pullup(body, -1);
    call.query = &form;
    if (!form_parse(&form, query ? query : "", query ? strlen(query) : 0))
        err = err_set(e, SQ_ERR_INVALID, "the query is not well-formed");
    if (!err)
        err = r->handle(s, &call, out, e);
    if (!err && out->failed)
        err = err_set(e, SQ_ERR_TOO_LARGE, "the answer is too large: ask for less");
    form_clear(&form);
    return err;
}

void control_serve(struct server *s, struct evhttp_request *req, const char *path)
{
    const struct control_route *r;
    struct err_text e = {.text = "no such resource"};
    struct buf out = {.max = ANSWER_MAX};
    enum sq_err err = SQ_ERR_NOT_FOUND;

    path += strlen(CONTROL_PREFIX);
    r = find_route(req, path);
    if (r)
        err = run(s, r, req, path, &out, &e);
    if (!err) {
        answer(req, 200, &out);
        return;
    }
    buf_free(&out);
    answer_error(req, err == SQ_ERR_NOT_FOUND ? 404 : 400, err, &e);
}

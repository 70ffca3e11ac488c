/* One request: record it, let its dialect read it, choose a fault, answer.
 *
 * A request is judged and counted when it has arrived, even where its answer comes late: a
 * provider that took a message has taken it, whether or not the client waits for the answer. */
#include "server.h"

#include "control.h"
#include "json.h"
#include "listen.h"
#include "spoil.h"
#include "text.h"
#include "timefmt.h"
#include "wire.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEADERS_MAX 65536

static const char *method_name(const struct evhttp_request *req)
{
    static const char *const names[] = {"GET",     "POST",  "HEAD",    "PUT",  "DELETE",
                                        "OPTIONS", "TRACE", "CONNECT", "PATCH"};
    unsigned bit = (unsigned)evhttp_request_get_command(req);
    unsigned i = 0;

    while (bit > 1 && i + 1 < sizeof(names) / sizeof(names[0])) {
        bit >>= 1;
        i++;
    }
    return names[i];
}

/* The request's headers as a record keeps them, in the scratch buffer. */
static void collect_headers(struct server *s, struct evhttp_request *req)
{
    struct evkeyval *kv = evhttp_request_get_input_headers(req)->tqh_first;

    buf_clear(&s->heads);
    for (; kv; kv = kv->next.tqe_next) {
        size_t at = s->heads.len;

        buf_add(&s->heads, kv->key, strlen(kv->key) + 1);
        if (!s->heads.failed)
            text_lower(s->heads.data + at);
        buf_add(&s->heads, kv->value, strlen(kv->value) + 1);
    }
}

static int64_t wall_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct record *record_of(struct server *s, struct evhttp_request *req)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(req);
    size_t len = evbuffer_get_length(body);
    struct record *r;

    collect_headers(s, req);
    r = record_new(method_name(req), evhttp_request_get_uri(req), s->heads.data, s->heads.len, len);
    evbuffer_remove(body, r->body, len);
    r->mono_us = clock_mono_us();
    r->wall_us = wall_us();
    return r;
}

static void on_done(void *arg, unsigned tag)
{
    struct server *s = arg;

    s->in_flight--;
    tally_leave(&s->tallies[tag]);
}

static void count_arrival(struct server *s, unsigned dialect)
{
    if (++s->in_flight > s->in_flight_max)
        s->in_flight_max = s->in_flight;
    tally_arrive(&s->tallies[dialect]);
}

static void say(const struct record *r)
{
    struct buf line = {0};

    buf_addf(&line, "%s %s ", dialect_name(r->dialect), r->method);
    text_add_logsafe(&line, r->uri, 200);
    buf_addf(&line, " %d", r->status);
    if (r->id) {
        buf_adds(&line, " id=");
        text_add_logsafe(&line, r->id, 100);
    }
    if (r->recipient) {
        buf_adds(&line, " to=");
        text_add_logsafe(&line, r->recipient, 100);
    }
    puts(buf_str(&line));
    buf_free(&line);
}

/* Decides the answer: the dialect's, a fault's, or both. Sets status and accepted. */
static void judge(struct server *s, struct exchange *x, const char *path, struct wire_plan *plan)
{
    struct record *r = x->record;
    const struct dialect *d = dialect_at(r->dialect);
    const struct fault_action *action;

    x->delivers = true;
    if (d)
        d->read(x);
    action = fault_set_pick(&s->faults, dialect_name(r->dialect), path, r);
    if (!d)
        exchange_error(x, 404, "not_found", "no provider is played below this path");
    else if (!action || spoil_keeps_answer(action))
        d->answer(x);
    r->accepted = x->delivers && x->status >= 200 && x->status < 300;
    plan->delay_ms = s->options->latency_ms;
    if (action)
        spoil(x, action, plan);
    plan->status = r->status = plan->mode == WIRE_RESET || plan->mode == WIRE_HANG ? 0 : x->status;
}

static void put_answer(struct evhttp_request *req, const struct exchange *x)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);

    for (unsigned i = 0; i < x->header_count; i++)
        evhttp_add_header(headers, x->headers[i].name, x->headers[i].value);
    evbuffer_add(evhttp_request_get_output_buffer(req), buf_str(&x->body), x->body.len);
}

static void serve(struct server *s, struct evhttp_request *req, const char *path)
{
    struct wire_plan plan = {.mode = WIRE_REPLY};
    struct exchange x = {.record = record_of(s, req), .body = {.max = FAULT_BYTES_MAX}};
    struct record *r = x.record;

    r->dialect = dialect_of_path(path, &x.path);
    x.state = s->states[r->dialect];
    x.serial = &s->serials[r->dialect];
    count_arrival(s, r->dialect);
    judge(s, &x, path, &plan);
    tally_count(&s->tallies[r->dialect], r);
    if (!s->options->quiet)
        say(r);
    put_answer(req, &x);
    plan.tag = r->dialect;
    exchange_clear(&x);
    record_log_add(&s->log, r);
    wire_send(s->wire, req, &plan);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));

    path = path ? path : "/";
    if (text_starts(path, CONTROL_PREFIX))
        control_serve(arg, req, path);
    else
        serve(arg, req, path);
}

static enum sq_err open_dialects(struct server *s, struct err_text *e)
{
    const char *secret = s->options->webhook_secret;
    const struct dialect *d;
    cJSON *settings = NULL;
    enum sq_err err;
    struct buf text = {0};

    for (unsigned i = 0; (d = dialect_at(i)); i++)
        s->states[i] = d->open ? d->open() : NULL;
    if (!secret)
        return SQ_OK;
    json_open(&text, '{');
    json_key_str(&text, "secret", secret);
    json_close(&text, '}');
    err = json_parse(text.data, text.len, NULL, &settings, e);
    if (!err)
        err = dialect_webhook.configure(s->states[dialect_by_name("webhook")], settings, e);
    json_free(settings);
    buf_free(&text);
    return err;
}

/* With a change list: evhttp switches reading and writing on and off several times per request,
 * and each would be an epoll_ctl of its own (four per request, more than all other calls). */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static enum sq_err open_http(struct server *s, struct err_text *e)
{
    s->base = new_base();
    s->http = s->base ? evhttp_new(s->base) : NULL;
    if (!s->http)
        return err_set(e, SQ_ERR_IO, "libevent does not start");
    s->wire = wire_new(s->base, on_done, s);
    evhttp_set_gencb(s->http, on_request, s);
    evhttp_set_max_body_size(s->http, (ev_ssize_t)EXCHANGE_BODY_MAX);
    evhttp_set_max_headers_size(s->http, HEADERS_MAX);
    evhttp_set_default_content_type(s->http, NULL);
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                            EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                            EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    return SQ_OK;
}

enum sq_err server_open(struct server *s, const struct server_options *options, struct err_text *e)
{
    enum sq_err err;

    *s = (struct server){.options = options};
    record_log_init(&s->log, options->max_requests, options->max_bytes);
    err = open_dialects(s, e);
    if (!err)
        err = open_http(s, e);
    return err ? err : listen_open(s, e);
}

void server_reset(struct server *s)
{
    const struct dialect *d;

    record_log_clear(&s->log);
    fault_set_clear(&s->faults);
    for (unsigned i = 0; i <= dialect_count(); i++) {
        tally_clear(&s->tallies[i]);
        s->serials[i] = 0;
        d = dialect_at(i);
        if (d && d->reset)
            d->reset(s->states[i]);
    }
    s->in_flight_max = s->in_flight;
}

void server_close(struct server *s)
{
    const struct dialect *d;

    wire_free(s->wire);
    if (s->http)
        evhttp_free(s->http);
    if (s->base)
        event_base_free(s->base);
    record_log_free(&s->log);
    fault_set_clear(&s->faults);
    for (unsigned i = 0; i <= dialect_count(); i++)
        tally_clear(&s->tallies[i]);
    for (unsigned i = 0; (d = dialect_at(i)); i++) {
        if (d->close)
            d->close(s->states[i]);
    }
    buf_free(&s->heads);
    if (s->options->unix_path)
        unlink(s->options->unix_path);
}

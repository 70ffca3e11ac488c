/* Transfers: the provider's pure translation on one side, http_multi on the other.
 *
 * A provider that wants an access token gets one before each step; an attempt that waits for one
 * counts as a transfer, so that there is room for it when the token comes. A token that is refused
 * is renewed once per attempt. */
#include "transfer.h"

#include "provider.h"
#include "smtp_multi.h"
#include "token.h"
#include <stdio.h>
#include <stdlib.h>

/* A send that needs more steps than this is a provider gone astray. */
#define STEPS_MAX 64
/* Of a request for an access token. */
#define TOKEN_TIMEOUT_MS 30000
/* Of a request's body: one large message must not make every flight large. */
#define KEEP_BYTES (64u << 10)

struct transfer_stage {
    struct loop *loop;
    struct http_multi *http;
    struct smtp_multi *smtp;
    unsigned max_in_flight; /* of both together */
    struct after *after;    /* delivers what ended without a transfer (could not be built) */
    struct list ended;
    unsigned ended_count;
    struct list spare; /* of flights: the last used first, its memory is warm */
    struct oauth *oauth;
    int64_t max_retry_after_ms;
    char *ca_file; /* outlives the configuration that named it */
    struct transfer_ops ops;
};

/* A request under way, or one that waits for its token, and whose it is. */
struct flight {
    struct list node; /* in spare */
    struct transfer_stage *stage;
    struct attempt *attempt;
    struct request request;
};

static struct flight *flight_new(struct transfer_stage *s, struct attempt *t)
{
    struct list *node = list_pop(&s->spare);
    struct flight *f = node != NULL ? LIST_ENTRY(node, struct flight, node) : NULL;

    if (f == NULL)
        f = mem_zalloc(sizeof(*f));
    f->stage = s;
    f->attempt = t;
    return f;
}

static void flight_end(struct flight *f)
{
    if (f->request.body.cap > KEEP_BYTES)
        buf_free(&f->request.body);
    list_add_head(&f->stage->spare, &f->node);
}

static void end(struct transfer_stage *s, struct attempt *t)
{
    if (t->progress.delivered)
        outcome_fail_midway(&t->outcome);
    t->state = ATTEMPT_DONE;
    s->ops.done(t, s->ops.arg);
}

static void end_later(struct transfer_stage *s, struct attempt *t)
{
    list_add_tail(&s->ended, &t->node);
    s->ended_count++;
    after_request(s->after);
}

static void on_after(void *arg)
{
    struct transfer_stage *s = arg;
    struct list *node;

    while ((node = list_pop(&s->ended)) != NULL) {
        s->ended_count--;
        end(s, LIST_ENTRY(node, struct attempt, node));
    }
}

static void next_step(struct transfer_stage *s, struct attempt *t);

static struct build_ctx context(const struct transfer_stage *s, const struct attempt *t)
{
    return (struct build_ctx){.sender = t->sender,
                              .progress = &t->progress,
                              .access_token = t->token.len ? buf_str(&t->token) : NULL,
                              .answer = t->answer.len ? buf_str(&t->answer) : NULL,
                              .now_ms = loop_wall_ms(s->loop),
                              .message_id = t->message.id,
                              .message = &t->message};
}

/* No whole answer came. The first step's request that never left can be repeated at no risk. */
static void judge_lost(const struct response *r, struct attempt *t)
{
    if (r->transport == TRANSPORT_NOT_SENT) {
        t->refund = t->progress.step == 0;
        outcome_set(&t->outcome, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "not sent: %s", r->error);
    } else {
        outcome_set(&t->outcome, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN, "no answer: %s", r->error);
    }
}

static void judge(struct transfer_stage *s, const struct response *r, struct attempt *t)
{
    const struct build_ctx ctx = context(s, t);

    outcome_reset(&t->outcome);
    if (r->transport == TRANSPORT_OK || r->transport == TRANSPORT_TOO_BIG)
        t->sender->provider->classify(&ctx, r, &t->outcome);
    else
        judge_lost(r, t);
    if (t->outcome.kind == OUTCOME_SENT && t->outcome.retry_after_ms == 0)
        t->outcome.retry_after_ms = response_quota_wait(r);
    if (t->outcome.retry_after_ms > s->max_retry_after_ms)
        t->outcome.retry_after_ms = s->max_retry_after_ms;
}

/* True if the refused token can be replaced by another; once per attempt. */
static bool renew_token(struct transfer_stage *s, struct attempt *t)
{
    struct oauth_account *a = t->token.len ? token_account(s->oauth, t->sender) : NULL;

    if (a == NULL || t->token_renewed)
        return false;
    oauth_drop(a, buf_str(&t->token));
    t->token_renewed = true;
    return true;
}

static void on_response(const struct response *r, void *arg)
{
    struct flight *f = arg;
    struct transfer_stage *s = f->stage;
    struct attempt *t = f->attempt;

    flight_end(f);
    judge(s, r, t);
    if (t->outcome.keeps_answer) {
        buf_clear(&t->answer);
        buf_add(&t->answer, r->body, r->body_len);
    }
    if (t->outcome.kind == OUTCOME_AUTH && renew_token(s, t)) {
        next_step(s, t);
        return;
    }
    if (t->outcome.kind == OUTCOME_NEXT && t->outcome.next.step < STEPS_MAX) {
        t->progress = t->outcome.next;
        next_step(s, t);
        return;
    }
    end(s, t);
}

static void refuse(struct transfer_stage *s, struct attempt *t, const struct err_text *e)
{
    enum error_code code = error_code_parse(e->code);

    t->refund = t->progress.step == 0;
    outcome_set(&t->outcome, OUTCOME_FAILED, code != CODE_NONE ? code : CODE_VALIDATION_ERROR, "%s",
                e->text);
    end_later(s, t);
}

static enum sq_err start(struct transfer_stage *s, struct attempt *t, struct flight *f,
                         struct err_text *e)
{
    struct request *r = &f->request;

    t->idempotent = r->idempotent;
    r->http2 = t->sender->http2;
    if (r->smtp.rcpt_count > 0)
        return smtp_multi_start(s->smtp, r, t->sender->timeout_ms, on_response, f, e);
    return http_multi_start(s->http, r, t->sender->timeout_ms, on_response, f, e);
}

static void send_step(struct transfer_stage *s, struct attempt *t)
{
    const struct build_ctx ctx = context(s, t);
    struct err_text e = {0};
    struct flight *f = flight_new(s, t);

    request_reset(&f->request);
    if (t->sender->provider->build(&ctx, &t->message, &f->request, &e) != SQ_OK ||
        start(s, t, f, &e) != SQ_OK) {
        flight_end(f);
        refuse(s, t, &e);
    }
}

/* --- access tokens --- */

static void on_token(const struct oauth_answer *a, void *arg)
{
    struct flight *f = arg;
    struct transfer_stage *s = f->stage;
    struct attempt *t = f->attempt;

    flight_end(f);
    if (a->state == OAUTH_GRANTED) {
        next_step(s, t);
        return;
    }
    t->refund = t->progress.step == 0;
    if (a->state == OAUTH_REFUSED)
        outcome_set(&t->outcome, OUTCOME_AUTH, CODE_INVALID_KEY, "no access token: %s", a->text);
    else
        outcome_set(&t->outcome, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "no access token: %s",
                    a->text);
    t->outcome.retry_after_ms = a->retry_after_ms;
    end(s, t);
}

static void next_step(struct transfer_stage *s, struct attempt *t)
{
    struct oauth_account *a = token_account(s->oauth, t->sender);
    const char *token = a != NULL ? oauth_token(a) : NULL;

    if (a != NULL && token == NULL) {
        t->waiter = (struct oauth_waiter){.cb = on_token, .arg = flight_new(s, t)};
        oauth_wait(a, &t->waiter);
        return;
    }
    buf_clear(&t->token);
    buf_adds(&t->token, token);
    send_step(s, t);
}

void transfer_begin(struct transfer_stage *s, struct attempt *t)
{
    t->state = ATTEMPT_SENDING;
    t->begun_us = loop_now_us(s->loop);
    next_step(s, t);
}

static unsigned transfers(const struct transfer_stage *s)
{
    return http_multi_in_flight(s->http) + smtp_multi_in_flight(s->smtp) + oauth_waiting(s->oauth);
}

unsigned transfer_room(const struct transfer_stage *s)
{
    unsigned busy = transfers(s);

    return busy < s->max_in_flight ? s->max_in_flight - busy : 0;
}

unsigned transfer_in_flight(const struct transfer_stage *s)
{
    return transfers(s) + s->ended_count;
}

static struct oauth *new_oauth(struct loop *loop, const struct http_opts *http,
                               const struct transfer_ops *ops)
{
    const struct oauth_opts opts = {
        .http = *http, .timeout_ms = TOKEN_TIMEOUT_MS, .warn = ops->warn, .arg = ops->arg};

    return oauth_new(loop, &opts);
}

struct transfer_stage *transfer_new(struct loop *loop, const struct config *c,
                                    const struct transfer_ops *ops)
{
    struct transfer_stage *s = mem_zalloc(sizeof(*s));
    char *ca_file = mem_strdup(c->tls_ca_file);
    const struct http_opts opts = {
        .max_in_flight = c->max_in_flight,
        .max_response_body = 64 << 10,
        .max_response_head = 64 << 10,
        .connect_timeout_ms = 10000,
        .ca_file = ca_file,
        .user_agent = "sendq/" SENDQ_VERSION,
        .verify_tls = true,
    };

    s->loop = loop;
    s->ca_file = ca_file;
    s->ops = *ops;
    s->max_in_flight = c->max_in_flight;
    s->http = http_multi_new(loop, &opts);
    s->smtp = smtp_multi_new(loop, &opts);
    s->oauth = new_oauth(loop, &opts, ops);
    s->after = after_new(loop, on_after, s);
    list_init(&s->ended);
    list_init(&s->spare);
    s->max_retry_after_ms = c->max_retry_after_ms;
    return s;
}

void transfer_free(struct transfer_stage *s)
{
    if (s == NULL)
        return;
    http_multi_free(s->http);
    smtp_multi_free(s->smtp);
    oauth_free(s->oauth);
    on_after(s);
    after_free(s->after);
    LIST_EACH(node, &s->spare)
    {
        struct flight *f = LIST_ENTRY(node, struct flight, node);

        request_free(&f->request);
        free(f);
    }
    free(s->ca_file);
    free(s);
}

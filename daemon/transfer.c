/* Transfers: the provider's pure translation on one side, http_multi on the other. */
#include "transfer.h"

#include "provider.h"
#include <stdio.h>
#include <stdlib.h>

/* A send that needs more steps than this is a provider gone astray. */
#define STEPS_MAX 64

struct transfer_stage {
    struct loop *loop;
    struct http_multi *http;
    struct after *after; /* delivers what ended without a transfer (could not be built) */
    struct list ended;
    unsigned ended_count;
    int64_t max_retry_after_ms;
    void (*done)(struct attempt *t, void *arg);
    void *arg;
};

/* What an in-flight request needs to come home; lives in the attempt's list node meanwhile. */
struct flight {
    struct transfer_stage *stage;
    struct attempt *attempt;
};

static void end(struct transfer_stage *s, struct attempt *t)
{
    t->state = ATTEMPT_DONE;
    s->done(t, s->arg);
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

static void send_step(struct transfer_stage *s, struct attempt *t);

static struct build_ctx context(const struct transfer_stage *s, const struct attempt *t)
{
    return (struct build_ctx){.sender = t->sender,
                              .progress = &t->progress,
                              .now_ms = loop_wall_ms(s->loop),
                              .message_id = t->message.id};
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
    if (t->outcome.retry_after_ms > s->max_retry_after_ms)
        t->outcome.retry_after_ms = s->max_retry_after_ms;
}

static void on_response(const struct response *r, void *arg)
{
    struct flight *f = arg;
    struct transfer_stage *s = f->stage;
    struct attempt *t = f->attempt;

    free(f);
    judge(s, r, t);
    if (t->outcome.kind == OUTCOME_NEXT && t->outcome.next.step < STEPS_MAX) {
        t->progress = t->outcome.next;
        send_step(s, t);
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

static void send_step(struct transfer_stage *s, struct attempt *t)
{
    const struct build_ctx ctx = context(s, t);
    struct err_text e = {0};
    struct flight *f;

    request_reset(&t->request);
    if (t->sender->provider->build(&ctx, &t->message, &t->request, &e) != SQ_OK) {
        refuse(s, t, &e);
        return;
    }
    f = mem_alloc(sizeof(*f));
    *f = (struct flight){.stage = s, .attempt = t};
    if (http_multi_start(s->http, &t->request, t->sender->timeout_ms, on_response, f, &e) !=
        SQ_OK) {
        free(f);
        refuse(s, t, &e);
    }
}

void transfer_begin(struct transfer_stage *s, struct attempt *t)
{
    t->state = ATTEMPT_SENDING;
    t->begun_us = loop_now_us(s->loop);
    send_step(s, t);
}

unsigned transfer_room(const struct transfer_stage *s)
{
    return http_multi_room(s->http);
}

unsigned transfer_in_flight(const struct transfer_stage *s)
{
    return http_multi_in_flight(s->http) + s->ended_count;
}

struct transfer_stage *transfer_new(struct loop *loop, const struct config *c,
                                    void (*done)(struct attempt *t, void *arg), void *arg)
{
    struct transfer_stage *s = mem_zalloc(sizeof(*s));
    const struct http_opts opts = {
        .max_in_flight = c->max_in_flight,
        .max_response_body = 64 << 10,
        .max_response_head = 64 << 10,
        .connect_timeout_ms = 10000,
        .ca_file = c->tls_ca_file,
        .user_agent = "sendq/" SENDQ_VERSION,
        .verify_tls = true,
    };

    s->loop = loop;
    s->http = http_multi_new(loop, &opts);
    s->after = after_new(loop, on_after, s);
    list_init(&s->ended);
    s->max_retry_after_ms = c->max_retry_after_ms;
    s->done = done;
    s->arg = arg;
    return s;
}

void transfer_free(struct transfer_stage *s)
{
    if (s == NULL)
        return;
    http_multi_free(s->http);
    on_after(s);
    after_free(s->after);
    free(s);
}

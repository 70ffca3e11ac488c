/* The calls around sending: accept, claim, start, finish. */
#include "store_impl.h"

#include "keys.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CB(f) ((void (*)(void))(f))

/* --- accept --- */

static void deliver_accept(struct store *s, struct store_call *call, enum store_status st,
                           const struct redisReply *r)
{
    store_accept_cb cb = (store_accept_cb)call->cb;

    (void)s;
    cb(st, (unsigned)reply_int(reply_at(r, 1), 0), (unsigned)reply_int(reply_at(r, 2), 0),
       (unsigned)reply_int(reply_at(r, 3), 0), call->arg);
}

static void add_fields(struct resp *a, const struct store_field *fields, size_t count)
{
    resp_add_int(a, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        resp_adds(a, fields[i].name);
        resp_adds(a, fields[i].value);
    }
}

/* By explicit_id and keeps_text. */
static const char *const origins[2][2] = {{"0", "0k"}, {"1", "1k"}};

void store_accept_add(struct resp *call, const struct store_accept *j)
{
    resp_add(call, j->rejected ? "r" : j->is_bulk ? "b" : "m", 1);
    resp_add_int(call, j->index);
    if (j->rejected) {
        resp_adds(call, j->error_code);
        resp_adds(call, j->error_message);
        resp_adds(call, j->field);
        resp_adds(call, j->reply_queue);
        resp_add(call, j->answer, j->answer_len);
        return;
    }
    resp_adds(call, j->id);
    resp_adds(call, j->idempotency_key);
    resp_adds(call, j->body_hash);
    resp_adds(call, origins[j->explicit_id][j->keeps_text]);
    resp_adds(call, j->sender);
    resp_adds(call,
              j->queue != NULL ? j->queue : key_queue(j->priority, j->marketing, j->fail_on_limit));
    resp_add_int(call, j->due_ms);
    resp_adds(call, j->reply_queue);
    resp_add(call, j->conflict_answer, j->conflict_len);
    resp_add(call, j->packed, j->packed_len);
    add_fields(call, j->fields, j->field_count);
    if (j->is_bulk) {
        resp_adds(call, j->selection);
        resp_adds(call, j->cursor);
        resp_add_int(call, (int64_t)j->id_page_count);
        for (size_t i = 0; i < j->id_page_count; i++)
            resp_add(call, buf_str(&j->id_pages[i]), j->id_pages[i].len);
    }
}

void store_accept_begin(struct store *s, struct resp *call, uint64_t tag, size_t count, bool large)
{
    args_begin(s, call, SCRIPT_ACCEPT);
    resp_add_int(call, (int64_t)tag);
    resp_add_int(call, s->settings.idempotency_ms);
    resp_add_int(call, s->settings.reply_ms);
    resp_add_int(call, (int64_t)count);
    resp_adds(call, large ? "1" : "");
}

enum sq_err store_accept_send(struct store *s, struct resp *call, store_accept_cb cb, void *arg)
{
    return args_send(s, call, SCRIPT_ACCEPT, deliver_accept, CB(cb), arg);
}

/* --- claim --- */

#define CLAIM_HEAD 5 /* 'ok', now, next, unknown, complaints */
#define CLAIM_ITEM 2

/* What stands for the id of a slice: "@<s|-><w|-><c|-><bulk>". */
static void read_slice(const char *text, struct store_claimed *ret)
{
    if (strlen(text) < 4)
        return;
    ret->check_suppressed = text[1] == 's';
    ret->wants_expansion = text[2] == 'w';
    ret->charge = text[3] == 'c';
    ret->bulk = text + 4;
}

/* "<limit>/<remaining>/<reset>"; returns where it ends. */
static char *read_left(const char *text, struct store_left *ret)
{
    char *end;

    ret->limit = strtoll(text, &end, 10);
    ret->remaining = *end == '/' ? strtoll(end + 1, &end, 10) : 0;
    ret->reset_s = *end == '/' ? strtoll(end + 1, &end, 10) : 0;
    return end;
}

/* "<fence> <attempts> <slot_us> <flags> <id>" and the packed message. An entry of another form
 * keeps a NULL id. */
static void read_claimed(const struct redisReply *r, size_t at, struct store_claimed *ret)
{
    const char *head = reply_str(reply_at(r, at), NULL);
    char *end;

    *ret = (struct store_claimed){0};
    if (head == NULL)
        return;
    ret->fence = strtoll(head, &end, 10);
    ret->attempts = (unsigned)strtoul(end, &end, 10);
    ret->slots = end;
    ret->slot_us = strtoll(end, &end, 10);
    end += strcspn(end, " ");
    if (end[0] != ' ' || end[1] == '\0')
        return;
    ret->suppressed = end[1] == 's';
    ret->capped = end[1] == 'c';
    ret->limited = end[1] == 'l';
    end += 2;
    if (end[0] == ':')
        end = read_left(end + 1, &ret->left);
    if (end[0] != ' ')
        return;
    ret->packed = reply_str(reply_at(r, at + 1), &ret->packed_len);
    if (end[1] == '@')
        read_slice(end + 1, ret);
    else
        ret->id = end + 1;
}

static void deliver_claim(struct store *s, struct store_call *call, enum store_status st,
                          const struct redisReply *r)
{
    store_claim_cb cb = (store_claim_cb)call->cb;
    struct store_claims c = {0};
    struct store_claimed *items = NULL;

    if (st == STORE_OK) {
        size_t n = reply_count(r);

        c.now_us = reply_int(reply_at(r, 1), 0);
        c.next_us = reply_int(reply_at(r, 2), 0);
        c.unknown_senders = reply_count(reply_at(r, 3)) > 0;
        for (size_t i = 0; i < STORE_COMPLAINTS; i++)
            c.complaints[i] = reply_str(reply_at(reply_at(r, 4), i), NULL);
        c.count = n > CLAIM_HEAD ? (n - CLAIM_HEAD) / CLAIM_ITEM : 0;
        store_see_clock(s, call, c.now_us);
    }
    if (c.count > 0) {
        items = mem_alloc(c.count * sizeof(*items));
        for (size_t i = 0; i < c.count; i++)
            read_claimed(r, CLAIM_HEAD + i * CLAIM_ITEM, &items[i]);
    }
    c.items = items;
    cb(st, &c, call->arg);
    free(items);
}

void args_zones(struct resp *a, const struct store_claim *req)
{
    resp_add_int(a, (int64_t)req->zone_count);
    for (size_t i = 0; i < req->zone_count; i++) {
        resp_adds(a, req->zones[i].name);
        for (int k = 0; k < 4; k++)
            resp_add_int(a, req->zones[i].bounds[k]);
    }
}

enum sq_err store_claim(struct store *s, const struct store_claim *req, store_claim_cb cb,
                        void *arg)
{
    struct resp *a = args_begin(s, &s->args, SCRIPT_CLAIM);

    resp_add_int(a, req->want);
    resp_add_int(a, req->prefetch);
    resp_add_int(a, req->quantum);
    resp_add_int(a, req->horizon_us);
    resp_adds(a, req->channels);
    args_zones(a, req);
    return args_send(s, &s->args, SCRIPT_CLAIM, deliver_claim, CB(cb), arg);
}

/* --- start --- */

static void deliver_start(struct store *s, struct store_call *call, enum store_status st,
                          const struct redisReply *r)
{
    store_start_cb cb = (store_start_cb)call->cb;

    (void)s;
    cb(st, st == STORE_OK && reply_int(reply_at(r, 1), 0) == 1, call->arg);
}

enum sq_err store_start(struct store *s, const char *id, int64_t fence, store_start_cb cb,
                        void *arg)
{
    struct resp *a = args_begin(s, &s->args, SCRIPT_START);

    resp_add_int(a, 1);
    resp_adds(a, id);
    resp_add_int(a, fence);
    return args_send(s, &s->args, SCRIPT_START, deliver_start, CB(cb), arg);
}

/* --- finish --- */

static void deliver_finish(struct store *s, struct store_call *call, enum store_status st,
                           const struct redisReply *r)
{
    store_finish_cb cb = (store_finish_cb)call->cb;
    const struct store_finished f = {
        .recorded = (unsigned)reply_int(reply_at(r, 1), 0),
        .stale = (unsigned)reply_int(reply_at(r, 2), 0),
        .next_us = reply_int(reply_at(r, 3), 0),
    };

    (void)s;
    cb(st, &f, call->arg);
}

static const char *const kind_text[] = {
    [FINISH_SENT] = "s",    [FINISH_FAILED] = "f",    [FINISH_RETRY] = "r",
    [FINISH_WAIT] = "w",    [FINISH_THROTTLED] = "t", [FINISH_BROKEN] = "b",
    [FINISH_RELEASE] = "x", [FINISH_FALLBACK] = "n",  [FINISH_LATER] = "q",
};

/* By refund and health. */
static const char *const finish_flags[2][3] = {{"-", "", "+"}, {"1-", "1", "1+"}};

void args_flags(struct resp *a, const struct store_finish *f)
{
    const char *flags = finish_flags[f->refund][f->health + 1];
    char charged[32];

    if (!f->refund || f->units == 0) {
        resp_adds(a, flags);
        return;
    }
    snprintf(charged, sizeof(charged), "%su%d", flags, f->units > 0 ? f->units : 0);
    resp_adds(a, charged);
}

static void add_finish(struct resp *a, const struct store_finish *f)
{
    resp_add(a, kind_text[f->kind], 1);
    resp_adds(a, f->id);
    resp_add_int(a, f->fence);
    resp_adds(a, f->sender);
    resp_add_int(a, f->delay_ms);
    args_flags(a, f);
    resp_add(a, f->answer != NULL ? f->answer : "", f->answer_len);
    resp_adds(a, f->reply_queue);
    resp_adds(a, f->provider);
    resp_adds(a, f->channel);
    resp_adds(a, f->contact);
    resp_adds(a, f->deal);
    add_fields(a, f->fields, f->field_count);
    if (f->kind != FINISH_FALLBACK)
        return;
    resp_adds(a, f->next.sender);
    resp_adds(a, f->next.provider);
    resp_add_int(a, f->next.units);
    resp_add(a, f->next.broken ? "1" : "0", 1);
    resp_add(a, f->next.packed, f->next.packed_len);
}

enum sq_err store_finish(struct store *s, const struct store_finish *items, size_t count,
                         store_finish_cb cb, void *arg)
{
    const struct store_settings *set = &s->settings;
    size_t singles = 0;

    struct resp *a = args_begin(s, &s->args, SCRIPT_FINISH);

    resp_add_int(a, set->retention_ms);
    resp_add_int(a, set->reply_ms);
    resp_add_int(a, set->stats_ms);
    resp_add_int(a, set->timeline_max);
    resp_add(a, set->keep_content ? "1" : "0", 1);
    for (size_t i = 0; i < count; i++)
        singles += items[i].bulk == NULL;
    resp_add_int(a, (int64_t)singles);
    for (size_t i = 0; i < count; i++)
        if (items[i].bulk == NULL)
            add_finish(a, &items[i]);
    args_refs(s, items, count);
    return args_send(s, &s->args, SCRIPT_FINISH, deliver_finish, CB(cb), arg);
}

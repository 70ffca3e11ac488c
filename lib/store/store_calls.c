/* The calls around sending: accept, claim, start, finish. */
#include "store_impl.h"

#include "keys.h"
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

static void add_fields(struct store *s, const struct store_field *fields, size_t count)
{
    args_int(s, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        args_str(s, fields[i].name);
        args_str(s, fields[i].value);
    }
}

static void add_accept(struct store *s, const struct store_accept *j)
{
    args_strn(s, j->rejected ? "r" : j->is_bulk ? "b" : "m", 1);
    args_int(s, j->index);
    if (j->rejected) {
        args_str(s, j->error_code);
        args_str(s, j->error_message);
        args_str(s, j->field);
        args_str(s, j->reply_queue);
        args_strn(s, j->answer, j->answer_len);
        return;
    }
    args_str(s, j->id);
    args_str(s, j->idempotency_key);
    args_str(s, j->body_hash);
    args_str(s, j->explicit_id ? "1" : "0");
    args_str(s, j->sender);
    args_str(s,
             j->queue != NULL ? j->queue : key_queue(j->priority, j->marketing, j->fail_on_limit));
    args_int(s, j->due_ms);
    args_str(s, j->reply_queue);
    args_strn(s, j->conflict_answer, j->conflict_len);
    args_strn(s, j->packed, j->packed_len);
    add_fields(s, j->fields, j->field_count);
    if (j->is_bulk) {
        args_str(s, j->selection);
        args_str(s, j->cursor);
        args_int(s, (int64_t)j->id_page_count);
        for (size_t i = 0; i < j->id_page_count; i++)
            args_strn(s, buf_str(&j->id_pages[i]), j->id_pages[i].len);
    }
}

/* Where the text of a large job goes. */
static void add_keeper(struct store *s, const struct store_accept *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].large) {
            args_int(s, jobs[i].keeps_text ? jobs[i].index : 0);
            return;
        }
    }
    args_str(s, "");
}

enum sq_err store_accept(struct store *s, uint64_t tag, const struct store_accept *jobs,
                         size_t count, store_accept_cb cb, void *arg)
{
    args_begin(s, SCRIPT_ACCEPT);
    args_int(s, (int64_t)tag);
    args_int(s, s->settings.idempotency_ms);
    args_int(s, s->settings.reply_ms);
    args_int(s, (int64_t)count);
    add_keeper(s, jobs, count);
    for (size_t i = 0; i < count; i++)
        add_accept(s, &jobs[i]);
    return args_send(s, SCRIPT_ACCEPT, deliver_accept, CB(cb), arg);
}

/* --- claim --- */

#define CLAIM_HEAD 4 /* 'ok', now, next, unknown */
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

void args_zones(struct store *s, const struct store_claim *req)
{
    args_int(s, (int64_t)req->zone_count);
    for (size_t i = 0; i < req->zone_count; i++) {
        args_str(s, req->zones[i].name);
        for (int k = 0; k < 4; k++)
            args_int(s, req->zones[i].bounds[k]);
    }
}

enum sq_err store_claim(struct store *s, const struct store_claim *req, store_claim_cb cb,
                        void *arg)
{
    args_begin(s, SCRIPT_CLAIM);
    args_int(s, req->want);
    args_int(s, req->prefetch);
    args_int(s, req->quantum);
    args_int(s, req->horizon_us);
    args_str(s, req->channels);
    args_zones(s, req);
    return args_send(s, SCRIPT_CLAIM, deliver_claim, CB(cb), arg);
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
    args_begin(s, SCRIPT_START);
    args_int(s, 1);
    args_str(s, id);
    args_int(s, fence);
    return args_send(s, SCRIPT_START, deliver_start, CB(cb), arg);
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

void args_flags(struct store *s, const struct store_finish *f)
{
    const char *flags = finish_flags[f->refund][f->health + 1];

    if (f->refund && f->units != 0)
        flags = arena_printf(&s->args.numbers, "%su%d", flags, f->units > 0 ? f->units : 0);
    args_str(s, flags);
}

static void add_finish(struct store *s, const struct store_finish *f)
{
    args_strn(s, kind_text[f->kind], 1);
    args_str(s, f->id);
    args_int(s, f->fence);
    args_str(s, f->sender);
    args_int(s, f->delay_ms);
    args_flags(s, f);
    args_strn(s, f->answer != NULL ? f->answer : "", f->answer_len);
    args_str(s, f->reply_queue);
    args_str(s, f->provider);
    args_str(s, f->channel);
    args_str(s, f->contact);
    args_str(s, f->deal);
    add_fields(s, f->fields, f->field_count);
    if (f->kind != FINISH_FALLBACK)
        return;
    args_str(s, f->next.sender);
    args_str(s, f->next.provider);
    args_int(s, f->next.units);
    args_strn(s, f->next.broken ? "1" : "0", 1);
    args_strn(s, f->next.packed, f->next.packed_len);
}

enum sq_err store_finish(struct store *s, const struct store_finish *items, size_t count,
                         store_finish_cb cb, void *arg)
{
    const struct store_settings *set = &s->settings;
    size_t singles = 0;

    args_begin(s, SCRIPT_FINISH);
    args_int(s, set->retention_ms);
    args_int(s, set->reply_ms);
    args_int(s, set->stats_ms);
    args_int(s, set->timeline_max);
    args_strn(s, set->keep_content ? "1" : "0", 1);
    for (size_t i = 0; i < count; i++)
        singles += items[i].bulk == NULL;
    args_int(s, (int64_t)singles);
    for (size_t i = 0; i < count; i++)
        if (items[i].bulk == NULL)
            add_finish(s, &items[i]);
    args_refs(s, items, count);
    return args_send(s, SCRIPT_FINISH, deliver_finish, CB(cb), arg);
}

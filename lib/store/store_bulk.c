/* Bulks: the expand call, the recipients' part of finish, and plain reads. */
#include "store_bulk.h"

#include "keys.h"
#include "store_impl.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CB(f) ((void (*)(void))(f))

/* --- expand --- */

static void deliver_expand(struct store *s, struct store_call *call, enum store_status st,
                           const struct redisReply *r)
{
    store_expand_cb cb = (store_expand_cb)call->cb;
    const struct store_wanted w = {
        .next_us = reply_int(reply_at(r, 1), 0),
        .bulk = reply_str(reply_at(r, 2), NULL),
        .cursor = reply_str(reply_at(r, 3), NULL),
    };

    (void)s;
    cb(st, &w, call->arg);
}

/* Positive, and of 19 digits, whatever the number: the script tells sets by the last ones. */
static void add_mark(struct resp *a, uint64_t mark)
{
    resp_add_int(a, (int64_t)(mark >> 2 | (uint64_t)1 << 62));
}

/* References of one element: their leads as they will stand there. */
static void add_chunk(struct resp *a, const struct store_page *p, size_t first, size_t n)
{
    struct buf leads = {0};

    for (size_t i = first; i < first + n; i++)
        buf_add(&leads, p->leads[i], strlen(p->leads[i]) + 1);
    resp_add_int(a, (int64_t)n);
    resp_add(a, buf_str(&leads), leads.len);
    for (size_t i = first; i < first + n; i++)
        add_mark(a, p->marks[i]);
    buf_free(&leads);
}

static void add_page(struct resp *a, unsigned chunk, const struct store_page *p)
{
    resp_adds(a, p->bulk);
    resp_adds(a, p->cursor);
    resp_adds(a, p->next);
    resp_add_int(a, p->size);
    resp_add_int(a, p->looked_at);
    resp_adds(a, p->why);
    resp_add_int(a, (int64_t)p->count);
    for (size_t i = 0; i < p->count; i += chunk)
        add_chunk(a, p, i, p->count - i < chunk ? p->count - i : chunk);
}

enum sq_err store_expand(struct store *s, unsigned ready, unsigned chunk,
                         const struct store_page *page, store_expand_cb cb, void *arg)
{
    struct resp *a = args_begin(s, &s->args, SCRIPT_EXPAND);

    resp_add_int(a, ready);
    resp_add_int(a, chunk);
    resp_add_int(a, s->settings.retention_ms);
    resp_add_int(a, s->settings.reply_ms);
    if (page != NULL)
        add_page(a, chunk, page);
    else
        resp_adds(a, "");
    return args_send(s, &s->args, SCRIPT_EXPAND, deliver_expand, CB(cb), arg);
}

/* --- finish --- */

static void add_ledger(struct store *s, const struct store_finish *f)
{
    char key[512]; /* names of namespaces and bulks are much shorter */

    snprintf(key, sizeof(key), "%sbulk:%s:ledger:%u", buf_str(&s->prefix), f->bulk, f->shard);
    resp_adds(&s->args, key);
}

static const char *first_field(const struct store_finish *f)
{
    return f->field_count > 0 ? f->fields[0].value : "";
}

static void add_other(struct store *s, const struct store_finish *f)
{
    struct resp *a = &s->args;
    const char *code = first_field(f);
    const char kind = (char)f->kind;
    char result[64]; /* a code is short */

    resp_add(a, &kind, 1);
    resp_add_int(a, f->place);
    if (f->kind == FINISH_FAILED) {
        add_ledger(s, f);
        resp_adds(a, f->lead);
        snprintf(result, sizeof(result), "%u %s", f->attempts, code);
        resp_adds(a, result);
        args_flags(a, f);
        resp_adds(a, code);
        return;
    }
    resp_adds(a, f->lead);
    args_flags(a, f);
    resp_add_int(a, f->delay_ms);
    resp_adds(a, f->field_count > 1 ? f->fields[1].value : "");
}

/* As the ledger will have them: what a script need not put together costs Redis less. */
static void add_sent(struct store *s, const struct store_finish *const *f, size_t n, int64_t now_ms)
{
    struct resp *a = &s->args;
    char *places = mem_alloc(2 * n);
    char line[320]; /* a provider's id has 255 bytes at most */

    for (size_t i = 0; i < n; i++) {
        places[2 * i] = (char)(f[i]->place >> 8);
        places[2 * i + 1] = (char)f[i]->place;
    }
    resp_add(a, "s", 1);
    resp_add_int(a, (int64_t)n);
    resp_add(a, places, 2 * n);
    free(places);
    for (size_t i = 0; i < n; i++) {
        add_ledger(s, f[i]);
        resp_adds(a, f[i]->lead);
        snprintf(line, sizeof(line), "sent %lld %u %s", (long long)now_ms, f[i]->attempts,
                 first_field(f[i]));
        resp_adds(a, line);
    }
}

static bool is_same(const struct store_finish *a, const struct store_finish *b)
{
    return b->bulk != NULL && a->fence == b->fence && strcmp(a->bulk, b->bulk) == 0;
}

/* True if an earlier item has opened this one's group. */
static bool is_grouped(const struct store_finish *items, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (is_same(&items[i], &items[k]))
            return true;
    return false;
}

/* How many from i on were sent, one after the other; 0: this one was not. */
static size_t sent_run(const struct store_finish *const *group, size_t i, size_t n)
{
    size_t end = i;

    while (end < n && group[end]->kind == FINISH_SENT)
        end++;
    return end - i;
}

static int64_t count_parts(const struct store_finish *const *group, size_t n)
{
    int64_t parts = 0;

    for (size_t i = 0; i < n; parts++) {
        size_t run = sent_run(group, i, n);

        i += run > 0 ? run : 1;
    }
    return parts;
}

static void add_parts(struct store *s, const struct store_finish *const *group, size_t n)
{
    int64_t now_ms = store_now_ms(s);

    for (size_t i = 0; i < n;) {
        size_t run = sent_run(group, i, n);

        if (run > 0)
            add_sent(s, group + i, run, now_ms);
        else
            add_other(s, group[i]);
        i += run > 0 ? run : 1;
    }
}

static void add_group(struct store *s, const struct store_finish *items, size_t first, size_t count)
{
    struct resp *a = &s->args;
    const struct store_finish *f = &items[first];
    const struct store_finish **group = mem_alloc((count - first) * sizeof(*group));
    size_t n = 0;

    for (size_t i = first; i < count; i++)
        if (is_same(f, &items[i]))
            group[n++] = &items[i];
    resp_adds(a, f->bulk);
    resp_add_int(a, f->fence);
    resp_adds(a, f->sender);
    resp_adds(a, f->provider);
    resp_adds(a, f->channel);
    resp_add_int(a, count_parts(group, n));
    add_parts(s, group, n);
    free(group);
}

void args_refs(struct store *s, const struct store_finish *items, size_t count)
{
    int64_t groups = 0;

    for (size_t i = 0; i < count; i++)
        groups += items[i].bulk != NULL && !is_grouped(items, i);
    resp_add_int(&s->args, groups);
    for (size_t i = 0; groups > 0 && i < count; i++)
        if (items[i].bulk != NULL && !is_grouped(items, i))
            add_group(s, items, i, count);
}

/* --- plain reads --- */

/* One command whose answer is awaited. */
struct reading {
    struct store *store;
    void (*cb)(void);
    void *arg;
    enum store_status st;
    size_t count;
};

static struct reading *reading_new(struct store *s, void (*cb)(void), void *arg)
{
    struct reading *r = mem_zalloc(sizeof(*r));

    r->store = s;
    r->cb = cb;
    r->arg = arg;
    return r;
}

static enum store_status status_of(struct reading *r, const struct redisReply *reply)
{
    r->st = reply == NULL ? STORE_LOST : reply_is_error(reply) ? STORE_ERROR : STORE_OK;
    if (r->st == STORE_ERROR)
        snprintf(r->store->error, sizeof(r->store->error), "%s", reply_error(reply));
    return r->st;
}

static void on_bulk(struct redisReply *reply, void *arg)
{
    struct reading *r = arg;
    struct store_bulk b = {NULL};

    if (status_of(r, reply) == STORE_OK) {
        b.content = reply_str(reply_at(reply, 0), &b.content_len);
        b.selection = reply_str(reply_at(reply, 1), &b.selection_len);
        b.shards = (unsigned)reply_int(reply_at(reply, 2), 0);
    }
    ((store_bulk_cb)r->cb)(r->st, &b, r->arg);
    free(r);
}

/* One read of NS:bulk:<id>:<part>. */
static enum sq_err read_part(struct reading *r, const char *id, const char *part,
                             redis_reply_cb on_reply, int argc, const char **argv)
{
    struct buf key = {0};
    size_t lens[5];
    enum sq_err err;

    key_make(&key, r->store->ns, KEY_BULK, id);
    buf_adds(&key, part);
    argv[1] = buf_str(&key);
    for (int i = 0; i < argc; i++)
        lens[i] = strlen(argv[i]);
    err = redis_link_command(r->store->link, on_reply, r, argc, argv, lens);
    buf_free(&key);
    if (err != SQ_OK)
        free(r);
    return err;
}

enum sq_err store_bulk_get(struct store *s, const char *id, store_bulk_cb cb, void *arg)
{
    const char *argv[] = {"HMGET", NULL, "content", "selection", "shards"};

    if (!store_is_up(s))
        return SQ_ERR_STATE;
    return read_part(reading_new(s, CB(cb), arg), id, ":content", on_bulk, 5, argv);
}

static void on_ids(struct redisReply *reply, void *arg)
{
    struct reading *r = arg;
    size_t len = 0;
    const char *ids = status_of(r, reply) == STORE_OK ? reply_str(reply, &len) : NULL;

    ((store_ids_cb)r->cb)(r->st, ids, ids != NULL ? len : 0, r->arg);
    free(r);
}

enum sq_err store_bulk_ids(struct store *s, const char *id, int64_t page, store_ids_cb cb,
                           void *arg)
{
    char number[24];
    const char *argv[] = {"LINDEX", NULL, number};

    if (!store_is_up(s))
        return SQ_ERR_STATE;
    snprintf(number, sizeof(number), "%lld", (long long)page);
    return read_part(reading_new(s, CB(cb), arg), id, ":ids", on_ids, 3, argv);
}

/* --- charge --- */

static void deliver_charge(struct store *s, struct store_call *call, enum store_status st,
                           const struct redisReply *r)
{
    size_t n = reply_count(r);
    int64_t *times = mem_zalloc((n + 1) * sizeof(*times));

    (void)s;
    for (size_t i = 1; i < n; i++)
        times[i - 1] = reply_int(reply_at(r, i), 0);
    ((store_charge_cb)call->cb)(st, times, call->arg);
    free(times);
}

enum sq_err store_charge(struct store *s, const char *sender, const struct store_claim *req,
                         const struct store_cost *costs, size_t count, store_charge_cb cb,
                         void *arg)
{
    struct resp *a = args_begin(s, &s->args, SCRIPT_CHARGE);

    resp_adds(a, sender);
    resp_add_int(a, req->horizon_us);
    args_zones(a, req);
    for (size_t i = 0; i < count; i++) {
        resp_add_int(a, costs[i].slot_us);
        resp_add_int(a, costs[i].units);
        resp_adds(a, costs[i].recipients);
    }
    return args_send(s, &s->args, SCRIPT_CHARGE, deliver_charge, CB(cb), arg);
}

/* --- suppressions --- */

static void on_suppressed(struct redisReply *reply, void *arg)
{
    struct reading *r = arg;
    bool *out = mem_zalloc(r->count * sizeof(*out));

    if (status_of(r, reply) == STORE_OK)
        for (size_t i = 0; i < r->count; i++)
            out[i] = reply_int(reply_at(reply, i), 0) == 1;
    ((store_suppressed_cb)r->cb)(r->st, out, r->arg);
    free(out);
    free(r);
}

enum sq_err store_suppressed(struct store *s, enum channel channel, const char *const *recipients,
                             size_t count, store_suppressed_cb cb, void *arg)
{
    struct reading *r;
    struct buf key = {0};
    const char **argv;
    size_t *lens;
    enum sq_err err;

    if (!store_is_up(s))
        return SQ_ERR_STATE;
    r = reading_new(s, CB(cb), arg);
    r->count = count;
    key_make(&key, s->ns, KEY_SUPPRESSED, channel_name(channel));
    argv = mem_alloc((count + 2) * sizeof(*argv));
    lens = mem_alloc((count + 2) * sizeof(*lens));
    argv[0] = "SMISMEMBER";
    argv[1] = buf_str(&key);
    for (size_t i = 0; i < count; i++)
        argv[2 + i] = recipients[i];
    for (size_t i = 0; i < count + 2; i++)
        lens[i] = strlen(argv[i]);
    err = redis_link_command(s->link, on_suppressed, r, (int)count + 2, argv, lens);
    buf_free(&key);
    free(argv);
    free(lens);
    if (err != SQ_OK)
        free(r);
    return err;
}

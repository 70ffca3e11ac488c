/* The directory in Redis: a lead is the hash NS:lead:<id>. */
#include "directory.h"

#include "hashes.h"
#include "redis_reply.h"
#include "store_impl.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct directory_redis {
    struct directory base;
    struct store *store;
};

/* One lead being looked up. */
struct slot {
    struct lead lead;
    char *id;
    struct err_text problem;
};

struct lookup {
    directory_get_cb cb;
    void *arg;
    size_t count;
    struct directory_found *found;
    struct slot slots[];
};

/* --- one lead --- */

static enum sq_err add_field(struct slot *s, const struct redisReply *name,
                             const struct redisReply *value)
{
    size_t name_len, len;
    const char *n = reply_str(name, &name_len), *v = reply_str(value, &len);

    if (n == NULL || v == NULL || strlen(n) != name_len || strlen(v) != len)
        return err_set(&s->problem, SQ_ERR_INVALID, "a field holds a NUL byte");
    return lead_add(&s->lead, n, v, &s->problem);
}

static void on_hash(size_t index, const struct redisReply *hash, void *arg)
{
    struct lookup *l = arg;
    struct slot *s = &l->slots[index];
    size_t n = reply_count(hash);
    enum sq_err err = SQ_OK;

    if (hash == NULL)
        err = err_set(&s->problem, SQ_ERR_INVALID, "its key does not hold a hash");
    lead_begin(&s->lead, s->id);
    for (size_t i = 0; i + 1 < n && err == SQ_OK; i += 2)
        err = add_field(s, reply_at(hash, i), reply_at(hash, i + 1));
    if (err != SQ_OK)
        l->found[index].problem = s->problem.text;
    else if (n > 0)
        l->found[index].lead = &s->lead;
}

/* --- the call --- */

static void lookup_free(struct lookup *l)
{
    for (size_t i = 0; i < l->count; i++) {
        lead_free(&l->slots[i].lead);
        free(l->slots[i].id);
    }
    free(l->found);
    free(l);
}

static void on_done(enum store_status st, void *arg)
{
    struct lookup *l = arg;

    l->cb(st, st == STORE_OK ? l->found : NULL, st == STORE_OK ? l->count : 0, l->arg);
    lookup_free(l);
}

static enum sq_err get(struct directory *base, const char *const *ids, size_t count,
                       directory_get_cb cb, void *arg)
{
    struct directory_redis *d = (struct directory_redis *)base;
    struct lookup *l = mem_zalloc(sizeof(*l) + count * sizeof(l->slots[0]));
    enum sq_err err;

    l->cb = cb;
    l->arg = arg;
    l->count = count;
    l->found = mem_zalloc(count * sizeof(*l->found));
    for (size_t i = 0; i < count; i++)
        l->slots[i].id = mem_strdup(ids[i]);
    err = hashes_read(d->store, KEY_LEAD, ids, count, on_hash, on_done, l);
    if (err != SQ_OK)
        lookup_free(l);
    return err;
}

/* --- pages --- */

/* SCARD and SSCAN under way: the latter's answer ends it. */
struct scan {
    struct store *store;
    directory_page_cb cb;
    void *arg;
    int64_t size;
};

static void on_size(struct redisReply *reply, void *arg)
{
    struct scan *s = arg;

    s->size = reply_int(reply, 0);
}

static void give_page(struct scan *s, const struct redisReply *reply)
{
    const struct redisReply *list = reply_at(reply, 1);
    const char *next = reply_str(reply_at(reply, 0), NULL);
    const char **ids = mem_alloc((reply_count(list) + 1) * sizeof(*ids));
    struct directory_page p = {
        .ids = ids, .next = next == NULL || text_eq(next, "0") ? "" : next, .size = s->size};

    for (size_t i = 0; i < reply_count(list); i++) {
        size_t len;
        const char *id = reply_str(reply_at(list, i), &len);

        if (id != NULL && len > 0 && strlen(id) == len) /* else no lead can have this id */
            ids[p.count++] = id;
    }
    s->cb(STORE_OK, &p, s->arg);
    free(ids);
}

static void on_scanned(struct redisReply *reply, void *arg)
{
    struct scan *s = arg;

    if (reply != NULL && !reply_is_error(reply)) {
        give_page(s, reply);
    } else {
        if (reply != NULL)
            snprintf(s->store->error, sizeof(s->store->error), "%s", reply_error(reply));
        s->cb(reply == NULL ? STORE_LOST : STORE_ERROR, NULL, s->arg);
    }
    free(s);
}

static enum sq_err page(struct directory *base, const char *assignee, const char *cursor,
                        unsigned count, directory_page_cb cb, void *arg)
{
    struct store *store = ((struct directory_redis *)base)->store;
    struct scan *s;
    struct buf key = {0};
    char number[16];
    enum sq_err err;

    if (!store_is_up(store))
        return SQ_ERR_STATE;
    s = mem_zalloc(sizeof(*s));
    *s = (struct scan){.store = store, .cb = cb, .arg = arg};
    snprintf(number, sizeof(number), "%u", count);
    key_make(&key, store->ns, assignee != NULL ? KEY_ASSIGNEE : KEY_LEADS, assignee);
    err = redis_link_command(store->link, on_size, s, 2, (const char *[]){"SCARD", buf_str(&key)},
                             (const size_t[]){5, key.len});
    if (err == SQ_OK)
        err = redis_link_command(store->link, on_scanned, s, 5,
                                 (const char *[]){"SSCAN", buf_str(&key), cursor, "COUNT", number},
                                 (const size_t[]){5, key.len, strlen(cursor), 5, strlen(number)});
    else
        free(s);
    buf_free(&key);
    return err;
}

static void redis_free(struct directory *base)
{
    free(base);
}

static const struct directory_ops ops = {.get = get, .page = page, .free = redis_free};

struct directory *directory_redis_new(struct store *s)
{
    struct directory_redis *d = mem_zalloc(sizeof(*d));

    d->base.ops = &ops;
    d->store = s;
    return &d->base;
}

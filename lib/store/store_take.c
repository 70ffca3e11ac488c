/* Taking jobs, and the texts of large ones.
 *
 * A large job does not come with the answer: hiredis would hold it twice, and nothing else would
 * come through the connection meanwhile. The script puts it into a key of its own, which is read
 * piece by piece; where its message refers to it, accept keeps that key. */
#include "store_impl.h"

#include "crash.h"
#include "keys.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CB(f) ((void (*)(void))(f))

/* --- a piece of a text --- */

struct ask {
    struct store *store;
    store_text_cb cb;
    void *arg;
};

static void on_piece(struct redisReply *reply, void *arg)
{
    struct ask *a = arg;
    size_t len = 0;
    const char *piece = reply_str(reply, &len), *error = reply_error(reply);
    bool is_read = piece != NULL || text_starts(error, "WRONGTYPE"); /* that is as good as none */
    enum store_status st = reply == NULL ? STORE_LOST : is_read ? STORE_OK : STORE_ERROR;

    CRASH_POINT("text", ".after");
    if (st == STORE_ERROR)
        snprintf(a->store->error, sizeof(a->store->error), "%s", error);
    a->cb(st, piece, len, a->arg);
    free(a);
}

static enum sq_err ask(struct store *s, enum key_kind kind, const char *name, size_t offset,
                       store_text_cb cb, void *arg)
{
    struct ask *a;
    struct buf key = {0};
    char first[24], last[24];
    enum sq_err err;

    if (!store_is_up(s))
        return SQ_ERR_STATE;
    a = mem_alloc(sizeof(*a));
    *a = (struct ask){s, cb, arg};
    key_make(&key, s->ns, kind, name);
    snprintf(first, sizeof(first), "%zu", offset);
    snprintf(last, sizeof(last), "%zu", offset + STORE_TEXT_PIECE - 1);
    CRASH_POINT("text", ".before");
    err = redis_link_command(s->link, on_piece, a, 4,
                             (const char *[]){"GETRANGE", buf_str(&key), first, last},
                             (const size_t[]){8, key.len, strlen(first), strlen(last)});
    buf_free(&key);
    if (err != SQ_OK)
        free(a);
    return err;
}

enum sq_err store_text(struct store *s, const char *id, size_t offset, store_text_cb cb, void *arg)
{
    return ask(s, KEY_TEXT, id, offset, cb, arg);
}

/* --- a large job --- */

struct reading {
    struct store *store;
    store_take_cb cb;
    void *arg;
    struct arena arena;     /* the others of its batch */
    struct store_raw *jobs; /* the last one is large */
    size_t count, have;
};

static void end(struct reading *r, enum store_status st)
{
    r->cb(st, r->jobs, st == STORE_OK ? r->count : 0, r->arg);
    free(r->jobs[r->count - 1].text);
    free(r->jobs);
    arena_free(&r->arena);
    free(r);
}

static void on_job_piece(enum store_status st, const char *piece, size_t len, void *arg);

static void read_on(struct reading *r)
{
    const struct store *s = r->store;

    if (r->have == r->jobs[r->count - 1].len)
        end(r, STORE_OK);
    else if (ask(r->store, KEY_READING, s->worker_id, r->have, on_job_piece, r) != SQ_OK)
        end(r, STORE_LOST);
}

static void on_job_piece(enum store_status st, const char *piece, size_t len, void *arg)
{
    struct reading *r = arg;
    struct store_raw *job = &r->jobs[r->count - 1];

    if (st == STORE_OK && (len == 0 || len > job->len - r->have)) {
        snprintf(r->store->error, sizeof(r->store->error), "a job went while it was read");
        st = STORE_ERROR;
    }
    if (st != STORE_OK) {
        end(r, st);
        return;
    }
    memcpy(job->text + r->have, piece, len);
    r->have += len;
    read_on(r);
}

/* Goes on with the last of the jobs, whose length is known. */
static void read_large(struct store *s, const struct store_call *call, struct store_raw *jobs,
                       size_t count)
{
    struct reading *r = mem_zalloc(sizeof(*r));
    struct store_raw *large = &jobs[count - 1];

    r->store = s;
    r->cb = (store_take_cb)call->cb;
    r->arg = call->arg;
    r->jobs = jobs;
    r->count = count;
    for (size_t i = 0; i + 1 < count; i++)
        jobs[i].raw = arena_strndup(&r->arena, jobs[i].raw, jobs[i].len);
    large->raw = large->text = mem_alloc(large->len);
    read_on(r);
}

/* --- take --- */

static enum priority list_of(size_t i, size_t high, size_t normal)
{
    return i < high ? PRIORITY_HIGH : i < high + normal ? PRIORITY_NORMAL : PRIORITY_LOW;
}

static void deliver_take(struct store *s, struct store_call *call, enum store_status st,
                         const struct redisReply *r)
{
    store_take_cb cb = (store_take_cb)call->cb;
    const struct redisReply *list = reply_at(r, 3);
    size_t listed = st == STORE_OK ? reply_count(list) : 0;
    size_t large = st == STORE_OK ? (size_t)reply_int(reply_at(r, 4), 0) : 0;
    size_t count = listed + (large > 0);
    size_t high = (size_t)reply_int(reply_at(r, 1), 0);
    size_t normal = (size_t)reply_int(reply_at(r, 2), 0);
    struct store_raw *jobs = count > 0 ? mem_zalloc(count * sizeof(*jobs)) : NULL;

    for (size_t i = 0; i < count; i++) {
        jobs[i].list = list_of(i, high, normal);
        jobs[i].len = large;
        if (i < listed)
            jobs[i].raw = reply_str(reply_at(list, i), &jobs[i].len);
    }
    if (large > 0) {
        read_large(s, call, jobs, count);
        return;
    }
    cb(st, jobs, count, call->arg);
    free(jobs);
}

enum sq_err store_take(struct store *s, uint64_t tag, unsigned n, size_t max_bytes, size_t max_job,
                       store_take_cb cb, void *arg)
{
    struct resp *a = args_begin(s, &s->args, SCRIPT_TAKE);

    resp_add_int(a, (int64_t)tag);
    resp_add_int(a, n);
    resp_add_int(a, (int64_t)max_bytes);
    resp_add_int(a, (int64_t)max_job);
    resp_add_int(a, (int64_t)STORE_LARGE);
    return args_send(s, &s->args, SCRIPT_TAKE, deliver_take, CB(cb), arg);
}

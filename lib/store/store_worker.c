/* The worker's own calls: register, beat, configure, leave, and the boot check of the server. */
#include "store_impl.h"

#include "keys.h"
#include "text.h"
#include "uuid.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CB(f) ((void (*)(void))(f))

/* --- recover --- */

#define RECOVER_HEAD 6 /* 'ok', now, next, jobs, messages, more */
#define RECOVER_ITEM 4

static void deliver_recover(struct store *s, struct store_call *call, enum store_status st,
                            const struct redisReply *r)
{
    store_recover_cb cb = (store_recover_cb)call->cb;
    struct store_recovered out = {0};
    struct store_adopted *adopted = NULL;

    s->refused = s->registering && (st == STORE_ERROR || st == STORE_AGAIN);
    if (st == STORE_OK) {
        size_t n = reply_count(r);

        out.more = reply_int(reply_at(r, 5), 0) > 0;
        if (!out.more)
            buf_clear(&s->retire);
        store_see_clock(s, call, reply_int(reply_at(r, 1), 0));
        out.next_us = reply_int(reply_at(r, 2), 0);
        out.jobs = (unsigned)reply_int(reply_at(r, 3), 0);
        out.messages = (unsigned)reply_int(reply_at(r, 4), 0);
        out.adopted_count = n > RECOVER_HEAD ? (n - RECOVER_HEAD) / RECOVER_ITEM : 0;
    }
    if (out.adopted_count > 0)
        adopted = mem_zalloc(out.adopted_count * sizeof(*adopted));
    for (size_t i = 0; i < out.adopted_count; i++) {
        size_t at = RECOVER_HEAD + i * RECOVER_ITEM;

        adopted[i].id = reply_str(reply_at(r, at), NULL);
        adopted[i].fence = reply_int(reply_at(r, at + 1), 0);
        adopted[i].attempts = (unsigned)reply_int(reply_at(r, at + 2), 0);
        adopted[i].packed = reply_str(reply_at(r, at + 3), &adopted[i].packed_len);
    }
    out.adopted = adopted;
    cb(st, &out, call->arg);
    free(adopted);
}

static enum sq_err send_recover(struct store *s, bool fresh, const struct store_field *fields,
                                size_t count, const struct store_lease *keep, size_t keep_count,
                                store_recover_cb cb, void *arg)
{
    struct resp *a = args_begin(s, &s->args, SCRIPT_RECOVER);

    s->registering = fresh;
    resp_add_int(a, s->settings.lease_ms);
    resp_adds(a, s->worker_name);
    resp_adds(a, fresh ? "new" : "beat");
    resp_adds(a, buf_str(&s->retire));
    resp_add_int(a, (int64_t)keep_count);
    for (size_t i = 0; i < keep_count; i++) {
        resp_adds(a, keep[i].id);
        resp_add_int(a, keep[i].fence);
    }
    resp_add_int(a, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        resp_adds(a, fields[i].name);
        resp_adds(a, fields[i].value);
    }
    resp_add_int(a, s->settings.rejected_ms);
    resp_add_int(a, s->settings.retention_ms);
    resp_add_int(a, s->settings.max_deaths);
    return args_send(s, &s->args, SCRIPT_RECOVER, deliver_recover, CB(cb), arg);
}

enum sq_err store_register(struct store *s, const struct store_field *fields, size_t count,
                           const struct store_lease *keep, size_t keep_count, store_recover_cb cb,
                           void *arg)
{
    if (!store_is_up(s))
        return SQ_ERR_STATE;
    /* A registration whose answer got lost may have run or not: its identity and all before it stay
     * on the list until one is known to have retired them. One that Redis refused is tried again as
     * it was, or a Redis that refuses for hours would make the list grow for hours. */
    if (!s->refused || s->retire.len == 0) {
        buf_adds(&s->retire, s->worker_id);
        buf_addc(&s->retire, ' ');
        random_hex(16, s->worker_id);
    }
    s->refused = false;
    return send_recover(s, true, fields, count, keep, keep_count, cb, arg);
}

enum sq_err store_beat(struct store *s, const struct store_field *fields, size_t count,
                       store_recover_cb cb, void *arg)
{
    return send_recover(s, false, fields, count, NULL, 0, cb, arg);
}

static void deliver_left(struct store *s, struct store_call *call, enum store_status st,
                         const struct redisReply *r)
{
    (void)s, (void)call, (void)st, (void)r;
}

void store_unregister(struct store *s)
{
    struct resp *a = args_begin(s, &s->args, SCRIPT_LEAVE);

    resp_adds(a, s->worker_name);
    if (args_send(s, &s->args, SCRIPT_LEAVE, deliver_left, NULL, NULL) != SQ_OK)
        s->error[0] = '\0'; /* the link is down: the lease will run out by itself */
}

/* --- configure --- */

static void deliver_simple(struct store *s, struct store_call *call, enum store_status st,
                           const struct redisReply *r)
{
    store_simple_cb cb = (store_simple_cb)call->cb;

    (void)s, (void)r;
    cb(st, call->arg);
}

enum sq_err store_configure(struct store *s, const struct store_bucket *buckets,
                            size_t bucket_count, const struct store_sender *senders,
                            size_t sender_count, store_simple_cb cb, void *arg)
{
    struct resp *a = args_begin(s, &s->args, SCRIPT_CONFIGURE);

    resp_add_int(a, (int64_t)bucket_count);
    for (size_t i = 0; i < bucket_count; i++) {
        resp_adds(a, buckets[i].name);
        resp_add_int(a, buckets[i].interval_us);
        resp_add_int(a, buckets[i].tolerance_us);
        resp_add_int(a, buckets[i].day_cap);
        resp_adds(a, buckets[i].zone);
        resp_add_int(a, buckets[i].concurrency);
        resp_add_int(a, buckets[i].rate_units + 2 * buckets[i].day_units);
        resp_adds(a, buckets[i].trip);
        resp_add_int(a, buckets[i].count);
    }
    resp_add_int(a, (int64_t)sender_count);
    for (size_t i = 0; i < sender_count; i++) {
        resp_adds(a, senders[i].id);
        resp_adds(a, senders[i].fingerprint);
        resp_adds(a, senders[i].buckets);
        resp_adds(a, senders[i].ignore_suppressed ? "1" : "0");
        resp_adds(a, senders[i].by);
        resp_adds(a, senders[i].pair);
    }
    return args_send(s, &s->args, SCRIPT_CONFIGURE, deliver_simple, CB(cb), arg);
}

/* --- boot check --- */

struct check {
    store_warn_cb warn;
    void *arg;
};

/* The value of "name:" in INFO's text, up to the line's end. */
static bool info_value(const char *info, const char *name, char *ret, size_t size)
{
    const char *at = strstr(info, name);
    size_t len;

    if (at == NULL)
        return false;
    at += strlen(name);
    len = strcspn(at, "\r\n");
    if (len >= size)
        return false;
    memcpy(ret, at, len);
    ret[len] = '\0';
    return true;
}

static void check_info(const char *info, const struct check *c)
{
    char value[64], text[160];
    int major = 0, minor = 0;

    if (info_value(info, "redis_version:", value, sizeof(value)) &&
        sscanf(value, "%d.%d", &major, &minor) == 2 && (major < 6 || (major == 6 && minor < 2))) {
        snprintf(text, sizeof(text), "Redis %s is too old: 6.2 or later is needed", value);
        c->warn(text, c->arg);
    }
    if (info_value(info, "maxmemory_policy:", value, sizeof(value)) &&
        strcmp(value, "noeviction") != 0) {
        snprintf(text, sizeof(text),
                 "maxmemory-policy is %s: Redis may throw messages away; set noeviction", value);
        c->warn(text, c->arg);
    }
    if (info_value(info, "aof_enabled:", value, sizeof(value)) && strcmp(value, "0") == 0)
        c->warn("appendonly is off: a crash of Redis loses what came since its last snapshot",
                c->arg);
}

static void on_info(struct redisReply *reply, void *arg)
{
    struct check *c = arg;
    const char *info = reply_str(reply, NULL);

    if (info != NULL)
        check_info(info, c);
    free(c);
}

void store_check_server(struct store *s, store_warn_cb warn, void *arg)
{
    struct check *c = mem_alloc(sizeof(*c));
    const char *argv[] = {"INFO"};
    const size_t lens[] = {4};

    *c = (struct check){.warn = warn, .arg = arg};
    if (!store_is_up(s) || redis_link_command(s->link, on_info, c, 1, argv, lens) != SQ_OK)
        free(c);
}

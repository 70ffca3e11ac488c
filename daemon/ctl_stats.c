/* sendqctl stats: the counters of days, by provider, channel and sender. */
#include "ctl.h"

#include "ctl_day.h"
#include "text.h"
#include "timefmt.h"
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000

static int by_name(const void *a, const void *b)
{
    const struct ctl_count *x = a, *y = b;
    int order = strcmp(x->scope, y->scope);

    return order ? order : strcmp(x->name, y->name);
}

/* "provider:sendgrid:sent" -> its parts, in the arena. */
static bool split(struct ctl *c, const char *field, struct ctl_count *ret)
{
    const char *first = field ? strchr(field, ':') : NULL;
    const char *last = field ? strrchr(field, ':') : NULL;

    if (!first || first == last)
        return false;
    *ret = (struct ctl_count){
        .scope = arena_strndup(&c->arena, field, (size_t)(first - field)),
        .name = arena_strndup(&c->arena, first + 1, (size_t)(last - first - 1)),
        .status = last + 1,
    };
    return true;
}

/* The row of that scope and name, made if there is none. */
static struct ctl_count *row_of(struct ctl_day *d, const struct ctl_count *key)
{
    for (size_t i = 0; i < d->count; i++)
        if (by_name(&d->rows[i], key) == 0)
            return &d->rows[i];
    d->rows[d->count] = (struct ctl_count){.scope = key->scope, .name = key->name};
    return &d->rows[d->count++];
}

void ctl_read_day(struct ctl *c, int64_t ms, struct ctl_day *ret)
{
    const struct redisReply *hash;
    struct ctl_count key;

    *ret = (struct ctl_day){.count = 0};
    time_format_day(ms, ret->day);
    hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_STATS, ret->day));
    ret->rows = arena_alloc(&c->arena, (reply_count(hash) / 2 + 1) * sizeof(*ret->rows));
    for (size_t i = 0; i + 1 < reply_count(hash); i += 2) {
        int64_t n = reply_int(reply_at(hash, i + 1), 0);
        struct ctl_count *row;

        if (!split(c, reply_str(reply_at(hash, i), NULL), &key))
            continue;
        row = row_of(ret, &key);
        row->sent += text_eq(key.status, "sent") ? n : 0;
        row->failed += text_eq(key.status, "failed") ? n : 0;
        row->cancelled += text_eq(key.status, "cancelled") ? n : 0;
    }
    qsort(ret->rows, ret->count, sizeof(*ret->rows), by_name);
    /* Every message counts once in each scope: any of them gives the total. */
    for (size_t i = 0; i < ret->count; i++) {
        if (text_eq(ret->rows[i].scope, "provider")) {
            ret->total.sent += ret->rows[i].sent;
            ret->total.failed += ret->rows[i].failed;
            ret->total.cancelled += ret->rows[i].cancelled;
        }
    }
}

void ctl_json_counts(struct ctl *c, const struct ctl_count *n)
{
    json_open(&c->line, '{');
    json_key_int(&c->line, "sent", n->sent);
    json_key_int(&c->line, "failed", n->failed);
    json_key_int(&c->line, "cancelled", n->cancelled);
    json_close(&c->line, '}');
}

static void json_scope(struct ctl *c, const struct ctl_day *d, const char *scope)
{
    json_key(&c->line, scope);
    json_open(&c->line, '{');
    for (size_t i = 0; i < d->count; i++) {
        if (!text_eq(d->rows[i].scope, scope))
            continue;
        json_key(&c->line, d->rows[i].name);
        ctl_json_counts(c, &d->rows[i]);
    }
    json_close(&c->line, '}');
}

static void json_day(struct ctl *c, const struct ctl_day *d)
{
    json_open(&c->line, '{');
    json_key_str(&c->line, "day", d->day);
    json_key(&c->line, "total");
    ctl_json_counts(c, &d->total);
    json_scope(c, d, "provider");
    json_scope(c, d, "channel");
    json_scope(c, d, "sender");
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static void add_row(struct table *t, const char *day, const struct ctl_count *n)
{
    table_add(t, day);
    table_add(t, n->scope ? n->scope : "total");
    table_add(t, n->name);
    table_add_int(t, n->sent);
    table_add_int(t, n->failed);
    table_add_int(t, n->cancelled);
}

static void table_day(struct table *t, const struct ctl_day *d)
{
    add_row(t, d->day, &d->total);
    for (size_t i = 0; i < d->count; i++)
        add_row(t, d->day, &d->rows[i]);
}

static enum ctl_exit show(struct ctl *c)
{
    int64_t days = ctl_opt_int(c, "days", 1), now = ctl_now_ms(c);
    struct table t = {0};
    struct ctl_day d;

    table_begin(&t, "DAY (UTC)|BY|~NAME|>SENT|>FAILED|>CANCELLED");
    for (int64_t i = 0; i < days; i++) {
        ctl_read_day(c, now - i * DAY_MS, &d);
        if (c->json)
            json_day(c, &d);
        else
            table_day(&t, &d);
        ctl_forget(c);
    }
    ctl_end_table(c, &t, NULL);
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {NULL, NULL, 0, 0, show, "messages that became final, by day"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "days", .value = "N", .help = "the last N days (1: today)", .min = 1, .max = 3650},
    {.name = NULL},
};

const struct ctl_noun ctl_stats = {"stats", "how many were sent and failed", verbs, options};

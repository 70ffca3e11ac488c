/* sendqctl limits: all limits there are, and what is left of each. */
#include "ctl_limit.h"

#include "map.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

static bool is_limit(const struct ctl_limit *l)
{
    return l->full_us > 0 || l->interval_us > 0 || l->day_cap > 0 || l->concurrency > 0 ||
           l->pause_us > 0;
}

static double per_second(double interval_us)
{
    return interval_us > 0 ? 1e6 / interval_us : 0;
}

static const char *hold_name(enum ctl_hold hold)
{
    static const char *const names[] = {
        [HOLD_NONE] = "ok",         [HOLD_PAUSE] = "throttled",
        [HOLD_BREAKER] = "breaker", [HOLD_PLACES] = "concurrency",
        [HOLD_DAY] = "day_cap",     [HOLD_RATE] = "rate",
    };

    return names[hold];
}

static void print_json(struct ctl *c, const struct ctl_limit *l, enum ctl_hold hold, int64_t until)
{
    json_open(&c->line, '{');
    json_key_str(&c->line, "limit", l->name);
    json_key_str(&c->line, "state", hold_name(hold));
    json_opt_str(&c->line, "until", ctl_limit_time(c, until));
    if (l->interval_us > 0) {
        json_key(&c->line, "rate");
        json_val_num(&c->line, per_second(l->full_us));
        json_key(&c->line, "effective_rate");
        json_val_num(&c->line, per_second(l->interval_us));
        json_key_int(&c->line, "burst", l->burst);
    }
    if (l->day_cap > 0) {
        json_key_int(&c->line, "day_cap", l->day_cap);
        json_key_int(&c->line, "day_used", l->day_used);
        json_opt_str(&c->line, "day_zone", l->day_zone);
        json_opt_str(&c->line, "day_resets_at", ctl_limit_time(c, l->day_next_us));
    }
    if (l->concurrency > 0)
        json_key_int(&c->line, "concurrency", l->concurrency);
    json_key_int(&c->line, "in_flight", l->busy);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static const char *of_day(struct ctl *c, const struct ctl_limit *l)
{
    if (l->day_cap == 0)
        return NULL;
    return arena_printf(&c->arena, "%lld of %lld", (long long)l->day_used, (long long)l->day_cap);
}

static const char *rate_words(struct ctl *c, const struct ctl_limit *l)
{
    const char *words;

    if (l->interval_us <= 0)
        return NULL;
    words = l->full_us > 0 ? arena_printf(&c->arena, "%.4g/s burst %lld", per_second(l->full_us),
                                          (long long)l->burst)
                           : "";
    if (l->interval_us <= l->full_us)
        return words;
    return arena_printf(&c->arena, "%s (now %.3g/s)", words, per_second(l->interval_us));
}

static void add_row(struct ctl *c, struct table *t, const struct ctl_limit *l, enum ctl_hold hold,
                    int64_t until)
{
    table_add(t, l->name);
    table_add(t, rate_words(c, l));
    table_add(t, of_day(c, l));
    table_add(t, l->concurrency > 0 ? arena_printf(&c->arena, "%lld of %lld", (long long)l->busy,
                                                   (long long)l->concurrency)
                                    : ctl_text(c, l->busy));
    table_add(t, hold_name(hold));
    table_add_time(t, ctl_limit_time(c, until));
}

/* --- which there are --- */

static void add_word(struct map *names, const char *text, size_t len)
{
    char name[512];

    if (len == 0 || len >= sizeof(name))
        return;
    memcpy(name, text, len);
    name[len] = '\0';
    (void)map_set(names, name, names);
}

/* Those of every sender, and those that senders share. */
static void collect(struct ctl *c, struct map *names)
{
    const struct redisReply *ids = ctl_sender_ids(c);
    const struct redisReply *shared = ctl_call(c, "SMEMBERS", ctl_key(c, KEY_SHARED_BUCKETS, NULL));

    for (size_t i = 0; i < reply_count(ids); i++) {
        const char *id = reply_str(reply_at(ids, i), NULL);
        const char *words =
            reply_str(ctl_call(c, "HGET", ctl_key(c, KEY_SENDER, id), "_buckets"), NULL);

        for (size_t n; words != NULL && *words != '\0'; words += n + (words[n] == ' ')) {
            n = strcspn(words, " ");
            add_word(names, words, n);
        }
    }
    for (size_t i = 0; i < reply_count(shared); i++) {
        const char *name = reply_str(reply_at(shared, i), NULL);

        if (name != NULL)
            add_word(names, name, strlen(name));
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted(struct ctl *c, const struct map *names, size_t *ret_count)
{
    const char **list = arena_alloc(&c->arena, (names->count + 1) * sizeof(*list)), *name;
    void *value;
    size_t pos = 0, n = 0;

    while (map_next(names, &pos, &name, &value))
        list[n++] = arena_strdup(&c->arena, name);
    qsort(list, n, sizeof(*list), by_name);
    *ret_count = n;
    return list;
}

static bool show_one(struct ctl *c, const char *name, int64_t now_us, bool always, struct table *t)
{
    struct ctl_limit l;
    enum ctl_hold hold;
    int64_t until;

    if (!ctl_limit_read(c, name, now_us, &l))
        return false;
    if (!always && !is_limit(&l))
        return true;
    hold = ctl_limit_holds(&l, now_us, &until);
    if (c->json)
        print_json(c, &l, hold, until);
    else
        add_row(c, t, &l, hold, until);
    return true;
}

static enum ctl_exit show(struct ctl *c)
{
    int64_t now_us = ctl_now_ms(c) * 1000;
    struct map names = {0};
    struct table t = {0};
    enum ctl_exit status = CTL_OK;
    const char **list;
    size_t count;

    table_begin(&t, "~LIMIT|RATE|>TODAY|>IN FLIGHT|STATE|UNTIL (UTC)");
    for (int i = 0; i < c->arg_count; i++)
        if (!show_one(c, c->args[i], now_us, true, &t))
            status = ctl_negative(c, "limit %s: not found", c->args[i]);
    if (c->arg_count == 0) {
        collect(c, &names);
        list = sorted(c, &names, &count);
        for (size_t i = 0; i < count; i++)
            show_one(c, list[i], now_us, false, &t);
    }
    map_free(&names);
    ctl_end_table(c, &t, c->json || status != CTL_OK ? NULL : "no limits are configured");
    return status;
}

static const struct ctl_verb verbs[] = {
    {NULL, "[LIMIT...]", 0, -1, show, "rate, day's count, places and state of each limit"},
    {.run = NULL},
};

const struct ctl_noun ctl_limits = {"limits", "limits and what is left of them", verbs, NULL};

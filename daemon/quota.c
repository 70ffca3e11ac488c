/* Quota: the configured limits, as numbers for the scripts. */
#include "quota.h"

#include "crypto.h"
#include "map.h"
#include "provider.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Senders per call: a script that has written cannot be stopped, so each is kept short. */
#define SENDERS_PER_CALL 100
/* Thirty years: a deeper burst than any, and exact in the scripts' floating point. */
#define TOLERANCE_MAX_US INT64_C(1000000000000000)
#define NAME_MAX_LEN 80
#define NAMES_MAX_LEN 320 /* five of them */

void quota_bucket(const struct rate *rate, int64_t jitter_ms, struct store_bucket *ret)
{
    int64_t period_us = rate->period_ms * 1000;

    ret->interval_us = ret->tolerance_us = 0;
    if (rate->count <= 0)
        return;
    if (rate->burst == 0) {
        ret->interval_us = (period_us + jitter_ms * 1000 + rate->count - 1) / rate->count;
        return;
    }
    ret->interval_us = (period_us + rate->count - 1) / rate->count;
    if (rate->burst - 1 > TOLERANCE_MAX_US / ret->interval_us)
        ret->tolerance_us = TOLERANCE_MAX_US;
    else
        ret->tolerance_us = (rate->burst - 1) * ret->interval_us;
}

/* Changes when the sender's account does: 64 bits of a digest over what the account is. Too short
 * to test guesses of a key against, long enough to see a change. */
static void fingerprint(const struct sender *s, char ret[17])
{
    struct buf text = {0};
    uint8_t digest[32];
    char hex[65];

    buf_addf(&text, "%s\n%s\n", s->provider->name, s->endpoint);
    for (unsigned i = 0; i < s->value_count; i++)
        buf_addf(&text, "%s=%s\n", s->values[i].name, s->values[i].value);
    crypto_sha256(text.data, text.len, digest);
    crypto_hex(digest, sizeof(digest), hex);
    memcpy(ret, hex, 16);
    ret[16] = '\0';
    explicit_bzero(text.data, text.len);
    buf_free(&text);
}

/* --- accounts --- */

/* The senders of one account at a provider: those of the same credentials and options, or whose
 * `account` is the same. */
struct account {
    char name[NAME_MAX_LEN]; /* of its bucket */
    const struct sender *first;
    unsigned senders;
    unsigned set; /* PUBLISHED_* kinds of limits that one of its senders sets */
    struct limit limit;
    bool limited;
};

/* What is known of all senders before the first of them is published. */
struct book {
    const struct config *config;
    char (*prints)[17];
    struct map accounts; /* by name */
};

static bool is_limited(const struct limit *l)
{
    return l->rate.count > 0 || l->day.count > 0 || l->concurrency > 0;
}

static struct account *account_of(const struct book *b, unsigned index)
{
    char name[NAME_MAX_LEN];

    snprintf(name, sizeof(name), "account:%s",
             text_is_empty(b->config->senders[index].account) ? b->prints[index]
                                                              : b->config->senders[index].account);
    return map_get(&b->accounts, name);
}

static void enter(struct book *b, unsigned index)
{
    const struct sender *s = &b->config->senders[index];
    struct account *a;

    fingerprint(s, b->prints[index]);
    a = account_of(b, index);
    if (a == NULL) {
        a = mem_zalloc(sizeof(*a));
        snprintf(a->name, sizeof(a->name), "account:%s",
                 text_is_empty(s->account) ? b->prints[index] : s->account);
        a->first = s;
        (void)map_set(&b->accounts, a->name, a);
    }
    a->senders++;
    a->set |= ~s->published;
    if (is_limited(&s->account_limit) && !is_limited(&a->limit))
        a->limit = s->account_limit;
}

/* What a provider publishes holds for an account: its senders share it, as far as none of them says
 * otherwise. An account of one sender needs no bucket for it besides the sender's own. */
static void add_published(struct account *a)
{
    const struct sender *s = a->first;
    unsigned kinds = a->senders > 1 ? ~a->set : 0;

    if (a->limit.rate.count == 0 && (kinds & PUBLISHED_RATE))
        a->limit.rate = s->rate;
    if (a->limit.day.count == 0 && (kinds & PUBLISHED_DAY))
        a->limit.day = s->day;
    if (a->limit.concurrency == 0 && (kinds & PUBLISHED_CONCURRENCY))
        a->limit.concurrency = s->concurrency;
    a->limited = is_limited(&a->limit);
}

static void book_open(struct book *b, const struct config *c)
{
    const char *name;
    void *account;
    size_t pos = 0;

    *b = (struct book){.config = c};
    b->prints = mem_alloc((c->sender_count + 1) * sizeof(*b->prints));
    for (unsigned i = 0; i < c->sender_count; i++)
        enter(b, i);
    while (map_next(&b->accounts, &pos, &name, &account))
        add_published(account);
}

static void book_close(struct book *b)
{
    const char *name;
    void *account;
    size_t pos = 0;

    while (map_next(&b->accounts, &pos, &name, &account))
        free(account);
    map_free(&b->accounts);
    free(b->prints);
}

/* --- one bucket, one sender --- */

static void fill_bucket(const struct config *c, const char *name, const struct limit *limit,
                        struct store_bucket *b)
{
    *b = (struct store_bucket){.name = name,
                               .day_cap = limit->day.count,
                               .zone = limit->day.mode == DAY_ROLLING ? "rolling"
                                       : limit->day.zone[0] != '\0'   ? limit->day.zone
                                                                      : "UTC",
                               .concurrency = limit->concurrency};
    b->count = limit->rate.count;
    quota_bucket(&limit->rate, c->slot_jitter_ms, b);
}

static void set_units(const struct provider *p, struct store_bucket *b)
{
    b->rate_units = p->limits != NULL && p->limits->rate_unit != LIMIT_MESSAGES;
    b->day_units = p->limits != NULL && p->limits->day_unit != LIMIT_MESSAGES;
}

/* A sender's own limits: those that its account has not taken over. */
static struct limit own_limit(const struct sender *s, const struct account *a)
{
    unsigned shared = a->senders > 1 ? s->published : 0;
    struct limit l = {.rate = s->rate, .day = s->day, .concurrency = s->concurrency};

    if (shared & PUBLISHED_RATE)
        l.rate = (struct rate){0};
    if (shared & PUBLISHED_DAY)
        l.day = (struct day_cap){0};
    if (shared & PUBLISHED_CONCURRENCY)
        l.concurrency = 0;
    return l;
}

/* One call's worth of senders with their buckets and accounts. */
struct page {
    struct store_bucket buckets[2 * SENDERS_PER_CALL];
    struct store_sender senders[SENDERS_PER_CALL];
    struct limit limits[SENDERS_PER_CALL]; /* whose zones the buckets point to */
    char own[SENDERS_PER_CALL][NAME_MAX_LEN];
    char names[SENDERS_PER_CALL][NAMES_MAX_LEN];
    char pairs[SENDERS_PER_CALL][48];
    char trips[SENDERS_PER_CALL][64];
    size_t bucket_count, sender_count;
};

static bool has_limit(const struct scope_limit *list, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (text_eq(list[i].name, name) || text_eq(list[i].name, "*"))
            return true;
    return false;
}

/* The channels of a sender that are limited. */
static unsigned limited_channels(const struct config *c, const struct sender *s)
{
    unsigned bits = 0;

    for (int ch = 0; ch < CHANNEL_COUNT; ch++)
        if (has_limit(c->channel_limits, c->channel_limit_count, channel_name((enum channel)ch)))
            bits |= CHANNEL_BIT(ch);
    return bits & s->channels;
}

static void name_buckets(const struct config *c, const struct sender *s, const struct account *a,
                         struct store_sender *out, char names[NAMES_MAX_LEN])
{
    unsigned limited = limited_channels(c, s);
    bool one_channel = (s->channels & (s->channels - 1)) == 0;
    struct buf b = {0};

    buf_addf(&b, "sender:%s", s->id);
    if (a->limited)
        buf_addf(&b, " %s", a->name);
    for (int ch = 0; one_channel && ch < CHANNEL_COUNT; ch++)
        if (limited & CHANNEL_BIT(ch))
            buf_addf(&b, " channel:%s", channel_name((enum channel)ch));
    if (!text_is_empty(s->tenant) && has_limit(c->tenant_limits, c->tenant_limit_count, s->tenant))
        buf_addf(&b, " tenant:%s", s->tenant);
    if (is_limited(&c->global_limit))
        buf_adds(&b, " global");
    snprintf(names, NAMES_MAX_LEN, "%s", buf_str(&b));
    buf_free(&b);
    out->buckets = names;
    out->by = !one_channel && limited     ? (c->tenant_limit_count > 0 ? "ct" : "c")
              : c->tenant_limit_count > 0 ? "t"
                                          : "";
}

static void name_pair(const struct config *c, const struct sender *s, struct store_sender *out,
                      char pair[48])
{
    struct store_bucket b;

    quota_bucket(&s->recipient_rate, c->slot_jitter_ms, &b);
    if (b.interval_us == 0)
        return;
    snprintf(pair, 48, "%lld %lld", (long long)b.interval_us, (long long)b.tolerance_us);
    out->pair = pair;
}

static void add_sender(struct page *p, const struct book *book, unsigned index)
{
    const struct sender *s = &book->config->senders[index];
    const struct account *a = account_of(book, index);
    size_t i = p->sender_count++;
    struct store_sender *out = &p->senders[i];

    p->limits[i] = own_limit(s, a);
    snprintf(p->own[i], sizeof(p->own[i]), "sender:%s", s->id);
    fill_bucket(book->config, p->own[i], &p->limits[i], &p->buckets[p->bucket_count]);
    snprintf(p->trips[i], sizeof(p->trips[i]), "%u %lld %lld", s->breaker_errors,
             (long long)s->breaker_pause_ms, (long long)s->breaker_max_ms);
    p->buckets[p->bucket_count].trip = p->trips[i];
    set_units(s->provider, &p->buckets[p->bucket_count++]);
    if (a->limited) {
        fill_bucket(book->config, a->name, &a->limit, &p->buckets[p->bucket_count]);
        set_units(s->provider, &p->buckets[p->bucket_count++]);
    }
    out->id = s->id;
    out->ignore_suppressed = s->ignore_suppressed;
    memcpy(out->fingerprint, book->prints[index], sizeof(out->fingerprint));
    name_buckets(book->config, s, a, out, p->names[i]);
    name_pair(book->config, s, out, p->pairs[i]);
}

/* --- what senders share --- */

static enum sq_err publish_shared(struct store *store, const struct config *c, store_simple_cb cb,
                                  void *arg)
{
    unsigned count = c->channel_limit_count + c->tenant_limit_count, n = 0;
    struct store_bucket *buckets = mem_alloc((count + 1) * sizeof(*buckets));
    char(*names)[NAME_MAX_LEN] = mem_alloc((count + 1) * sizeof(*names));
    enum sq_err err;

    for (unsigned i = 0; i < c->channel_limit_count; i++, n++) {
        snprintf(names[n], sizeof(names[n]), "channel:%s", c->channel_limits[i].name);
        fill_bucket(c, names[n], &c->channel_limits[i].limit, &buckets[n]);
    }
    for (unsigned i = 0; i < c->tenant_limit_count; i++, n++) {
        snprintf(names[n], sizeof(names[n]), "tenant:%s", c->tenant_limits[i].name);
        fill_bucket(c, names[n], &c->tenant_limits[i].limit, &buckets[n]);
    }
    if (is_limited(&c->global_limit))
        fill_bucket(c, "global", &c->global_limit, &buckets[n++]);
    err = store_configure(store, buckets, n, NULL, 0, cb, arg);
    free(names);
    free(buckets);
    return err;
}

void quota_publish(struct store *store, const struct config *c, store_simple_cb cb, void *arg)
{
    struct page *p;
    struct book book;
    unsigned i = 0;

    if (publish_shared(store, c, cb, arg) != SQ_OK)
        return; /* the connection is down: published again when it is back */
    p = mem_alloc(sizeof(*p));
    book_open(&book, c);
    while (i < c->sender_count) {
        memset(p, 0, sizeof(*p));
        while (i < c->sender_count && p->sender_count < SENDERS_PER_CALL)
            add_sender(p, &book, i++);
        if (store_configure(store, p->buckets, p->bucket_count, p->senders, p->sender_count, cb,
                            arg) != SQ_OK)
            break;
    }
    book_close(&book);
    free(p);
}

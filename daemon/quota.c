/* Quota: the configured limits, as numbers for the scripts. */
#include "quota.h"

#include "crypto.h"
#include "provider.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Senders per call: a script that has written cannot be stopped, so each is kept short. */
#define SENDERS_PER_CALL 100
/* Thirty years: a deeper burst than any, and exact in the scripts' floating point. */
#define TOLERANCE_MAX_US INT64_C(1000000000000000)

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

/* One call's worth: the global bucket and up to SENDERS_PER_CALL senders with theirs. */
struct page {
    struct store_bucket buckets[SENDERS_PER_CALL + 1];
    struct store_sender senders[SENDERS_PER_CALL];
    char names[SENDERS_PER_CALL][SENDER_ID_MAX + 32];
    size_t bucket_count, sender_count;
};

static void add_sender(struct page *p, const struct config *c, const struct sender *s)
{
    const struct provider_limits *l = s->provider->limits;
    struct store_bucket *b = &p->buckets[p->bucket_count++];
    struct store_sender *out = &p->senders[p->sender_count];
    char *names = p->names[p->sender_count++];
    int bucket_len = snprintf(names, sizeof(p->names[0]), "sender:%s", s->id);

    quota_bucket(&s->rate, c->slot_jitter_ms, b);
    b->day_cap = s->day.count;
    b->zone = s->day.zone[0] != '\0' ? s->day.zone : "UTC";
    b->concurrency = s->concurrency;
    b->rate_units = l != NULL && l->rate_unit != LIMIT_MESSAGES;
    b->day_units = l != NULL && l->day_unit != LIMIT_MESSAGES;
    snprintf(names + bucket_len, sizeof(p->names[0]) - (size_t)bucket_len, "%s",
             c->global_rate.count > 0 ? " global" : "");
    out->id = s->id;
    out->buckets = names;
    out->ignore_suppressed = s->ignore_suppressed;
    fingerprint(s, out->fingerprint);
}

/* Bucket names point into `names`, whose first word they are: given as the sender's id. */
static enum sq_err send_page(struct store *store, struct page *p, store_simple_cb cb, void *arg)
{
    char bucket_names[SENDERS_PER_CALL][SENDER_ID_MAX + 8];

    for (size_t i = 0; i < p->sender_count; i++) {
        snprintf(bucket_names[i], sizeof(bucket_names[i]), "sender:%s", p->senders[i].id);
        p->buckets[p->bucket_count - p->sender_count + i].name = bucket_names[i];
    }
    return store_configure(store, p->buckets, p->bucket_count, p->senders, p->sender_count, cb,
                           arg);
}

void quota_publish(struct store *store, const struct config *c, store_simple_cb cb, void *arg)
{
    struct page *p = mem_alloc(sizeof(*p));
    unsigned i = 0;

    while (i < c->sender_count) {
        memset(p, 0, sizeof(*p));
        if (c->global_rate.count > 0) {
            struct store_bucket *b = &p->buckets[p->bucket_count++];

            quota_bucket(&c->global_rate, c->slot_jitter_ms, b);
            b->name = "global";
            b->zone = "UTC";
        }
        while (i < c->sender_count && p->sender_count < SENDERS_PER_CALL)
            add_sender(p, c, &c->senders[i++]);
        if (send_page(store, p, cb, arg) != SQ_OK)
            break; /* the connection is down: published again when it is back */
    }
    free(p);
}

/* A sender: a configured account of a provider, with its limits and retry rules. */
#ifndef SENDQ_MODEL_SENDER_H
#define SENDQ_MODEL_SENDER_H

#include "message.h"
#include "quiet.h"
#include "rate.h"

struct provider; /* providers/provider.h */

/* One provider-specific setting or credential, as configured and resolved. */
struct sender_value {
    const char *name;  /* "api_key" */
    const char *value; /* resolved; never logged */
    const char *file;  /* the file that a `file:` reference named, else NULL */
};

#define SENDER_VALUES_MAX 24
#define SENDER_ID_MAX 64

/* Limits that nobody configured, so that what the provider publishes is in force. */
enum {
    PUBLISHED_RATE = 1,
    PUBLISHED_DAY = 2,
    PUBLISHED_RECIPIENT = 4,
    PUBLISHED_CONCURRENCY = 8,
};

/* Owned by the configuration; constant while a configuration is alive. */
struct sender {
    const char *id; /* [A-Za-z0-9._-]{1,64} */
    const struct provider *provider;
    unsigned channels; /* CHANNEL_BITs */
    bool is_default;
    const char *from_address, *from_name;
    const char *endpoint; /* base URL without trailing slash: configured, or the provider's own */
    const char *token_endpoint;
    const char *tenant;
    struct sender_value values[SENDER_VALUES_MAX]; /* credentials and provider settings */
    unsigned value_count;
    const char **headers; /* webhook: extra "Name: value" lines */
    unsigned header_count;
    struct rate rate;   /* per-second bucket; rate.count 0 = none */
    struct day_cap day; /* day.count 0 = none */
    struct rate recipient_rate;
    const char *account; /* senders of one name share an account; NULL or "": by credentials */
    const char **account_words; /* limits.account as it stands */
    unsigned account_word_count;
    struct limit account_limit;
    unsigned concurrency; /* in flight over all workers; 0 = no cap */
    unsigned published; /* PUBLISHED_* bits: of these limits, which are the provider's own words */
    struct quiet_hours quiet_marketing, quiet_notification;
    const char *quiet_zone;  /* where the recipient's is not known */
    unsigned breaker_errors; /* in a row, after which it pauses; 0 = never */
    int64_t breaker_pause_ms, breaker_max_ms;
    unsigned retry_attempts;
    int64_t retry_base_ms, retry_max_ms, retry_max_age_ms;
    int64_t timeout_ms;
    bool http2;
    enum uncertain uncertain; /* RETRY or FAIL */
    bool ignore_suppressed;
    const char **fallback; /* sender ids */
    unsigned fallback_count;
};

/* The value of a credential or provider setting, or NULL. */
const char *sender_value(const struct sender *s, const char *name);

#endif

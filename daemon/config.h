/* The configuration: YAML file + environment overrides -> checked, typed settings.
 *
 * Every tuning number is a setting here, with unit, default and reason in config's table. Errors
 * name file, line, setting (path such as senders[1].limits.rate) and what was expected. */
#ifndef SENDQ_DAEMON_CONFIG_H
#define SENDQ_DAEMON_CONFIG_H

#include "job.h"
#include "log.h"
#include "sender.h"

/* The limits of what several senders have in common: a channel, or a tenant ("*": any that has none
 * of its own). */
struct scope_limit {
    const char *name;
    struct limit limit;
};

/* Owned by config_load's caller; constant after loading. */
struct config {
    const char *ns; /* namespace */
    const char
        *redis_url; /* may hold a password: masked when printed; file:/env:/credential: too */
    const char *redis_user, *redis_password; /* "" = the URL's; masked too */
    const char *redis_sentinel_user, *redis_sentinel_password;
    const char *redis_ca_file, *redis_cert_file, *redis_key_file, *redis_server_name;
    const char *admin_listen; /* "" = off */
    const char *worker_name;  /* "" = host-pid */
    enum log_level log_level;
    bool log_json;
    int64_t retention_ms;             /* 7d: final message hashes, ledgers, dead letters */
    int64_t idempotency_ms;           /* 24h */
    int64_t reply_ttl_ms;             /* 1h */
    int64_t rejected_retention_ms;    /* 7d: NS:rejected is capped by age */
    int64_t stats_retention_ms;       /* 90d: NS:stats:<day> */
    bool keep_content;                /* false: content leaves Redis once a message is sent */
    int events;                       /* EVENTS_FINAL | EVENTS_ALL | EVENTS_OFF */
    int64_t events_max, timeline_max; /* entries: 100000, 1000 */
    int64_t lease_ms;                 /* 30s: a worker that is silent for this long is dead */
    unsigned take_batch, claim_batch, record_batch; /* 64 */
    unsigned max_deaths;                            /* 5 */
    size_t take_bytes;                              /* 8 MiB: raw bytes per take */
    unsigned quantum;                               /* 64: messages per sender and turn */
    unsigned max_in_flight;                         /* 256 transfers */
    int64_t slot_jitter_ms;     /* 20 ms: a granted send starts within this, or its token is lost */
    int64_t grant_horizon_ms;   /* 100 ms: how far ahead send slots are granted */
    int64_t drain_timeout_ms;   /* 25 s: SIGTERM waits this long for transfers */
    int64_t redis_timeout_ms;   /* 5 s */
    int64_t max_retry_after_ms; /* 1h: longer Retry-Afters are clamped */
    struct job_limits job;
    struct limit global_limit;                  /* over all senders */
    const char **channel_words, **tenant_words; /* limits.channels and tenants as they stand */
    unsigned channel_word_count, tenant_word_count;
    struct scope_limit *channel_limits, *tenant_limits; /* each name once */
    unsigned channel_limit_count, tenant_limit_count;
    unsigned bulk_ready, bulk_chunk, bulk_page; /* 10000, 250, 500 */
    bool bulk_dedupe;                           /* true: an address gets a bulk once */
    int template_missing;           /* enum template_missing: a field without value and default */
    const char *attachments_root;   /* NULL = attachments by storage_path are refused */
    const char **attachments_hosts; /* allow_hosts: reachable although their address is private */
    unsigned attachments_host_count;
    uint64_t attachments_max;         /* bytes of one */
    uint64_t attachments_total;       /* bytes fetched for one message */
    uint64_t attachments_in_flight;   /* bytes of all messages that are being sent */
    const char *attachments_base_url; /* storage_path below it, where there is no root; "" = none */
    int64_t attachments_timeout_ms;   /* of one fetch */
    const char *tls_ca_file;          /* NULL = the system's */
    struct sender *senders;
    unsigned sender_count;
    struct config_impl *impl; /* what owns the memory */
};

enum { EVENTS_FINAL, EVENTS_ALL, EVENTS_OFF };

/* Loads and checks `path` (NULL: defaults and environment only), applies SENDQ_* overrides from
 * the environment, resolves credentials (file:, env:, credential: in $CREDENTIALS_DIRECTORY).
 * Every problem found is one line through `report` ("FILE:LINE: setting: expected ...");
 * warnings (a secret inlined) too, with fatal=false. Non-NULL = usable. */
typedef void (*config_report)(bool fatal, const char *line, void *arg);
struct config *config_load(const char *path, config_report report, void *arg);
/* The same with flags. Without senders none of their references is resolved, and none is in the
 * result: for whoever may read the configuration, but not the secrets. */
enum {
    CONFIG_WITHOUT_SENDERS = 1,
    CONFIG_WITHOUT_SECRETS = 2, /* senders without credentials, options and headers */
};
struct config *config_load_opts(const char *path, unsigned flags, config_report report, void *arg);
/* The same from memory (`text` NULL: defaults and env only), with `name` for the error lines and
 * an environment of its own ("NAME=value" strings ending with NULL; NULL = empty). */
struct config *config_load_text(const char *name, const char *text, size_t len,
                                const char *const *env, config_report report, void *arg);
void config_free(struct config *c);

const struct sender *config_sender(const struct config *c, const char *id); /* or NULL */
/* The default sender of a channel: the first with default: true, else the only one that serves
 * it; NULL when there is none or the choice is open. */
const struct sender *config_default_sender(const struct config *c, enum channel ch);

struct redis_addr;
/* redis.url with user and passwords filled in. */
enum sq_err config_redis_addr(const struct config *c, struct redis_addr *ret,
                              struct err_text *e) SQ_MUST_CHECK;
/* Passwords and users beside the URL apart, which may change. */
bool config_same_redis(const struct config *a, const struct config *b);

/* The effective configuration as YAML, secrets as "***". */
void config_print(const struct config *c, struct buf *out);
/* The reference table of all settings as Markdown: name, default, unit, reason. */
void config_reference(struct buf *out);

#endif

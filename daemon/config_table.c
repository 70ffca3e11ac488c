/* The settings table: every setting's name, type, default, range and reason. Everything else about
 * the configuration (YAML schema, environment names, --print-config, reference) is made from it. */
#include "config_impl.h"

#include "registry.h"
#include "text.h"
#include <string.h>

#define FIELD(type, f) .offset = offsetof(type, f), .width = sizeof(((type *)NULL)->f)
#define CONF(f) FIELD(struct config, f)
#define SEND(f) FIELD(struct sender, f)
#define SEND_LIST(f, n) SEND(f), .count_offset = offsetof(struct sender, n)

#define MS_SECOND 1000
#define MS_MINUTE (60 * MS_SECOND)
#define MS_HOUR (60 * MS_MINUTE)
#define MS_DAY ((int64_t)24 * MS_HOUR)
#define KIB 1024
#define MIB (1024 * KIB)
#define GIB ((int64_t)1024 * MIB)

/* Settings of one group stand together: printing opens a group once. */
static const struct setting root_settings[] = {
    {"namespace", "sendq", .type = SETTING_NAMESPACE, CONF(ns),
     .help = "Prefix of all keys. On Redis Cluster it must hold a hash tag, as in `{sendq}`: all "
             "keys of a script have to live on one primary"},
    {"redis.url", "redis://127.0.0.1:6379", .type = SETTING_REDIS, CONF(redis_url),
     .help =
         "`redis://user:pass@host:port/db`, `rediss://` (TLS), `unix:///path`, "
         "`sentinel://host,host/primary`, `sentinels://` (TLS), or "
         "a reference (`file:`, `env:`, `credential:`) to one. Several hosts are tried in turn. "
         "The default is where an unconfigured Redis listens"},
    {"redis.user", "", .type = SETTING_SECRET, CONF(redis_user),
     .help = "ACL user, or a reference to it; wins over the URL's"},
    {"redis.password", "", .type = SETTING_SECRET, CONF(redis_password),
     .help = "A reference (`credential:`, `file:`, `env:`) to the password; wins over the URL's"},
    {"redis.sentinel_user", "", .type = SETTING_SECRET, CONF(redis_sentinel_user),
     .help = "What the sentinels themselves ask for, if they do"},
    {"redis.sentinel_password", "", .type = SETTING_SECRET, CONF(redis_sentinel_password),
     .help = "The same"},
    {"redis.ca_file", "", .type = SETTING_FILE, CONF(redis_ca_file),
     .help = "TLS: CA certificates (PEM) to trust; empty = the system's"},
    {"redis.cert_file", "", .type = SETTING_FILE, CONF(redis_cert_file),
     .help = "TLS: a certificate (PEM) of our own, where Redis asks for one"},
    {"redis.key_file", "", .type = SETTING_FILE, CONF(redis_key_file),
     .help = "Its key; empty = in the same file"},
    {"redis.server_name", "", .type = SETTING_TEXT, CONF(redis_server_name),
     .help = "TLS: whom the server's certificate must name; empty = the host connected to"},
    {"redis.timeout", "5s", .type = SETTING_DURATION, CONF(redis_timeout_ms), .min = 10,
     .max = MS_MINUTE,
     .help = "Connecting, or a command without answer, for this long breaks the link: above a "
             "fork's or failover's pause, far below the lease"},
    {"admin.listen", "", .type = SETTING_LISTEN, CONF(admin_listen),
     .help = "`127.0.0.1:9108` or `unix:/path` for the admin pages; empty = off, so that "
             "several workers on one host do not collide"},
    {"worker.name", "", .type = SETTING_NAME, CONF(worker_name),
     .help = "Name in `NS:worker:<name>`; empty = host and pid, which is unique by itself"},
    {"worker.lease", "30s", .type = SETTING_DURATION, CONF(lease_ms), .min = MS_SECOND,
     .max = MS_HOUR,
     .help = "A worker silent for this long is dead and its messages are taken over: long enough "
             "for a paused machine, short enough that nobody waits for a crash"},
    {"worker.in_flight", "256", .type = SETTING_INT, CONF(max_in_flight), .min = 1, .max = 65536,
     .help = "Transfers at a time in this process; bounds memory, sockets and what a crash can "
             "duplicate. At 100 ms a request 256 carry 2,500 messages/s"},
    {"intake.batch", "64", .type = SETTING_INT, CONF(take_batch), .min = 1, .max = 4096,
     .help = "Jobs taken per script call: the cost of a call is spread, Redis is blocked for well "
             "under a millisecond"},
    {"intake.bytes", "8MiB", .type = SETTING_SIZE, CONF(take_bytes), .min = 64 * KIB,
     .max = 256 * MIB,
     .help = "Raw bytes taken per script call (a larger job comes alone): bounds memory and the "
             "time Redis is blocked by copying"},
    {"intake.max_deaths", "5", .type = SETTING_INT, CONF(max_deaths), .min = 3, .max = 1000,
     .help = "A raw job that this many workers died with goes to `NS:rejected`. From the second "
             "death on it is taken alone, so that only the one that kills them gets this far"},
    {"claim.batch", "64", .type = SETTING_INT, CONF(claim_batch), .min = 1, .max = 4096,
     .help = "Messages claimed per script call: as for intake.batch. Eight times as many where "
             "twice as many begin in 50 ms"},
    {"claim.quantum", "64", .type = SETTING_INT, CONF(quantum), .min = 1, .max = 4096,
     .help = "Messages of one sender per turn: a sender with a long queue holds the others up by "
             "at most one batch"},
    {"claim.horizon", "100ms", .type = SETTING_DURATION, CONF(grant_horizon_ms), .min = 1,
     .max = MS_SECOND,
     .help = "How far ahead send slots are granted: one call serves several slots of a fast "
             "sender, and a dead worker wastes no more than this of a cap"},
    {"claim.jitter", "20ms", .type = SETTING_DURATION, CONF(slot_jitter_ms), .min = 0,
     .max = MS_SECOND,
     .help = "A granted send starts within this or its token is lost: covers a busy loop turn; "
             "strict rates are spaced with this slack"},
    {"record.batch", "64", .type = SETTING_INT, CONF(record_batch), .min = 1, .max = 4096,
     .help = "Outcomes recorded per script call: as for intake.batch"},
    {"retention", "7d", .type = SETTING_DURATION, CONF(retention_ms), .min = MS_SECOND,
     .max = 3650 * MS_DAY,
     .help = "Final messages, bulk ledgers and dead letters are kept this long: a week leaves "
             "time to look into a weekend's failures"},
    {"keep.idempotency", "24h", .type = SETTING_DURATION, CONF(idempotency_ms), .min = MS_SECOND,
     .max = 3650 * MS_DAY,
     .help = "An idempotency key is remembered this long, as the usual HTTP APIs do "
             "(past `retention` a repeated job is still not sent, but gets no answer)"},
    {"keep.replies", "1h", .type = SETTING_DURATION, CONF(reply_ttl_ms), .min = MS_SECOND,
     .max = 3650 * MS_DAY,
     .help = "`NS:reply:<name>` lives this long after its last answer: whoever asked has read it "
             "or is gone"},
    {"keep.rejected", "7d", .type = SETTING_DURATION, CONF(rejected_retention_ms), .min = MS_SECOND,
     .max = 3650 * MS_DAY,
     .help = "Refused jobs stay in `NS:rejected` this long, whatever their number: nothing pushed "
             "is lost before somebody could look"},
    {"keep.stats", "90d", .type = SETTING_DURATION, CONF(stats_retention_ms), .min = MS_SECOND,
     .max = 3650 * MS_DAY,
     .help = "Daily counters (`NS:stats:<day>`) are kept this long: a quarter, and they are small"},
    {"keep.content", "false", .type = SETTING_BOOL, CONF(keep_content),
     .help = "true keeps subject and content of final messages in Redis; off, because it is "
             "personal data and most of the memory"},
    {"events", "final", .type = SETTING_WORD, CONF(events), .words = "final|all|off",
     .help = "Which transitions go to the stream `NS:events`. final: what an application acts on, "
             "at one entry per message"},
    {"streams.events", "100000", .type = SETTING_INT, CONF(events_max), .min = 1, .max = 100000000,
     .help = "Entries kept in `NS:events`, about: at 200 bytes each some 20 MB"},
    {"streams.timeline", "1000", .type = SETTING_INT, CONF(timeline_max), .min = 1, .max = 1000000,
     .help = "Entries kept per contact's or deal's timeline, about: years of one contact"},
    {"job.max_bytes", "40MiB", .type = SETTING_SIZE, CONF(job.max_bytes), .min = KIB,
     .max = 512 * MIB,
     .help = "Largest job: 25 MiB of attachments are 34 MiB in base64. Redis' own limit is 512 "
             "MiB"},
    {"job.max_bulk_bytes", "16MiB", .type = SETTING_SIZE, CONF(job.max_bulk_bytes), .min = KIB,
     .max = 512 * MIB,
     .help = "Largest bulk job: some 400,000 lead ids; beyond that select by filters"},
    {"job.max_depth", "48", .type = SETTING_INT, CONF(job.max_depth), .min = 4, .max = 512,
     .help = "Nesting of a job's JSON: real jobs have fewer than 10 levels, groups of filters that "
             "are 16 deep some 40, and the parser recurses"},
    {"job.max_subject", "998", .type = SETTING_INT, CONF(job.max_subject), .min = 1, .max = 65536,
     .help = "Characters of a subject: RFC 5322's longest line"},
    {"job.max_content", "10MiB", .type = SETTING_SIZE, CONF(job.max_content), .min = KIB,
     .max = 512 * MIB,
     .help = "Bytes of content or html: more than any provider takes without attachments"},
    {"job.max_list", "1000", .type = SETTING_INT, CONF(job.max_list), .min = 1, .max = 100000,
     .help = "Items of cc, bcc, media or attachments: SendGrid's 1000 recipients are the most of "
             "all providers"},
    {"templates.missing", "empty", .type = SETTING_WORD, CONF(template_missing),
     .words = "empty|fail",
     .help = "What `{{field}}` without value and default becomes: nothing, or the message fails "
             "with `template_error`. empty, as most contacts lack some field"},
    {"bulk.ready", "10000", .type = SETTING_INT, CONF(bulk_ready), .min = 100, .max = 10000000,
     .help = "Recipients of one bulk that wait in queues at a time, about: bounds memory whatever "
             "the bulk's size; 10,000 are seconds of work for the fastest sender"},
    {"bulk.page", "500", .type = SETTING_INT, CONF(bulk_page), .min = 10, .max = 5000,
     .help = "Leads read at a time to expand a bulk: one script call takes them in, in about a "
             "millisecond"},
    {"bulk.chunk", "250", .type = SETTING_INT, CONF(bulk_chunk), .min = 1, .max = 1000,
     .help = "Recipients per element of a queue: a claim takes whole ones at no cost per "
             "recipient, so about as many as it claims"},
    {"bulk.dedupe", "true", .type = SETTING_BOOL, CONF(bulk_dedupe),
     .help = "true: leads of a bulk with the same address get one message together. The others "
             "are counted as `duplicates`"},
    {"attachments.root", "", .type = SETTING_DIR, CONF(attachments_root),
     .help = "Directory that `storage_path` attachments are read from; empty = such attachments "
             "are refused"},
    {"attachments.allow_hosts", "", .type = SETTING_LIST, CONF(attachments_hosts),
     .count_offset = offsetof(struct config, attachments_host_count),
     .help = "Hosts (`files.acme.example`, `10.0.0.5:8080`) that attachments may be fetched from "
             "although their address is private; none by default, since jobs name the URLs"},
    {"attachments.max_size", "25MiB", .type = SETTING_SIZE, CONF(attachments_max), .min = 1,
     .max = GIB, .help = "Bytes of one attachment: what the large mail providers accept"},
    {"attachments.max_total", "40MiB", .type = SETTING_SIZE, CONF(attachments_total), .min = 1,
     .max = GIB, .help = "Bytes fetched for one message: the large mail providers refuse more"},
    {"attachments.max_in_flight", "256MiB", .type = SETTING_SIZE, CONF(attachments_in_flight),
     .min = 1, .max = 1024 * GIB,
     .help = "Bytes of attachments of all messages that this process sends at a time; each byte "
             "takes up to three of memory. What has no room waits, and other messages pass it. "
             "The default lets eight of the largest be fetched at once"},
    {"attachments.base_url", "", .type = SETTING_URL, CONF(attachments_base_url),
     .help = "Where `storage_path` attachments are fetched from if there is no root; its host may "
             "be private. Empty = such attachments are refused"},
    {"attachments.timeout", "30s", .type = SETTING_DURATION, CONF(attachments_timeout_ms),
     .min = 100, .max = MS_HOUR,
     .help = "One fetch, its redirects included: a file server that is slower holds up what waits "
             "behind it"},
    {"limits.rate", "", .type = SETTING_RATE, CONF(global_limit.rate),
     .help = "Rate over all senders and workers of this namespace; empty = none"},
    {"limits.day", "", .type = SETTING_DAY, CONF(global_limit.day),
     .help = "Cap of a day over all of them; empty = none"},
    {"limits.concurrency", "0", .type = SETTING_INT, CONF(global_limit.concurrency), .min = 0,
     .max = 1000000, .help = "Transfers at a time over all of them; 0 = no cap"},
    {"limits.channels", NULL, .type = SETTING_LIST, CONF(channel_words),
     .count_offset = offsetof(struct config, channel_word_count),
     .help = "Limits of channels over all senders, `sms 100/s` or `sms 5000/day rolling`; a "
             "channel may have a line for its rate and one for its day"},
    {"limits.tenants", NULL, .type = SETTING_LIST, CONF(tenant_words),
     .count_offset = offsetof(struct config, tenant_word_count),
     .help = "Limits of tenants (a sender's or a job's `tenant`), `acme 10/s burst 20`; `*` is "
             "for each tenant that has no line of its own"},
    {"limits.max_retry_after", "1h", .type = SETTING_DURATION, CONF(max_retry_after_ms),
     .min = MS_SECOND, .max = 7 * MS_DAY,
     .help = "A provider's longer Retry-After is taken as this, lest one wrong header stops a "
             "sender for a year"},
    {"tls.ca_file", "", .type = SETTING_FILE, CONF(tls_ca_file),
     .help = "CA certificates (PEM) to trust instead of the system's; empty = the system's"},
    {"log.level", "info", .type = SETTING_WORD, CONF(log_level), .words = "error|warn|info|debug",
     .help = "What is logged. info: starts, stops, trouble"},
    {"log.format", "text", .type = SETTING_WORD, CONF(log_json), .words = "text|json",
     .help = "key=value lines, or one JSON object a line"},
    {"drain_timeout", "25s", .type = SETTING_DURATION, CONF(drain_timeout_ms), .min = 0,
     .max = MS_HOUR,
     .help = "SIGTERM waits this long for running transfers: below the 30 s that container "
             "runtimes give"},
};

static const struct setting sender_settings[] = {
    {"id", NULL, .type = SETTING_NAME, SEND(id), .required = true,
     .help = "Name of the sender in jobs, keys and logs"},
    {"provider", NULL, .type = SETTING_PROVIDER, .offset = offsetof(struct sender, provider),
     .required = true, .help = "Which provider carries its messages"},
    {"channels", NULL, .type = SETTING_CHANNELS, SEND(channels),
     .help = "Channels it serves; may be left out where the provider has only one"},
    {"default", "false", .type = SETTING_BOOL, SEND(is_default),
     .help = "Serves jobs of its channels that name no sender; one sender per channel"},
    {"from.address", NULL, .type = SETTING_TEXT, SEND(from_address),
     .help = "Address, number or account that messages come from, as the channel has it"},
    {"from.name", NULL, .type = SETTING_TEXT, SEND(from_name), .help = "Display name beside it"},
    {"endpoint", "", .type = SETTING_URL, SEND(endpoint),
     .help = "Replaces the provider's base URL; the API's own path follows. Empty = the "
             "provider's"},
    {"token_endpoint", "", .type = SETTING_URL, SEND(token_endpoint),
     .help = "Replaces the OAuth token URL, where there is one"},
    {"limits.rate", NULL, .type = SETTING_RATE, SEND(rate),
     .help = "Strict without `burst`: no window of a second ever holds more. Left out: what the "
             "provider publishes (docs/providers.md); empty = none. It counts as the provider "
             "does: messages, recipients or SMS segments. Likewise the next three"},
    {"limits.day", NULL, .type = SETTING_DAY, SEND(day),
     .help = "Cap of a day, `2000/day calendar Europe/Berlin` or `2000/day rolling`. Empty = "
             "none"},
    {"limits.concurrency", NULL, .type = SETTING_INT, SEND(concurrency), .min = 0, .max = 100000,
     .help = "Transfers at a time over all workers; 0 = only worker.in_flight bounds them"},
    {"limits.recipient", NULL, .type = SETTING_RATE, SEND(recipient_rate),
     .help = "Rate to one and the same recipient. Empty = none"},
    {"limits.account", NULL, .type = SETTING_LIST, SEND_LIST(account_words, account_word_count),
     .help = "Limits that all senders of its provider account share: `50/s`, `10000/day rolling`, "
             "`concurrency 4`. What the provider publishes is shared anyway"},
    {"retry.attempts", "8", .type = SETTING_INT, SEND(retry_attempts), .min = 1, .max = 1000,
     .help = "Attempts in all; 8 with the delays below span one to two minutes, a provider's "
             "restart. Raise `base` to sit out longer outages"},
    {"retry.base", "1s", .type = SETTING_DURATION, SEND(retry_base_ms), .min = 1, .max = MS_DAY,
     .help = "Bound of the first delay, doubled for each next; the delay is random up to the "
             "bound (full jitter)"},
    {"retry.max", "10m", .type = SETTING_DURATION, SEND(retry_max_ms), .min = 1, .max = 7 * MS_DAY,
     .help = "Bound of the longest delay: an outage's end is noticed within minutes"},
    {"retry.max_age", "24h", .type = SETTING_DURATION, SEND(retry_max_age_ms), .min = MS_SECOND,
     .max = 365 * MS_DAY,
     .help = "A message older than this is not tried again: nobody expects it any more"},
    {"quiet.marketing", "", .type = SETTING_HOURS, SEND(quiet_marketing),
     .help = "`21:00-08:00`: MARKETING that falls in waits for the end, by the recipient's clock "
             "(`timezone` of the lead) or else by quiet.zone's. TRANSACTIONAL always goes"},
    {"quiet.notification", "", .type = SETTING_HOURS, SEND(quiet_notification),
     .help = "The same of NOTIFICATION"},
    {"quiet.zone", "UTC", .type = SETTING_ZONE, SEND(quiet_zone),
     .help = "Whose clock counts where the recipient's zone is not known, `Europe/Berlin`"},
    {"breaker.errors", "25", .type = SETTING_INT, SEND(breaker_errors), .min = 0, .max = 100000,
     .help = "So many errors of its provider in a row (no answer, 5xx) stop the sender for a "
             "while: its messages wait instead of using up their attempts. 0 = never; the "
             "default is more than a bad minute of one message"},
    {"breaker.pause", "1s", .type = SETTING_DURATION, SEND(breaker_pause_ms), .min = 1,
     .max = MS_DAY,
     .help = "Then one message goes to see; as long as that fails, the pause is doubled"},
    {"breaker.max", "1m", .type = SETTING_DURATION, SEND(breaker_max_ms), .min = 1, .max = MS_DAY,
     .help = "Longest pause: the end of an outage is noticed within it"},
    {"timeout", "30s", .type = SETTING_DURATION, SEND(timeout_ms), .min = 1, .max = MS_HOUR,
     .help = "One request, from connecting to the last byte: an answer that takes longer is "
             "rarely coming"},
    {"http2", "false", .type = SETTING_BOOL, SEND(http2),
     .help = "All of its requests over few connections, where the provider speaks HTTP/2 over "
             "TLS; costs more CPU than HTTP/1.1, which opens one connection per request at a time. "
             "libcurl before 8.5 breaks off one stream in 10,000, whose outcome is uncertain then"},
    {"uncertain", "retry", .type = SETTING_WORD, SEND(uncertain), .words = "retry|fail",
     .min = UNCERTAIN_RETRY,
     .help = "A request without answer: try again (perhaps a duplicate), or fail with "
             "outcome_unknown"},
    {"fallback", NULL, .type = SETTING_LIST, SEND_LIST(fallback, fallback_count),
     .help = "Senders to try in turn when this one has definitely not delivered a message: it was "
             "refused, its attempts are used up, or the credentials are bad. Not after an attempt "
             "whose outcome is unknown, nor for what is wrong with the message or its recipient"},
    {"tenant", NULL, .type = SETTING_NAME, SEND(tenant),
     .help = "Tenant that the sender belongs to, for `limits.tenants`"},
    {"account", NULL, .type = SETTING_NAME, SEND(account),
     .help = "Senders of one `account` share the account's limits at the provider, as do those "
             "with the same credentials and options"},
    {"ignore_suppressed", "false", .type = SETTING_BOOL, SEND(ignore_suppressed),
     .help = "true sends to suppressed recipients too: only for legally required notices"},
    {"headers", NULL, .type = SETTING_HEADERS, SEND_LIST(headers, header_count),
     .help = "More request headers, `Name: value`; the value may be a reference as under "
             "credentials. Values are masked when printed"},
};

#define ROOT_COUNT (sizeof(root_settings) / sizeof(root_settings[0]))
#define SENDER_COUNT (sizeof(sender_settings) / sizeof(sender_settings[0]))

struct scope scope_root(void)
{
    return (struct scope){.settings = root_settings, .count = ROOT_COUNT};
}

static const char *const type_names[SETTING_TYPE_COUNT] = {
    [SETTING_TEXT] = "text",      [SETTING_NAME] = "name",         [SETTING_NAMESPACE] = "name",
    [SETTING_LISTEN] = "address", [SETTING_REDIS] = "URL",         [SETTING_URL] = "URL",
    [SETTING_DIR] = "directory",  [SETTING_FILE] = "file",         [SETTING_INT] = "number",
    [SETTING_SIZE] = "size",      [SETTING_DURATION] = "duration", [SETTING_BOOL] = "true or false",
    [SETTING_WORD] = "word",      [SETTING_RATE] = "rate",         [SETTING_DAY] = "day cap",
    [SETTING_HOURS] = "hours",    [SETTING_ZONE] = "time zone",    [SETTING_LIST] = "list",
    [SETTING_CHANNELS] = "list",  [SETTING_HEADERS] = "list",      [SETTING_PROVIDER] = "name",
    [SETTING_VALUE] = "text",     [SETTING_SECRET] = "text",
};

const char *setting_type_name(enum setting_type type)
{
    return type_names[type];
}

bool setting_is_list(const struct setting *s)
{
    return s->type == SETTING_LIST || s->type == SETTING_CHANNELS || s->type == SETTING_HEADERS;
}

unsigned scope_index(const struct scope *s, const char *path)
{
    unsigned i = 0;

    while (i < s->count && strcmp(s->settings[i].path, path) != 0)
        i++;
    return i;
}

const struct provider_setting *provider_setting_find(const struct provider *p, const char *name)
{
    for (const struct provider_setting *s = p->settings; s && s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

const char *setting_value_name(const struct setting *s, bool *ret_credential)
{
    if (s->type != SETTING_VALUE)
        return NULL;
    *ret_credential = text_starts(s->path, "credentials.");
    return strchr(s->path, '.') + 1;
}

static unsigned provider_settings_total(void)
{
    unsigned n = 0;

    for (unsigned i = 0; provider_at(i); i++)
        for (const struct provider_setting *s = provider_at(i)->settings; s && s->name; s++)
            n++;
    return n;
}

/* Adds group.name for every name that any provider has, each once. Which of them a sender may
 * have is its provider's business, checked later: a schema cannot depend on another value. */
static void add_values(struct pool *p, const char *group, struct setting *all, struct scope *scope)
{
    for (unsigned i = 0; provider_at(i); i++) {
        for (const struct provider_setting *s = provider_at(i)->settings; s && s->name; s++) {
            const char *path = pool_printf(p, "%s.%s", group, s->name);

            if (scope_index(scope, path) == scope->count)
                all[scope->count++] =
                    (struct setting){.path = path, .help = s->help, .type = SETTING_VALUE};
        }
    }
}

struct scope scope_sender(struct pool *p)
{
    size_t max = SENDER_COUNT + 2 * provider_settings_total();
    struct setting *all = pool_alloc(p, max * sizeof(*all));
    struct scope scope = {.settings = all, .count = SENDER_COUNT};

    memcpy(all, sender_settings, sizeof(sender_settings));
    add_values(p, "credentials", all, &scope);
    add_values(p, "options", all, &scope);
    return scope;
}

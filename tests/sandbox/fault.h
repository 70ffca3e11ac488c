/* Faults on request: rules that answer in a provider's place, or spoil its answer. */
#ifndef SENDQ_TESTS_SANDBOX_FAULT_H
#define SENDQ_TESTS_SANDBOX_FAULT_H

#include "exchange.h"

#define FAULT_RULES_MAX 256
#define FAULT_BYTES_MAX ((size_t)1 << 30)
#define FAULT_DELAY_MAX_MS ((int64_t)3600 * 1000)

enum fault_kind {
    FAULT_NONE,      /* the dialect's own answer, perhaps late (delay_ms) */
    FAULT_STATUS,    /* `status` (default 500), `body`, `headers` */
    FAULT_GARBAGE,   /* 200 and `bytes` (default 64) that are not JSON, nor text */
    FAULT_TRUNCATED, /* promises `bytes` (default 100) more than it sends, then closes */
    FAULT_OVERSIZED, /* 200 and a body of `bytes` (default 8 MiB) */
    FAULT_RESET,     /* RST instead of an answer */
    FAULT_HANG,      /* no answer; the connection stays open until the client ends it */
    FAULT_SLOW,      /* `bytes` (default 1) each delay_ms (default 10), then closes */
};

struct fault_action {
    enum fault_kind kind;
    int status; /* 0 = the kind's default */
    char *body; /* NULL = the kind's default */
    size_t body_len;
    struct answer_header headers[EXCHANGE_HEADERS_MAX];
    unsigned header_count;
    int64_t delay_ms;
    size_t bytes;
    bool accept; /* the provider takes the message all the same: only the answer is lost */
};

/* A rule fires where all that it states holds. Patterns are shell globs; NULL matches all. */
struct fault_rule {
    char *dialect, *recipient, *id, *method, *path;
    uint64_t times;     /* fires at most so often; 0 = no limit */
    uint64_t every;     /* only each n-th matching request; 0 = each */
    double probability; /* below 1: by its own generator, so the same seed repeats itself */
    uint64_t rng;
    uint64_t matched, fired;
    struct fault_action action;
};

struct fault_set {
    struct fault_rule *rules;
    size_t count;
};

/* Replaces the rules by a JSON list of rules. Changes nothing on failure. */
enum sq_err fault_set_load(struct fault_set *s, const cJSON *list,
                           struct err_text *e) SQ_MUST_CHECK;
void fault_set_clear(struct fault_set *s);
/* The action of the first rule that fires, or NULL. Counts. path is without the query. */
const struct fault_action *fault_set_pick(struct fault_set *s, const char *dialect,
                                          const char *path, const struct record *r);
void fault_set_print(const struct fault_set *s, struct buf *out); /* a JSON list with counts */

#endif

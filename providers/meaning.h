/* What a provider's error codes mean: one row each, in a table of the provider's own file. */
#ifndef SENDQ_PROVIDERS_MEANING_H
#define SENDQ_PROVIDERS_MEANING_H

#include "provider.h"
#include <stddef.h>

struct meaning {
    const char *code; /* as text: "20429", "rate_limited", "10/2018278" */
    enum outcome_kind kind;
    enum error_code error;
    enum throttle_scope throttle; /* of THROTTLED */
    int64_t wait_ms; /* THROTTLED, RETRY: the documented wait where the answer tells none; or 0 */
};

struct meaning_table {
    const struct meaning *rows;
    size_t count;
};

#define MEANING_TABLE(rows) ((struct meaning_table){(rows), sizeof(rows) / sizeof((rows)[0])})

/* The row of a code, or NULL (also for a NULL code). */
const struct meaning *meaning_find(struct meaning_table t, const char *code);
/* Judges a refusal: by its row, else by the status; a 2xx that is a refusal all the same is
 * failed then. Retry-After, if there, is the wait of what is throttled, to be tried again or
 * unknown. The text is "HTTP 400, code <code>: <said>"; code and said may be NULL. */
void meaning_judge(const struct build_ctx *ctx, const struct response *r, struct meaning_table t,
                   const char *code, const char *said, struct outcome *o);

#endif

/* What became of one attempt: decided once, at the provider's edge. */
#ifndef SENDQ_MODEL_OUTCOME_H
#define SENDQ_MODEL_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outcome_kind {
    OUTCOME_SENT,      /* the provider took it */
    OUTCOME_NEXT,      /* this step worked; another step is needed (progress is filled) */
    OUTCOME_THROTTLED, /* over the provider's limit: not an attempt, park the bucket */
    OUTCOME_RETRY,     /* temporary: back off and try again; `code` is used if it was the last */
    OUTCOME_FAILED,    /* permanent */
    OUTCOME_AUTH,      /* credentials refused: pause the sender, the message waits */
    OUTCOME_POSTPONED, /* not now: nothing was sent, and nothing is until retry_after_ms */
    OUTCOME_UNKNOWN,   /* the request left, no answer came: the message's `uncertain` decides */
};

/* The contract's error codes. */
enum error_code {
    CODE_NONE,
    CODE_VALIDATION_ERROR,
    CODE_INVALID_KEY,
    CODE_INSUFFICIENT_PERMISSIONS,
    CODE_CONVERSATION_REQUIRED,
    CODE_IDEMPOTENCY_CONFLICT,
    CODE_RATE_LIMITED,
    CODE_PROVIDER_ERROR,
    CODE_RECIPIENT_NOT_FOUND,
    CODE_SUPPRESSED,
    CODE_EXPIRED,
    CODE_TEMPLATE_ERROR,
    CODE_OUTCOME_UNKNOWN,
    CODE_TOO_LARGE,
    CODE_COUNT
};

const char *error_code_name(enum error_code c); /* "provider_error"; CODE_NONE is "" */
/* The HTTP status that the API documents give with the code (validation 400, invalid_key 401,
 * insufficient_permissions 403, conversation_required and recipient_not_found 404, conflict 409,
 * too_large 413, rate_limited 429, all else 502). */
int error_code_status(enum error_code c);
/* The code of a name; CODE_NONE for "", NULL or an unknown one. */
enum error_code error_code_parse(const char *name);
const char *outcome_kind_name(enum outcome_kind k); /* "sent", "retry", ... for logs */

/* Which bucket a throttle concerns. */
enum throttle_scope { THROTTLE_SENDER, THROTTLE_RECIPIENT };

#define PROGRESS_VALUES 4
#define PROGRESS_SIZE 1024 /* of a value, its NUL included */

/* What a multi-step send carries from step to step. Step 0 starts with all of it empty. The values
 * are provider-defined: an opened channel id, an upload URL, a draft id. */
struct progress {
    unsigned step;
    bool delivered;  /* a step showed something to the recipient */
    unsigned filled; /* a bit per value: so that emptying them need not touch them */
    char value[PROGRESS_VALUES][PROGRESS_SIZE];
};

/* "" where it was not set. */
const char *progress_get(const struct progress *p, unsigned i);
/* Copies; NULL or "" empties it. False, and it is empty, where the text is too long. */
bool progress_set(struct progress *p, unsigned i, const char *text);
void progress_reset(struct progress *p);

struct outcome {
    enum outcome_kind kind;
    enum error_code code; /* for FAILED, RETRY, AUTH */
    char text[256];       /* what the provider said, for people; no secrets, cut at UTF-8 */
    char provider_message_id[256];
    char thread_id[256];
    char cost[32];          /* decimal as the provider gave it, or "" */
    unsigned units;         /* segments or recipients the provider counted; 0 = not told */
    int64_t retry_after_ms; /* THROTTLED, RETRY: wait at least this long; SENT: the next one has to
                               wait so long; 0 = not told */
    enum throttle_scope throttle;
    struct progress next; /* NEXT */
    bool keeps_answer;    /* NEXT: the answer's body is there for the steps to come */
};

/* Empties it: every number zero, every text "" (the texts' memory is not touched otherwise). */
void outcome_reset(struct outcome *o);

/* Sets kind, code and printf-formatted text (control characters become spaces; SENT and NEXT have
 * none). */
void outcome_set(struct outcome *o, enum outcome_kind kind, enum error_code code, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));
/* For a step that did not work after one that delivered something: unknown where it might be tried
 * again, since that begins with the first step and would deliver it once more. The message's
 * `uncertain` decides. */
void outcome_fail_midway(struct outcome *o);

#endif

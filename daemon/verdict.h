/* What an outcome means for the message: sent, failed, again later, or waiting. Pure. */
#ifndef SENDQ_DAEMON_VERDICT_H
#define SENDQ_DAEMON_VERDICT_H

#include "attempt.h"

enum verdict_kind {
    VERDICT_SENT, /* delay_ms > 0: the provider's quota is used up, its sender waits */
    VERDICT_FAILED,
    VERDICT_RETRY,     /* after delay_ms */
    VERDICT_WAIT,      /* after delay_ms; the attempt does not count (recipient throttled) */
    VERDICT_THROTTLED, /* its sender waits delay_ms; the attempt does not count */
    VERDICT_BROKEN,    /* its sender's credentials were refused; the message waits */
    VERDICT_POSTPONED, /* not now: after delay_ms; the attempt does not count */
    VERDICT_FALLBACK,  /* definitely not delivered: the next sender tries */
    VERDICT_COUNT
};

struct verdict {
    enum verdict_kind kind;
    enum error_code code; /* CODE_NONE when sent */
    int64_t delay_ms;
};

/* Priority order: sent; permanent; credentials; throttled; an unknown outcome with `fail` fails;
 * out of attempts, too old or expired fails with the outcome's code; else retry with full jitter,
 * at least the provider's Retry-After. now_ms is Redis time; random any 64-bit random number. */
void verdict_reach(const struct attempt *t, int64_t now_ms, uint64_t random, struct verdict *ret);

/* "sent", "failed", "retry", "wait", "throttled", "auth": in the log and the metrics. */
const char *verdict_name(enum verdict_kind kind);

/* Whether another sender may try instead: the attempt failed for good, or its credentials were
 * refused, for a reason that lies with the sender or its provider, and nothing was delivered. */
bool verdict_may_fall_back(const struct attempt *t, const struct verdict *v);

/* Whether a message's `uncertain` is fail: its own word, else its sender's. */
bool verdict_is_cautious(const struct message *m, const struct sender *s);

#endif

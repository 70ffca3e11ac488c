/* What an HTTP status means where a provider's own documentation does not say. */
#include "provider.h"

#include "provider_util.h"

struct meaning {
    enum outcome_kind kind;
    enum error_code code;
};

static struct meaning status_meaning(int status)
{
    if (status >= 200 && status < 300)
        return (struct meaning){OUTCOME_SENT, CODE_NONE};
    /* Not an answer that HTTP knows: nothing says whether the message was taken. */
    if (status < 300 || status > 599)
        return (struct meaning){OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN};
    if (status >= 500)
        return (struct meaning){OUTCOME_RETRY, CODE_PROVIDER_ERROR};
    switch (status) {
    case 401:
        return (struct meaning){OUTCOME_AUTH, CODE_INVALID_KEY};
    case 403:
        return (struct meaning){OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS};
    case 408:
    case 425:
        return (struct meaning){OUTCOME_RETRY, CODE_PROVIDER_ERROR};
    case 413:
        return (struct meaning){OUTCOME_FAILED, CODE_TOO_LARGE};
    case 429:
        return (struct meaning){OUTCOME_THROTTLED, CODE_RATE_LIMITED};
    default:
        return (struct meaning){OUTCOME_FAILED, CODE_PROVIDER_ERROR};
    }
}

void provider_classify_status(const struct response *r, struct outcome *o)
{
    struct meaning what = status_meaning(r->status);

    outcome_set(o, what.kind, what.code, "HTTP %d", r->status);
    if (what.kind == OUTCOME_THROTTLED || what.kind == OUTCOME_RETRY)
        o->retry_after_ms = response_retry_after(r, PROVIDER_RETRY_AFTER_MAX_MS);
}

/* Reasons not to send what was claimed. */
#include "refuse.h"

#include "refusal.h"

/* In order; CODE_NONE: none. */
static enum error_code reason(const struct attempt *t, int64_t now_ms, const char **ret_why)
{
    const struct message *m = &t->message;
    enum error_code refused = refusal_get(m, ret_why);

    if (!t->unreadable && refused != CODE_NONE)
        return refused;
    *ret_why = "what is stored of this message cannot be read";
    if (t->unreadable)
        return CODE_VALIDATION_ERROR;
    *ret_why = "the recipient is on the suppression list of this channel";
    if (t->suppressed)
        return CODE_SUPPRESSED;
    *ret_why = "expires_at passed before it could be sent";
    if (m->expires_at != 0 && m->expires_at <= now_ms)
        return CODE_EXPIRED;
    *ret_why = "it is over a limit of its sender, and was not to wait";
    if (t->limited)
        return CODE_RATE_LIMITED;
    *ret_why = "its sender is no longer configured";
    if (t->sender == NULL)
        return CODE_INSUFFICIENT_PERMISSIONS;
    *ret_why = "its attempts were used up by crashes of the worker";
    if (m->attempts > t->sender->retry_attempts)
        return CODE_PROVIDER_ERROR;
    return CODE_NONE;
}

bool refuse_attempt(struct attempt *t, struct quiet_zones *zones, int64_t now_ms)
{
    const char *why;
    enum error_code code = reason(t, now_ms, &why);
    int64_t until = code == CODE_NONE ? quiet_until(zones, t->sender, &t->message, now_ms) : now_ms;

    if (code == CODE_NONE && t->wait_until_ms > until)
        until = t->wait_until_ms;
    if (code == CODE_NONE && until <= now_ms)
        return false;
    t->refund = true;
    if (code != CODE_NONE) {
        outcome_set(&t->outcome, OUTCOME_FAILED, code, "%s", why);
        return true;
    }
    outcome_set(&t->outcome, OUTCOME_POSTPONED, CODE_NONE, "quiet_hours");
    t->outcome.retry_after_ms = until - now_ms;
    return true;
}

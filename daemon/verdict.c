/* From outcome to verdict: the retry rules in one place. */
#include "verdict.h"

#include "backoff.h"
#include "provider.h"

/* A provider that says "throttled" without saying how long. */
#define THROTTLE_DEFAULT_MS 1000
/* Retry rules of a message whose sender this configuration does not know. */
static const struct sender nobody = {
    .retry_attempts = 8,
    .retry_base_ms = 1000,
    .retry_max_ms = 600000,
    .retry_max_age_ms = 86400000,
};

bool verdict_is_cautious(const struct message *m, const struct sender *s)
{
    enum uncertain u = m->uncertain;

    if (u == UNCERTAIN_DEFAULT && s != NULL)
        u = s->uncertain;
    return u == UNCERTAIN_FAIL;
}

static void fail(struct verdict *v, enum error_code code)
{
    v->kind = VERDICT_FAILED;
    v->code = code != CODE_NONE ? code : CODE_PROVIDER_ERROR;
}

/* When a message's age begins: one that was scheduled ages from its time, not from its job's. */
static int64_t age_begins(const struct message *m)
{
    return m->scheduled_at > m->queued_at ? m->scheduled_at : m->queued_at;
}

/* A throttled try is no attempt, so none can be used up; but age and expiry end the waiting. */
static void throttle(const struct attempt *t, int64_t now_ms, struct verdict *v)
{
    const struct sender *s = t->sender != NULL ? t->sender : &nobody;
    const struct outcome *o = &t->outcome;
    int64_t delay = o->retry_after_ms > 0 ? o->retry_after_ms : THROTTLE_DEFAULT_MS;
    int64_t due = now_ms + delay, expires = t->message.expires_at;

    if (backoff_is_over(0, 1, age_begins(&t->message), s->retry_max_age_ms, expires, due)) {
        fail(v, expires != 0 && due >= expires ? CODE_EXPIRED : CODE_RATE_LIMITED);
        return;
    }
    v->kind = o->throttle == THROTTLE_RECIPIENT ? VERDICT_WAIT : VERDICT_THROTTLED;
    v->code = CODE_RATE_LIMITED;
    v->delay_ms = delay;
}

static void try_again(const struct attempt *t, enum error_code code, int64_t now_ms,
                      uint64_t random, struct verdict *v)
{
    const struct sender *s = t->sender != NULL ? t->sender : &nobody;
    const struct message *m = &t->message;
    int64_t delay = backoff_delay(s->retry_base_ms, s->retry_max_ms, m->attempts,
                                  t->outcome.retry_after_ms, random);

    if (backoff_is_over(m->attempts, s->retry_attempts, age_begins(m), s->retry_max_age_ms,
                        m->expires_at, now_ms + delay)) {
        fail(v, code);
        return;
    }
    v->kind = VERDICT_RETRY;
    v->code = code != CODE_NONE ? code : CODE_PROVIDER_ERROR;
    v->delay_ms = delay;
}

void verdict_reach(const struct attempt *t, int64_t now_ms, uint64_t random, struct verdict *ret)
{
    const struct outcome *o = &t->outcome;
    struct verdict v = {.kind = VERDICT_SENT};

    switch (o->kind) {
    case OUTCOME_SENT:
        v.delay_ms = o->retry_after_ms;
        break;
    case OUTCOME_AUTH:
        v.kind = VERDICT_BROKEN;
        v.code = CODE_INVALID_KEY;
        break;
    case OUTCOME_THROTTLED:
        throttle(t, now_ms, &v);
        break;
    case OUTCOME_UNKNOWN:
        if (verdict_is_cautious(&t->message, t->sender) && !t->idempotent)
            fail(&v, CODE_OUTCOME_UNKNOWN);
        else
            try_again(t, CODE_OUTCOME_UNKNOWN, now_ms, random, &v);
        break;
    case OUTCOME_POSTPONED:
        v.kind = VERDICT_POSTPONED;
        v.delay_ms = o->retry_after_ms;
        break;
    case OUTCOME_RETRY:
        try_again(t, o->code, now_ms, random, &v);
        break;
    case OUTCOME_FAILED:
    case OUTCOME_NEXT: /* a provider that never ends: transfer bounds the steps */
        fail(&v, o->code);
        break;
    }
    *ret = v;
}

bool verdict_may_fall_back(const struct attempt *t, const struct verdict *v)
{
    if (v->kind == VERDICT_BROKEN)
        return true;
    if (v->kind != VERDICT_FAILED || t->outcome.kind == OUTCOME_UNKNOWN || t->limited)
        return false;
    return v->code == CODE_PROVIDER_ERROR || v->code == CODE_INVALID_KEY ||
           v->code == CODE_INSUFFICIENT_PERMISSIONS || v->code == CODE_RATE_LIMITED;
}

const char *verdict_name(enum verdict_kind kind)
{
    static const char *const names[VERDICT_COUNT] = {
        [VERDICT_SENT] = "sent",           [VERDICT_FAILED] = "failed",
        [VERDICT_RETRY] = "retry",         [VERDICT_WAIT] = "wait",
        [VERDICT_THROTTLED] = "throttled", [VERDICT_BROKEN] = "auth",
        [VERDICT_POSTPONED] = "postponed", [VERDICT_FALLBACK] = "fallback",
    };

    return names[kind];
}

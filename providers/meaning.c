/* Judging refusals by a provider's own table. */
#include "meaning.h"

#include "provider_util.h"
#include "text.h"

const struct meaning *meaning_find(struct meaning_table t, const char *code)
{
    const struct meaning *row = t.rows;

    for (size_t i = 0; code && i < t.count; i++, row++) {
        if (text_eq(row->code, code))
            return row;
    }
    return NULL;
}

static void set_wait(const struct response *r, const struct meaning *row, struct outcome *o)
{
    if (o->kind != OUTCOME_THROTTLED && o->kind != OUTCOME_RETRY && o->kind != OUTCOME_UNKNOWN)
        return;
    o->retry_after_ms = response_retry_after(r, PROVIDER_RETRY_AFTER_MAX_MS);
    if (row && o->retry_after_ms == 0)
        o->retry_after_ms = row->wait_ms;
}

void meaning_judge(const struct build_ctx *ctx, const struct response *r, struct meaning_table t,
                   const char *code, const char *said, struct outcome *o)
{
    const struct meaning *row = meaning_find(t, code);

    provider_classify_status(r, o);
    o->retry_after_ms = 0;
    if (row) {
        o->kind = row->kind;
        o->code = row->error;
        o->throttle = row->throttle;
    } else if (o->kind == OUTCOME_SENT) {
        o->kind = OUTCOME_FAILED;
        o->code = CODE_PROVIDER_ERROR;
    }
    if (!text_is_empty(code))
        outcome_set(o, o->kind, o->code, "HTTP %d, code %s", r->status, code);
    set_wait(r, row, o);
    provider_say(ctx, o, said);
}

/* Outcomes: names, HTTP statuses, and text that is safe to show. */
#include "outcome.h"

#include "text.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct code_row {
    const char *name;
    int status;
} codes[CODE_COUNT] = {
    [CODE_NONE] = {"", 200},
    [CODE_VALIDATION_ERROR] = {"validation_error", 400},
    [CODE_INVALID_KEY] = {"invalid_key", 401},
    [CODE_INSUFFICIENT_PERMISSIONS] = {"insufficient_permissions", 403},
    [CODE_CONVERSATION_REQUIRED] = {"conversation_required", 404},
    [CODE_IDEMPOTENCY_CONFLICT] = {"idempotency_conflict", 409},
    [CODE_RATE_LIMITED] = {"rate_limited", 429},
    [CODE_PROVIDER_ERROR] = {"provider_error", 502},
    [CODE_RECIPIENT_NOT_FOUND] = {"recipient_not_found", 404},
    [CODE_SUPPRESSED] = {"suppressed", 502},
    [CODE_EXPIRED] = {"expired", 502},
    [CODE_TEMPLATE_ERROR] = {"template_error", 502},
    [CODE_OUTCOME_UNKNOWN] = {"outcome_unknown", 502},
    [CODE_TOO_LARGE] = {"too_large", 413},
};

static const char *const kind_names[] = {
    [OUTCOME_SENT] = "sent",           [OUTCOME_NEXT] = "next",
    [OUTCOME_THROTTLED] = "throttled", [OUTCOME_RETRY] = "retry",
    [OUTCOME_FAILED] = "failed",       [OUTCOME_AUTH] = "auth",
    [OUTCOME_UNKNOWN] = "unknown",     [OUTCOME_POSTPONED] = "postponed",
};

const char *error_code_name(enum error_code c)
{
    return (unsigned)c < CODE_COUNT ? codes[c].name : "";
}

int error_code_status(enum error_code c)
{
    return (unsigned)c < CODE_COUNT ? codes[c].status : 502;
}

enum error_code error_code_parse(const char *name)
{
    for (unsigned i = CODE_NONE + 1; name && i < CODE_COUNT; i++)
        if (strcmp(name, codes[i].name) == 0)
            return (enum error_code)i;
    return CODE_NONE;
}

const char *outcome_kind_name(enum outcome_kind k)
{
    return (unsigned)k < sizeof kind_names / sizeof kind_names[0] ? kind_names[k] : "";
}

/* Controls become spaces, C1 (two bytes in UTF-8) too; a text that is not UTF-8 is reduced to
 * ASCII, because it ends up in JSON. */
static void clean_text(char *s)
{
    bool utf8 = text_is_utf8(s, strlen(s));

    for (unsigned char *p = (unsigned char *)s; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = ' ';
        else if (*p >= 0x80 && !utf8)
            *p = '?';
        else if (*p == 0xc2 && p[1] < 0xa0)
            p[0] = p[1] = ' ';
    }
}

void outcome_set(struct outcome *o, enum outcome_kind kind, enum error_code code, const char *fmt,
                 ...)
{
    char full[1024];
    va_list ap;

    o->kind = kind;
    o->code = code;
    o->text[0] = '\0';
    if (kind == OUTCOME_SENT || kind == OUTCOME_NEXT)
        return; /* nobody reads it, and it would be formatted for every message */
    va_start(ap, fmt);
    if (vsnprintf(full, sizeof full, fmt, ap) < 0)
        full[0] = 0;
    va_end(ap);
    full[text_cut(full, sizeof o->text - 1)] = 0;
    clean_text(full);
    memcpy(o->text, full, strlen(full) + 1);
}

void outcome_fail_midway(struct outcome *o)
{
    char said[sizeof(o->text)];

    if (o->kind == OUTCOME_SENT || o->kind == OUTCOME_NEXT)
        return;
    memcpy(said, o->text, sizeof(said));
    if (o->kind != OUTCOME_FAILED) {
        o->kind = OUTCOME_UNKNOWN;
        o->code = CODE_OUTCOME_UNKNOWN;
    }
    outcome_set(o, o->kind, o->code, "after a part of it was sent: %s", said);
}

void outcome_reset(struct outcome *o)
{
    o->kind = OUTCOME_SENT;
    o->code = CODE_NONE;
    o->text[0] = o->provider_message_id[0] = o->thread_id[0] = o->cost[0] = '\0';
    o->units = 0;
    o->retry_after_ms = 0;
    o->throttle = THROTTLE_SENDER;
    progress_reset(&o->next);
    o->keeps_answer = false;
}

const char *progress_get(const struct progress *p, unsigned i)
{
    return p->filled & (1u << i) ? p->value[i] : "";
}

bool progress_set(struct progress *p, unsigned i, const char *text)
{
    size_t len = text ? strlen(text) : 0;

    p->filled &= ~(1u << i);
    if (len >= PROGRESS_SIZE)
        return false;
    if (len) {
        memcpy(p->value[i], text, len + 1);
        p->filled |= 1u << i;
    }
    return true;
}

void progress_reset(struct progress *p)
{
    p->step = 0;
    p->delivered = false;
    p->filled = 0;
}

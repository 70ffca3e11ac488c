/* Reading Vonage's answers: its two tables of codes, parts, prices. */
#include "vonage_answer.h"

#include "meaning.h"
#include "provider_util.h"
#include "segments.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* developer.vonage.com/api-errors/sms */
static const struct meaning sms_meanings[] = {
    {"1", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"2", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* parameter missing */
    {"3", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* parameter invalid */
    {"4", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"5", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},             /* internal error */
    {"6", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},       /* no such prefix */
    {"7", OUTCOME_FAILED, CODE_SUPPRESSED, 0, 0},                /* number barred */
    {"8", OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},    /* account barred: all wait */
    {"9", OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},    /* no credit: all wait */
    {"10", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},          /* too many connections */
    {"11", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* not enabled for HTTP */
    {"12", OUTCOME_FAILED, CODE_TOO_LARGE, 0, 0},
    {"14", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},                /* signature */
    {"15", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* sender address */
    {"22", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},      /* network code */
    {"23", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* callback URL */
    {"29", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* not on the test list */
    {"32", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},                /* secret and signature */
    {"33", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},      /* number de-activated */
};

/* developer.vonage.com/api-errors/messages, and the general ones by name */
static const struct meaning message_meanings[] = {
    {"1000", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"1010", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* parameter missing */
    {"1020", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* parameter invalid */
    {"1021", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* tag */
    {"1022", OUTCOME_FAILED, CODE_TEMPLATE_ERROR, 0, 0},
    {"1030", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},            /* internal error */
    {"1040", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},      /* no such prefix */
    {"1050", OUTCOME_FAILED, CODE_SUPPRESSED, 0, 0},               /* number barred */
    {"1060", OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},   /* account barred: all wait */
    {"1070", OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},   /* no credit: all wait */
    {"1080", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* not enabled for REST */
    {"1090", OUTCOME_FAILED, CODE_TOO_LARGE, 0, 0},
    {"1100", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},            /* not submitted */
    {"1120", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* sender address */
    {"1130", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* ttl */
    {"1150", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"low-balance", OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"throttled", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"unauthorized", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
};

/* --- SMS API --- */

/* Adds "0.03330000" to a sum of 1e-8; false for what is no such decimal. */
static bool add_price(const char *price, int64_t *sum)
{
    int64_t value = 0;
    int decimals = -1;

    if (!price || !*price || strlen(price) > 16)
        return false;
    for (; *price; price++) {
        if (*price == '.' && decimals < 0) {
            decimals = 0;
        } else if (*price >= '0' && *price <= '9' && decimals < 8) {
            value = value * 10 + (*price - '0');
            decimals += decimals >= 0;
        } else {
            return false;
        }
    }
    for (decimals = decimals < 0 ? 0 : decimals; decimals < 8; decimals++) {
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    }
    return !__builtin_add_overflow(*sum, value, sum);
}

static void read_parts(const cJSON *parts, struct outcome *o)
{
    const cJSON *part;
    int64_t sum = 0;
    bool priced = true;

    provider_set_id(o, json_get(cJSON_GetArrayItem(parts, 0), "message-id"));
    cJSON_ArrayForEach(part, parts)
    {
        o->units++;
        priced &= add_price(json_str(part, "message-price"), &sum);
    }
    if (priced)
        snprintf(o->cost, sizeof(o->cost), "%" PRId64 ".%08" PRId64, sum / 100000000,
                 sum % 100000000);
}

/* The first part that was refused, or NULL. *ret_taken = whether another one was taken. */
static const cJSON *refused_part(const cJSON *parts, bool *ret_taken)
{
    const cJSON *part, *refused = NULL;

    *ret_taken = false;
    cJSON_ArrayForEach(part, parts)
    {
        if (text_eq(json_str(part, "status"), "0"))
            *ret_taken = true;
        else if (!refused)
            refused = part;
    }
    return refused;
}

static void judge_part(const struct build_ctx *ctx, const struct response *r, const cJSON *part,
                       bool taken, struct outcome *o)
{
    meaning_judge(ctx, r, MEANING_TABLE(sms_meanings), json_str(part, "status"),
                  json_str(part, "error-text"), o);
    if (!taken)
        return;
    /* A repeat would send the other parts again. */
    provider_say(ctx, o, "some parts were taken");
    o->kind = OUTCOME_UNKNOWN;
    o->code = CODE_OUTCOME_UNKNOWN;
}

void vonage_judge_sms(const struct build_ctx *ctx, const struct response *r, const cJSON *answer,
                      struct outcome *o)
{
    const cJSON *parts = json_get(answer, "messages"), *refused;
    bool taken;

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT && (!cJSON_IsArray(parts) || !parts->child)) {
        /* 200 is no success here, so an answer without a status may mean anything. */
        outcome_set(o, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN, "HTTP %d: no readable answer",
                    r->status);
        return;
    }
    if (o->kind != OUTCOME_SENT) {
        meaning_judge(ctx, r, (struct meaning_table){NULL, 0}, NULL, provider_error_words(answer),
                      o);
        return;
    }
    refused = refused_part(parts, &taken);
    if (refused)
        judge_part(ctx, r, refused, taken, o);
    else
        read_parts(parts, o);
}

/* --- Messages API --- */

/* "1020" of "https://developer.vonage.com/api-errors/messages#1020". */
static const char *problem_code(const cJSON *problem)
{
    const char *type = json_str(problem, "type");
    const char *hash = type ? strrchr(type, '#') : NULL;

    return hash ? hash + 1 : NULL;
}

static unsigned own_count(const struct build_ctx *ctx)
{
    const struct message *m = ctx->message;

    if (!m || m->channel != CHANNEL_SMS || text_is_empty(m->text[MSG_CONTENT]))
        return 0;
    return sms_measure(m->text[MSG_CONTENT]).segments;
}

void vonage_judge_message(const struct build_ctx *ctx, const struct response *r,
                          const cJSON *answer, struct outcome *o)
{
    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT) {
        provider_set_id(o, json_get(answer, "message_uuid"));
        o->units = own_count(ctx);
        return;
    }
    meaning_judge(ctx, r, MEANING_TABLE(message_meanings), problem_code(answer),
                  json_str(answer, "title"), o);
    provider_say(ctx, o, json_str(answer, "detail"));
}

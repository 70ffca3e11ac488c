/* telnyx: SMS and MMS by the Telnyx Messaging API.
 *
 * The sender is a number, or a messaging profile that picks one. The answer tells the number of
 * parts and what they cost. */
#include "chat.h"
#include "meaning.h"
#include "provider_util.h"
#include "registry.h"
#include "segments.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const struct provider_setting settings[] = {
    {.name = "api_key", .help = "API key (KEY...)", .required = true, .secret = true},
    {.name = "messaging_profile_id", .help = "profile that picks the number, where no from is set"},
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "50/s",
    .source = "https://developers.telnyx.com/docs/messaging/messages/rate-limiting",
    .date = "2026-11",
};

static const struct chat_rule rule = {.uploads = false};

/* --- request --- */

static enum sq_err write_sender(const struct build_ctx *ctx, const struct message *m, struct buf *b,
                                struct err_text *e)
{
    const char *from = provider_from(ctx, m);
    const char *profile = sender_value(ctx->sender, "messaging_profile_id");

    if (!from && text_is_empty(profile))
        return err_set_field(e, SQ_ERR_INVALID, "from",
                             "a number or a messaging_profile_id is required");
    json_opt_str(b, "from", from);
    json_opt_str(b, "messaging_profile_id", profile);
    return SQ_OK;
}

static void write_media(const struct message *m, struct buf *b)
{
    if (!m->list[MSG_MEDIA].count && !m->attachment_count)
        return;
    json_key(b, "media_urls");
    json_open(b, '[');
    for (unsigned i = 0; i < m->list[MSG_MEDIA].count; i++)
        json_val_str(b, m->list[MSG_MEDIA].items[i]);
    for (unsigned i = 0; i < m->attachment_count; i++)
        json_val_str(b, m->attachments[i].url);
    json_close(b, ']');
}

/* A subject is an MMS's. */
static enum sq_err check_message(const struct build_ctx *ctx, const struct message *m,
                                 struct err_text *e)
{
    bool mms = m->list[MSG_MEDIA].count || m->attachment_count;
    enum sq_err err = chat_refuse(m, ctx, 1u << MSG_FROM | (mms ? 1u << MSG_SUBJECT : 0), e);

    return err ? err : chat_check(&rule, m, ctx, e);
}

static enum sq_err telnyx_build(const struct build_ctx *ctx, const struct message *m,
                                struct request *r, struct err_text *e)
{
    struct buf *b = &r->body;
    enum sq_err err = check_message(ctx, m, e);

    if (!err)
        err = provider_begin(ctx, "/v2/messages", "application/json", r, e);
    if (!err)
        err = chat_bearer(r, sender_value(ctx->sender, "api_key"), e);
    if (err)
        return err;
    json_open(b, '{');
    err = write_sender(ctx, m, b, e);
    if (err)
        return err;
    json_key_str(b, "to", m->text[MSG_RECIPIENT]);
    json_opt_str(b, "text", m->text[MSG_CONTENT]);
    json_opt_str(b, "subject", m->text[MSG_SUBJECT]);
    write_media(m, b);
    json_close(b, '}');
    return provider_finish(r, e);
}

/* --- answer --- */

static const struct meaning meanings[] = {
    {"10001", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* number inactive */
    {"10002", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},      /* number invalid */
    {"10003", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* URL */
    {"10004", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* parameter missing */
    {"10005", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0, 0},           /* no such resource */
    {"10006", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* id invalid */
    {"10007", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},            /* unexpected error */
    {"10008", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},            /* timeout */
    {"10009", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"10010", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"10011", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"10014", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0, 0}, /* media type */
    {"10015", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"10016", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* not E.164 */
    {"10017", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* names what is not there */
    {"40001", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},      /* a landline */
    {"40002", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0, 0},           /* spam: content must change */
    {"40003", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* number blocked */
    {"40004", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},            /* the carrier refuses */
    {"40005", OUTCOME_FAILED, CODE_EXPIRED, 0, 0},
    {"40006", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0}, /* the carrier is down */
    {"40008", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"40009", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* content */
    {"40011", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"40300", OUTCOME_FAILED, CODE_SUPPRESSED, 0, 0}, /* the recipient sent STOP */
    {"40310", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"40305", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* from */
    {"40318", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},          /* queue full */
};

static void read_units(const struct build_ctx *ctx, const cJSON *data, struct outcome *o)
{
    const cJSON *parts = json_get(data, "parts");
    const char *text = ctx->message ? ctx->message->text[MSG_CONTENT] : NULL;

    if (cJSON_IsNumber(parts) && parts->valuedouble >= 1 && parts->valuedouble <= 1000)
        o->units = (unsigned)parts->valuedouble;
    else if (!text_is_empty(text))
        o->units = sms_measure(text).segments;
}

static void read_message(const struct build_ctx *ctx, const cJSON *data, struct outcome *o)
{
    const char *amount = json_str(json_get(data, "cost"), "amount");

    provider_set_id(o, json_get(data, "id"));
    if (amount && strlen(amount) < sizeof(o->cost) && !text_has_control(amount))
        snprintf(o->cost, sizeof(o->cost), "%s", amount);
    read_units(ctx, data, o);
}

/* Codes are strings, but a number is understood too. */
static void read_code(const cJSON *error, char *ret, size_t size)
{
    const cJSON *code = json_get(error, "code");

    ret[0] = '\0';
    if (cJSON_IsString(code))
        snprintf(ret, size, "%.*s", (int)size - 1, code->valuestring);
    else if (cJSON_IsNumber(code))
        snprintf(ret, size, "%d", code->valueint);
}

static void judge_refusal(const struct build_ctx *ctx, const struct response *r, const cJSON *error,
                          struct outcome *o)
{
    const char *detail = json_str(error, "detail");
    char code[32];

    read_code(error, code, sizeof(code));
    meaning_judge(ctx, r, MEANING_TABLE(meanings), code, json_str(error, "title"), o);
    if (!text_eq(detail, json_str(error, "title")))
        provider_say(ctx, o, detail);
}

/* Taken and failed at once is said in the recipient's status. */
static bool has_failed(const cJSON *data)
{
    const char *status = json_str(cJSON_GetArrayItem(json_get(data, "to"), 0), "status");

    return text_eq(status, "sending_failed") || text_eq(status, "delivery_failed");
}

static void telnyx_classify(const struct build_ctx *ctx, const struct response *r,
                            struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const cJSON *data = json_get(json, "data");

    provider_classify_status(r, o);
    if (o->kind != OUTCOME_SENT) {
        judge_refusal(ctx, r, cJSON_GetArrayItem(json_get(json, "errors"), 0), o);
    } else {
        read_message(ctx, data, o);
        if (has_failed(data))
            judge_refusal(ctx, r, cJSON_GetArrayItem(json_get(data, "errors"), 0), o);
    }
    json_free(json);
}

const struct provider provider_telnyx = {
    .name = "telnyx",
    .base_url = "https://api.telnyx.com",
    .channels = CHANNEL_BIT(CHANNEL_SMS),
    .settings = settings,
    .limits = &limits,
    .build = telnyx_build,
    .classify = telnyx_classify,
};

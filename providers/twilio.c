/* twilio: the Messages API for SMS and MMS, WhatsApp and RCS.
 *
 * A template (for WhatsApp outside its window) is named in the message's metadata:
 * {"template": {"name": "HX...", "variables": {...}}}; it takes the place of the text.
 * One form-urlencoded POST. Refusals carry a numeric code, which says more than the HTTP status:
 * the table below decides. Twilio takes no idempotency key for messages and says itself that a
 * message may have been sent although it answered 5xx; those are unknown, not retried blindly. */
#include "chat.h"
#include "provider_util.h"
#include "registry.h"
#include "segments.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const struct provider_setting settings[] = {
    {.name = "account_sid", .help = "account SID (AC...)", .required = true, .secret = true},
    {.name = "auth_token",
     .help = "auth token of the account, or the secret of api_key",
     .required = true,
     .secret = true},
    {.name = "api_key", .help = "API key SID (SK...) to log in with", .secret = true},
    {.name = "messaging_service_sid",
     .help = "Messaging Service (MG...) to send through instead of a number",
     .secret = true},
    {.name = NULL},
};

/* Each number's own rate depends on its kind and country, and Twilio queues what is over it for
 * hours: so there is no rate to preset, only what it counts. */
static const struct provider_limits limits = {
    .rate_unit = LIMIT_SEGMENTS,
    .day_unit = LIMIT_SEGMENTS,
    .source = "https://www.twilio.com/docs/messaging/guides/rate-limits",
    .date = "2026-11",
};

/* --- request --- */

static void form_add(struct buf *b, const char *name, const char *prefix, const char *value)
{
    if (b->len)
        buf_addc(b, '&');
    buf_adds(b, name);
    buf_addc(b, '=');
    if (prefix && !text_starts(value, prefix))
        text_add_urlencoded(b, prefix);
    text_add_urlencoded(b, value);
}

/* What an address of the channel begins with. RCS through a Messaging Service goes to the bare
 * number, which lets the service fall back to SMS. */
static const char *address_prefix(enum channel c, bool by_service)
{
    if (c == CHANNEL_WHATSAPP)
        return "whatsapp:";
    return c == CHANNEL_RCS && !by_service ? "rcs:" : NULL;
}

static const char *service_sid(const struct build_ctx *ctx)
{
    const char *sid = sender_value(ctx->sender, "messaging_service_sid");

    return text_is_empty(sid) ? NULL : sid;
}

static enum sq_err add_addresses(const struct build_ctx *ctx, const struct message *m,
                                 struct buf *body, struct err_text *e)
{
    const char *service = service_sid(ctx);
    const char *prefix = address_prefix(m->channel, service != NULL);
    const char *from = provider_from(ctx, m);

    if (!from && !service)
        return err_set_field(e, SQ_ERR_INVALID, "from",
                             "a number or a messaging_service_sid is required");
    form_add(body, "To", prefix, m->text[MSG_RECIPIENT]);
    if (from)
        form_add(body, "From", prefix, from);
    if (service)
        form_add(body, "MessagingServiceSid", NULL, service);
    return SQ_OK;
}

/* The API allows ten; more than that is for Twilio to refuse in its own words. */
static enum sq_err add_media(const struct message *m, struct buf *body, struct err_text *e)
{
    const struct str_list *media = &m->list[MSG_MEDIA];

    for (unsigned i = 0; i < media->count; i++)
        form_add(body, "MediaUrl", NULL, media->items[i]);
    for (unsigned i = 0; i < m->attachment_count; i++) {
        if (!m->attachments[i].url)
            return err_set(e, SQ_ERR_INVALID, "attachments[%u]: twilio takes media by url only", i);
        form_add(body, "MediaUrl", NULL, m->attachments[i].url);
    }
    return SQ_OK;
}

/* A template kept at Twilio: its "name" is the content's SID, "variables" what fills it. */
static void add_template(const cJSON *t, struct buf *body)
{
    struct buf variables = {.max = 1 << 16};

    form_add(body, "ContentSid", NULL, json_str(t, "name"));
    if (json_get(t, "variables")) {
        json_print(json_get(t, "variables"), &variables);
        form_add(body, "ContentVariables", NULL, buf_str(&variables));
        body->failed |= variables.failed;
    }
    buf_free(&variables);
}

static enum sq_err add_content(const struct message *m, struct buf *body, struct err_text *e)
{
    bool has_media = m->list[MSG_MEDIA].count || m->attachment_count;
    cJSON *metadata;
    const cJSON *template = chat_template(m, &metadata);

    if (template) {
        add_template(template, body);
        json_free(metadata);
        if (!has_media)
            return SQ_OK;
        return err_set_field(e, SQ_ERR_INVALID, "media_urls", "a template has its own media");
    }
    if (!text_is_empty(m->text[MSG_CONTENT]))
        form_add(body, "Body", NULL, m->text[MSG_CONTENT]);
    else if (!has_media)
        return err_set_field(e, SQ_ERR_INVALID, "content", "text or media is required");
    return add_media(m, body, e);
}

static enum sq_err refuse_fields(const struct message *m, struct err_text *e)
{
    static const struct provider_refusal refused[] = {
        {MSG_SUBJECT, "subject"},   {MSG_HTML, "html"},         {MSG_FROM_NAME, "sender_name"},
        {MSG_REPLY_TO, "reply_to"}, {MSG_REPLY_ID, "reply_id"},
    };

    if (m->list[MSG_CC].count || m->list[MSG_BCC].count)
        return err_set_field(e, SQ_ERR_INVALID, m->list[MSG_CC].count ? "cc" : "bcc",
                             "twilio cannot carry it");
    return provider_refuse(m, refused, sizeof(refused) / sizeof(refused[0]), "twilio", e);
}

static void add_login(const struct build_ctx *ctx, struct request *r)
{
    const char *user = sender_value(ctx->sender, "api_key");

    if (text_is_empty(user))
        user = sender_value(ctx->sender, "account_sid");
    buf_adds(&r->userpwd, user);
    buf_addc(&r->userpwd, ':');
    buf_adds(&r->userpwd, sender_value(ctx->sender, "auth_token"));
}

static enum sq_err twilio_build(const struct build_ctx *ctx, const struct message *m,
                                struct request *r, struct err_text *e)
{
    enum sq_err err = refuse_fields(m, e);

    if (!err)
        err =
            provider_begin(ctx, "/2010-04-01/Accounts/", "application/x-www-form-urlencoded", r, e);
    if (!err)
        err = add_addresses(ctx, m, &r->body, e);
    if (!err)
        err = add_content(m, &r->body, e);
    if (err)
        return err;
    text_add_urlencoded(&r->url, sender_value(ctx->sender, "account_sid"));
    buf_adds(&r->url, "/Messages.json");
    add_login(ctx, r);
    return provider_finish(r, e);
}

/* --- answer --- */

struct meaning {
    int code;
    enum outcome_kind kind;
    enum error_code error;
};

static const struct meaning meanings[] = {
    {14107, OUTCOME_THROTTLED, CODE_RATE_LIMITED},          /* too many messages */
    {20003, OUTCOME_AUTH, CODE_INVALID_KEY},                /* authentication */
    {20429, OUTCOME_THROTTLED, CODE_RATE_LIMITED},          /* too many requests: not processed */
    {20500, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},         /* internal error: perhaps taken */
    {20503, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN},         /* unavailable: perhaps taken */
    {21211, OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},      /* invalid To */
    {21212, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS}, /* invalid From */
    {21408, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS}, /* region not permitted */
    {21602, OUTCOME_FAILED, CODE_VALIDATION_ERROR},         /* no Body */
    {21603, OUTCOME_FAILED, CODE_VALIDATION_ERROR},         /* no From */
    {21604, OUTCOME_FAILED, CODE_VALIDATION_ERROR},         /* no To */
    {21606, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS}, /* From cannot send messages */
    {21610, OUTCOME_FAILED, CODE_SUPPRESSED},               /* the recipient opted out */
    {21614, OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND},      /* To is no mobile number */
    {21617, OUTCOME_FAILED, CODE_TOO_LARGE},                /* body too long */
    {21664, OUTCOME_FAILED, CODE_VALIDATION_ERROR},         /* FallbackFrom with From */
    {21666, OUTCOME_FAILED, CODE_VALIDATION_ERROR},         /* FallbackFrom without service */
    {21667, OUTCOME_FAILED, CODE_VALIDATION_ERROR},         /* service has no RCS sender */
    {63007, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS}, /* no such channel sender */
    {63016, OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED},    /* outside WhatsApp's window */
    {63017, OUTCOME_THROTTLED, CODE_RATE_LIMITED},          /* the channel's rate */
    {63018, OUTCOME_THROTTLED, CODE_RATE_LIMITED},          /* the channel's rate */
};

static const struct meaning *find_meaning(int code)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].code == code)
            return &meanings[i];
    }
    return NULL;
}

/* An integer member; 0 if absent, or no number. */
static int int_member(const cJSON *obj, const char *name)
{
    const cJSON *item = json_get(obj, name);

    return cJSON_IsNumber(item) ? item->valueint : 0;
}

static void classify_refusal(const struct build_ctx *ctx, int code, const char *message,
                             const struct response *r, struct outcome *o)
{
    const struct meaning *what = find_meaning(code);

    if (what) {
        o->kind = what->kind;
        o->code = what->error;
    } else if (r->status >= 500) {
        o->kind = OUTCOME_UNKNOWN;
        o->code = CODE_OUTCOME_UNKNOWN;
    }
    /* Of use to unknown ones too, where the message's `uncertain` says to try again. */
    if (o->kind == OUTCOME_THROTTLED || o->kind == OUTCOME_UNKNOWN)
        o->retry_after_ms = response_retry_after(r, PROVIDER_RETRY_AFTER_MAX_MS);
    if (code)
        outcome_set(o, o->kind, o->code, "HTTP %d, code %d", r->status, code);
    provider_say(ctx, o, message);
}

/* An SMS whose segments Twilio does not know yet, as before a service has chosen a number. */
static unsigned own_count(const struct build_ctx *ctx)
{
    const struct message *m = ctx->message;

    if (!m || m->channel != CHANNEL_SMS || text_is_empty(m->text[MSG_CONTENT]))
        return 0;
    return sms_measure(m->text[MSG_CONTENT]).segments;
}

static void read_message(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const char *price = json_str(json, "price");
    const char *segments = json_str(json, "num_segments");
    int64_t units;

    provider_set_id(o, json_get(json, "sid"));
    if (segments && !text_to_i64(segments, &units) && units > 0 && units <= 1000)
        o->units = (unsigned)units;
    else
        o->units = own_count(ctx);
    /* Twilio books a charge as a negative number. */
    if (price && strlen(price) < sizeof(o->cost) && !text_has_control(price))
        snprintf(o->cost, sizeof(o->cost), "%s", price[0] == '-' ? price + 1 : price);
}

static void twilio_classify(const struct build_ctx *ctx, const struct response *r,
                            struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const char *status = json_str(json, "status");

    provider_classify_status(r, o);
    if (o->kind != OUTCOME_SENT) {
        classify_refusal(ctx, int_member(json, "code"), json_str(json, "message"), r, o);
    } else {
        read_message(ctx, json, o);
        if (text_eq(status, "failed") || text_eq(status, "undelivered")) {
            outcome_set(o, OUTCOME_FAILED, CODE_PROVIDER_ERROR, "status %s", status);
            classify_refusal(ctx, int_member(json, "error_code"), json_str(json, "error_message"),
                             r, o);
        }
    }
    json_free(json);
}

const struct provider provider_twilio = {
    .name = "twilio",
    .base_url = "https://api.twilio.com",
    .channels = CHANNEL_BIT(CHANNEL_SMS) | CHANNEL_BIT(CHANNEL_WHATSAPP) | CHANNEL_BIT(CHANNEL_RCS),
    .settings = settings,
    .limits = &limits,
    .build = twilio_build,
    .classify = twilio_classify,
};

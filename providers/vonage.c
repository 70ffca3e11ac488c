/* vonage: SMS by the SMS API, everything else by the Messages API.
 *
 * The SMS API tells the parts and their price, but answers 200 whatever happens: each part has a
 * status of its own. The Messages API answers 202 or a problem of RFC 7807. Both take numbers
 * without a plus sign. `sms_api: messages` sends SMS by the second, too. */
#include "chat.h"
#include "provider_util.h"
#include "registry.h"
#include "vonage_answer.h"

#include "segments.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define BASE_URL "https://api.nexmo.com"
#define SMS_BASE_URL "https://rest.nexmo.com"
#define SMS_CLIENT_REF_MAX 40
#define CAPTION_MAX 1024

static const struct provider_setting settings[] = {
    {.name = "api_key", .help = "API key of the account", .required = true, .secret = true},
    {.name = "api_secret", .help = "API secret of the account", .required = true, .secret = true},
    {.name = "sms_api", .help = "API for SMS: sms, or messages", .fallback = "sms"},
    {.name = "template_language",
     .help = "language of WhatsApp templates that name none",
     .fallback = "en_US"},
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "30/s",
    .source = "https://developer.vonage.com/en/api-errors/sms",
    .date = "2026-11",
};

static const struct chat_rule captions = {
    .caption_max = CAPTION_MAX,
    .caption_kinds = MEDIA_BIT(MEDIA_IMAGE) | MEDIA_BIT(MEDIA_VIDEO) | MEDIA_BIT(MEDIA_FILE),
};
static const struct chat_rule no_captions = {.uploads = false};

static enum sq_err vonage_check(const struct sender *s, struct err_text *e)
{
    const char *api = sender_value(s, "sms_api");

    if (!text_is_empty(api) && strcmp(api, "sms") != 0 && strcmp(api, "messages") != 0)
        return err_set_field(e, SQ_ERR_INVALID, "sms_api", "expected sms or messages");
    return SQ_OK;
}

static bool has_files(const struct message *m)
{
    return m->list[MSG_MEDIA].count || m->attachment_count;
}

static bool is_sms_api(const struct build_ctx *ctx, const struct message *m)
{
    return m->channel == CHANNEL_SMS && !has_files(m) &&
           !text_eq(sender_value(ctx->sender, "sms_api"), "messages");
}

/* --- SMS API --- */

static void form_add(struct buf *b, const char *name, const char *value)
{
    if (b->len)
        buf_addc(b, '&');
    buf_adds(b, name);
    buf_addc(b, '=');
    text_add_urlencoded(b, value);
}

static const char *without_plus(const char *number)
{
    return number && number[0] == '+' ? number + 1 : number;
}

static enum sq_err need_from(const struct build_ctx *ctx, const struct message *m, const char **ret,
                             struct err_text *e)
{
    *ret = without_plus(provider_from(ctx, m));
    return *ret ? SQ_OK : err_set_field(e, SQ_ERR_INVALID, "from", "a number or name is required");
}

/* An endpoint of one's own serves both APIs; else each has its host. */
static enum sq_err begin_sms(const struct build_ctx *ctx, struct request *r, struct err_text *e)
{
    bool own = !text_eq(ctx->sender->endpoint, BASE_URL);

    r->method = HTTP_POST;
    buf_adds(&r->url, own ? ctx->sender->endpoint : SMS_BASE_URL);
    buf_adds(&r->url, "/sms/json");
    return request_header(r, "Content-Type", "application/x-www-form-urlencoded", e);
}

static enum sq_err build_sms(const struct build_ctx *ctx, const struct message *m,
                             struct request *r, struct err_text *e)
{
    struct buf *b = &r->body;
    const char *from;
    enum sq_err err = need_from(ctx, m, &from, e);

    if (!err)
        err = begin_sms(ctx, r, e);
    if (err)
        return err;
    form_add(b, "api_key", sender_value(ctx->sender, "api_key"));
    form_add(b, "api_secret", sender_value(ctx->sender, "api_secret"));
    form_add(b, "from", from);
    form_add(b, "to", without_plus(m->text[MSG_RECIPIENT]));
    form_add(b, "text", m->text[MSG_CONTENT]);
    if (sms_measure(m->text[MSG_CONTENT]).alphabet == SMS_UCS2)
        form_add(b, "type", "unicode");
    if (strlen(m->id) <= SMS_CLIENT_REF_MAX)
        form_add(b, "client-ref", m->id);
    return provider_finish(r, e);
}

/* --- Messages API --- */

static const char *channel_word(const struct message *m)
{
    switch (m->channel) {
    case CHANNEL_RCS:
        return "rcs";
    case CHANNEL_WHATSAPP:
        return "whatsapp";
    case CHANNEL_FACEBOOK:
        return "messenger";
    default:
        return has_files(m) ? "mms" : "sms";
    }
}

static const struct chat_rule *rule_of(const struct message *m)
{
    return m->channel == CHANNEL_SMS || m->channel == CHANNEL_WHATSAPP ? &captions : &no_captions;
}

static const char *media_word(enum media_kind kind)
{
    static const char *const words[] = {
        [MEDIA_IMAGE] = "image",
        [MEDIA_AUDIO] = "audio",
        [MEDIA_VIDEO] = "video",
        [MEDIA_FILE] = "file",
    };

    return words[kind];
}

static void write_step(const struct chat_step *s, struct buf *b)
{
    if (s->kind == CHAT_TEXT) {
        json_key_str(b, "message_type", "text");
        json_key_str(b, "text", s->text);
        return;
    }
    json_key_str(b, "message_type", media_word(s->media));
    json_key(b, media_word(s->media));
    json_open(b, '{');
    json_key_str(b, "url", s->url);
    json_opt_str(b, "caption", s->text);
    json_close(b, '}');
}

static void write_template(const struct build_ctx *ctx, const cJSON *t, struct buf *b)
{
    const char *language = json_str(t, "language");
    struct buf raw = {.max = b->max};

    if (!language)
        language = sender_value(ctx->sender, "template_language");
    json_key_str(b, "message_type", "template");
    json_key(b, "template");
    json_open(b, '{');
    json_key_str(b, "name", json_str(t, "name"));
    if (json_get(t, "parameters")) {
        json_print(json_get(t, "parameters"), &raw);
        json_key(b, "parameters");
        json_val_raw(b, buf_str(&raw), raw.len);
    }
    json_close(b, '}');
    json_key(b, "whatsapp");
    json_open(b, '{');
    json_key_str(b, "policy", "deterministic");
    json_key_str(b, "locale", text_is_empty(language) ? "en_US" : language);
    json_close(b, '}');
    b->failed |= raw.failed;
    buf_free(&raw);
}

/* The template of a WhatsApp message; NULL = it is none. */
static const cJSON *template_of(const struct message *m, cJSON **ret_metadata)
{
    *ret_metadata = NULL;
    return m->channel == CHANNEL_WHATSAPP ? chat_template(m, ret_metadata) : NULL;
}

static void write_message(const struct build_ctx *ctx, const struct message *m, const char *from,
                          struct buf *b)
{
    cJSON *metadata;
    const cJSON *template = template_of(m, &metadata);
    struct chat_step s;

    json_open(b, '{');
    json_key_str(b, "to", without_plus(m->text[MSG_RECIPIENT]));
    json_key_str(b, "from", from);
    json_key_str(b, "channel", channel_word(m));
    if (template)
        write_template(ctx, template, b);
    else if (chat_step_at(rule_of(m), m, ctx->progress->step, &s))
        write_step(&s, b);
    if (!text_is_empty(m->text[MSG_REPLY_ID])) {
        json_key(b, "context");
        json_open(b, '{');
        json_key_str(b, "message_uuid", m->text[MSG_REPLY_ID]);
        json_close(b, '}');
    }
    json_key_str(b, "client_ref", m->id);
    json_close(b, '}');
    json_free(metadata);
}

static enum sq_err build_message(const struct build_ctx *ctx, const struct message *m,
                                 struct request *r, struct err_text *e)
{
    const char *from;
    enum sq_err err = need_from(ctx, m, &from, e);

    if (!err)
        err = provider_begin(ctx, "/v1/messages", "application/json", r, e);
    if (!err)
        err = request_header(r, "Accept", "application/json", e);
    if (err)
        return err;
    buf_adds(&r->userpwd, sender_value(ctx->sender, "api_key"));
    buf_addc(&r->userpwd, ':');
    buf_adds(&r->userpwd, sender_value(ctx->sender, "api_secret"));
    write_message(ctx, m, from, &r->body);
    return provider_finish(r, e);
}

static enum sq_err vonage_build(const struct build_ctx *ctx, const struct message *m,
                                struct request *r, struct err_text *e)
{
    uint32_t reply = m->channel == CHANNEL_WHATSAPP ? 1u << MSG_REPLY_ID : 0;
    enum sq_err err = chat_refuse(m, ctx, 1u << MSG_FROM | reply, e);

    if (!err)
        err = chat_check(rule_of(m), m, ctx, e);
    if (err)
        return err;
    return is_sms_api(ctx, m) ? build_sms(ctx, m, r, e) : build_message(ctx, m, r, e);
}

static void vonage_classify(const struct build_ctx *ctx, const struct response *r,
                            struct outcome *o)
{
    const struct message *m = ctx->message;
    cJSON *json = provider_answer(r), *metadata = NULL;

    if (m ? is_sms_api(ctx, m) : json_get(json, "messages") != NULL) {
        vonage_judge_sms(ctx, r, json, o);
    } else {
        vonage_judge_message(ctx, r, json, o);
        if (m && !template_of(m, &metadata))
            chat_settle(rule_of(m), ctx, o);
        json_free(metadata);
    }
    json_free(json);
}

const struct provider provider_vonage = {
    .name = "vonage",
    .base_url = BASE_URL,
    .channels = CHANNEL_BIT(CHANNEL_SMS) | CHANNEL_BIT(CHANNEL_RCS) |
                CHANNEL_BIT(CHANNEL_WHATSAPP) | CHANNEL_BIT(CHANNEL_FACEBOOK),
    .settings = settings,
    .limits = &limits,
    .check = vonage_check,
    .build = vonage_build,
    .classify = vonage_classify,
};

/* tiktok: TikTok Business Messaging.
 *
 * It answers 200 to everything; the code in the answer tells. An image is uploaded in a step of
 * its own, which takes the bytes, not a URL. */
#include "chat.h"
#include "meaning.h"
#include "provider_util.h"
#include "registry.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 6000
#define PATH "/open_api/v1.3/business/message/"

static const struct provider_setting settings[] = {
    {.name = "business_id", .help = "id of the business account", .required = true, .secret = true},
    {.name = "token", .help = "access token", .required = true, .secret = true},
    {.name = NULL},
};

static const struct chat_rule rule = {.uploads = true};

/* --- request --- */

static enum sq_err check_message(const struct build_ctx *ctx, const struct message *m,
                                 struct err_text *e)
{
    enum sq_err err = chat_refuse(m, ctx, 1u << MSG_REPLY_ID, e);

    if (!err)
        err = chat_text_max(m->text[MSG_CONTENT], TEXT_MAX, e);
    if (!err)
        err = chat_check(&rule, m, ctx, e);
    if (!err && m->list[MSG_MEDIA].count)
        err = err_set_field(e, SQ_ERR_INVALID, "media_urls",
                            "tiktok takes images as content_base64 only");
    for (unsigned i = 0; !err && i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];

        if (a->url)
            err = err_set(e, SQ_ERR_INVALID,
                          "attachments[%u]: tiktok takes images as content_base64 only", i);
        else if (media_kind_of(a->mime_type, a->filename) != MEDIA_IMAGE)
            err = err_set(e, SQ_ERR_INVALID, "attachments[%u]: tiktok takes images only", i);
    }
    return err;
}

static enum sq_err begin(const struct build_ctx *ctx, const char *path, const char *type,
                         struct request *r, struct err_text *e)
{
    enum sq_err err = provider_begin(ctx, path, type, r, e);

    return err ? err : request_header(r, "Access-Token", sender_value(ctx->sender, "token"), e);
}

static enum sq_err build_upload(const struct build_ctx *ctx, const struct message *m,
                                const struct attachment *a, struct request *r, struct err_text *e)
{
    struct form_data f;
    enum sq_err err;

    form_data_begin(&f, m, &r->body);
    form_data_text(&f, "business_id", sender_value(ctx->sender, "business_id"));
    form_data_text(&f, "media_type", "IMAGE");
    err = form_data_file(&f, "file", a, e);
    form_data_end(&f);
    return err ? err : begin(ctx, PATH "media/upload/", f.content_type, r, e);
}

static void write_object(struct buf *b, const char *name, const char *member, const char *value)
{
    json_key(b, name);
    json_open(b, '{');
    json_key_str(b, member, value);
    json_close(b, '}');
}

static void write_message(const struct build_ctx *ctx, const struct message *m,
                          const struct chat_step *s, struct buf *b)
{
    json_open(b, '{');
    json_key_str(b, "business_id", sender_value(ctx->sender, "business_id"));
    json_key_str(b, "recipient_type", "CONVERSATION");
    json_key_str(b, "recipient", m->text[MSG_RECIPIENT]);
    json_key_str(b, "message_type", s->kind == CHAT_TEXT ? "TEXT" : "IMAGE");
    if (s->kind == CHAT_TEXT)
        write_object(b, "text", "body", s->text);
    else
        write_object(b, "image", "media_id", progress_get(ctx->progress, CHAT_CARRY_UPLOAD));
    if (!text_is_empty(m->text[MSG_REPLY_ID]))
        write_object(b, "referenced_message_info", "referenced_message_id", m->text[MSG_REPLY_ID]);
    json_close(b, '}');
}

static enum sq_err tiktok_build(const struct build_ctx *ctx, const struct message *m,
                                struct request *r, struct err_text *e)
{
    struct chat_step s;
    enum sq_err err = check_message(ctx, m, e);

    if (err)
        return err;
    if (!chat_step_at(&rule, m, ctx->progress->step, &s))
        return err_set(e, SQ_ERR_STATE, "no such step");
    if (s.kind == CHAT_UPLOAD) {
        err = build_upload(ctx, m, s.file, r, e);
    } else {
        err = begin(ctx, PATH "send/", "application/json", r, e);
        write_message(ctx, m, &s, &r->body);
    }
    return err ? err : provider_finish(r, e);
}

/* --- answer --- */

static const struct meaning meanings[] = {
    {"40001", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"40002", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"40007", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},   /* no such object */
    {"40064", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0}, /* outside the 48 hours */
    {"40100", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"40102", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"40103", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"40104", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"40105", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"40908", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* file type */
};

static void succeed(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const cJSON *data = json_get(json, "data");
    const cJSON *id = json_get(json_get(data, "message"), "message_id");

    outcome_set(o, OUTCOME_SENT, CODE_NONE, "code 0");
    provider_set_id(o, id ? id : json_get(data, "media_id"));
    chat_settle(&rule, ctx, o);
}

static void refuse(const struct build_ctx *ctx, const struct response *r, int code,
                   const cJSON *json, struct outcome *o)
{
    char text[32] = "";

    if (code)
        snprintf(text, sizeof(text), "%d", code);
    meaning_judge(ctx, r, MEANING_TABLE(meanings), text, json_str(json, "message"), o);
    if (code >= 50000 && code <= 59999 && o->kind == OUTCOME_FAILED)
        o->kind = OUTCOME_RETRY; /* TikTok's own errors */
    chat_settle(&rule, ctx, o);
}

/* 200 and no code: perhaps sent. An upload can be made again. */
static void judge_unreadable(const struct build_ctx *ctx, const struct response *r,
                             struct outcome *o)
{
    struct chat_step s;
    bool upload = ctx->message && chat_step_at(&rule, ctx->message, ctx->progress->step, &s) &&
                  s.kind == CHAT_UPLOAD;

    outcome_set(o, upload ? OUTCOME_RETRY : OUTCOME_UNKNOWN,
                upload ? CODE_PROVIDER_ERROR : CODE_OUTCOME_UNKNOWN, "HTTP %d: no readable answer",
                r->status);
    chat_settle(&rule, ctx, o);
}

static void tiktok_classify(const struct build_ctx *ctx, const struct response *r,
                            struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const cJSON *code = json_get(json, "code");
    bool is_2xx = r->status >= 200 && r->status < 300;

    if (is_2xx && !cJSON_IsNumber(code))
        judge_unreadable(ctx, r, o);
    else if (is_2xx && code->valueint == 0)
        succeed(ctx, json, o);
    else
        refuse(ctx, r, cJSON_IsNumber(code) ? code->valueint : 0, json, o);
    json_free(json);
}

const struct provider provider_tiktok = {
    .name = "tiktok",
    .base_url = "https://business-api.tiktok.com",
    .channels = CHANNEL_BIT(CHANNEL_TIKTOK),
    .settings = settings,
    .build = tiktok_build,
    .classify = tiktok_classify,
};

/* resend: POST /emails.
 *
 * The Idempotency-Key is the message's id: a repeat within a day is answered like the first and
 * sends nothing, as long as the body is the same. So the body holds nothing of the attempt. */
#include "mail.h"
#include "meaning.h"
#include "registry.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <string.h>

#define RECIPIENTS_MAX 50 /* the API's own */
#define MINUTE_MS ((int64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)

static const struct provider_setting settings[] = {
    {.name = "api_key", .help = "API key (re_...)", .required = true, .secret = true},
    MAIL_SETTINGS,
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "2/s", /* of the whole team; newer accounts have more */
    .source = "https://resend.com/docs/api-reference/rate-limit",
    .date = "2026-11",
};

static void write_attachments(const struct message *m, struct buf *b)
{
    if (m->attachment_count == 0)
        return;
    json_key(b, "attachments");
    json_open(b, '[');
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];

        json_open(b, '{');
        json_key_str(b, "filename", mail_attachment_name(a));
        json_key_str(b, "content", a->content_base64);
        json_opt_str(b, "content_type", a->mime_type);
        json_opt_str(b, "content_id", a->content_id);
        json_close(b, '}');
    }
    json_close(b, ']');
}

/* An API that knows no mail without a body. */
static void write_texts(const struct message *m, struct buf *b)
{
    json_opt_str(b, "html", m->text[MSG_HTML]);
    if (!text_is_empty(m->text[MSG_CONTENT]) || text_is_empty(m->text[MSG_HTML]))
        json_key_str(b, "text", m->text[MSG_CONTENT] ? m->text[MSG_CONTENT] : "");
}

static void write_mail(const struct message *m, const struct mail *mail, struct buf *b)
{
    mail_reserve(m, b);
    json_open(b, '{');
    mail_json_box(b, "from", &mail->from);
    mail_json_boxes(b, "to", &mail->to);
    mail_json_boxes(b, "cc", &mail->cc);
    mail_json_boxes(b, "bcc", &mail->bcc);
    mail_json_boxes(b, "reply_to", &mail->reply_to);
    json_key_str(b, "subject", m->text[MSG_SUBJECT] ? m->text[MSG_SUBJECT] : "");
    write_texts(m, b);
    mail_json_header_object(b, "headers", mail);
    write_attachments(m, b);
    json_close(b, '}');
}

static enum sq_err resend_build(const struct build_ctx *ctx, const struct message *m,
                                struct request *r, struct err_text *e)
{
    struct mail mail = {0};
    enum sq_err err = provider_begin(ctx, "/emails", "application/json", r, e);

    if (!err)
        err = mail_bearer(r, sender_value(ctx->sender, "api_key"), e);
    if (!err)
        err = request_header(r, "Idempotency-Key", m->id, e);
    if (!err)
        err = mail_read(ctx, m, RECIPIENTS_MAX, &mail, e);
    if (!err)
        write_mail(m, &mail, &r->body);
    mail_clear(&mail);
    r->idempotent = true;
    return err ? err : provider_finish(r, e);
}

static const struct meaning errors[] = {
    {"missing_api_key", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"invalid_api_key", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"restricted_api_key", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"validation_error", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"missing_required_field", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"invalid_attachment", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"invalid_from_address", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"invalid_parameter", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"invalid_access", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, THROTTLE_SENDER, 0},
    {"invalid_region", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"invalid_idempotency_key", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"invalid_idempotent_request", OUTCOME_FAILED, CODE_IDEMPOTENCY_CONFLICT, THROTTLE_SENDER, 0},
    {"concurrent_idempotent_requests", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 1000},
    {"not_found", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"method_not_allowed", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"security_error", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"rate_limit_exceeded", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 1000},
    {"daily_quota_exceeded", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, HOUR_MS},
    {"monthly_quota_exceeded", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, HOUR_MS},
    {"application_error", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"internal_server_error", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
};

static void resend_classify(const struct build_ctx *ctx, const struct response *r,
                            struct outcome *o)
{
    cJSON *json = provider_answer(r);

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT)
        provider_set_id(o, json_get(json, "id"));
    else
        meaning_judge(ctx, r, MEANING_TABLE(errors), json_str(json, "name"),
                      provider_error_words(json), o);
    json_free(json);
}

const struct provider provider_resend = {
    .name = "resend",
    .base_url = "https://api.resend.com",
    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
    .settings = settings,
    .limits = &limits,
    .check = mail_check_sender,
    .build = resend_build,
    .classify = resend_classify,
    .wants_original = true,
};

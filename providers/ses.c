/* ses: Amazon SES v2, POST /v2/email/outbound-emails, signed by SigV4.
 *
 * The mail goes in parts ("Simple" content), attachments included: as one MIME text, in base64
 * once more, a large attachment would need twice the memory. */
#include "aws_sign.h"
#include "mail.h"
#include "meaning.h"
#include "registry.h"

#include "text.h"
#include <stdio.h>
#include <string.h>

#define RECIPIENTS_MAX 50
#define FILE_NAME_MAX 255
#define TAGS_MAX 49 /* of 50; one is ours */
#define HOUR_MS ((int64_t)3600 * 1000)

static const struct provider_setting settings[] = {
    {.name = "access_key_id", .help = "Access key id", .required = true},
    {.name = "secret_access_key", .help = "Secret access key", .required = true, .secret = true},
    {.name = "session_token", .help = "Session token of temporary credentials", .secret = true},
    {.name = "region", .help = "AWS region, as `eu-central-1`", .required = true},
    {.name = "configuration_set", .help = "Configuration set to send by"},
    MAIL_SETTINGS,
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "1/s", /* of an account in the sandbox; the console shows an account's own */
    .day = "200/day rolling",
    .rate_unit = LIMIT_RECIPIENTS,
    .day_unit = LIMIT_RECIPIENTS,
    .source = "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html",
    .date = "2026-11",
};

/* --- the body --- */

static void write_text(struct buf *b, const char *name, const char *text)
{
    json_key(b, name);
    json_open(b, '{');
    json_key_str(b, "Data", text ? text : "");
    json_key_str(b, "Charset", "UTF-8");
    json_close(b, '}');
}

/* Display names must be ASCII here: the API takes encoded words. */
static void add_box(struct buf *out, const struct address *box)
{
    struct buf name = {.max = 4096};
    struct address ascii = *box;

    for (const char *p = box->name; p && *p; p++) {
        if ((unsigned char)*p < 0x80)
            continue;
        mime_encode_words(box->name, &name);
        buf_addf(out, "%s <%s>", buf_str(&name), box->addr);
        buf_free(&name);
        return;
    }
    mail_add_box(out, &ascii);
}

static void write_boxes(struct buf *b, const char *name, const struct address_list *boxes)
{
    if (boxes->count == 0)
        return;
    json_key(b, name);
    json_open(b, '[');
    for (unsigned i = 0; i < boxes->count; i++) {
        struct buf text = {.max = 8192};

        add_box(&text, &boxes->items[i]);
        json_val_str(b, buf_str(&text));
        buf_free(&text);
    }
    json_close(b, ']');
}

static void write_attachments(const struct message *m, struct buf *b)
{
    if (m->attachment_count == 0)
        return;
    json_key(b, "Attachments");
    json_open(b, '[');
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];
        const char *name = mail_attachment_name(a);
        bool is_inline = !text_is_empty(a->content_id);

        json_open(b, '{');
        json_key(b, "FileName");
        json_val_strn(b, name, text_cut(name, FILE_NAME_MAX));
        json_key_str(b, "RawContent", a->content_base64);
        json_opt_str(b, "ContentType", a->mime_type);
        json_key_str(b, "ContentDisposition", is_inline ? "INLINE" : "ATTACHMENT");
        json_opt_str(b, "ContentId", a->content_id);
        json_key_str(b, "ContentTransferEncoding", "BASE64");
        json_close(b, '}');
    }
    json_close(b, ']');
}

static void write_content(const struct message *m, const struct mail *mail, struct buf *b)
{
    json_key(b, "Content");
    json_open(b, '{');
    json_key(b, "Simple");
    json_open(b, '{');
    write_text(b, "Subject", m->text[MSG_SUBJECT]);
    json_key(b, "Body");
    json_open(b, '{');
    if (!text_is_empty(m->text[MSG_CONTENT]) || text_is_empty(m->text[MSG_HTML]))
        write_text(b, "Text", m->text[MSG_CONTENT]);
    if (!text_is_empty(m->text[MSG_HTML]))
        write_text(b, "Html", m->text[MSG_HTML]);
    json_close(b, '}');
    mail_json_header_list(b, "Headers", mail);
    write_attachments(m, b);
    json_close(b, '}');
    json_close(b, '}');
}

struct tag_writer {
    struct buf *out;
    unsigned count;
};

static bool is_tag(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.@");

    return n > 0 && n <= 256 && !s[n];
}

static void write_tag(struct buf *b, const char *name, const char *value)
{
    json_open(b, '{');
    json_key_str(b, "Name", name);
    json_key_str(b, "Value", value);
    json_close(b, '}');
}

/* What a tag cannot hold stays here: it must not fail a mail. */
static void on_metadata(const char *name, const char *value, void *arg)
{
    struct tag_writer *w = arg;

    if (w->count == TAGS_MAX || !is_tag(name) || !is_tag(value) || text_eq(name, "sendq_id"))
        return;
    write_tag(w->out, name, value);
    w->count++;
}

static void write_tags(const struct message *m, struct buf *b)
{
    struct tag_writer w = {.out = b};

    json_key(b, "EmailTags");
    json_open(b, '[');
    mail_each_metadata(m, on_metadata, &w);
    if (is_tag(m->id))
        write_tag(b, "sendq_id", m->id);
    json_close(b, ']');
}

static void write_mail(const struct build_ctx *ctx, const struct message *m,
                       const struct mail *mail, struct buf *b)
{
    struct buf from = {.max = 8192};

    mail_reserve(m, b);
    add_box(&from, &mail->from);
    json_open(b, '{');
    json_key_str(b, "FromEmailAddress", buf_str(&from));
    json_key(b, "Destination");
    json_open(b, '{');
    write_boxes(b, "ToAddresses", &mail->to);
    write_boxes(b, "CcAddresses", &mail->cc);
    write_boxes(b, "BccAddresses", &mail->bcc);
    json_close(b, '}');
    write_boxes(b, "ReplyToAddresses", &mail->reply_to);
    write_content(m, mail, b);
    write_tags(m, b);
    json_opt_str(b, "ConfigurationSetName", sender_value(ctx->sender, "configuration_set"));
    json_close(b, '}');
    buf_free(&from);
}

/* --- the request --- */

static bool is_region(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n > 0 && n < 40 && !s[n];
}

static enum sq_err ses_check(const struct sender *s, struct err_text *e)
{
    if (!is_region(sender_value(s, "region")))
        return err_set_field(e, SQ_ERR_INVALID, "region", "expected a region like eu-central-1");
    return mail_check_sender(s, e);
}

/* The default endpoint names the region; one that is configured stands as it is. */
static enum sq_err begin(const struct build_ctx *ctx, struct request *r, struct err_text *e)
{
    enum sq_err err = provider_begin(ctx, "/v2/email/outbound-emails", "application/json", r, e);

    if (!err && text_eq(ctx->sender->endpoint, provider_ses.base_url)) {
        buf_clear(&r->url);
        buf_addf(&r->url, "https://email.%s.amazonaws.com/v2/email/outbound-emails",
                 sender_value(ctx->sender, "region"));
    }
    return err;
}

static enum sq_err ses_build(const struct build_ctx *ctx, const struct message *m,
                             struct request *r, struct err_text *e)
{
    const struct aws_account account = {
        .access_key_id = sender_value(ctx->sender, "access_key_id"),
        .secret_access_key = sender_value(ctx->sender, "secret_access_key"),
        .session_token = sender_value(ctx->sender, "session_token"),
        .region = sender_value(ctx->sender, "region"),
        .service = "ses", /* not "email", as the host would have it */
    };
    struct mail mail = {0};
    enum sq_err err = begin(ctx, r, e);

    if (!err)
        err = mail_read(ctx, m, RECIPIENTS_MAX, &mail, e);
    if (!err) {
        write_mail(ctx, m, &mail, &r->body);
        err = provider_finish(r, e);
    }
    mail_clear(&mail);
    if (!err)
        err = aws_sign(r, &account, ctx->now_ms, e);
    return err ? err : provider_finish(r, e);
}

/* --- the answer --- */

/* Accounts that may not send wait as a whole; their messages are not to blame. */
static const struct meaning errors[] = {
    {"BadRequestException", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"MessageRejected", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"MailFromDomainNotVerifiedException", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"NotFoundException", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"ConflictException", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"AccountSuspendedException", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, HOUR_MS},
    {"SendingPausedException", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, HOUR_MS},
    {"LimitExceededException", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"TooManyRequestsException", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"ThrottlingException", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"Throttling", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"AccessDeniedException", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, THROTTLE_SENDER, 0},
    {"UnrecognizedClientException", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"InvalidSignatureException", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"SignatureDoesNotMatch", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"IncompleteSignatureException", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"MissingAuthenticationTokenException", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"InvalidClientTokenId", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"ExpiredTokenException", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"OptInRequired", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"InternalServiceErrorException", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"InternalFailure", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"ServiceUnavailable", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
};

/* "Name", "Name:http://..." in the header, or "ns#Name" in the body. */
static void error_name(const struct response *r, const cJSON *json, char *ret, size_t size)
{
    const char *type = json_str(json, "__type"), *hash;

    if (!response_header(r, "x-amzn-ErrorType", ret, size)) {
        hash = type ? strrchr(type, '#') : NULL;
        snprintf(ret, size, "%s", hash ? hash + 1 : type ? type : "");
    }
    ret[strcspn(ret, ":")] = '\0';
}

static void classify_error(const struct build_ctx *ctx, const struct response *r, cJSON *json,
                           struct outcome *o)
{
    const char *words = json_str(json, "message");
    char name[128];

    if (!words)
        words = json_str(json, "Message");
    error_name(r, json, name, sizeof(name));
    meaning_judge(ctx, r, MEANING_TABLE(errors), name, words, o);
    /* The day's quota is refused by the same name as the second's rate. */
    if (o->kind == OUTCOME_THROTTLED && words && strstr(words, "Daily"))
        o->retry_after_ms = HOUR_MS;
}

static void ses_classify(const struct build_ctx *ctx, const struct response *r, struct outcome *o)
{
    cJSON *json = provider_answer(r);

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT)
        provider_set_id(o, json_get(json, "MessageId"));
    else
        classify_error(ctx, r, json, o);
    json_free(json);
}

const struct provider provider_ses = {
    .name = "ses",
    .base_url = "https://email.amazonaws.com",
    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
    .settings = settings,
    .limits = &limits,
    .check = ses_check,
    .build = ses_build,
    .classify = ses_classify,
    .wants_original = true,
};

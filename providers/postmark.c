/* postmark: POST /email. Recipients are comma-separated texts; errors are numbers in the body. */
#include "mail.h"
#include "meaning.h"
#include "registry.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define RECIPIENTS_MAX 50
#define METADATA_MAX 10 /* fields, the API's own; one is ours */
#define METADATA_NAME_MAX 20
#define METADATA_VALUE_MAX 80
#define HOUR_MS ((int64_t)3600 * 1000)

static const struct provider_setting settings[] = {
    {.name = "server_token", .help = "Server API token", .required = true, .secret = true},
    {.name = "message_stream", .help = "Message stream to send by; none = the server's default"},
    MAIL_SETTINGS,
    {.name = NULL},
};

struct metadata_writer {
    struct buf *out;
    unsigned count;
};

/* What the API would refuse is left out: a tag for the statistics must not fail a mail. */
static void on_metadata(const char *name, const char *value, void *arg)
{
    struct metadata_writer *w = arg;

    if (w->count == METADATA_MAX - 1 || strlen(name) > METADATA_NAME_MAX || !*name ||
        text_chars(value) > METADATA_VALUE_MAX || text_eq(name, "sendq_id"))
        return;
    json_key_str(w->out, name, value);
    w->count++;
}

static void write_metadata(const struct message *m, struct buf *b)
{
    struct metadata_writer w = {.out = b};

    json_key(b, "Metadata");
    json_open(b, '{');
    mail_each_metadata(m, on_metadata, &w);
    json_key_str(b, "sendq_id", m->id);
    json_close(b, '}');
}

/* An image's content id is written as a URL. */
static void write_attachments(const struct message *m, struct buf *b)
{
    if (m->attachment_count == 0)
        return;
    json_key(b, "Attachments");
    json_open(b, '[');
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];
        char id[1024];

        json_open(b, '{');
        json_key_str(b, "Name", mail_attachment_name(a));
        json_key_str(b, "Content", a->content_base64);
        json_key_str(b, "ContentType", mail_attachment_type(a));
        if (!text_is_empty(a->content_id)) {
            snprintf(id, sizeof(id), "cid:%s", a->content_id);
            json_key_str(b, "ContentID", id);
        }
        json_close(b, '}');
    }
    json_close(b, ']');
}

static void write_mail(const struct build_ctx *ctx, const struct message *m,
                       const struct mail *mail, struct buf *b)
{
    mail_reserve(m, b);
    json_open(b, '{');
    mail_json_box(b, "From", &mail->from);
    mail_json_joined(b, "To", &mail->to);
    mail_json_joined(b, "Cc", &mail->cc);
    mail_json_joined(b, "Bcc", &mail->bcc);
    mail_json_joined(b, "ReplyTo", &mail->reply_to);
    json_opt_str(b, "Subject", m->text[MSG_SUBJECT]);
    json_opt_str(b, "HtmlBody", m->text[MSG_HTML]);
    if (!text_is_empty(m->text[MSG_CONTENT]) || text_is_empty(m->text[MSG_HTML]))
        json_key_str(b, "TextBody", m->text[MSG_CONTENT] ? m->text[MSG_CONTENT] : "");
    json_opt_str(b, "MessageStream", sender_value(ctx->sender, "message_stream"));
    mail_json_header_list(b, "Headers", mail);
    write_attachments(m, b);
    write_metadata(m, b);
    json_close(b, '}');
}

static enum sq_err postmark_build(const struct build_ctx *ctx, const struct message *m,
                                  struct request *r, struct err_text *e)
{
    struct mail mail = {0};
    enum sq_err err = provider_begin(ctx, "/email", "application/json", r, e);

    if (!err)
        err = request_header(r, "Accept", "application/json", e);
    if (!err)
        err = request_header(r, "X-Postmark-Server-Token",
                             sender_value(ctx->sender, "server_token"), e);
    if (!err)
        err = mail_read(ctx, m, RECIPIENTS_MAX, &mail, e);
    if (!err)
        write_mail(ctx, m, &mail, &r->body);
    mail_clear(&mail);
    return err ? err : provider_finish(r, e);
}

/* By ErrorCode. Out of credit and a pending account are the account's, not the message's: all of
 * its messages wait, and the limit says why. */
static const struct meaning errors[] = {
    {"10", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},          /* bad or missing token */
    {"100", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 60000}, /* maintenance */
    {"300", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},    /* invalid email request */
    {"400", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER,
     0}, /* sender signature not found */
    {"401", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER,
     0}, /* sender signature not confirmed */
    {"402", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0}, /* invalid JSON */
    {"403", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0}, /* incompatible JSON */
    {"405", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER,
     HOUR_MS}, /* not allowed to send: no credit */
    {"406", OUTCOME_FAILED, CODE_SUPPRESSED, THROTTLE_SENDER, 0},     /* inactive recipient */
    {"409", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0}, /* JSON required */
    {"411", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER,
     0}, /* forbidden attachment type */
    {"412", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0}, /* account is pending */
    {"413", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, THROTTLE_SENDER,
     0}, /* account may not send */
    {"429", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"500", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0}, /* signature query exception */
};

/* A 200 may hold an error too. */
static void postmark_classify(const struct build_ctx *ctx, const struct response *r,
                              struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const cJSON *number = json_get(json, "ErrorCode");
    char code[16] = "";

    provider_classify_status(r, o);
    if (cJSON_IsNumber(number) && number->valuedouble > 0 && number->valuedouble < 1e6)
        snprintf(code, sizeof(code), "%d", (int)number->valuedouble);
    if (o->kind == OUTCOME_SENT && !*code)
        provider_set_id(o, json_get(json, "MessageID"));
    else
        meaning_judge(ctx, r, MEANING_TABLE(errors), code, json_str(json, "Message"), o);
    json_free(json);
}

const struct provider provider_postmark = {
    .name = "postmark",
    .base_url = "https://api.postmarkapp.com",
    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
    .settings = settings,
    .check = mail_check_sender,
    .build = postmark_build,
    .classify = postmark_classify,
    .wants_original = true,
};

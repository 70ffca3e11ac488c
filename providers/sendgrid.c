/* sendgrid: the v3 Mail Send API.
 *
 * One personalization holds all recipients, so that they see each other as in any mail. A taken
 * mail is 202 with an empty body; its id is in a header. There is no idempotency key. */
#include "mail.h"
#include "registry.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define CUSTOM_ARGS_MAX 10000 /* bytes, the API's own */
#define ID_ARG "sendq_id"     /* comes back in the provider's events */
#define ERRORS_SHOWN 3

static const struct provider_setting settings[] = {
    {.name = "api_key", .help = "API key (SG....)", .required = true, .secret = true},
    MAIL_SETTINGS,
    {.name = NULL},
};

/* --- addresses --- */

static void write_box(struct buf *b, const struct address *box)
{
    json_open(b, '{');
    json_key_str(b, "email", box->addr);
    json_opt_str(b, "name", box->name);
    json_close(b, '}');
}

static void write_boxes(struct buf *b, const char *name, const struct address_list *boxes)
{
    if (boxes->count == 0)
        return;
    json_key(b, name);
    json_open(b, '[');
    for (unsigned i = 0; i < boxes->count; i++)
        write_box(b, &boxes->items[i]);
    json_close(b, ']');
}

/* One address is reply_to, several are reply_to_list; the API refuses both together. */
static void write_reply_to(struct buf *b, const struct address_list *boxes)
{
    if (boxes->count == 1) {
        json_key(b, "reply_to");
        write_box(b, boxes->items);
    } else {
        write_boxes(b, "reply_to_list", boxes);
    }
}

/* --- content --- */

static void write_part(struct buf *body, const char *type, const char *text)
{
    if (text_is_empty(text))
        return;
    json_open(body, '{');
    json_key_str(body, "type", type);
    json_key_str(body, "value", text);
    json_close(body, '}');
}

static enum sq_err write_content(const struct message *m, struct buf *body, struct err_text *e)
{
    if (text_is_empty(m->text[MSG_SUBJECT]))
        return err_set_field(e, SQ_ERR_INVALID, "subject", "sendgrid requires one");
    if (text_is_empty(m->text[MSG_CONTENT]) && text_is_empty(m->text[MSG_HTML]))
        return err_set_field(e, SQ_ERR_INVALID, "content", "text or html is required");
    json_key_str(body, "subject", m->text[MSG_SUBJECT]);
    json_key(body, "content");
    json_open(body, '[');
    write_part(body, "text/plain", m->text[MSG_CONTENT]);
    write_part(body, "text/html", m->text[MSG_HTML]);
    json_close(body, ']');
    return SQ_OK;
}

static void write_attachment(const struct attachment *a, struct buf *body)
{
    json_open(body, '{');
    json_key_str(body, "content", a->content_base64);
    json_opt_str(body, "type", a->mime_type);
    json_key_str(body, "filename", mail_attachment_name(a));
    json_key_str(body, "disposition", text_is_empty(a->content_id) ? "attachment" : "inline");
    json_opt_str(body, "content_id", a->content_id);
    json_close(body, '}');
}

static void write_attachments(const struct message *m, struct buf *body)
{
    if (m->attachment_count == 0)
        return;
    json_key(body, "attachments");
    json_open(body, '[');
    for (unsigned i = 0; i < m->attachment_count; i++)
        write_attachment(&m->attachments[i], body);
    json_close(body, ']');
}

/* --- custom arguments --- */

/* The API takes strings alone; other values go as their JSON text. */
static void write_arg(struct buf *body, const cJSON *item)
{
    struct buf text = {.max = CUSTOM_ARGS_MAX};

    if (cJSON_IsString(item)) {
        json_key_str(body, item->string, item->valuestring);
        return;
    }
    json_print(item, &text);
    json_key_str(body, item->string, buf_str(&text));
    buf_free(&text);
}

static enum sq_err write_metadata(const char *metadata, struct buf *body, struct err_text *e)
{
    static const struct json_limits limits = {.max_bytes = 0};
    const cJSON *item;
    cJSON *json = NULL;
    enum sq_err err = json_parse(metadata, strlen(metadata), &limits, &json, NULL);

    if (err || !cJSON_IsObject(json))
        err = err_set_field(e, SQ_ERR_INVALID, "metadata", "expected a JSON object");
    else if (json_get(json, ID_ARG))
        err = err_set_field(e, SQ_ERR_INVALID, "metadata", "the name %s is taken", ID_ARG);
    for (item = err ? NULL : json->child; item; item = item->next)
        write_arg(body, item);
    json_free(json);
    return err;
}

static enum sq_err write_custom_args(const struct message *m, struct buf *body, struct err_text *e)
{
    const char *metadata = m->text[MSG_METADATA];
    size_t start = body->len;
    enum sq_err err = SQ_OK;

    json_key(body, "custom_args");
    json_open(body, '{');
    if (!text_is_empty(metadata))
        err = write_metadata(metadata, body, e);
    json_key_str(body, ID_ARG, m->id);
    json_close(body, '}');
    if (!err && body->len - start > CUSTOM_ARGS_MAX)
        err = err_set_field(e, SQ_ERR_INVALID, "metadata", "sendgrid takes at most %d bytes",
                            CUSTOM_ARGS_MAX);
    return err;
}

/* --- the request --- */

static enum sq_err write_personalization(const struct message *m, const struct mail *mail,
                                         struct buf *body, struct err_text *e)
{
    enum sq_err err;

    json_key(body, "personalizations");
    json_open(body, '[');
    json_open(body, '{');
    write_boxes(body, "to", &mail->to);
    write_boxes(body, "cc", &mail->cc);
    write_boxes(body, "bcc", &mail->bcc);
    err = write_custom_args(m, body, e);
    json_close(body, '}');
    json_close(body, ']');
    return err;
}

static enum sq_err write_mail(const struct message *m, const struct mail *mail, struct buf *body,
                              struct err_text *e)
{
    enum sq_err err;

    mail_reserve(m, body);
    json_open(body, '{');
    err = write_personalization(m, mail, body, e);
    json_key(body, "from");
    write_box(body, &mail->from);
    write_reply_to(body, &mail->reply_to);
    if (!err)
        err = write_content(m, body, e);
    write_attachments(m, body);
    mail_json_header_object(body, "headers", mail);
    json_close(body, '}');
    return err;
}

static enum sq_err sendgrid_build(const struct build_ctx *ctx, const struct message *m,
                                  struct request *r, struct err_text *e)
{
    struct mail mail = {0};
    enum sq_err err = provider_begin(ctx, "/v3/mail/send", "application/json", r, e);

    if (!err)
        err = request_header(r, "Accept", "application/json", e); /* 406 without one */
    if (!err)
        err = mail_bearer(r, sender_value(ctx->sender, "api_key"), e);
    if (!err)
        err = mail_read(ctx, m, MAIL_RECIPIENTS_MAX, &mail, e);
    if (!err)
        err = write_mail(m, &mail, &r->body, e);
    mail_clear(&mail);
    return err ? err : provider_finish(r, e);
}

/* --- the answer --- */

/* {"errors":[{"message","field","help"}]}: the first ones, as "message (field); ...". */
static void say_errors(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const cJSON *item = json_get(json, "errors");
    struct buf text = {.max = 4096};

    item = cJSON_IsArray(item) ? item->child : NULL;
    for (int i = 0; item && i < ERRORS_SHOWN; item = item->next, i++) {
        const char *message = json_str(item, "message");
        const char *field = json_str(item, "field");

        if (!message)
            continue;
        if (text.len)
            buf_adds(&text, "; ");
        buf_adds(&text, message);
        if (!text_is_empty(field) && strcmp(field, "null") != 0)
            buf_addf(&text, " (%s)", field);
    }
    provider_say(ctx, o, buf_str(&text));
    buf_free(&text);
}

/* The end of the rate window, in Unix seconds; a Retry-After is not documented, but would win. */
static void read_reset(const struct response *r, struct outcome *o)
{
    char value[32];
    int64_t reset;

    if (o->retry_after_ms || !response_header(r, "X-RateLimit-Reset", value, sizeof(value)))
        return;
    if (text_to_i64(value, &reset) || reset <= 0 || reset > INT64_MAX / 1000)
        return;
    reset = reset * 1000 - r->now_ms;
    if (reset > PROVIDER_RETRY_AFTER_MAX_MS)
        reset = PROVIDER_RETRY_AFTER_MAX_MS;
    o->retry_after_ms = reset > 0 ? reset : 0;
}

static void sendgrid_classify(const struct build_ctx *ctx, const struct response *r,
                              struct outcome *o)
{
    char id[sizeof(o->provider_message_id)];
    cJSON *json;

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT) {
        if (response_header(r, "X-Message-Id", id, sizeof(id)))
            provider_set_id_text(o, id);
        return;
    }
    if (o->kind == OUTCOME_THROTTLED)
        read_reset(r, o);
    json = provider_answer(r);
    say_errors(ctx, json, o);
    json_free(json);
}

const struct provider provider_sendgrid = {
    .name = "sendgrid",
    .base_url = "https://api.sendgrid.com",
    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
    .settings = settings,
    .check = mail_check_sender,
    .build = sendgrid_build,
    .classify = sendgrid_classify,
    .wants_original = true,
};

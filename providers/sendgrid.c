/* sendgrid: the v3 Mail Send API.
 *
 * One personalization holds all recipients, so that they see each other as in any mail. A taken
 * mail is 202 with an empty body; its id is in a header. There is no idempotency key. */
#include "provider_util.h"
#include "registry.h"

#include "map.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define RECIPIENTS_MAX 1000   /* per list, the API's own */
#define CUSTOM_ARGS_MAX 10000 /* bytes, the API's own */
#define ID_ARG "sendq_id"     /* comes back in the provider's events */
#define ERRORS_SHOWN 3

static const struct provider_setting settings[] = {
    {.name = "api_key", .help = "API key (SG....)", .required = true, .secret = true},
    {.name = NULL},
};

/* --- addresses --- */

static void write_mailbox(struct buf *b, const char *address, const char *name)
{
    json_open(b, '{');
    json_key_str(b, "email", address);
    json_opt_str(b, "name", name);
    json_close(b, '}');
}

/* The addresses written so far: the API refuses one that stands twice in to, cc and bcc. */
struct recipients {
    struct buf *body;
    struct map seen;
    const char *field; /* "to", "cc", "bcc" */
    unsigned count;    /* in this field */
    struct err_text *e;
};

static bool is_repeated(struct recipients *r, const struct mailbox *box)
{
    char key[sizeof(box->address)];

    memcpy(key, box->address, sizeof(key));
    text_lower(key);
    return map_set(&r->seen, key, r) != NULL;
}

static enum sq_err add_recipients(struct recipients *r, const char *list)
{
    struct mailbox box;
    enum sq_err err;

    while (!(err = provider_mailbox_next(&list, &box))) {
        if (is_repeated(r, &box))
            continue;
        if (r->count == RECIPIENTS_MAX)
            return err_set_field(r->e, SQ_ERR_INVALID, r->field, "sendgrid takes at most %d",
                                 RECIPIENTS_MAX);
        if (r->count++ == 0) {
            json_key(r->body, r->field);
            json_open(r->body, '[');
        }
        write_mailbox(r->body, box.address, box.name);
    }
    if (err != SQ_ERR_NOT_FOUND)
        return err_set_field(r->e, SQ_ERR_INVALID, r->field, "expected e-mail addresses");
    return SQ_OK;
}

static void end_recipients(struct recipients *r)
{
    if (r->count)
        json_close(r->body, ']');
    r->count = 0;
}

static enum sq_err add_copies(struct recipients *r, const char *field, const struct str_list *list)
{
    enum sq_err err = SQ_OK;

    r->field = field;
    for (unsigned i = 0; i < list->count && !err; i++)
        err = add_recipients(r, list->items[i]);
    end_recipients(r);
    return err;
}

static enum sq_err write_recipients(const struct message *m, struct buf *body, struct err_text *e)
{
    struct recipients r = {.body = body, .field = "to", .e = e};
    enum sq_err err = add_recipients(&r, provider_to(m));

    if (!err && r.count == 0)
        err = err_set_field(e, SQ_ERR_INVALID, "recipient", "an e-mail address is required");
    end_recipients(&r);
    if (!err)
        err = add_copies(&r, "cc", &m->list[MSG_CC]);
    if (!err)
        err = add_copies(&r, "bcc", &m->list[MSG_BCC]);
    map_free(&r.seen);
    return err;
}

static enum sq_err write_from(const struct build_ctx *ctx, const struct message *m,
                              struct buf *body, struct err_text *e)
{
    const char *from = provider_from(ctx, m);
    const char *name = provider_from_name(ctx, m);
    struct mailbox box;

    if (!from)
        return err_set_field(e, SQ_ERR_INVALID, "from",
                             "neither the message nor its sender has a from address");
    if (provider_mailbox_next(&from, &box))
        return err_set_field(e, SQ_ERR_INVALID, "from", "expected an e-mail address");
    json_key(body, "from");
    write_mailbox(body, box.address, box.name[0] ? box.name : name);
    return SQ_OK;
}

/* One address is reply_to, several are reply_to_list; the API refuses both together. */
static enum sq_err write_reply_to(const struct message *m, struct buf *body, struct err_text *e)
{
    const char *list = m->text[MSG_REPLY_TO];
    struct mailbox first, box;
    enum sq_err err;

    if (text_is_empty(list))
        return SQ_OK;
    if (provider_mailbox_next(&list, &first))
        return err_set_field(e, SQ_ERR_INVALID, "reply_to", "expected e-mail addresses");
    err = provider_mailbox_next(&list, &box);
    json_key(body, err == SQ_ERR_NOT_FOUND ? "reply_to" : "reply_to_list");
    if (err != SQ_ERR_NOT_FOUND)
        json_open(body, '[');
    write_mailbox(body, first.address, first.name);
    if (err == SQ_ERR_NOT_FOUND)
        return SQ_OK;
    for (; !err; err = provider_mailbox_next(&list, &box))
        write_mailbox(body, box.address, box.name);
    json_close(body, ']');
    if (err != SQ_ERR_NOT_FOUND)
        return err_set_field(e, SQ_ERR_INVALID, "reply_to", "expected e-mail addresses");
    return SQ_OK;
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

static enum sq_err write_attachment(const struct attachment *a, unsigned i, struct buf *body,
                                    struct err_text *e)
{
    const char *name = text_is_empty(a->filename) ? "attachment" : a->filename;

    if (text_is_empty(a->content_base64))
        return err_set(e, SQ_ERR_INVALID,
                       "attachments[%u] (%.60s): only content_base64 can be sent", i, name);
    json_open(body, '{');
    json_key_str(body, "content", a->content_base64);
    json_opt_str(body, "type", a->mime_type);
    json_key_str(body, "filename", name);
    json_key_str(body, "disposition", text_is_empty(a->content_id) ? "attachment" : "inline");
    json_opt_str(body, "content_id", a->content_id);
    json_close(body, '}');
    return SQ_OK;
}

static enum sq_err write_attachments(const struct message *m, struct buf *body, struct err_text *e)
{
    enum sq_err err = SQ_OK;

    if (m->list[MSG_MEDIA].count)
        return err_set_field(e, SQ_ERR_INVALID, "media_urls", "sendgrid cannot carry them");
    if (m->attachment_count == 0)
        return SQ_OK;
    json_key(body, "attachments");
    json_open(body, '[');
    for (unsigned i = 0; i < m->attachment_count && !err; i++)
        err = write_attachment(&m->attachments[i], i, body, e);
    json_close(body, ']');
    return err;
}

/* An RFC 5322 message id, with or without its angle brackets. */
static bool is_message_id(const char *s)
{
    size_t len = s ? strlen(s) : 0;
    const char *at = s ? strchr(s, '@') : NULL;

    if (!at || at == s || !at[1] || len > 900 || text_has_control(s) || strpbrk(s, " ,;\"()"))
        return false;
    if (s[0] == '<')
        return s[len - 1] == '>' && at != s + 1 && at + 1 != s + len - 1;
    return !strpbrk(s, "<>");
}

static void write_thread_headers(const struct message *m, struct buf *body)
{
    const char *id = m->text[MSG_REPLY_ID];
    char value[904];

    if (!is_message_id(id))
        return; /* an id of another kind: nothing a mail header could hold */
    snprintf(value, sizeof(value), id[0] == '<' ? "%s" : "<%s>", id);
    json_key(body, "headers");
    json_open(body, '{');
    json_key_str(body, "In-Reply-To", value);
    json_key_str(body, "References", value);
    json_close(body, '}');
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

static enum sq_err write_personalization(const struct message *m, struct buf *body,
                                         struct err_text *e)
{
    enum sq_err err;

    json_key(body, "personalizations");
    json_open(body, '[');
    json_open(body, '{');
    err = write_recipients(m, body, e);
    if (!err)
        err = write_custom_args(m, body, e);
    json_close(body, '}');
    json_close(body, ']');
    return err;
}

static enum sq_err write_mail(const struct build_ctx *ctx, const struct message *m,
                              struct buf *body, struct err_text *e)
{
    enum sq_err err;

    json_open(body, '{');
    err = write_personalization(m, body, e);
    if (!err)
        err = write_from(ctx, m, body, e);
    if (!err)
        err = write_reply_to(m, body, e);
    if (!err)
        err = write_content(m, body, e);
    if (!err)
        err = write_attachments(m, body, e);
    if (!err)
        write_thread_headers(m, body);
    json_close(body, '}');
    return err;
}

static enum sq_err add_authorization(const struct build_ctx *ctx, struct request *r,
                                     struct err_text *e)
{
    struct buf value = {.max = 8192};
    enum sq_err err;

    buf_adds(&value, "Bearer ");
    buf_adds(&value, sender_value(ctx->sender, "api_key"));
    err = request_header(r, "Authorization", buf_str(&value), e);
    buf_free(&value);
    return err;
}

static enum sq_err sendgrid_build(const struct build_ctx *ctx, const struct message *m,
                                  struct request *r, struct err_text *e)
{
    enum sq_err err = provider_begin(ctx, "/v3/mail/send", "application/json", r, e);

    if (!err)
        err = request_header(r, "Accept", "application/json", e); /* 406 without one */
    if (!err)
        err = add_authorization(ctx, r, e);
    if (!err)
        err = write_mail(ctx, m, &r->body, e);
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
    .build = sendgrid_build,
    .classify = sendgrid_classify,
};

/* mailgun: POST /v3/{domain}/messages, multipart/form-data with the files as they are. */
#include "mail.h"
#include "registry.h"

#include "crypto.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOUNDARY_SIZE 48
#define HOUR_MS ((int64_t)3600 * 1000)

static const struct provider_setting settings[] = {
    {.name = "api_key", .help = "Sending or account API key", .required = true, .secret = true},
    {.name = "domain", .help = "Sending domain (the URL's)", .required = true},
    {.name = "tag", .help = "Tag of the provider's statistics (o:tag)"},
    {.name = "test_mode",
     .help = "true: the provider takes mails and delivers none",
     .fallback = "false"},
    MAIL_SETTINGS,
    {.name = NULL},
};

struct form {
    struct buf *out;
    char boundary[BOUNDARY_SIZE];
};

/* --- multipart/form-data, RFC 7578 --- */

/* Files may hold anything, so nobody who writes them may know the boundary. */
static void choose_boundary(struct form *f, const char *secret, const char *id)
{
    uint8_t mac[32];
    char hex[65];

    crypto_hmac_sha256(secret, strlen(secret), id, strlen(id), mac);
    crypto_hex(mac, sizeof(mac), hex);
    snprintf(f->boundary, sizeof(f->boundary), "sendq%.40s", hex);
}

/* A name within quotes, escaped as browsers do. */
static void add_quoted(struct buf *b, const char *name, const char *value)
{
    buf_addf(b, "; %s=\"", name);
    for (; *value; value++) {
        if (*value == '"')
            buf_adds(b, "%22");
        else if (*value == '\r' || *value == '\n')
            buf_adds(b, *value == '\r' ? "%0D" : "%0A");
        else
            buf_addc(b, *value);
    }
    buf_addc(b, '"');
}

static void begin_part(struct form *f, const char *name, const char *filename, const char *type)
{
    buf_addf(f->out, "--%s\r\nContent-Disposition: form-data", f->boundary);
    add_quoted(f->out, "name", name);
    if (filename)
        add_quoted(f->out, "filename", filename);
    if (type)
        buf_addf(f->out, "\r\nContent-Type: %s", type);
    buf_adds(f->out, "\r\n\r\n");
}

static void add_field(struct form *f, const char *name, const char *value)
{
    if (text_is_empty(value))
        return;
    begin_part(f, name, NULL, NULL);
    buf_adds(f->out, value);
    buf_adds(f->out, "\r\n");
}

static void add_box(struct form *f, const char *name, const struct address *box)
{
    struct buf text = {.max = 2048};

    mail_add_box(&text, box);
    add_field(f, name, buf_str(&text));
    buf_free(&text);
}

static void add_boxes(struct form *f, const char *name, const struct address_list *boxes)
{
    for (unsigned i = 0; i < boxes->count; i++)
        add_box(f, name, &boxes->items[i]);
}

static void add_headers(struct form *f, const struct mail *mail)
{
    struct buf reply_to = {.max = 65536};

    for (unsigned i = 0; i < mail->header_count; i++) {
        char name[64];

        snprintf(name, sizeof(name), "h:%s", mail->headers[i].name);
        add_field(f, name, mail->headers[i].value);
    }
    for (unsigned i = 0; i < mail->reply_to.count; i++) {
        buf_adds(&reply_to, i ? ", " : "");
        mail_add_box(&reply_to, &mail->reply_to.items[i]);
    }
    add_field(f, "h:Reply-To", buf_str(&reply_to));
    buf_free(&reply_to);
}

/* An inline file's name is what the html calls it by. */
static enum sq_err add_file(struct form *f, const struct attachment *a, unsigned i,
                            struct err_text *e)
{
    bool is_inline = !text_is_empty(a->content_id);
    char field[64];

    begin_part(f, is_inline ? "inline" : "attachment",
               is_inline ? a->content_id : mail_attachment_name(a), mail_attachment_type(a));
    if (base64_decode(f->out, a->content_base64, strlen(a->content_base64), false) ==
        SQ_ERR_INVALID) {
        snprintf(field, sizeof(field), "attachments[%u].content_base64", i);
        return err_set_field(e, SQ_ERR_INVALID, field, "must be base64");
    }
    buf_adds(f->out, "\r\n");
    return SQ_OK;
}

static void on_metadata(const char *name, const char *value, void *arg)
{
    char field[128];

    if (strlen(name) > 100 || text_has_control(name) || text_eq(name, "sendq_id"))
        return;
    snprintf(field, sizeof(field), "v:%s", name);
    add_field(arg, field, value);
}

static void add_fields(struct form *f, const struct build_ctx *ctx, const struct message *m,
                       const struct mail *mail)
{
    const char *test_mode = sender_value(ctx->sender, "test_mode");

    add_box(f, "from", &mail->from);
    add_boxes(f, "to", &mail->to);
    add_boxes(f, "cc", &mail->cc);
    add_boxes(f, "bcc", &mail->bcc);
    add_field(f, "subject", m->text[MSG_SUBJECT]);
    add_field(f, "text", m->text[MSG_CONTENT]);
    add_field(f, "html", m->text[MSG_HTML]);
    add_headers(f, mail);
    add_field(f, "o:tag", sender_value(ctx->sender, "tag"));
    if (text_eq(test_mode, "true"))
        add_field(f, "o:testmode", "yes");
    mail_each_metadata(m, on_metadata, f);
    add_field(f, "v:sendq_id", m->id);
}

/* --- the request --- */

static enum sq_err write_form(const struct build_ctx *ctx, const struct message *m,
                              const struct mail *mail, struct form *f, struct err_text *e)
{
    enum sq_err err = SQ_OK;

    if (text_is_empty(m->text[MSG_CONTENT]) && text_is_empty(m->text[MSG_HTML]))
        return err_set_field(e, SQ_ERR_INVALID, "content", "text or html is required");
    mail_reserve(m, f->out);
    add_fields(f, ctx, m, mail);
    for (unsigned i = 0; i < m->attachment_count && !err; i++)
        err = add_file(f, &m->attachments[i], i, e);
    buf_addf(f->out, "--%s--\r\n", f->boundary);
    return err;
}

static enum sq_err begin(const struct build_ctx *ctx, struct request *r, const struct form *f,
                         struct err_text *e)
{
    char type[128];
    enum sq_err err;

    snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", f->boundary);
    err = provider_begin(ctx, "/v3/", type, r, e);
    text_add_urlencoded(&r->url, sender_value(ctx->sender, "domain"));
    buf_adds(&r->url, "/messages");
    buf_addf(&r->userpwd, "api:%s", sender_value(ctx->sender, "api_key"));
    return err;
}

static enum sq_err mailgun_build(const struct build_ctx *ctx, const struct message *m,
                                 struct request *r, struct err_text *e)
{
    struct form f = {.out = &r->body};
    struct mail mail = {0};
    enum sq_err err;

    choose_boundary(&f, sender_value(ctx->sender, "api_key"), m->id);
    err = begin(ctx, r, &f, e);
    if (!err)
        err = mail_read(ctx, m, MAIL_RECIPIENTS_MAX, &mail, e);
    if (!err)
        err = write_form(ctx, m, &mail, &f, e);
    mail_clear(&mail);
    return err ? err : provider_finish(r, e);
}

/* --- the answer --- */

/* "... limit exceeded, try again after 120 seconds": no header says it. */
static void read_wait(const char *words, struct outcome *o)
{
    const char *at = words ? strstr(words, "after ") : NULL;
    long seconds = at ? strtol(at + 6, NULL, 10) : 0;

    if (o->retry_after_ms || seconds <= 0 || seconds > 86400)
        return;
    o->retry_after_ms = (int64_t)seconds * 1000;
}

static void mailgun_classify(const struct build_ctx *ctx, const struct response *r,
                             struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const char *words = json_str(json, "message");

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT)
        provider_set_id(o, json_get(json, "id"));
    else if (r->status == 403)
        outcome_set(o, OUTCOME_AUTH, CODE_INVALID_KEY, "HTTP 403");
    else if (r->status == 404 && json) /* documented as perhaps temporary; without JSON: the URL */
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "HTTP 404");
    if (r->status == 402) { /* out of credit: all of the account's mails wait */
        outcome_set(o, OUTCOME_THROTTLED, CODE_RATE_LIMITED, "HTTP 402");
        o->retry_after_ms = HOUR_MS;
    }
    if (o->kind == OUTCOME_THROTTLED)
        read_wait(words, o);
    if (o->kind != OUTCOME_SENT)
        provider_say(ctx, o, words);
    json_free(json);
}

const struct provider provider_mailgun = {
    .name = "mailgun",
    .base_url = "https://api.mailgun.net",
    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
    .settings = settings,
    .check = mail_check_sender,
    .build = mailgun_build,
    .classify = mailgun_classify,
    .wants_original = true,
};

/* A mail's parts as the APIs want them: texts, JSON members, outcomes. */
#include "mail.h"

#include "crypto.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* --- addresses --- */

void mail_add_box(struct buf *b, const struct address *box)
{
    if (text_is_empty(box->name)) {
        buf_adds(b, box->addr);
        return;
    }
    buf_addc(b, '"');
    for (const char *p = box->name; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_addc(b, '\\');
        buf_addc(b, *p);
    }
    buf_addf(b, "\" <%s>", box->addr);
}

static void json_val_box(struct buf *b, const struct address *box)
{
    struct buf text = {.max = 2048};

    mail_add_box(&text, box);
    json_val_str(b, buf_str(&text));
    buf_free(&text);
}

void mail_json_box(struct buf *b, const char *name, const struct address *box)
{
    json_key(b, name);
    json_val_box(b, box);
}

void mail_json_boxes(struct buf *b, const char *name, const struct address_list *boxes)
{
    if (boxes->count == 0)
        return;
    json_key(b, name);
    json_open(b, '[');
    for (unsigned i = 0; i < boxes->count; i++)
        json_val_box(b, &boxes->items[i]);
    json_close(b, ']');
}

void mail_json_joined(struct buf *b, const char *name, const struct address_list *boxes)
{
    struct buf text = {0};

    for (unsigned i = 0; i < boxes->count; i++) {
        if (i)
            buf_adds(&text, ", ");
        mail_add_box(&text, &boxes->items[i]);
    }
    json_opt_str(b, name, buf_str(&text));
    buf_free(&text);
}

/* --- headers --- */

void mail_json_header_object(struct buf *b, const char *name, const struct mail *mail)
{
    if (mail->header_count == 0)
        return;
    json_key(b, name);
    json_open(b, '{');
    for (unsigned i = 0; i < mail->header_count; i++)
        json_key_str(b, mail->headers[i].name, mail->headers[i].value);
    json_close(b, '}');
}

void mail_json_header_list(struct buf *b, const char *name, const struct mail *mail)
{
    if (mail->header_count == 0)
        return;
    json_key(b, name);
    json_open(b, '[');
    for (unsigned i = 0; i < mail->header_count; i++) {
        json_open(b, '{');
        json_key_str(b, "Name", mail->headers[i].name);
        json_key_str(b, "Value", mail->headers[i].value);
        json_close(b, '}');
    }
    json_close(b, ']');
}

enum sq_err mail_bearer(struct request *r, const char *token, struct err_text *e)
{
    struct buf value = {.max = 16384};
    enum sq_err err;

    buf_adds(&value, "Bearer ");
    buf_adds(&value, token);
    err = request_header(r, "Authorization", buf_str(&value), e);
    buf_free(&value);
    return err;
}

/* --- attachments --- */

const char *mail_attachment_name(const struct attachment *a)
{
    return text_is_empty(a->filename) ? "attachment" : a->filename;
}

const char *mail_attachment_type(const struct attachment *a)
{
    return text_is_empty(a->mime_type) ? "application/octet-stream" : a->mime_type;
}

static enum sq_err attachment_fault(struct err_text *e, unsigned i, const char *member,
                                    const char *text)
{
    char field[64];

    snprintf(field, sizeof(field), "attachments[%u].%s", i, member);
    return err_set_field(e, SQ_ERR_INVALID, field, "%s", text);
}

static enum sq_err check_attachment(const struct attachment *a, unsigned i, struct err_text *e)
{
    if (text_is_empty(a->content_base64))
        return attachment_fault(e, i, "content_base64",
                                "is required: only content_base64 can be sent");
    if (text_has_control(mail_attachment_name(a)))
        return attachment_fault(e, i, "filename", "must be one line");
    if (!mime_is_type(a->mime_type))
        return attachment_fault(e, i, "mime_type", "must be type/subtype");
    if (a->content_id && (text_has_control(a->content_id) || strpbrk(a->content_id, "<> \"")))
        return attachment_fault(e, i, "content_id", "must be one word");
    return SQ_OK;
}

enum sq_err mail_check_attachments(const struct message *m, struct err_text *e)
{
    enum sq_err err = SQ_OK;

    for (unsigned i = 0; i < m->attachment_count && !err; i++)
        err = check_attachment(&m->attachments[i], i, e);
    return err;
}

void mail_reserve(const struct message *m, struct buf *b)
{
    size_t n = 4096;

    for (unsigned i = 0; i < m->attachment_count; i++)
        n += strlen(m->attachments[i].content_base64) + 512;
    buf_reserve(b, n);
}

/* --- metadata --- */

void mail_each_metadata(const struct message *m, mail_metadata_cb cb, void *arg)
{
    static const struct json_limits limits = {.max_bytes = 0};
    const char *metadata = m->text[MSG_METADATA];
    cJSON *json = NULL;

    if (text_is_empty(metadata) ||
        json_parse(metadata, strlen(metadata), &limits, &json, NULL) != SQ_OK)
        return;
    for (const cJSON *item = cJSON_IsObject(json) ? json->child : NULL; item; item = item->next) {
        struct buf text = {.max = 16384};

        if (cJSON_IsString(item))
            buf_adds(&text, item->valuestring);
        else
            json_print(item, &text);
        cb(item->string, buf_str(&text), arg);
        buf_free(&text);
    }
    json_free(json);
}

/* Dividing a message into Bot API calls, and writing one as JSON or multipart. */
#include "telegram_call.h"

#include "chat.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096
#define CAPTION_MAX 1024
#define ALBUM_MAX 10

/* --- division --- */

struct file {
    const char *url;
    const struct attachment *data; /* where there is no URL */
    bool photo;
};

static unsigned file_count(const struct message *m)
{
    return m->list[MSG_MEDIA].count + m->attachment_count;
}

static struct file file_at(const struct message *m, unsigned i)
{
    const struct str_list *media = &m->list[MSG_MEDIA];
    const struct attachment *a;
    const char *name;

    if (i < media->count)
        return (struct file){.url = media->items[i],
                             .photo = media_kind_of(NULL, media->items[i]) == MEDIA_IMAGE};
    a = &m->attachments[i - media->count];
    name = text_is_empty(a->filename) ? a->url : a->filename;
    return (struct file){.url = a->url,
                         .data = a->url ? NULL : a,
                         .photo = media_kind_of(a->mime_type, name) == MEDIA_IMAGE};
}

/* HTML, where there is some, says more than the plain text. */
static const char *text_of(const struct message *m)
{
    const char *html = m->text[MSG_HTML];

    return text_is_empty(html) ? m->text[MSG_CONTENT] : html;
}

static bool has_caption(const struct message *m)
{
    const char *text = text_of(m);

    return file_count(m) && !text_is_empty(text) && text_chars(text) <= CAPTION_MAX;
}

bool telegram_call_at(const struct message *m, unsigned i, struct telegram_call *ret)
{
    unsigned files = file_count(m), first = 0;

    *ret = (struct telegram_call){.count = 0};
    if (!has_caption(m) && !text_is_empty(text_of(m)) && i-- == 0)
        return true;
    while (first < files) {
        struct telegram_call c = {.first = first, .photos = file_at(m, first).photo};

        while (c.first + c.count < files && c.count < ALBUM_MAX &&
               file_at(m, c.first + c.count).photo == c.photos)
            c.count++;
        c.caption = first == 0 && has_caption(m);
        first += c.count;
        if (i-- == 0) {
            *ret = c;
            return true;
        }
    }
    return false;
}

/* --- checks --- */

static bool is_number(const char *s)
{
    size_t digits;

    s += *s == '-';
    digits = strspn(s, "0123456789");
    return digits && digits <= 19 && !s[digits] && (s[0] != '0' || digits == 1);
}

static enum sq_err check_number(const struct message *m, enum msg_text field, const char *name,
                                struct err_text *e)
{
    if (text_is_empty(m->text[field]) || is_number(m->text[field]))
        return SQ_OK;
    return err_set_field(e, SQ_ERR_INVALID, name, "telegram expects a number");
}

enum sq_err telegram_check_message(const struct build_ctx *ctx, const struct message *m,
                                   struct err_text *e)
{
    static const struct chat_rule rule = {.uploads = true};
    const char *mode = sender_value(ctx->sender, "parse_mode");
    enum sq_err err =
        chat_refuse(m, ctx, 1u << MSG_HTML | 1u << MSG_THREAD_ID | 1u << MSG_REPLY_ID, e);

    if (!err)
        err = check_number(m, MSG_THREAD_ID, "thread_id", e);
    if (!err)
        err = check_number(m, MSG_REPLY_ID, "reply_id", e);
    /* Markup does not count, and only Telegram knows what is markup. */
    if (!err && text_is_empty(mode) && text_is_empty(m->text[MSG_HTML]))
        err = chat_text_max(m->text[MSG_CONTENT], TEXT_MAX, e);
    if (!err && (file_count(m) || text_is_empty(m->text[MSG_HTML])))
        err = chat_check(&rule, m, ctx, e);
    return err;
}

/* --- writing --- */

/* The parameters, as members of a JSON object or as parts of a form. */
struct params {
    struct buf *json; /* NULL = form */
    struct form_data form;
};

static void param_text(struct params *p, const char *name, const char *value)
{
    if (p->json)
        json_key_str(p->json, name, value);
    else
        form_data_text(&p->form, name, value);
}

/* A value that is JSON: a number, an object, a list. */
static void param_json(struct params *p, const char *name, const char *json)
{
    if (!p->json) {
        form_data_text(&p->form, name, json);
        return;
    }
    json_key(p->json, name);
    json_val_raw(p->json, json, strlen(json));
}

static const char *parse_mode(const struct build_ctx *ctx, const struct message *m)
{
    const char *mode = sender_value(ctx->sender, "parse_mode");

    if (!text_is_empty(m->text[MSG_HTML]))
        return "HTML";
    return text_is_empty(mode) ? NULL : mode;
}

static void write_common(const struct build_ctx *ctx, const struct message *m, struct params *p)
{
    const char *moved = progress_get(ctx->progress, TELEGRAM_CARRY_CHAT);
    const char *chat = moved[0] ? moved : m->text[MSG_RECIPIENT];
    char reply[64];

    if (is_number(chat))
        param_json(p, "chat_id", chat);
    else
        param_text(p, "chat_id", chat);
    if (!text_is_empty(m->text[MSG_THREAD_ID]))
        param_json(p, "message_thread_id", m->text[MSG_THREAD_ID]);
    if (text_is_empty(m->text[MSG_REPLY_ID]))
        return;
    snprintf(reply, sizeof(reply), "{\"message_id\":%s}", m->text[MSG_REPLY_ID]);
    param_json(p, "reply_parameters", reply);
}

static void write_text(const struct build_ctx *ctx, const struct message *m, const char *name,
                       struct params *p)
{
    param_text(p, name, text_of(m));
    if (parse_mode(ctx, m))
        param_text(p, "parse_mode", parse_mode(ctx, m));
}

static enum sq_err write_file(const struct message *m, const struct telegram_call *call,
                              struct params *p, struct err_text *e)
{
    const char *name = call->photos ? "photo" : "document";
    struct file f = file_at(m, call->first);

    if (f.data)
        return form_data_file(&p->form, name, f.data, e);
    param_text(p, name, f.url);
    return SQ_OK;
}

static void write_item(const struct build_ctx *ctx, const struct message *m,
                       const struct telegram_call *call, unsigned i, struct buf *b)
{
    struct file f = file_at(m, call->first + i);
    char name[32];

    snprintf(name, sizeof(name), "attach://file%u", i);
    json_open(b, '{');
    json_key_str(b, "type", call->photos ? "photo" : "document");
    json_key_str(b, "media", f.data ? name : f.url);
    if (i == 0 && call->caption) {
        json_key_str(b, "caption", text_of(m));
        json_opt_str(b, "parse_mode", parse_mode(ctx, m));
    }
    json_close(b, '}');
}

static enum sq_err write_album(const struct build_ctx *ctx, const struct message *m,
                               const struct telegram_call *call, struct params *p,
                               struct err_text *e)
{
    struct buf media = {.max = 1 << 20};
    enum sq_err err = SQ_OK;
    char name[32];

    json_open(&media, '[');
    for (unsigned i = 0; i < call->count; i++)
        write_item(ctx, m, call, i, &media);
    json_close(&media, ']');
    param_json(p, "media", buf_str(&media));
    buf_free(&media);
    for (unsigned i = 0; i < call->count && !err; i++) {
        struct file f = file_at(m, call->first + i);

        snprintf(name, sizeof(name), "file%u", i);
        if (f.data)
            err = form_data_file(&p->form, name, f.data, e);
    }
    return err;
}

static bool needs_form(const struct message *m, const struct telegram_call *call)
{
    for (unsigned i = 0; i < call->count; i++) {
        if (file_at(m, call->first + i).data)
            return true;
    }
    return false;
}

static const char *method_of(const struct telegram_call *call)
{
    if (call->count == 0)
        return "sendMessage";
    if (call->count > 1)
        return "sendMediaGroup";
    return call->photos ? "sendPhoto" : "sendDocument";
}

static enum sq_err write_params(const struct build_ctx *ctx, const struct message *m,
                                const struct telegram_call *call, struct params *p,
                                struct err_text *e)
{
    write_common(ctx, m, p);
    if (call->count > 1)
        return write_album(ctx, m, call, p, e);
    if (call->count == 0)
        write_text(ctx, m, "text", p);
    else if (call->caption)
        write_text(ctx, m, "caption", p);
    return call->count ? write_file(m, call, p, e) : SQ_OK;
}

enum sq_err telegram_write_call(const struct build_ctx *ctx, const struct message *m,
                                const struct telegram_call *call, struct request *r,
                                struct err_text *e)
{
    struct params p = {.json = needs_form(m, call) ? NULL : &r->body};
    enum sq_err err;

    buf_adds(&r->url, method_of(call));
    if (p.json)
        json_open(&r->body, '{');
    else
        form_data_begin(&p.form, m, &r->body);
    err = write_params(ctx, m, call, &p, e);
    if (err)
        return err;
    if (p.json)
        json_close(&r->body, '}');
    else
        form_data_end(&p.form);
    return request_header(r, "Content-Type", p.json ? "application/json" : p.form.content_type, e);
}

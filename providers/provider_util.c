/* What several providers need for building requests and reading answers. */
#include "provider_util.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* Shorter values are no secrets, and masking them would only make texts unreadable. */
#define SECRET_MIN 4
/* Twice what an outcome's text can hold. */
#define SAID_MAX 512

enum sq_err provider_begin(const struct build_ctx *ctx, const char *path, const char *content_type,
                           struct request *r, struct err_text *e)
{
    r->method = HTTP_POST;
    buf_adds(&r->url, ctx->sender->endpoint);
    buf_adds(&r->url, path);
    return request_header(r, "Content-Type", content_type, e);
}

enum sq_err provider_finish(const struct request *r, struct err_text *e)
{
    if (!r->url.failed && !r->head.failed && !r->body.failed && !r->userpwd.failed)
        return SQ_OK;
    err_set(e, SQ_ERR_TOO_LARGE, "the request is too large");
    if (e)
        snprintf(e->code, sizeof(e->code), "%s", error_code_name(CODE_TOO_LARGE));
    return SQ_ERR_TOO_LARGE;
}

const char *provider_from(const struct build_ctx *ctx, const struct message *m)
{
    const char *from = m->text[MSG_FROM];

    if (text_is_empty(from))
        from = ctx->sender->from_address;
    return text_is_empty(from) ? NULL : from;
}

const char *provider_from_name(const struct build_ctx *ctx, const struct message *m)
{
    const char *name = m->text[MSG_FROM_NAME];

    if (text_is_empty(name))
        name = ctx->sender->from_name;
    return text_is_empty(name) ? NULL : name;
}

const char *provider_to(const struct message *m)
{
    const char *to = text_is_empty(m->text[MSG_TO]) ? m->text[MSG_RECIPIENT] : m->text[MSG_TO];

    return to ? to : "";
}

enum sq_err provider_refuse(const struct message *m, const struct provider_refusal *fields,
                            unsigned count, const char *provider, struct err_text *e)
{
    for (unsigned i = 0; i < count; i++) {
        if (!text_is_empty(m->text[fields[i].field]))
            return err_set_field(e, SQ_ERR_INVALID, fields[i].name, "%s cannot carry it", provider);
    }
    return SQ_OK;
}

void provider_json_list(struct buf *b, const char *name, const struct str_list *list)
{
    if (list->count == 0)
        return;
    json_key(b, name);
    json_open(b, '[');
    for (unsigned i = 0; i < list->count; i++)
        json_val_str(b, list->items[i]);
    json_close(b, ']');
}

void provider_json_attachments(struct buf *b, const struct message *m)
{
    json_open(b, '[');
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];

        json_open(b, '{');
        json_opt_str(b, "filename", a->filename);
        json_opt_str(b, "mime_type", a->mime_type);
        json_opt_str(b, "content_id", a->content_id);
        json_opt_str(b, "content_base64", a->content_base64);
        json_opt_str(b, "url", a->url);
        json_close(b, '}');
    }
    json_close(b, ']');
}

/* --- answers --- */

cJSON *provider_answer(const struct response *r)
{
    static const struct json_limits limits = {.max_bytes = 0};
    cJSON *json = NULL;

    if (r->transport != TRANSPORT_OK || r->body_len == 0)
        return NULL;
    if (json_parse(r->body, r->body_len, &limits, &json, NULL))
        return NULL;
    return json;
}

void provider_set_id_text(struct outcome *o, const char *id)
{
    if (text_is_empty(id) || strlen(id) >= sizeof(o->provider_message_id) || text_has_control(id))
        return; /* half an id would find nothing at the provider */
    snprintf(o->provider_message_id, sizeof(o->provider_message_id), "%s", id);
}

void provider_set_id(struct outcome *o, const cJSON *id)
{
    struct buf text = {.max = 64};

    if (cJSON_IsString(id)) {
        provider_set_id_text(o, id->valuestring);
    } else if (cJSON_IsNumber(id)) {
        json_print(id, &text);
        if (!text.failed)
            provider_set_id_text(o, buf_str(&text));
        buf_free(&text);
    }
}

const char *provider_error_words(const cJSON *answer)
{
    const char *words = json_str(answer, "message");

    if (!words)
        words = json_str(answer, "error");
    return words ? words : json_str(json_get(answer, "error"), "message");
}

static bool is_secret(const struct sender *s, const char *name)
{
    const struct provider_setting *set = s->provider ? s->provider->settings : NULL;

    for (; set && set->name; set++) {
        if (set->secret && strcmp(set->name, name) == 0)
            return true;
    }
    return false;
}

/* The length of the secret that p begins with, or 0. */
static size_t secret_at(const struct build_ctx *ctx, const char *p)
{
    const struct sender *s = ctx->sender;
    size_t len, longest = 0;

    for (unsigned i = 0; i < s->value_count; i++) {
        const char *value = s->values[i].value;

        len = value ? strlen(value) : 0;
        if (len >= SECRET_MIN && len > longest && strncmp(p, value, len) == 0 &&
            is_secret(s, s->values[i].name))
            longest = len;
    }
    len = ctx->access_token ? strlen(ctx->access_token) : 0;
    if (len >= SECRET_MIN && len > longest && strncmp(p, ctx->access_token, len) == 0)
        longest = len;
    return longest;
}

void provider_say(const struct build_ctx *ctx, struct outcome *o, const char *said)
{
    struct buf masked = {.max = SAID_MAX + 16};
    char before[sizeof(o->text)];

    if (text_is_empty(said))
        return;
    memcpy(before, o->text, sizeof(before));
    while (*said && masked.len < SAID_MAX) {
        size_t len = secret_at(ctx, said);

        if (len)
            buf_adds(&masked, "***");
        else
            buf_addc(&masked, *said);
        said += len ? len : 1;
    }
    outcome_set(o, o->kind, o->code, "%s%s%s", before, before[0] ? ": " : "", buf_str(&masked));
    buf_free(&masked);
}

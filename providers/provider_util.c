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

/* --- mailboxes --- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Adds c, or notes in *full that there was no room. Runs of white space become one. */
static void put(char *text, size_t size, size_t *len, char c, bool *full)
{
    if (is_space(c)) {
        if (*len == 0 || text[*len - 1] == ' ')
            return;
        c = ' ';
    }
    if (*len + 1 < size)
        text[(*len)++] = c;
    else
        *full = true;
}

static void trim_end(char *text, size_t len)
{
    while (len > 0 && text[len - 1] == ' ')
        len--;
    text[len] = '\0';
}

/* Where in a mailbox the reader is. */
enum place { PLACE_WORDS, PLACE_QUOTED, PLACE_COMMENT, PLACE_ANGLE };

struct mailbox_scan {
    struct mailbox *box;
    size_t name_len, address_len;
    enum place place;
    unsigned depth; /* of comments */
    bool had_angle, full;
};

static void scan_words(struct mailbox_scan *s, char c)
{
    if (c == '"') {
        s->place = PLACE_QUOTED;
    } else if (c == '(') {
        s->place = PLACE_COMMENT;
        s->depth = 1;
    } else if (c == '<') {
        s->place = PLACE_ANGLE;
        s->full |= s->had_angle;
        s->had_angle = true;
    } else {
        put(s->box->name, sizeof(s->box->name), &s->name_len, c, &s->full);
    }
}

static void scan_comment(struct mailbox_scan *s, char c)
{
    if (c == '(')
        s->depth++;
    else if (c == ')' && --s->depth == 0)
        s->place = PLACE_WORDS;
}

/* One character; *p points at it and is moved over what an escape takes besides. */
static void scan_char(struct mailbox_scan *s, const char **p)
{
    char c = **p;

    if (c == '\\' && (s->place == PLACE_QUOTED || s->place == PLACE_COMMENT) && (*p)[1]) {
        c = *++*p;
        if (s->place == PLACE_QUOTED)
            put(s->box->name, sizeof(s->box->name), &s->name_len, c, &s->full);
        return;
    }
    switch (s->place) {
    case PLACE_WORDS:
        scan_words(s, c);
        break;
    case PLACE_QUOTED:
        if (c == '"')
            s->place = PLACE_WORDS;
        else
            put(s->box->name, sizeof(s->box->name), &s->name_len, c, &s->full);
        break;
    case PLACE_COMMENT:
        scan_comment(s, c);
        break;
    case PLACE_ANGLE:
        if (c == '>')
            s->place = PLACE_WORDS;
        else if (!is_space(c))
            put(s->box->address, sizeof(s->box->address), &s->address_len, c, &s->full);
        break;
    }
}

/* Shape only; what a real address is was checked when the job was accepted. */
static bool is_address(const char *s)
{
    const char *at = strrchr(s, '@');

    return at && at != s && at[1] && !strpbrk(s, " <>,;");
}

static enum sq_err scan_end(struct mailbox_scan *s)
{
    struct mailbox *box = s->box;

    trim_end(box->name, s->name_len);
    trim_end(box->address, s->address_len);
    if (!s->had_angle) {
        memcpy(box->address, box->name, strlen(box->name) + 1);
        box->name[0] = '\0';
    }
    if (s->full || s->place != PLACE_WORDS || !is_address(box->address))
        return SQ_ERR_INVALID;
    return SQ_OK;
}

enum sq_err provider_mailbox_next(const char **cursor, struct mailbox *ret)
{
    struct mailbox box = {.name = ""};
    struct mailbox_scan scan = {.box = &box};
    const char *p = *cursor;
    enum sq_err err;

    while (is_space(*p) || *p == ',')
        p++;
    if (*p == '\0') {
        *cursor = p;
        return SQ_ERR_NOT_FOUND;
    }
    for (; *p && !(*p == ',' && scan.place == PLACE_WORDS); p++)
        scan_char(&scan, &p);
    *cursor = p;
    err = scan_end(&scan);
    if (!err)
        *ret = box;
    return err;
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

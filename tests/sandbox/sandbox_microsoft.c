/* Microsoft Graph's mails, as its documentation has them, for /me and /users/{mailbox}:
 *   POST sendMail                                202, the mail as MIME in base64
 *   GET  messages?$filter=...                    200 {"value":[...]}; empty if it holds "unknown"
 *   POST messages                                201, a draft from MIME
 *   POST messages/{id}/createReply|createReplyAll|createForward   201, a draft
 *   POST messages/{id}/attachments               201
 *   POST messages/{id}/attachments/createUploadSession            201 {"uploadUrl"}
 *   PUT  <uploadUrl>                             200 with what is missing, 201 at the end
 *   POST messages/{id}/send                      202
 * Drafts are remembered, so that the send knows whose it is. */
#include "dialect.h"
#include "mime_head.h"
#include "shape.h"

#include "crypto.h"
#include "json.h"
#include "map.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_MAX ((size_t)4 << 20) /* bytes of a request, but for an upload's pieces */
#define CHUNK_UNIT ((size_t)320 << 10)

struct draft {
    char key[128], recipient[256];
    size_t upload_size, upload_at; /* of the session that is open */
};

struct call {
    struct shape_path path; /* below the mailbox */
    struct draft *draft;    /* that the path names, or NULL */
};

/* --- state --- */

static void *graph_open(void)
{
    return mem_zalloc(sizeof(struct map));
}

static void graph_reset(void *state)
{
    const char *key;
    size_t pos = 0;
    void *value;

    while (map_next(state, &pos, &key, &value))
        free(value);
    map_free(state);
    memset(state, 0, sizeof(struct map));
}

static void graph_close(void *state)
{
    if (state)
        graph_reset(state);
    free(state);
}

static void graph_error(struct exchange *x, int status, const char *code, const char *message)
{
    exchange_error(x, status, code, "%s", message);
}

/* --- requests --- */

/* Drops "v1.0/me" or "v1.0/users/{mailbox}" from the path's parts. */
static bool read_call(const struct exchange *x, struct call *c)
{
    struct shape_path *p = &c->path;
    unsigned drop;

    memset(c, 0, sizeof(*c));
    if (!shape_path(x->path, p) || p->count < 2 || !text_eq(p->part[0], "v1.0"))
        return false;
    drop = text_eq(p->part[1], "me") ? 2 : 3;
    if (p->count <= drop || (drop == 3 && !text_eq(p->part[1], "users")))
        return false;
    memmove(p->part, p->part + drop, (p->count - drop) * sizeof(p->part[0]));
    p->count -= drop;
    if (p->count > 1)
        c->draft = map_get(x->state, p->part[1]);
    return true;
}

static bool read_mime(const struct exchange *x, struct buf *mail)
{
    mail->max = EXCHANGE_BODY_MAX;
    return exchange_has_type(x, "text/plain") &&
           base64_decode(mail, x->record->body, x->record->body_len, false) == SQ_OK;
}

static const char *upload_draft(const struct exchange *x)
{
    return text_starts(x->path, "/upload/") ? x->path + 8 : NULL;
}

static void graph_read(struct exchange *x)
{
    struct buf mail = {0};
    struct call c;

    x->delivers = false;
    if (upload_draft(x) || !read_call(x, &c))
        return;
    if (read_mime(x, &mail))
        mime_identify(&mail, x->record);
    buf_free(&mail);
    if (c.draft) {
        record_set_id(x->record, c.draft->key);
        record_set_recipient(x->record, c.draft->recipient);
    }
    x->delivers = text_eq(c.path.part[0], "sendMail") ||
                  (c.path.count == 3 && text_eq(c.path.part[2], "send"));
}

/* --- answers --- */

static void answer_send_mail(struct exchange *x)
{
    struct buf mail = {0};

    if (!read_mime(x, &mail) || mime_fault(&mail))
        graph_error(x, 400, "ErrorMimeContentInvalidBase64String", "Invalid MIME content.");
    else
        exchange_empty(x, 202);
    buf_free(&mail);
}

static void answer_find(struct exchange *x)
{
    struct buf *out = exchange_begin(x, 200);

    json_key(out, "value");
    json_open(out, '[');
    if (!strstr(x->record->uri, "unknown")) {
        json_open(out, '{');
        json_key_str(out, "id", "AAMkFOUND=");
        json_close(out, '}');
    }
    json_close(out, ']');
    exchange_end(x);
}

static void new_draft(struct exchange *x)
{
    struct draft *d = mem_zalloc(sizeof(*d));
    struct buf *out;
    char id[64];

    snprintf(d->key, sizeof(d->key), "%s", x->record->id ? x->record->id : "");
    snprintf(d->recipient, sizeof(d->recipient), "%s",
             x->record->recipient ? x->record->recipient : "");
    out = exchange_begin(x, 201);
    snprintf(id, sizeof(id), "AAMkDRAFT-%llu=", (unsigned long long)exchange_serial(x));
    map_set(x->state, id, d);
    json_key_str(out, "id", id);
    json_key_str(out, "conversationId", "AAQkCONVERSATION=");
    json_key_str(out, "internetMessageId", "<draft@outlook.example>");
    json_key_bool(out, "isDraft", true);
    exchange_end(x);
}

static void answer_draft(struct exchange *x)
{
    struct buf mail = {0};
    bool good = read_mime(x, &mail) && !mime_fault(&mail);

    buf_free(&mail);
    if (good)
        new_draft(x);
    else
        graph_error(x, 400, "ErrorMimeContentInvalidBase64String", "Invalid MIME content.");
}

/* createReply and its likes: {"message": {...}, "comment": "..."}. */
static void answer_reply(struct exchange *x, const struct call *c)
{
    static const char *const members[] = {"message", "comment", "toRecipients", NULL};
    const cJSON *body = exchange_json(x), *message = json_get(body, "message");
    const cJSON *to = cJSON_GetArrayItem(json_get(message, "toRecipients"), 0);
    bool forward = text_eq(c->path.part[2], "createForward");

    if (!cJSON_IsObject(body) || shape_unknown(body, members))
        graph_error(x, 400, "BadRequest", "Unable to read JSON request payload.");
    else if (json_get(message, "body") && json_get(body, "comment"))
        graph_error(x, 400, "ErrorInvalidParameter", "comment and body may not both be given.");
    else if (forward && !to)
        graph_error(x, 400, "ErrorInvalidParameter", "toRecipients is needed.");
    else if (strstr(c->path.part[1], "unknown"))
        graph_error(x, 404, "ErrorItemNotFound", "The specified object was not found.");
    else {
        record_set_recipient(x->record, json_str(json_get(to, "emailAddress"), "address"));
        new_draft(x);
    }
}

static void answer_attach(struct exchange *x)
{
    const cJSON *a = exchange_json(x);
    const char *content = json_str(a, "contentBytes");
    struct buf *out;
    size_t bytes;

    if (!text_eq(json_str(a, "@odata.type"), "#microsoft.graph.fileAttachment") ||
        text_is_empty(json_str(a, "name")) || !content ||
        !base64_check(content, strlen(content), &bytes) || bytes >= (3 << 20)) {
        graph_error(x, 400, "ErrorInvalidRequest", "The attachment is not valid.");
        return;
    }
    out = exchange_begin(x, 201);
    json_key_str(out, "id", "AAMkATTACHMENT=");
    exchange_end(x);
}

static void answer_session(struct exchange *x, const struct call *c)
{
    const cJSON *item = json_get(exchange_json(x), "AttachmentItem"),
                *size = json_get(item, "size");
    const char *host = record_header(x->record, "host");
    struct buf *out, url = {.max = 4096};

    if (!text_eq(json_str(item, "attachmentType"), "file") ||
        text_is_empty(json_str(item, "name")) || !cJSON_IsNumber(size) || size->valuedouble < 1 ||
        size->valuedouble > 150.0 * (1 << 20)) {
        graph_error(x, 400, "ErrorInvalidRequest", "The AttachmentItem is not valid.");
        return;
    }
    c->draft->upload_size = (size_t)size->valuedouble;
    c->draft->upload_at = 0;
    buf_addf(&url, "http://%s/microsoft/upload/%s?authtoken=", host ? host : "", c->path.part[1]);
    for (int i = 0; i < 1500; i++) /* as long as real ones */
        buf_addc(&url, 'e');
    out = exchange_begin(x, 201);
    json_key_str(out, "uploadUrl", buf_str(&url));
    exchange_end(x);
    buf_free(&url);
}

static void answer_piece(struct exchange *x)
{
    struct draft *d = map_get(x->state, upload_draft(x));
    const char *range = record_header(x->record, "content-range");
    size_t from, to, all, len = x->record->body_len;
    bool last;

    if (!d || !d->upload_size || record_header(x->record, "authorization")) {
        graph_error(x, 404, "itemNotFound", "no such upload");
        return;
    }
    if (!range || sscanf(range, "bytes %zu-%zu/%zu", &from, &to, &all) != 3 ||
        from != d->upload_at || to + 1 - from != len || all != d->upload_size || len > SMALL_MAX) {
        graph_error(x, 416, "InvalidContentRange", "not the range that is missing");
        return;
    }
    d->upload_at += len;
    last = d->upload_at == d->upload_size;
    if (!last && len % CHUNK_UNIT != 0) {
        graph_error(x, 400, "InvalidContentRange", "not a multiple of 320 KiB");
        return;
    }
    if (last)
        d->upload_size = 0;
    exchange_begin(x, last ? 201 : 200);
    exchange_end(x);
}

static void answer_message(struct exchange *x, const struct call *c)
{
    const struct shape_path *p = &c->path;
    bool reply = p->count == 3 && text_starts(p->part[2], "create");

    if (!reply && !c->draft)
        graph_error(x, 404, "ErrorItemNotFound", "The specified object was not found.");
    else if (reply)
        answer_reply(x, c);
    else if (p->count == 4 && text_eq(p->part[3], "createUploadSession"))
        answer_session(x, c);
    else if (p->count == 3 && text_eq(p->part[2], "attachments"))
        answer_attach(x);
    else if (p->count == 3 && text_eq(p->part[2], "send") && x->record->body_len == 0 &&
             c->draft->upload_size == 0)
        exchange_empty(x, 202);
    else
        graph_error(x, 400, "BadRequest", "not a request that is known here");
}

static void graph_answer(struct exchange *x)
{
    const char *token = exchange_bearer(x);
    struct call c;

    if (upload_draft(x) && exchange_is(x, "PUT"))
        answer_piece(x);
    else if (!credential_is_good(token) || !text_starts(token, "microsoft-token-"))
        graph_error(x, 401, "InvalidAuthenticationToken", "Access token is empty or invalid.");
    else if (x->record->body_len > SMALL_MAX)
        graph_error(x, 413, "RequestEntityTooLarge", "The request is larger than 4 MB.");
    else if (!read_call(x, &c))
        graph_error(x, 400, "BadRequest", "Resource not found for the segment.");
    else if (exchange_is(x, "GET") && c.path.count == 1)
        answer_find(x);
    else if (!exchange_is(x, "POST"))
        graph_error(x, 405, "Request_BadRequest", "Specified HTTP method is not allowed.");
    else if (text_eq(c.path.part[0], "sendMail"))
        answer_send_mail(x);
    else if (c.path.count == 1)
        answer_draft(x);
    else
        answer_message(x, &c);
}

const struct dialect dialect_microsoft = {
    .name = "microsoft",
    .prefix = "/microsoft",
    .read = graph_read,
    .answer = graph_answer,
    .open = graph_open,
    .close = graph_close,
    .reset = graph_reset,
};

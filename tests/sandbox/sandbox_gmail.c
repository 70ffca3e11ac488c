/* Gmail: users.messages.send, by JSON or by upload, and the metadata of messages and threads, as
 * Google's discovery document has it:
 *   POST /gmail/gmail/v1/users/me/messages/send
 *   POST /gmail/upload/gmail/v1/users/me/messages/send?uploadType=media|multipart
 *   GET  /gmail/gmail/v1/users/me/{messages|threads}/{id}?format=metadata...
 *   GET  /gmail/gmail/v1/users/me/messages/{id}?format=full...
 * Ids that begin with "dead" are not found, and those with "403" not read whole (gmail.metadata).
 */
#include "dialect.h"
#include "mime_head.h"
#include "shape.h"

#include "crypto.h"
#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define SEND "/gmail/v1/users/me/messages/send"

static void gmail_error(struct exchange *x, int status, const char *reason, const char *message)
{
    struct buf *out = exchange_begin(x, status);

    json_key(out, "error");
    json_open(out, '{');
    json_key_int(out, "code", status);
    json_key_str(out, "message", message);
    json_key(out, "errors");
    json_open(out, '[');
    json_open(out, '{');
    json_key_str(out, "message", message);
    json_key_str(out, "domain", "global");
    json_key_str(out, "reason", reason);
    json_close(out, '}');
    json_close(out, ']');
    json_close(out, '}');
    exchange_end(x);
}

/* --- the mail --- */

/* The second part of multipart/related, and the first one's threadId. */
static bool read_related(struct exchange *x, struct buf *mail, char *thread, size_t size)
{
    static const struct json_limits limits = {.max_bytes = 65536};
    const char *type = record_header(x->record, "content-type");
    const char *at = type ? strstr(type, "boundary=\"") : NULL, *body = x->record->body, *p, *end;
    char mark[128];
    cJSON *json = NULL;

    if (!at)
        return false;
    snprintf(mark, sizeof(mark), "\r\n--%.*s", (int)strcspn(at + 10, "\""), at + 10);
    p = strncmp(body, mark + 2, strlen(mark) - 2) == 0 ? strstr(body, "\r\n\r\n") : NULL;
    end = p ? strstr(p, mark) : NULL;
    if (!end || json_parse(p + 4, (size_t)(end - p) - 4, &limits, &json, NULL))
        return false;
    snprintf(thread, size, "%s", json_str(json, "threadId") ? json_str(json, "threadId") : "");
    json_free(json);
    p = strstr(end + 2, "\r\n\r\n");
    end = p ? strstr(p, mark) : NULL;
    if (!end || strncmp(end + strlen(mark), "--", 2) != 0)
        return false;
    buf_add(mail, p + 4, (size_t)(end - p) - 2);
    return true;
}

static bool read_mail(struct exchange *x, struct buf *mail, char *thread, size_t size)
{
    const cJSON *json;
    const char *raw;

    thread[0] = '\0';
    mail->max = EXCHANGE_BODY_MAX;
    if (text_starts(x->path, "/upload/")) {
        if (!strstr(x->record->uri, "uploadType=media"))
            return read_related(x, mail, thread, size);
        buf_add(mail, x->record->body, x->record->body_len);
        return true;
    }
    json = exchange_json(x);
    raw = json_str(json, "raw");
    if (json_str(json, "threadId"))
        snprintf(thread, size, "%s", json_str(json, "threadId"));
    return raw && base64_decode(mail, raw, strlen(raw), true) == SQ_OK;
}

static bool is_send(const struct exchange *x)
{
    return strcmp(x->path, SEND) == 0 || strcmp(x->path, "/upload" SEND) == 0;
}

static void gmail_read(struct exchange *x)
{
    struct buf mail = {0};
    char thread[64];

    x->delivers = is_send(x);
    if (x->delivers && read_mail(x, &mail, thread, sizeof(thread)))
        mime_identify(&mail, x->record);
    buf_free(&mail);
}

static void answer_send(struct exchange *x)
{
    struct buf mail = {0}, *out;
    char thread[64], id[64];
    bool good = read_mail(x, &mail, thread, sizeof(thread));
    const char *fault = good ? mime_fault(&mail)
                             : "'raw' RFC822 payload message string or "
                               "uploading message via /upload/* URL required";

    buf_free(&mail);
    if (fault) {
        gmail_error(x, 400, "invalidArgument", fault);
    } else if (text_starts(thread, "dead")) {
        gmail_error(x, 404, "notFound", "Requested entity was not found.");
    } else {
        out = exchange_begin(x, 200);
        snprintf(id, sizeof(id), "18c%013llx", (unsigned long long)exchange_serial(x));
        json_key_str(out, "id", id);
        json_key_str(out, "threadId", *thread ? thread : id);
        json_key(out, "labelIds");
        json_open(out, '[');
        json_val_str(out, "SENT");
        json_close(out, ']');
        exchange_end(x);
    }
}

/* --- metadata --- */

static void write_header(struct buf *out, const char *name, const char *value)
{
    json_open(out, '{');
    json_key_str(out, "name", name);
    json_key_str(out, "value", value);
    json_close(out, '}');
}

static void write_message(struct buf *out, const char *id, const char *thread)
{
    char message_id[600];

    snprintf(message_id, sizeof(message_id), "<%.500s@mail.gmail.com>", id);
    json_key_str(out, "id", id);
    json_key_str(out, "threadId", thread);
    json_key(out, "payload");
    json_open(out, '{');
    json_key(out, "headers");
    json_open(out, '[');
    write_header(out, "References", "<first@mail.gmail.com>");
    write_header(out, "Message-ID", message_id);
    json_close(out, ']');
    json_close(out, '}');
}

/* "First" and "Second", as text and html. */
static void write_part(struct buf *out, const char *type, const char *base64url)
{
    json_open(out, '{');
    json_key_str(out, "mimeType", type);
    json_key_str(out, "filename", "");
    json_key(out, "body");
    json_open(out, '{');
    json_key_str(out, "data", base64url);
    json_close(out, '}');
    json_close(out, '}');
}

static void write_whole(struct buf *out, const char *id)
{
    char message_id[600];

    snprintf(message_id, sizeof(message_id), "<%.500s@mail.gmail.com>", id);
    json_key_str(out, "threadId", "18aaaaaaaaaaaaaa");
    json_key_str(out, "internalDate", "1795252211000");
    json_key(out, "payload");
    json_open(out, '{');
    json_key_str(out, "mimeType", "multipart/alternative");
    json_key_str(out, "filename", "");
    json_key(out, "headers");
    json_open(out, '[');
    write_header(out, "Message-ID", message_id);
    write_header(out, "From", "Jane Doe <jane@x.example>");
    write_header(out, "To", "support@acme.example");
    write_header(out, "Subject", "Question");
    json_close(out, ']');
    json_key(out, "parts");
    json_open(out, '[');
    write_part(out, "text/plain", "Rmlyc3QKU2Vjb25kCg==");
    write_part(out, "text/html", "PGI-Rmlyc3Q8L2I-");
    json_close(out, ']');
    json_close(out, '}');
}

static void answer_get(struct exchange *x, const struct shape_path *p)
{
    bool thread = text_eq(p->part[4], "threads");
    bool whole = !thread && strstr(x->record->uri, "format=full");
    struct buf *out;

    if (whole ? text_starts(p->part[5], "403") : !strstr(x->record->uri, "format=metadata")) {
        gmail_error(x, 403, "insufficientPermissions", "Metadata scope does not support it.");
        return;
    }
    if (text_starts(p->part[5], "dead")) {
        gmail_error(x, 404, "notFound", "Requested entity was not found.");
        return;
    }
    out = exchange_begin(x, 200);
    if (whole) {
        write_whole(out, p->part[5]);
    } else if (thread) {
        json_key_str(out, "id", p->part[5]);
        json_key(out, "messages");
        json_open(out, '[');
        json_open(out, '{');
        write_message(out, p->part[5], p->part[5]);
        json_close(out, '}');
        json_close(out, ']');
    } else {
        write_message(out, p->part[5], "18aaaaaaaaaaaaaa");
    }
    exchange_end(x);
}

static bool is_get(const struct exchange *x, struct shape_path *p)
{
    static const char *const messages[] = {"gmail", "v1", "users", "me", "messages", NULL};
    static const char *const threads[] = {"gmail", "v1", "users", "me", "threads", NULL};

    return exchange_is(x, "GET") && shape_path(x->path, p) &&
           (shape_path_is(p, messages, 6) || shape_path_is(p, threads, 6));
}

static void gmail_answer(struct exchange *x)
{
    struct shape_path path;

    if (!credential_is_good(exchange_bearer(x)) || !text_starts(exchange_bearer(x), "gmail-token-"))
        gmail_error(x, 401, "authError", "Invalid Credentials");
    else if (is_send(x) && exchange_is(x, "POST"))
        answer_send(x);
    else if (is_get(x, &path))
        answer_get(x, &path);
    else
        gmail_error(x, 404, "notFound", "Not Found");
}

const struct dialect dialect_gmail = {
    .name = "gmail",
    .prefix = "/gmail",
    .read = gmail_read,
    .answer = gmail_answer,
};

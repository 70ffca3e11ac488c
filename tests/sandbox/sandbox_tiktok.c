/* TikTok Business Messaging: POST /tiktok/open_api/v1.3/business/message/send/ and
 * .../message/media/upload/ with an Access-Token header. Always 200: {"code","message",
 * "request_id","data"}, code 0 = taken. A conversation that begins with "closed" is out of its
 * window. */
#include "dialect.h"
#include "multipart.h"
#include "shape.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 6000

static struct buf *tiktok_begin(struct exchange *x, int code, const char *message)
{
    struct buf *out = exchange_begin(x, 200);

    if (code)
        x->delivers = false;
    json_key_int(out, "code", code);
    json_key_str(out, "message", message);
    json_key_str(out, "request_id", "202611211000000100020003000405");
    json_key(out, "data");
    json_open(out, '{');
    return out;
}

static void tiktok_end(struct exchange *x)
{
    json_close(&x->body, '}');
    exchange_end(x);
}

static void tiktok_error(struct exchange *x, int code, const char *message)
{
    tiktok_begin(x, code, message);
    tiktok_end(x);
}

static const char *message_fault(const cJSON *m)
{
    static const char *const members[] = {
        "business_id", "recipient_type",          "recipient", "message_type", "text",
        "image",       "referenced_message_info", NULL};
    const char *type = json_str(m, "message_type");

    if (shape_unknown(m, members))
        return shape_unknown(m, members);
    if (text_is_empty(json_str(m, "business_id")))
        return "business_id";
    if (!text_eq(json_str(m, "recipient_type"), "CONVERSATION"))
        return "recipient_type";
    if (text_is_empty(json_str(m, "recipient")))
        return "recipient";
    if (text_eq(type, "TEXT"))
        return shape_text(json_get(json_get(m, "text"), "body"), 1, TEXT_MAX) ? NULL : "text";
    if (text_eq(type, "IMAGE"))
        return text_is_empty(json_str(json_get(m, "image"), "media_id")) ? "image" : NULL;
    return "message_type";
}

static void answer_send(struct exchange *x)
{
    const cJSON *m = exchange_json(x);
    const char *fault = cJSON_IsObject(m) ? message_fault(m) : "the body";
    struct buf *out;
    char id[32];

    if (fault) {
        tiktok_error(x, 40002, fault);
    } else if (text_starts(json_str(m, "recipient"), "closed")) {
        tiktok_error(x, 40064, "Messaging is restricted");
    } else {
        out = tiktok_begin(x, 0, "OK");
        snprintf(id, sizeof(id), "%llu", 7500000000000000000ULL + exchange_serial(x));
        json_key(out, "message");
        json_open(out, '{');
        json_key_str(out, "message_id", id);
        json_close(out, '}');
        tiktok_end(x);
    }
}

static void answer_upload(struct exchange *x)
{
    struct multipart m;
    const struct multipart_part *file;
    char text[64];
    struct buf *out;

    x->delivers = false;
    file = multipart_read(x, &m) ? multipart_find(&m, "file") : NULL;
    if (!file || !file->len || !multipart_text(&m, "business_id", text, sizeof(text))) {
        tiktok_error(x, 40002, "file");
    } else if (strcmp(file->type, "image/jpeg") != 0 && strcmp(file->type, "image/png") != 0) {
        tiktok_error(x, 40908, "file type");
    } else {
        out = tiktok_begin(x, 0, "OK");
        snprintf(text, sizeof(text), "media-%llu", (unsigned long long)exchange_serial(x));
        json_key_str(out, "media_id", text);
        tiktok_end(x);
    }
}

static void tiktok_read(struct exchange *x)
{
    const cJSON *m = exchange_has_type(x, "application/json") ? exchange_json(x) : NULL;

    record_set_recipient(x->record, json_str(m, "recipient"));
}

static void tiktok_answer(struct exchange *x)
{
    bool send = strcmp(x->path, "/open_api/v1.3/business/message/send/") == 0;
    bool upload = strcmp(x->path, "/open_api/v1.3/business/message/media/upload/") == 0;

    if ((!send && !upload) || !exchange_is(x, "POST"))
        tiktok_error(x, 40006, "no such path");
    else if (!credential_is_good(record_header(x->record, "access-token")))
        tiktok_error(x, 40105, "Access token is incorrect or has been revoked.");
    else if (upload)
        answer_upload(x);
    else
        answer_send(x);
}

const struct dialect dialect_tiktok = {
    .name = "tiktok",
    .prefix = "/tiktok",
    .read = tiktok_read,
    .answer = tiktok_answer,
};

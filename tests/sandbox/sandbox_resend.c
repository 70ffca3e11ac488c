/* Resend: POST /resend/emails as its OpenAPI document and its pages "errors" and "idempotency
 * keys" have it. A key seen before is answered as the first time, if the body is the same; nothing
 * is sent then. */
#include "dialect.h"
#include "shape.h"

#include "crypto.h"
#include "json.h"
#include "map.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPIENTS_MAX 50

struct seen {
    char body[65]; /* digest */
    uint64_t serial;
};

static void *resend_open(void)
{
    return mem_zalloc(sizeof(struct map));
}

static void resend_reset(void *state)
{
    const char *key;
    size_t pos = 0;
    void *value;

    while (map_next(state, &pos, &key, &value))
        free(value);
    map_free(state);
    memset(state, 0, sizeof(struct map));
}

static void resend_close(void *state)
{
    if (state)
        resend_reset(state);
    free(state);
}

static void resend_error(struct exchange *x, int status, const char *name, const char *message)
{
    struct buf *out = exchange_begin(x, status);

    json_key_int(out, "statusCode", status);
    json_key_str(out, "name", name);
    json_key_str(out, "message", message);
    exchange_end(x);
}

/* "Name <a@b>" or "a@b"; the address for the record. */
static const char *address_of(const char *text, char *out, size_t size)
{
    const char *angle = text ? strrchr(text, '<') : NULL;

    snprintf(out, size, "%s", angle ? angle + 1 : text ? text : "");
    out[strcspn(out, ">")] = '\0';
    return strchr(out, '@') && !strpbrk(out, " ,\r\n") ? out : NULL;
}

static bool boxes_are_good(const cJSON *list, unsigned *count)
{
    const cJSON *item;
    char address[512];

    if (!list)
        return true;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item) || !address_of(item->valuestring, address, sizeof(address)))
            return false;
        ++*count;
    }
    return cJSON_IsArray(list);
}

static bool attachments_are_good(const cJSON *list)
{
    static const char *const members[] = {"content",      "filename",   "path",
                                          "content_type", "content_id", NULL};
    const cJSON *a;
    size_t bytes;

    cJSON_ArrayForEach(a, list)
    {
        const char *content = json_str(a, "content");

        if (shape_unknown(a, members) || !content || text_is_empty(json_str(a, "filename")) ||
            !base64_check(content, strlen(content), &bytes))
            return false;
    }
    return true;
}

/* The name of the member at fault, or NULL. */
static const char *mail_fault(const cJSON *mail)
{
    static const char *const members[] = {
        "from",     "to",      "subject",     "bcc",  "cc",       "reply_to",     "html", "text",
        "template", "headers", "attachments", "tags", "topic_id", "scheduled_at", NULL};
    unsigned recipients = 0, other = 0;
    char address[512];

    if (shape_unknown(mail, members))
        return shape_unknown(mail, members);
    if (!address_of(json_str(mail, "from"), address, sizeof(address)))
        return "from";
    if (!boxes_are_good(json_get(mail, "to"), &recipients) || recipients == 0 ||
        recipients > RECIPIENTS_MAX)
        return "to";
    if (!boxes_are_good(json_get(mail, "cc"), &other) ||
        !boxes_are_good(json_get(mail, "bcc"), &other) ||
        !boxes_are_good(json_get(mail, "reply_to"), &other))
        return "cc, bcc or reply_to";
    if (!json_str(mail, "subject"))
        return "subject";
    if (!json_str(mail, "html") && !json_str(mail, "text"))
        return "html or text";
    return attachments_are_good(json_get(mail, "attachments")) ? NULL : "attachments";
}

static void answer_id(struct exchange *x, uint64_t serial)
{
    struct buf *out = exchange_begin(x, 200);
    char id[64];

    snprintf(id, sizeof(id), "49a3999c-0ce1-4ea6-ab68-%012llx", (unsigned long long)serial);
    json_key_str(out, "id", id);
    exchange_end(x);
}

/* True if the key was seen: then the answer is given. */
static bool answer_repeat(struct exchange *x, const char *key, const char *digest)
{
    const struct seen *s = map_get(x->state, key);

    if (!s)
        return false;
    x->delivers = false;
    if (strcmp(s->body, digest) == 0)
        answer_id(x, s->serial);
    else
        resend_error(x, 409, "invalid_idempotent_request",
                     "This idempotency key has been used with a different body.");
    return true;
}

static void take(struct exchange *x)
{
    const char *key = record_header(x->record, "idempotency-key");
    struct seen *s = mem_zalloc(sizeof(*s));
    uint8_t digest[32];

    crypto_sha256(x->record->body, x->record->body_len, digest);
    crypto_hex(digest, sizeof(digest), s->body);
    if (key && answer_repeat(x, key, s->body)) {
        free(s);
        return;
    }
    s->serial = exchange_serial(x);
    answer_id(x, s->serial);
    if (key)
        map_set(x->state, key, s);
    else
        free(s);
}

static void resend_read(struct exchange *x)
{
    const cJSON *to = cJSON_GetArrayItem(json_get(exchange_json(x), "to"), 0);
    char address[512];

    record_set_id(x->record, record_header(x->record, "idempotency-key"));
    if (cJSON_IsString(to))
        record_set_recipient(x->record, address_of(to->valuestring, address, sizeof(address)));
}

static void resend_answer(struct exchange *x)
{
    const char *key = record_header(x->record, "idempotency-key"), *fault;
    const cJSON *mail = exchange_json(x);

    if (strcmp(x->path, "/emails") != 0)
        resend_error(x, 404, "not_found", "The requested endpoint does not exist.");
    else if (!exchange_is(x, "POST"))
        resend_error(x, 405, "method_not_allowed", "This endpoint does not support this method.");
    else if (!exchange_bearer(x))
        resend_error(x, 401, "missing_api_key", "Missing API key in the authorization header.");
    else if (!credential_is_good(exchange_bearer(x)))
        resend_error(x, 403, "invalid_api_key", "API key is invalid.");
    else if (key && (!*key || strlen(key) > 256))
        resend_error(x, 400, "invalid_idempotency_key", "The key must be between 1-256 chars.");
    else if (!exchange_has_type(x, "application/json") || !cJSON_IsObject(mail))
        resend_error(x, 400, "validation_error", "The body must be a JSON object.");
    else if ((fault = mail_fault(mail)) != NULL)
        resend_error(x, 422, "validation_error", fault);
    else
        take(x);
}

const struct dialect dialect_resend = {
    .name = "resend",
    .prefix = "/resend",
    .read = resend_read,
    .answer = resend_answer,
    .open = resend_open,
    .close = resend_close,
    .reset = resend_reset,
};

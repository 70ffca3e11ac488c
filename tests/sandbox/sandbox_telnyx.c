/* Telnyx Messaging: POST /telnyx/v2/messages with a bearer key and JSON; 200 with the message as
 * "data", errors as {"errors":[{"code","title","detail"}]}. */
#include "dialect.h"
#include "shape.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static void telnyx_error(struct exchange *x, int status, const char *code, const char *title,
                         const char *detail)
{
    struct buf *out = exchange_begin(x, status);

    json_key(out, "errors");
    json_open(out, '[');
    json_open(out, '{');
    json_key_str(out, "code", code);
    json_key_str(out, "title", title);
    json_key_str(out, "detail", detail);
    json_close(out, '}');
    json_close(out, ']');
    exchange_end(x);
}

static bool is_from(const char *s)
{
    size_t len = s ? strlen(s) : 0;

    return shape_e164(s) || (shape_digits(s) && len >= 5 && len <= 6) ||
           (len >= 1 && len <= 11 && s[0] != '+');
}

static bool media_is_good(const cJSON *media)
{
    const cJSON *url;

    if (media && !cJSON_IsArray(media))
        return false;
    cJSON_ArrayForEach(url, media)
    {
        if (!cJSON_IsString(url) || !shape_url(url->valuestring))
            return false;
    }
    return true;
}

static bool check_message(struct exchange *x, const cJSON *m)
{
    static const char *const members[] = {"from",
                                          "messaging_profile_id",
                                          "to",
                                          "text",
                                          "subject",
                                          "media_urls",
                                          "webhook_url",
                                          "webhook_failover_url",
                                          "use_profile_webhooks",
                                          "type",
                                          "auto_detect",
                                          "send_at",
                                          "encoding",
                                          NULL};
    const char *unknown = shape_unknown(m, members);
    const char *from = json_str(m, "from"), *profile = json_str(m, "messaging_profile_id");

    if (unknown)
        telnyx_error(x, 422, "10015", "Bad Request", unknown);
    else if (!json_str(m, "to"))
        telnyx_error(x, 422, "10004", "Missing required parameter", "to");
    else if (!shape_e164(json_str(m, "to")))
        telnyx_error(x, 422, "10016", "Phone number must be in +E.164 format", "to");
    else if (!from && !profile)
        telnyx_error(x, 422, "10004", "Missing required parameter", "from");
    else if (from && !is_from(from))
        telnyx_error(x, 422, "10002", "Invalid phone number", "from");
    else if (text_is_empty(json_str(m, "text")) && !json_get(m, "media_urls"))
        telnyx_error(x, 422, "10004", "Missing required parameter", "text");
    else if (!media_is_good(json_get(m, "media_urls")))
        telnyx_error(x, 422, "10003", "Invalid URL", "media_urls");
    else
        return true;
    return false;
}

static void answer_message(struct exchange *x, const cJSON *m)
{
    struct buf *out = exchange_begin(x, 200);
    char id[40];

    snprintf(id, sizeof(id), "40385f64-5717-4562-b3fc-%012llx",
             (unsigned long long)exchange_serial(x));
    json_key(out, "data");
    json_open(out, '{');
    json_key_str(out, "record_type", "message");
    json_key_str(out, "direction", "outbound");
    json_key_str(out, "id", id);
    json_key_str(out, "type", json_get(m, "media_urls") ? "MMS" : "SMS");
    json_key(out, "to");
    json_open(out, '[');
    json_open(out, '{');
    json_key_str(out, "phone_number", json_str(m, "to"));
    json_key_str(out, "status", "queued");
    json_close(out, '}');
    json_close(out, ']');
    json_key_str(out, "text", json_str(m, "text"));
    json_key_int(out, "parts", 1);
    json_key(out, "cost");
    json_open(out, '{');
    json_key_str(out, "amount", "0.0051");
    json_key_str(out, "currency", "USD");
    json_close(out, '}');
    json_key(out, "errors");
    json_open(out, '[');
    json_close(out, ']');
    json_close(out, '}');
    exchange_end(x);
}

static void telnyx_read(struct exchange *x)
{
    record_set_recipient(x->record, json_str(exchange_json(x), "to"));
}

static void telnyx_answer(struct exchange *x)
{
    const cJSON *m = exchange_json(x);

    if (strcmp(x->path, "/v2/messages") != 0 || !exchange_is(x, "POST"))
        telnyx_error(x, 404, "10005", "Resource not found", "no such resource");
    else if (!credential_is_good(exchange_bearer(x)))
        telnyx_error(x, 401, "10009", "Authentication failed", "could not find a valid key");
    else if (!exchange_has_type(x, "application/json"))
        telnyx_error(x, 415, "10014", "Unsupported Media Type", "expected application/json");
    else if (!cJSON_IsObject(m))
        telnyx_error(x, 400, "10015", "Bad Request", "the body is not a JSON object");
    else if (check_message(x, m))
        answer_message(x, m);
}

const struct dialect dialect_telnyx = {
    .name = "telnyx",
    .prefix = "/telnyx",
    .read = telnyx_read,
    .answer = telnyx_answer,
};

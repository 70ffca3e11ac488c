/* Vonage: the SMS API, POST /vonage/sms/json with a form, which answers 200 whatever becomes of
 * the message; and the Messages API, POST /vonage/v1/messages with Basic credentials and JSON,
 * 202 {"message_uuid"} or a problem of RFC 7807. */
#include "dialect.h"
#include "shape.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define TO_MAX 15
#define CLIENT_REF_MAX 40

/* --- SMS API --- */

static void sms_error(struct exchange *x, const char *status, const char *text)
{
    struct buf *out = exchange_begin(x, 200);

    x->delivers = false; /* the status alone would say that it went */
    json_key_str(out, "message-count", "1");
    json_key(out, "messages");
    json_open(out, '[');
    json_open(out, '{');
    json_key_str(out, "status", status);
    json_key_str(out, "error-text", text);
    json_close(out, '}');
    json_close(out, ']');
    exchange_end(x);
}

/* 140 octets: 160 letters of 7 bits, 70 of 16; 153 and 67 where a header takes some. The GSM
 * alphabet is taken to be ASCII: a test double need not know more. */
static unsigned part_count(const char *text, bool unicode)
{
    size_t chars = text_chars(text), single = unicode ? 70 : 160, part = unicode ? 67 : 153;

    return chars <= single ? 1 : (unsigned)((chars + part - 1) / part);
}

static bool check_sms(struct exchange *x, const struct form *f)
{
    const char *to = form_get(f, "to"), *from = form_get(f, "from"), *text = form_get(f, "text");
    const char *type = form_get(f, "type"), *ref = form_get(f, "client-ref");

    if (text_is_empty(form_get(f, "api_key")) || text_is_empty(to) || text_is_empty(from) ||
        text_is_empty(text))
        sms_error(x, "2", "Missing api_key, to, from or text");
    else if (!credential_is_good(form_get(f, "api_secret")))
        sms_error(x, "4", "Bad Credentials");
    else if (!shape_digits(to) || strlen(to) > TO_MAX)
        sms_error(x, "3", "Invalid to param");
    else if (from[0] == '+')
        sms_error(x, "15", "Illegal Sender Address - rejected");
    else if (type && strcmp(type, "text") != 0 && strcmp(type, "unicode") != 0)
        sms_error(x, "3", "Invalid type param");
    else if (ref && strlen(ref) > CLIENT_REF_MAX)
        sms_error(x, "3", "Invalid client-ref param");
    else
        return true;
    return false;
}

static void answer_sms(struct exchange *x, const struct form *f)
{
    bool unicode = form_get(f, "type") && strcmp(form_get(f, "type"), "unicode") == 0;
    unsigned parts = part_count(form_get(f, "text"), unicode);
    struct buf *out = exchange_begin(x, 200);
    char text[32];

    snprintf(text, sizeof(text), "%u", parts);
    json_key_str(out, "message-count", text);
    json_key(out, "messages");
    json_open(out, '[');
    for (unsigned i = 0; i < parts; i++) {
        snprintf(text, sizeof(text), "0A%014llX", (unsigned long long)exchange_serial(x));
        json_open(out, '{');
        json_key_str(out, "to", form_get(f, "to"));
        json_key_str(out, "message-id", text);
        json_key_str(out, "status", "0");
        json_key_str(out, "remaining-balance", "3.14159265");
        json_key_str(out, "message-price", "0.03330000");
        json_key_str(out, "network", "12345");
        if (form_get(f, "client-ref"))
            json_key_str(out, "client-ref", form_get(f, "client-ref"));
        json_close(out, '}');
    }
    json_close(out, ']');
    exchange_end(x);
}

/* --- Messages API --- */

static void problem(struct exchange *x, int status, const char *fragment, const char *title,
                    const char *detail)
{
    struct buf *out = exchange_begin(x, status);
    char type[96];

    snprintf(type, sizeof(type), "https://developer.vonage.com/api-errors%s", fragment);
    json_key_str(out, "type", type);
    json_key_str(out, "title", title);
    json_key_str(out, "detail", detail);
    json_key_str(out, "instance", "bf0ca0bf927b3b52e3cb03217e1a1ddf");
    exchange_end(x);
}

static bool basic_is_good(struct exchange *x)
{
    struct buf user = {.max = 4096};
    const char *password;
    bool good =
        exchange_basic(x, &user, &password) && user.data[0] != '\0' && credential_is_good(password);

    buf_free(&user);
    return good;
}

static bool is_one_of(const char *s, const char *const *names)
{
    for (; s && *names; names++) {
        if (strcmp(s, *names) == 0)
            return true;
    }
    return false;
}

/* The object or text named by message_type. */
static bool content_is_good(const cJSON *m)
{
    const char *type = json_str(m, "message_type");
    const cJSON *content = json_get(m, type);

    if (strcmp(type, "text") == 0)
        return shape_text(content, 1, 4096);
    if (strcmp(type, "custom") == 0 || strcmp(type, "template") == 0)
        return cJSON_IsObject(content);
    return cJSON_IsObject(content) && shape_url(json_str(content, "url"));
}

static bool check_message(struct exchange *x, const cJSON *m)
{
    static const char *const channels[] = {"sms",       "mms",           "rcs", "whatsapp",
                                           "messenger", "viber_service", NULL};
    static const char *const types[] = {"text", "image",    "audio",  "video",
                                        "file", "template", "custom", NULL};
    static const char *const members[] = {
        "to",    "from",       "channel", "message_type", "text",      "image",
        "audio", "video",      "file",    "template",     "custom",    "whatsapp",
        "sms",   "client_ref", "ttl",     "context",      "messenger", NULL};
    const char *to = json_str(m, "to"), *detail = shape_unknown(m, members);
    bool by_number = !text_eq(json_str(m, "channel"), "messenger");

    if (!detail && !is_one_of(json_str(m, "channel"), channels))
        detail = "channel";
    if (!detail && !is_one_of(json_str(m, "message_type"), types))
        detail = "message_type";
    if (!detail && (text_is_empty(to) || (by_number && (!shape_digits(to) || strlen(to) > TO_MAX))))
        detail = "to";
    if (!detail && text_is_empty(json_str(m, "from")))
        detail = "from";
    if (!detail && !content_is_good(m))
        detail = json_str(m, "message_type");
    if (!detail && json_get(m, "client_ref") && !shape_text(json_get(m, "client_ref"), 1, 100))
        detail = "client_ref";
    if (detail)
        problem(x, 422, "/messages#1020", "Invalid params", detail);
    return !detail;
}

static void answer_message(struct exchange *x)
{
    struct buf *out = exchange_begin(x, 202);
    char id[40];

    snprintf(id, sizeof(id), "aaaaaaaa-bbbb-cccc-dddd-%012llx",
             (unsigned long long)exchange_serial(x));
    json_key_str(out, "message_uuid", id);
    exchange_end(x);
}

/* --- both --- */

static void vonage_read(struct exchange *x)
{
    const struct form *f;
    const cJSON *m;

    if (exchange_has_type(x, "application/json")) {
        m = exchange_json(x);
        record_set_recipient(x->record, json_str(m, "to"));
        record_set_id(x->record, json_str(m, "client_ref"));
        return;
    }
    f = exchange_form(x);
    if (f) {
        record_set_recipient(x->record, form_get(f, "to"));
        record_set_id(x->record, form_get(f, "client-ref"));
    }
}

static void vonage_answer(struct exchange *x)
{
    static const struct form empty = {0};
    const struct form *f;

    if (strcmp(x->path, "/sms/json") == 0 && exchange_is(x, "POST")) {
        f = exchange_has_type(x, "application/x-www-form-urlencoded") ? exchange_form(x) : NULL;
        if (check_sms(x, f ? f : &empty))
            answer_sms(x, f);
    } else if (strcmp(x->path, "/v1/messages") != 0 || !exchange_is(x, "POST")) {
        problem(x, 404, "#not-found", "Not found", "no such resource");
    } else if (!basic_is_good(x)) {
        problem(x, 401, "#unauthorized", "You did not provide correct credentials.",
                "Check your authentication credentials");
    } else if (!cJSON_IsObject(exchange_json(x))) {
        problem(x, 422, "/messages#1010", "Missing params", "the body is not a JSON object");
    } else if (check_message(x, exchange_json(x))) {
        answer_message(x);
    }
}

const struct dialect dialect_vonage = {
    .name = "vonage",
    .prefix = "/vonage",
    .read = vonage_read,
    .answer = vonage_answer,
};

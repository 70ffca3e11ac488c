/* Meta's Graph API, as far as sending goes. */
#include "graph.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

void graph_error(struct exchange *x, int status, int code, int subcode, const char *message)
{
    struct buf *out = exchange_begin(x, status);
    char text[256];

    snprintf(text, sizeof(text), "(#%d) %s", code, message);
    json_key(out, "error");
    json_open(out, '{');
    json_key_str(out, "message", text);
    json_key_str(out, "type", "OAuthException");
    json_key_int(out, "code", code);
    if (subcode)
        json_key_int(out, "error_subcode", subcode);
    json_key_str(out, "fbtrace_id", "BLBz/WZt8dN");
    json_close(out, '}');
    exchange_end(x);
}

static bool is_version(const char *s)
{
    size_t digits = s[0] == 'v' ? strspn(s + 1, "0123456789") : 0;

    return digits > 0 && s[1 + digits] == '.' && shape_digits(s + 2 + digits);
}

bool graph_begin(struct exchange *x, struct shape_path *ret_path)
{
    if (!shape_path(x->path, ret_path) || ret_path->count != 3 || !is_version(ret_path->part[0]) ||
        !(shape_digits(ret_path->part[1]) || strcmp(ret_path->part[1], "me") == 0))
        graph_error(x, 404, 2500, 0, "Unknown path components");
    else if (!exchange_is(x, "POST"))
        graph_error(x, 400, 100, 33, "Unsupported request");
    else if (!credential_is_good(exchange_bearer(x)))
        graph_error(x, 401, 190, 0, "Invalid OAuth access token.");
    else
        return true;
    return false;
}

/* --- the Send API of Messenger and Instagram --- */

static bool is_listed(const char *s, const char *const *names)
{
    for (; s && *names; names++) {
        if (strcmp(s, *names) == 0)
            return true;
    }
    return false;
}

static const char *attachment_fault(const cJSON *a, const char *const *types)
{
    static const char *const members[] = {"type", "payload", NULL};
    static const char *const payload_members[] = {"url", "is_reusable", NULL};
    const cJSON *payload = json_get(a, "payload");

    if (!cJSON_IsObject(a) || shape_unknown(a, members) || !is_listed(json_str(a, "type"), types))
        return "message[attachment]";
    if (!cJSON_IsObject(payload) || shape_unknown(payload, payload_members) ||
        !shape_url(json_str(payload, "url")))
        return "message[attachment][payload]";
    return NULL;
}

static const char *message_fault(const cJSON *m, const char *const *types,
                                 bool (*text_fits)(const char *text))
{
    static const char *const members[] = {"text", "attachment", "metadata", NULL};
    const char *text = json_str(m, "text");
    const cJSON *attachment = json_get(m, "attachment");

    if (!cJSON_IsObject(m) || shape_unknown(m, members) || !text == !attachment)
        return "message";
    if (text && (!*text || !text_fits(text)))
        return "message[text]: Length of param must be less than or equal to the limit";
    return attachment ? attachment_fault(attachment, types) : NULL;
}

static const char *send_fault(const cJSON *body, const char *const *types,
                              bool (*text_fits)(const char *text))
{
    static const char *const members[] = {"recipient", "messaging_type", "tag", "message", NULL};
    static const char *const kinds[] = {"RESPONSE", "UPDATE", "MESSAGE_TAG", NULL};
    const char *kind = json_str(body, "messaging_type");
    const char *unknown = shape_unknown(body, members);

    if (unknown)
        return unknown;
    if (!shape_digits(json_str(json_get(body, "recipient"), "id")))
        return "recipient";
    if (kind && !is_listed(kind, kinds))
        return "messaging_type";
    if ((kind && strcmp(kind, "MESSAGE_TAG") == 0) != (json_get(body, "tag") != NULL))
        return "tag";
    return message_fault(json_get(body, "message"), types, text_fits);
}

void graph_send(struct exchange *x, const char *const *types, bool (*text_fits)(const char *text))
{
    const cJSON *body = exchange_json(x);
    const char *fault;
    struct buf *out;
    char id[40];

    if (!exchange_has_type(x, "application/json") || !cJSON_IsObject(body)) {
        graph_error(x, 400, 100, 0, "The parameter recipient is required");
        return;
    }
    fault = send_fault(body, types, text_fits);
    if (fault) {
        graph_error(x, 400, 100, 0, fault);
        return;
    }
    out = exchange_begin(x, 200);
    snprintf(id, sizeof(id), "m_%016llx", (unsigned long long)exchange_serial(x));
    json_key_str(out, "recipient_id", json_str(json_get(body, "recipient"), "id"));
    json_key_str(out, "message_id", id);
    exchange_end(x);
}

void graph_read(struct exchange *x)
{
    record_set_recipient(x->record, json_str(json_get(exchange_json(x), "recipient"), "id"));
}

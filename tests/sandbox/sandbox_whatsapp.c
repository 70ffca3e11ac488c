/* WhatsApp Cloud API: POST /whatsapp/v<N>/{phone-number-id}/messages with JSON, and .../media
 * with a multipart upload that gives an id to send by. */
#include "dialect.h"
#include "graph.h"
#include "multipart.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096
#define CAPTION_MAX 1024

static void whatsapp_error(struct exchange *x, int status, int code, const char *message,
                           const char *details)
{
    struct buf *out = exchange_begin(x, status);
    char text[256];

    snprintf(text, sizeof(text), "(#%d) %s", code, message);
    json_key(out, "error");
    json_open(out, '{');
    json_key_str(out, "message", text);
    json_key_str(out, "type", "OAuthException");
    json_key_int(out, "code", code);
    json_key(out, "error_data");
    json_open(out, '{');
    json_key_str(out, "messaging_product", "whatsapp");
    json_key_str(out, "details", details);
    json_close(out, '}');
    json_key_str(out, "fbtrace_id", "AtMyLZK5O_ykjIKzlgnxVGa");
    json_close(out, '}');
    exchange_end(x);
}

static const char *text_fault(const cJSON *text)
{
    static const char *const members[] = {"body", "preview_url", NULL};

    if (!cJSON_IsObject(text) || shape_unknown(text, members))
        return "text";
    return shape_text(json_get(text, "body"), 1, TEXT_MAX) ? NULL : "text['body']";
}

/* By link or by the id of an upload; captions not for audio, file names for documents only. */
static const char *media_fault(const cJSON *media, const char *type)
{
    static const char *const members[] = {"link", "id", "caption", "filename", NULL};
    const char *link = json_str(media, "link"), *id = json_str(media, "id");
    const cJSON *caption = json_get(media, "caption");

    if (!cJSON_IsObject(media) || shape_unknown(media, members) || !link == !id)
        return type;
    if ((link && !shape_url(link)) || (id && !shape_digits(id)))
        return "media link or id";
    if (caption && (strcmp(type, "audio") == 0 || !shape_text(caption, 1, CAPTION_MAX)))
        return "caption";
    if (json_get(media, "filename") && strcmp(type, "document") != 0)
        return "filename";
    return NULL;
}

static const char *component_fault(const cJSON *component)
{
    const cJSON *list = json_get(component, "parameters"), *p;

    if (!json_str(component, "type"))
        return "template['components']: type";
    cJSON_ArrayForEach(p, list)
    {
        const char *type = json_str(p, "type");

        if (!type || (strcmp(type, "text") == 0 && !json_str(p, "text")))
            return "template['components']: parameters";
    }
    return NULL;
}

static const char *template_fault(const cJSON *t)
{
    static const char *const members[] = {"name", "language", "components", NULL};
    const cJSON *component;
    const char *fault = NULL;

    if (!cJSON_IsObject(t) || shape_unknown(t, members) || text_is_empty(json_str(t, "name")))
        return "template['name']";
    if (text_is_empty(json_str(json_get(t, "language"), "code")))
        return "template['language']";
    cJSON_ArrayForEach(component, json_get(t, "components"))
    {
        fault = fault ? fault : component_fault(component);
    }
    return fault;
}

static const char *message_fault(const cJSON *m)
{
    static const char *const members[] = {"messaging_product",
                                          "recipient_type",
                                          "to",
                                          "type",
                                          "context",
                                          "text",
                                          "image",
                                          "video",
                                          "audio",
                                          "document",
                                          "template",
                                          "biz_opaque_callback_data",
                                          NULL};
    const char *type = json_str(m, "type"), *to = json_str(m, "to");
    const char *unknown = shape_unknown(m, members);
    const cJSON *context = json_get(m, "context");

    if (unknown)
        return unknown;
    if (!text_eq(json_str(m, "messaging_product"), "whatsapp"))
        return "messaging_product";
    if (!text_eq(json_str(m, "recipient_type"), "individual"))
        return "recipient_type";
    if (!to || !shape_digits(to + (to[0] == '+')))
        return "to";
    if (context && text_is_empty(json_str(context, "message_id")))
        return "context";
    if (!type || !json_get(m, type))
        return "type";
    if (strcmp(type, "text") == 0)
        return text_fault(json_get(m, type));
    if (strcmp(type, "template") == 0)
        return template_fault(json_get(m, type));
    return media_fault(json_get(m, type), type);
}

static void answer_message(struct exchange *x)
{
    const cJSON *m = exchange_json(x);
    const char *fault = "the body";
    struct buf *out;
    char id[40];

    if (exchange_has_type(x, "application/json") && cJSON_IsObject(m))
        fault = message_fault(m);
    if (fault) {
        whatsapp_error(x, 400, 100, "Invalid parameter", fault);
        return;
    }
    out = exchange_begin(x, 200);
    snprintf(id, sizeof(id), "wamid.%020llx", (unsigned long long)exchange_serial(x));
    json_key_str(out, "messaging_product", "whatsapp");
    json_key(out, "contacts");
    json_open(out, '[');
    json_open(out, '{');
    json_key_str(out, "input", json_str(m, "to"));
    json_key_str(out, "wa_id", json_str(m, "to") + (json_str(m, "to")[0] == '+'));
    json_close(out, '}');
    json_close(out, ']');
    json_key(out, "messages");
    json_open(out, '[');
    json_open(out, '{');
    json_key_str(out, "id", id);
    json_key_str(out, "message_status", "accepted");
    json_close(out, '}');
    json_close(out, ']');
    exchange_end(x);
}

static void answer_upload(struct exchange *x)
{
    struct multipart m;
    const struct multipart_part *file;
    char product[32], type[128], id[32];
    struct buf *out;

    x->delivers = false;
    file = multipart_read(x, &m) ? multipart_find(&m, "file") : NULL;
    if (!file || !file->filename[0] || !file->type[0] || !file->len ||
        !text_eq(multipart_text(&m, "messaging_product", product, sizeof(product)), "whatsapp") ||
        !multipart_text(&m, "type", type, sizeof(type))) {
        whatsapp_error(x, 400, 100, "Invalid parameter", "file, type or messaging_product");
        return;
    }
    out = exchange_begin(x, 200);
    snprintf(id, sizeof(id), "%llu", 4490709327384033ULL + exchange_serial(x));
    json_key_str(out, "id", id);
    exchange_end(x);
}

static void whatsapp_read(struct exchange *x)
{
    const cJSON *m = exchange_has_type(x, "application/json") ? exchange_json(x) : NULL;

    record_set_recipient(x->record, json_str(m, "to"));
    record_set_id(x->record, json_str(m, "biz_opaque_callback_data"));
}

static void whatsapp_answer(struct exchange *x)
{
    struct shape_path path;

    if (!graph_begin(x, &path))
        return;
    if (strcmp(path.part[2], "messages") == 0)
        answer_message(x);
    else if (strcmp(path.part[2], "media") == 0)
        answer_upload(x);
    else
        graph_error(x, 404, 2500, 0, "Unknown path components");
}

const struct dialect dialect_whatsapp = {
    .name = "whatsapp",
    .prefix = "/whatsapp",
    .read = whatsapp_read,
    .answer = whatsapp_answer,
};

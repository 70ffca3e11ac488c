/* What dialects share: reading a request's parts, building an answer. */
#include "exchange.h"

#include "crypto.h"
#include "json.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void exchange_clear(struct exchange *x)
{
    json_free(x->json);
    x->json = NULL;
    form_clear(&x->form);
    buf_free(&x->body);
}

bool exchange_is(const struct exchange *x, const char *method)
{
    return strcmp(x->record->method, method) == 0;
}

bool exchange_has_type(const struct exchange *x, const char *media_type)
{
    const char *type = record_header(x->record, "content-type");
    size_t len = strlen(media_type);

    if (!type || strncasecmp(type, media_type, len) != 0)
        return false;
    return type[len] == '\0' || type[len] == ';' || type[len] == ' ';
}

const cJSON *exchange_json(struct exchange *x)
{
    const struct json_limits limits = {.max_bytes = EXCHANGE_BODY_MAX, .max_depth = 64};

    if (!x->json_tried &&
        json_parse(x->record->body, x->record->body_len, &limits, &x->json, &x->json_error))
        x->json = NULL;
    x->json_tried = true;
    return x->json;
}

const struct form *exchange_form(struct exchange *x)
{
    if (!x->form_tried && !form_parse(&x->form, x->record->body, x->record->body_len))
        form_clear(&x->form);
    x->form_tried = true;
    return x->form.fields ? &x->form : NULL;
}

uint64_t exchange_serial(struct exchange *x)
{
    return ++*x->serial;
}

/* What follows the scheme in the Authorization header, or NULL. */
static const char *authorization(const struct exchange *x, const char *scheme)
{
    const char *value = record_header(x->record, "authorization");
    size_t len = strlen(scheme);

    if (!value || strncasecmp(value, scheme, len) != 0 || value[len] != ' ')
        return NULL;
    return value + len + 1;
}

const char *exchange_bearer(const struct exchange *x)
{
    return authorization(x, "Bearer");
}

bool exchange_basic(const struct exchange *x, struct buf *out, const char **ret_password)
{
    const char *value = authorization(x, "Basic");
    char *colon;

    if (!value || base64_decode(out, value, strlen(value), false) || !out->data)
        return false;
    colon = memchr(out->data, ':', out->len);
    if (!colon || memchr(out->data, '\0', out->len))
        return false;
    *colon = '\0';
    *ret_password = colon + 1;
    return true;
}

bool credential_is_good(const char *credential)
{
    return !text_is_empty(credential) && !strstr(credential, "invalid");
}

void exchange_header(struct exchange *x, const char *name, const char *value)
{
    struct answer_header *h;

    if (x->header_count == EXCHANGE_HEADERS_MAX)
        return;
    h = &x->headers[x->header_count++];
    snprintf(h->name, sizeof(h->name), "%s", name);
    snprintf(h->value, sizeof(h->value), "%s", value);
}

void exchange_empty(struct exchange *x, int status)
{
    x->status = status;
    x->header_count = 0;
    buf_clear(&x->body);
}

struct buf *exchange_begin(struct exchange *x, int status)
{
    exchange_empty(x, status);
    exchange_header(x, "Content-Type", "application/json");
    json_open(&x->body, '{');
    return &x->body;
}

void exchange_end(struct exchange *x)
{
    json_close(&x->body, '}');
}

void exchange_error(struct exchange *x, int status, const char *code, const char *fmt, ...)
{
    struct buf *out = exchange_begin(x, status);
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_key(out, "error");
    json_open(out, '{');
    json_key_str(out, "code", code);
    json_key_str(out, "message", text);
    json_close(out, '}');
    exchange_end(x);
}

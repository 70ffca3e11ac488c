/* webhook: any HTTP receiver, described in the configuration alone.
 *
 * Requests carry the headers of Standard Webhooks, signed when the sender has a secret. */
#include "provider_util.h"
#include "registry.h"
#include "webhook_body.h"
#include "webhook_sign.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_SUCCESS "200-299"
#define DEFAULT_RETRY "408,425,429,500-599"
#define DEFAULT_POINTER "/id"
#define POINTER_TOKEN_MAX 128

static const struct provider_setting settings[] = {
    {.name = "secret",
     .help = "signing secret, whsec_ and base64; during a rotation several, with spaces between",
     .secret = true},
    {.name = "url", .help = "full URL, or a path below the endpoint; default: the endpoint"},
    {.name = "method", .help = "POST, PUT or PATCH", .fallback = "POST"},
    {.name = "content_type", .help = "json or form", .fallback = "json"},
    {.name = "body", .help = "template with {{field}} places; default: all fields"},
    {.name = "success", .help = "statuses of success", .fallback = DEFAULT_SUCCESS},
    {.name = "retry", .help = "statuses to try again after", .fallback = DEFAULT_RETRY},
    {.name = "id_pointer",
     .help = "JSON pointer to the message id in the answer",
     .fallback = DEFAULT_POINTER},
    {.name = NULL},
};

/* A setting, or its default when it is not there or empty. */
static const char *option(const struct sender *s, const char *name, const char *fallback)
{
    const char *value = sender_value(s, name);

    return text_is_empty(value) ? fallback : value;
}

static bool is_form(const struct sender *s)
{
    return strcmp(option(s, "content_type", "json"), "form") == 0;
}

/* --- status lists: "200-299,304" --- */

/* Reads three digits. */
static bool read_status(const char **p, int *ret)
{
    int value = 0;

    for (int i = 0; i < 3; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        value = value * 10 + (**p - '0');
    }
    *ret = value;
    return value >= 100 && value <= 599;
}

/* Reads one "a" or "a-b" and the comma behind it. */
static bool read_range(const char **p, int *ret_low, int *ret_high)
{
    while (**p == ' ')
        (*p)++;
    if (!read_status(p, ret_low))
        return false;
    *ret_high = *ret_low;
    if (**p == '-') {
        (*p)++;
        if (!read_status(p, ret_high) || *ret_high < *ret_low)
            return false;
    }
    while (**p == ' ')
        (*p)++;
    if (**p == '\0')
        return true;
    return *(*p)++ == ',' && **p != '\0';
}

static bool list_has(const char *list, int status)
{
    int low, high;

    while (*list && read_range(&list, &low, &high)) {
        if (status >= low && status <= high)
            return true;
    }
    return false;
}

static enum sq_err check_list(const struct sender *s, const char *name, struct err_text *e)
{
    const char *p = option(s, name, "");
    int low, high;

    while (*p) {
        if (!read_range(&p, &low, &high))
            return err_set_field(e, SQ_ERR_INVALID, name, "expected statuses such as 200-299,404");
    }
    return SQ_OK;
}

/* --- JSON pointer (RFC 6901) --- */

/* Takes the next token of *p ("/token") unescaped; false if it is broken or too long. */
static bool pointer_token(const char **p, char ret[POINTER_TOKEN_MAX])
{
    const char *s = *p;
    size_t len = 0;

    if (*s++ != '/')
        return false;
    for (; *s && *s != '/'; s++) {
        char c = *s;

        if (c == '~') {
            c = *++s;
            if (c != '0' && c != '1')
                return false;
            c = c == '0' ? '~' : '/';
        }
        if (len + 1 == POINTER_TOKEN_MAX)
            return false;
        ret[len++] = c;
    }
    ret[len] = '\0';
    *p = s;
    return true;
}

static const cJSON *pointer_step(const cJSON *at, const char *token)
{
    int64_t index;

    if (cJSON_IsObject(at))
        return json_get(at, token);
    if (!cJSON_IsArray(at) || (token[0] == '0' && token[1]) || text_to_i64(token, &index))
        return NULL;
    return index >= 0 && index < INT32_MAX ? cJSON_GetArrayItem(at, (int)index) : NULL;
}

static const cJSON *pointer_find(const cJSON *root, const char *pointer)
{
    char token[POINTER_TOKEN_MAX];

    while (root && *pointer)
        root = pointer_token(&pointer, token) ? pointer_step(root, token) : NULL;
    return root;
}

static enum sq_err check_pointer(const struct sender *s, struct err_text *e)
{
    const char *p = option(s, "id_pointer", DEFAULT_POINTER);
    char token[POINTER_TOKEN_MAX];

    while (*p) {
        if (!pointer_token(&p, token))
            return err_set_field(e, SQ_ERR_INVALID, "id_pointer",
                                 "expected a JSON pointer such as /data/id");
    }
    return SQ_OK;
}

/* --- the request --- */

/* Adds one configured "Name: value" line; the error never holds the value. */
static enum sq_err add_header_line(struct request *r, const char *line, struct err_text *e)
{
    const char *colon = strchr(line, ':');
    char name[128];
    size_t len = colon ? (size_t)(colon - line) : 0;

    if (len == 0 || len >= sizeof(name))
        return err_set_field(e, SQ_ERR_INVALID, "headers", "expected \"Name: value\"");
    memcpy(name, line, len);
    name[len] = '\0';
    for (colon++; *colon == ' ';)
        colon++;
    if (request_header(r, name, colon, NULL))
        return err_set_field(e, SQ_ERR_INVALID, "headers", "not a header that can be sent: %.60s",
                             text_has_control(name) ? "" : name);
    return SQ_OK;
}

static enum sq_err add_header_lines(const struct sender *s, struct request *r, struct err_text *e)
{
    enum sq_err err = SQ_OK;

    for (unsigned i = 0; i < s->header_count && !err; i++)
        err = add_header_line(r, s->headers[i], e);
    return err;
}

static enum sq_err read_method(const struct sender *s, enum http_method *ret, struct err_text *e)
{
    const char *name = option(s, "method", "POST");

    if (text_ieq(name, "POST"))
        *ret = HTTP_POST;
    else if (text_ieq(name, "PUT"))
        *ret = HTTP_PUT;
    else if (text_ieq(name, "PATCH"))
        *ret = HTTP_PATCH;
    else
        return err_set_field(e, SQ_ERR_INVALID, "method", "expected POST, PUT or PATCH");
    return SQ_OK;
}

static void write_url(const struct sender *s, struct buf *url)
{
    const char *configured = option(s, "url", "");

    if (*configured == '\0' || *configured == '/')
        buf_adds(url, s->endpoint);
    buf_adds(url, configured);
}

static enum sq_err write_body(const struct build_ctx *ctx, const struct message *m,
                              struct buf *body, struct err_text *e)
{
    const char *template = option(ctx->sender, "body", NULL);
    enum body_form form = is_form(ctx->sender) ? BODY_URLENCODED : BODY_JSON;

    if (template)
        return webhook_template_fill(template, form, ctx, m, body, e);
    return webhook_all_fields(form, ctx, m, body, e);
}

static enum sq_err webhook_build(const struct build_ctx *ctx, const struct message *m,
                                 struct request *r, struct err_text *e)
{
    const struct sender *s = ctx->sender;
    enum sq_err err = read_method(s, &r->method, e);

    r->idempotent = true; /* by the webhook-id */
    write_url(s, &r->url);
    if (!err)
        err = request_header(r, "Content-Type",
                             is_form(s) ? "application/x-www-form-urlencoded" : "application/json",
                             e);
    if (!err)
        err = write_body(ctx, m, &r->body, e);
    if (!err)
        err = webhook_sign(option(s, "secret", NULL), m->id, ctx->now_ms, r, e);
    if (!err)
        err = add_header_lines(s, r, e);
    return err ? err : provider_finish(r, e);
}

/* --- the answer --- */

static void read_id(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const char *pointer = option(ctx->sender, "id_pointer", DEFAULT_POINTER);
    char id[WEBHOOK_ID_TEXT];

    provider_set_id(o, pointer_find(json, pointer));
    if (o->provider_message_id[0] == '\0' && ctx->message_id) {
        webhook_id(ctx->message_id, id);
        provider_set_id_text(o, id);
    }
}

/* What the lists do not name: the common meaning, but a status is only worth a success or another
 * try where the lists say so. */
static void classify_rest(const struct response *r, struct outcome *o)
{
    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT || o->kind == OUTCOME_RETRY) {
        outcome_set(o, OUTCOME_FAILED, CODE_PROVIDER_ERROR, "HTTP %d", r->status);
        o->retry_after_ms = 0;
    }
}

static void classify_failure(const struct build_ctx *ctx, const struct response *r,
                             struct outcome *o)
{
    int64_t wait = response_retry_after(r, PROVIDER_RETRY_AFTER_MAX_MS);
    bool throttled = r->status == 429 || (wait > 0 && r->status == 503);

    if (throttled || list_has(option(ctx->sender, "retry", DEFAULT_RETRY), r->status)) {
        outcome_set(o, throttled ? OUTCOME_THROTTLED : OUTCOME_RETRY,
                    throttled ? CODE_RATE_LIMITED : CODE_PROVIDER_ERROR, "HTTP %d", r->status);
        o->retry_after_ms = wait;
    } else {
        classify_rest(r, o);
    }
}

static void webhook_classify(const struct build_ctx *ctx, const struct response *r,
                             struct outcome *o)
{
    cJSON *json = provider_answer(r);

    if (list_has(option(ctx->sender, "success", DEFAULT_SUCCESS), r->status)) {
        outcome_set(o, OUTCOME_SENT, CODE_NONE, "HTTP %d", r->status);
        read_id(ctx, json, o);
    } else {
        classify_failure(ctx, r, o);
        provider_say(ctx, o, provider_error_words(json));
    }
    json_free(json);
}

/* --- configuration --- */

static enum sq_err check_url(const struct sender *s, struct err_text *e)
{
    const char *url = option(s, "url", "/");

    if (url[0] != '/' && !text_starts(url, "https://") && !text_starts(url, "http://"))
        return err_set_field(e, SQ_ERR_INVALID, "url", "expected http(s)://... or a path");
    if (text_has_control(url) || strchr(url, ' '))
        return err_set_field(e, SQ_ERR_INVALID, "url", "spaces and controls must be encoded");
    if (url[0] == '/' && text_is_empty(s->endpoint))
        return err_set_field(e, SQ_ERR_INVALID, "url", "a path needs an endpoint");
    return SQ_OK;
}

static enum sq_err check_body(const struct sender *s, struct err_text *e)
{
    const char *type = option(s, "content_type", "json");
    const char *template = option(s, "body", NULL);

    if (strcmp(type, "json") != 0 && strcmp(type, "form") != 0)
        return err_set_field(e, SQ_ERR_INVALID, "content_type", "expected json or form");
    if (!template)
        return SQ_OK;
    return webhook_template_check(template, is_form(s) ? BODY_URLENCODED : BODY_JSON, e);
}

/* Headers that are made here, or that belong to the transport. */
static bool is_own_header(const char *line)
{
    static const char *const own[] = {
        "Content-Type:", "Content-Length:", "Transfer-Encoding:", "Host:", "webhook-"};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strncasecmp(line, own[i], strlen(own[i])) == 0)
            return true;
    }
    return false;
}

static enum sq_err check_headers(const struct sender *s, struct err_text *e)
{
    struct request r = {.method = HTTP_POST};
    enum sq_err err = SQ_OK;

    for (unsigned i = 0; i < s->header_count && !err; i++) {
        if (is_own_header(s->headers[i]))
            err = err_set_field(e, SQ_ERR_INVALID, "headers", "%.*s is set by the request itself",
                                (int)strcspn(s->headers[i], ":"), s->headers[i]);
    }
    /* Room for the four of our own. */
    if (!err && s->header_count > REQUEST_HEADERS_MAX - 4)
        err = err_set_field(e, SQ_ERR_INVALID, "headers", "at most %d", REQUEST_HEADERS_MAX - 4);
    if (!err)
        err = add_header_lines(s, &r, e);
    request_free(&r);
    return err;
}

static enum sq_err webhook_check(const struct sender *s, struct err_text *e)
{
    enum http_method method;
    enum sq_err err = check_url(s, e);

    if (!err)
        err = read_method(s, &method, e);
    if (!err)
        err = check_body(s, e);
    if (!err)
        err = check_list(s, "success", e);
    if (!err)
        err = check_list(s, "retry", e);
    if (!err)
        err = check_pointer(s, e);
    if (!err)
        err = webhook_secret_check(option(s, "secret", ""), e);
    return err ? err : check_headers(s, e);
}

const struct provider provider_webhook = {
    .name = "webhook",
    .base_url = NULL,
    .channels = CHANNEL_ALL & ~CHANNEL_BIT(CHANNEL_GMB),
    .settings = settings,
    .check = webhook_check,
    .build = webhook_build,
    .classify = webhook_classify,
    .attachments = ATTACHMENTS_URL,
};

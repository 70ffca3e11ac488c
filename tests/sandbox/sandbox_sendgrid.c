/* SendGrid v3: POST /sendgrid/v3/mail/send, as its OpenAPI document and its pages "errors" and
 * "limitations" have it: 202 with an empty body and X-Message-Id, errors as
 * {"errors":[{"message","field","help"}]}. Members that the document does not name are refused,
 * which the real API does not promise: a misspelt member must not go unseen in a test. */
#include "dialect.h"

#include "crypto.h"
#include "json.h"
#include "map.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PERSONALIZATIONS_MAX 1000
#define RECIPIENTS_MAX 1000
#define REQUEST_MAX ((size_t)30 << 20)
#define CUSTOM_ARGS_MAX ((size_t)10000)
#define CATEGORIES_MAX 10
#define CATEGORY_MAX 255
#define SCHEDULE_MAX_S ((int64_t)72 * 3600)

/* What one check works on. fail() keeps the first complaint. */
struct check {
    struct exchange *x;
    const cJSON *mail;
    bool has_template;
    unsigned recipients;
    bool failed;
};

static void sendgrid_error(struct exchange *x, int status, const char *field, const char *message)
{
    struct buf *out = exchange_begin(x, status);

    json_key(out, "errors");
    json_open(out, '[');
    json_open(out, '{');
    json_key_str(out, "message", message);
    json_key_str(out, "field", field);
    json_key_str(out, "help", NULL);
    json_close(out, '}');
    json_close(out, ']');
    exchange_end(x);
}

/* Always false, for `return fail(...)`. */
static bool fail(struct check *c, const char *field, const char *message)
{
    if (!c->failed)
        sendgrid_error(c->x, 400, field, message);
    c->failed = true;
    return false;
}

static bool is_named(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcasecmp(name, *names) == 0)
            return true;
    }
    return false;
}

static bool check_members(struct check *c, const cJSON *object, const char *const *names)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, object)
    {
        if (!is_named(member->string, names))
            return fail(c, member->string, "is not a parameter of this request");
    }
    return true;
}

static bool is_text(const cJSON *j)
{
    return cJSON_IsString(j) && j->valuestring[0] != '\0';
}

/* Enough of an address to catch a name, a list or an injected line in its place. */
static bool is_address(const char *s)
{
    const char *at = s ? strchr(s, '@') : NULL;

    if (!at || at == s || at[1] == '\0' || strchr(at + 1, '@'))
        return false;
    return !strpbrk(s, " ,;<>\r\n\t");
}

static bool check_party(struct check *c, const cJSON *party, const char *field)
{
    static const char *const members[] = {"email", "name", NULL};
    const cJSON *name = json_get(party, "name");

    if (!cJSON_IsObject(party) || !json_str(party, "email"))
        return fail(c, field, "must be an object with at least an email");
    if (!is_address(json_str(party, "email")))
        return fail(c, field, "the email does not contain a valid address");
    if (name && !cJSON_IsString(name))
        return fail(c, field, "the name must be a string");
    return check_members(c, party, members);
}

/* One of to, cc, bcc; addresses gathers what this personalization has named so far. */
static bool check_list(struct check *c, const cJSON *list, const char *field, struct map *addresses)
{
    const cJSON *party;

    if (!cJSON_IsArray(list))
        return fail(c, field, "must be an array");
    cJSON_ArrayForEach(party, list)
    {
        struct buf key = {.max = 4096};
        void *seen;

        if (!check_party(c, party, field))
            return false;
        buf_adds(&key, json_str(party, "email"));
        if (key.data)
            text_lower(key.data);
        seen = map_set(addresses, buf_str(&key), c);
        buf_free(&key);
        if (seen)
            return fail(c, field, "each email address should only be included once");
        if (strpbrk(json_str(party, "name") ? json_str(party, "name") : "", ";,"))
            return fail(c, field, "the name may not include ; or ,");
        if (++c->recipients > RECIPIENTS_MAX)
            return fail(c, "personalizations", "there is a limit of 1000 total recipients");
    }
    return true;
}

static bool check_recipients(struct check *c, const cJSON *p)
{
    const cJSON *to = json_get(p, "to"), *cc = json_get(p, "cc"), *bcc = json_get(p, "bcc");
    struct map addresses = {0};
    bool good = cJSON_GetArraySize(to) > 0 ||
                fail(c, "personalizations.0.to", "must contain at least one recipient");

    good = good && check_list(c, to, "personalizations.to", &addresses);
    good = good && (!cc || check_list(c, cc, "personalizations.cc", &addresses));
    good = good && (!bcc || check_list(c, bcc, "personalizations.bcc", &addresses));
    map_free(&addresses);
    return good;
}

static bool check_headers(struct check *c, const cJSON *headers)
{
    static const char *const reserved[] = {
        "x-sg-id",  "x-sg-eid", "received", "dkim-signature", "content-type",
        "reply-to", "to",       "from",     "subject",        "content-transfer-encoding",
        "cc",       "bcc",      NULL};
    const cJSON *h;

    if (headers && !cJSON_IsObject(headers))
        return fail(c, "headers", "must be an object");
    cJSON_ArrayForEach(h, headers)
    {
        if (is_named(h->string, reserved))
            return fail(c, "headers", "a reserved header may not be set");
        if (!cJSON_IsString(h) || text_has_crlf(h->valuestring))
            return fail(c, "headers", "values must be strings of one line");
    }
    return true;
}

/* The document calls the message-level custom_args a string; its own examples and the pages have
 * an object. */
static bool check_custom_args(struct check *c, const cJSON *args)
{
    struct buf text = {.max = EXCHANGE_BODY_MAX};
    const cJSON *value;
    bool good = true;

    if (!args)
        return true;
    if (!cJSON_IsObject(args))
        return fail(c, "custom_args", "must be an object");
    cJSON_ArrayForEach(value, args)
    {
        good = good && cJSON_IsString(value);
    }
    json_print(args, &text);
    if (!good)
        fail(c, "custom_args", "values must be strings");
    else if (text.failed || text.len >= CUSTOM_ARGS_MAX)
        good = fail(c, "custom_args", "must be less than 10000 bytes");
    buf_free(&text);
    return good;
}

static bool check_send_at(struct check *c, const cJSON *send_at)
{
    int64_t latest = c->x->record->wall_us / 1000000 + SCHEDULE_MAX_S;

    if (!send_at)
        return true;
    if (!cJSON_IsNumber(send_at) || send_at->valuedouble != (double)(int64_t)send_at->valuedouble)
        return fail(c, "send_at", "must be an integer");
    if (send_at->valuedouble > (double)latest)
        return fail(c, "send_at", "may not be more than 72 hours in advance");
    return true;
}

static bool check_subject(struct check *c, const cJSON *p)
{
    const cJSON *own = json_get(p, "subject"), *common = json_get(c->mail, "subject");

    if (own && !is_text(own))
        return fail(c, "personalizations.subject", "must be a string of at least one character");
    if (common && !is_text(common))
        return fail(c, "subject", "must be a string of at least one character");
    if (!own && !common && !c->has_template)
        return fail(c, "subject", "the subject is required");
    return true;
}

static bool check_personalization(struct check *c, const cJSON *p)
{
    static const char *const members[] = {"from",
                                          "to",
                                          "cc",
                                          "bcc",
                                          "subject",
                                          "headers",
                                          "substitutions",
                                          "dynamic_template_data",
                                          "custom_args",
                                          "send_at",
                                          NULL};

    if (!cJSON_IsObject(p))
        return fail(c, "personalizations", "must hold objects");
    return check_members(c, p, members) && check_recipients(c, p) && check_subject(c, p) &&
           check_headers(c, json_get(p, "headers")) &&
           check_custom_args(c, json_get(p, "custom_args")) &&
           check_send_at(c, json_get(p, "send_at"));
}

static bool check_personalizations(struct check *c)
{
    const cJSON *list = json_get(c->mail, "personalizations"), *p;

    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return fail(c, "personalizations", "at least one personalization is required");
    if (cJSON_GetArraySize(list) > PERSONALIZATIONS_MAX)
        return fail(c, "personalizations", "is limited to 1000 personalizations");
    cJSON_ArrayForEach(p, list)
    {
        if (!check_personalization(c, p))
            return false;
    }
    return true;
}

/* text/plain stands first, text/html next, anything else behind. */
static int content_rank(const char *type)
{
    if (strcasecmp(type, "text/plain") == 0)
        return 0;
    return strcasecmp(type, "text/html") == 0 ? 1 : 2;
}

static bool check_content(struct check *c)
{
    static const char *const members[] = {"type", "value", NULL};
    const cJSON *list = json_get(c->mail, "content"), *part;
    int last = -1;

    if (!list && c->has_template)
        return true;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return fail(c, "content", "unless a template_id is given, content is required");
    cJSON_ArrayForEach(part, list)
    {
        if (!is_text(json_get(part, "type")) || !is_text(json_get(part, "value")))
            return fail(c, "content", "type and value must be strings of at least one character");
        if (text_has_crlf(json_str(part, "type")) || strchr(json_str(part, "type"), ';'))
            return fail(c, "content.type", "may not hold ; or a line break");
        if (content_rank(json_str(part, "type")) < last)
            return fail(c, "content", "text/plain must be first, followed by text/html");
        last = content_rank(json_str(part, "type"));
        if (!check_members(c, part, members))
            return false;
    }
    return true;
}

static bool check_reply_to(struct check *c)
{
    const cJSON *one = json_get(c->mail, "reply_to"), *list = json_get(c->mail, "reply_to_list");
    const cJSON *party;

    if (one && list)
        return fail(c, "reply_to_list", "use either reply_to or reply_to_list, not both");
    if (list && !cJSON_IsArray(list))
        return fail(c, "reply_to_list", "must be an array");
    cJSON_ArrayForEach(party, list)
    {
        if (!check_party(c, party, "reply_to_list"))
            return false;
    }
    return !one || check_party(c, one, "reply_to");
}

static bool check_attachment(struct check *c, const cJSON *a)
{
    static const char *const members[] = {"content",     "type",       "filename",
                                          "disposition", "content_id", NULL};
    const char *content = json_str(a, "content"), *disposition = json_str(a, "disposition");
    size_t bytes;

    if (text_is_empty(content) || !base64_check(content, strlen(content), &bytes))
        return fail(c, "attachments.content", "must be base64 encoded");
    if (text_is_empty(json_str(a, "filename")))
        return fail(c, "attachments.filename", "is required");
    if (text_has_crlf(json_str(a, "filename")))
        return fail(c, "attachments.filename", "may not hold CR or LF");
    if (json_get(a, "type") && !is_text(json_get(a, "type")))
        return fail(c, "attachments.type", "must be a string of at least one character");
    if (disposition && strcmp(disposition, "inline") != 0 && strcmp(disposition, "attachment") != 0)
        return fail(c, "attachments.disposition", "must be inline or attachment");
    return check_members(c, a, members);
}

static bool check_attachments(struct check *c)
{
    const cJSON *list = json_get(c->mail, "attachments"), *a;

    if (list && !cJSON_IsArray(list))
        return fail(c, "attachments", "must be an array");
    cJSON_ArrayForEach(a, list)
    {
        if (!check_attachment(c, a))
            return false;
    }
    return true;
}

static bool check_categories(struct check *c)
{
    const cJSON *list = json_get(c->mail, "categories"), *name, *other;

    if (list && (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > CATEGORIES_MAX))
        return fail(c, "categories", "must be an array of at most 10");
    cJSON_ArrayForEach(name, list)
    {
        if (!cJSON_IsString(name) || text_chars(name->valuestring) > CATEGORY_MAX)
            return fail(c, "categories", "must be strings of at most 255 characters");
        for (other = list->child; other != name; other = other->next) {
            if (strcmp(other->valuestring, name->valuestring) == 0)
                return fail(c, "categories", "must be unique");
        }
    }
    return true;
}

static bool check_mail(struct check *c)
{
    static const char *const members[] = {
        "personalizations",  "from",       "reply_to",     "reply_to_list",
        "subject",           "content",    "headers",      "attachments",
        "template_id",       "categories", "custom_args",  "send_at",
        "batch_id",          "asm",        "ip_pool_name", "mail_settings",
        "tracking_settings", NULL};
    const cJSON *from = json_get(c->mail, "from");

    if (!from)
        return fail(c, "from", "the from object must be provided");
    return check_members(c, c->mail, members) && check_party(c, from, "from") &&
           check_personalizations(c) && check_reply_to(c) && check_content(c) &&
           check_attachments(c) && check_categories(c) &&
           check_headers(c, json_get(c->mail, "headers")) &&
           check_custom_args(c, json_get(c->mail, "custom_args")) &&
           check_send_at(c, json_get(c->mail, "send_at"));
}

static void sendgrid_read(struct exchange *x)
{
    const cJSON *mail = exchange_json(x);
    const cJSON *first = cJSON_GetArrayItem(json_get(mail, "personalizations"), 0);
    const cJSON *to = cJSON_GetArrayItem(json_get(first, "to"), 0);
    const char *own = json_str(json_get(first, "custom_args"), "sendq_id");
    const char *common = json_str(json_get(mail, "custom_args"), "sendq_id");

    /* A personalization's custom_args override the message's. */
    record_set_id(x->record, own ? own : common);
    record_set_recipient(x->record, json_str(to, "email"));
}

/* What stands before the body's own rules; true if the body is to be looked at. */
static bool check_request(struct exchange *x)
{
    if (strcmp(x->path, "/v3/mail/send") != 0)
        sendgrid_error(x, 404, NULL, "not found");
    else if (!exchange_is(x, "POST"))
        sendgrid_error(x, 405, NULL, "method not allowed");
    else if (!credential_is_good(exchange_bearer(x)))
        sendgrid_error(x, 401, NULL, "authorization required");
    else if (!exchange_has_type(x, "application/json"))
        sendgrid_error(x, 415, NULL, "Content-Type should be application/json");
    else if (x->record->body_len >= REQUEST_MAX)
        sendgrid_error(x, 413, NULL, "content too large");
    else if (!cJSON_IsObject(exchange_json(x)))
        sendgrid_error(x, 400, NULL, "invalid request");
    else
        return true;
    return false;
}

static void sendgrid_answer(struct exchange *x)
{
    struct check c = {.x = x, .mail = exchange_json(x)};
    const cJSON *sandbox_mode;
    char id[32];

    if (!check_request(x))
        return;
    c.has_template = is_text(json_get(c.mail, "template_id"));
    if (!check_mail(&c))
        return;
    sandbox_mode = json_get(json_get(c.mail, "mail_settings"), "sandbox_mode");
    if (cJSON_IsTrue(json_get(sandbox_mode, "enable"))) {
        exchange_empty(x, 200); /* valid, but nothing is queued: no id */
        return;
    }
    exchange_empty(x, 202);
    snprintf(id, sizeof(id), "sg%020llu", (unsigned long long)exchange_serial(x));
    exchange_header(x, "X-Message-Id", id);
}

const struct dialect dialect_sendgrid = {
    .name = "sendgrid",
    .prefix = "/sendgrid",
    .read = sendgrid_read,
    .answer = sendgrid_answer,
};

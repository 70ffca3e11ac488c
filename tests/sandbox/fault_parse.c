/* Reading fault rules. A member that no rule has is refused: a misspelt rule that never fires
 * would make its test pass for nothing. */
#include "fault_parse.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
    [FAULT_NONE] = "delay",          [FAULT_STATUS] = "status",       [FAULT_GARBAGE] = "garbage",
    [FAULT_TRUNCATED] = "truncated", [FAULT_OVERSIZED] = "oversized", [FAULT_RESET] = "reset",
    [FAULT_HANG] = "hang",           [FAULT_SLOW] = "slow",
};

#define KIND_COUNT (sizeof(kind_names) / sizeof(kind_names[0]))

const char *fault_kind_name(enum fault_kind kind)
{
    return kind_names[kind];
}

static enum sq_err check_members(const cJSON *object, const char *field, const char *const *names,
                                 struct err_text *e)
{
    const cJSON *member;

    if (!cJSON_IsObject(object))
        return err_set_field(e, SQ_ERR_INVALID, field, "must be an object");
    cJSON_ArrayForEach(member, object)
    {
        const char *const *name = names;

        while (*name && strcmp(*name, member->string) != 0)
            name++;
        if (!*name)
            return err_set_field(e, SQ_ERR_INVALID, field, "has no member \"%s\"", member->string);
    }
    return SQ_OK;
}

/* An absent member leaves *ret as it is. */
static enum sq_err read_number(const cJSON *object, const char *name, double min, double max,
                               double *ret, struct err_text *e)
{
    const cJSON *j = json_get(object, name);

    if (!j)
        return SQ_OK;
    if (!cJSON_IsNumber(j) || !(j->valuedouble >= min && j->valuedouble <= max))
        return err_set_field(e, SQ_ERR_INVALID, name, "must be a number from %g to %g", min, max);
    *ret = j->valuedouble;
    return SQ_OK;
}

static enum sq_err read_count(const cJSON *object, const char *name, double max, uint64_t *ret,
                              struct err_text *e)
{
    double n = (double)*ret;
    enum sq_err err = read_number(object, name, 0, max, &n, e);

    if (!err && n != (double)(uint64_t)n)
        err = err_set_field(e, SQ_ERR_INVALID, name, "must be a whole number");
    if (!err)
        *ret = (uint64_t)n;
    return err;
}

static enum sq_err read_pattern(const cJSON *object, const char *name, char **ret,
                                struct err_text *e)
{
    const cJSON *j = json_get(object, name);

    if (!j)
        return SQ_OK;
    if (!cJSON_IsString(j))
        return err_set_field(e, SQ_ERR_INVALID, name, "must be a string");
    *ret = mem_strdup(j->valuestring);
    return SQ_OK;
}

static enum sq_err read_header(const cJSON *h, struct fault_action *a, struct err_text *e)
{
    struct answer_header *out;

    if (a->header_count == EXCHANGE_HEADERS_MAX)
        return err_set_field(e, SQ_ERR_INVALID, "headers", "may be at most %d",
                             EXCHANGE_HEADERS_MAX);
    out = &a->headers[a->header_count];
    if (!cJSON_IsString(h) || text_has_crlf(h->valuestring) || text_has_crlf(h->string) ||
        strlen(h->valuestring) >= sizeof(out->value) || strlen(h->string) >= sizeof(out->name))
        return err_set_field(e, SQ_ERR_INVALID, "headers", "\"%.40s\" must be a short string",
                             h->string);
    snprintf(out->name, sizeof(out->name), "%s", h->string);
    snprintf(out->value, sizeof(out->value), "%s", h->valuestring);
    a->header_count++;
    return SQ_OK;
}

static enum sq_err read_headers(const cJSON *action, struct fault_action *a, struct err_text *e)
{
    const cJSON *headers = json_get(action, "headers"), *h;

    if (headers && !cJSON_IsObject(headers))
        return err_set_field(e, SQ_ERR_INVALID, "headers", "must be an object");
    cJSON_ArrayForEach(h, headers)
    {
        enum sq_err err = read_header(h, a, e);

        if (err)
            return err;
    }
    return SQ_OK;
}

/* A string is sent as it is, any other value as JSON. */
static void read_body(const cJSON *action, struct fault_action *a)
{
    const cJSON *body = json_get(action, "body");
    struct buf text = {0};

    if (!body)
        return;
    if (cJSON_IsString(body))
        buf_adds(&text, body->valuestring);
    else
        json_print(body, &text);
    a->body_len = text.len;
    a->body = mem_strndup(buf_str(&text), text.len);
    buf_free(&text);
}

static enum sq_err read_kind(const cJSON *action, struct fault_action *a, struct err_text *e)
{
    const char *name = json_str(action, "kind");
    enum fault_kind kind = 0;

    if (!json_get(action, "kind")) {
        a->kind = a->status || a->body ? FAULT_STATUS : FAULT_NONE;
        return SQ_OK;
    }
    while (kind < KIND_COUNT && !text_eq(name, kind_names[kind]))
        kind++;
    if (kind == KIND_COUNT)
        return err_set_field(e, SQ_ERR_INVALID, "kind",
                             "must be status, garbage, truncated, oversized, reset, hang, slow or "
                             "delay");
    a->kind = kind;
    return SQ_OK;
}

static enum sq_err read_accept(const cJSON *action, struct fault_action *a, struct err_text *e)
{
    const cJSON *accept = json_get(action, "accept");

    if (accept && !cJSON_IsBool(accept))
        return err_set_field(e, SQ_ERR_INVALID, "accept", "must be true or false");
    a->accept = cJSON_IsTrue(accept);
    return SQ_OK;
}

static enum sq_err read_action(const cJSON *action, struct fault_action *a, struct err_text *e)
{
    static const char *const members[] = {"kind",     "status", "body",   "headers",
                                          "delay_ms", "bytes",  "accept", NULL};
    uint64_t status = 0, delay_ms = 0, bytes = 0;
    enum sq_err err = check_members(action, "action", members, e);

    if (!err)
        err = read_count(action, "status", 599, &status, e);
    if (!err && status > 0 && status < 200)
        err = err_set_field(e, SQ_ERR_INVALID, "status", "must be from 200 to 599");
    if (!err)
        err = read_count(action, "delay_ms", (double)FAULT_DELAY_MAX_MS, &delay_ms, e);
    if (!err)
        err = read_count(action, "bytes", (double)FAULT_BYTES_MAX, &bytes, e);
    if (!err)
        err = read_headers(action, a, e);
    if (!err)
        err = read_accept(action, a, e);
    if (err)
        return err;
    a->status = (int)status;
    a->delay_ms = (int64_t)delay_ms;
    a->bytes = bytes;
    read_body(action, a);
    return read_kind(action, a, e);
}

static enum sq_err read_match(const cJSON *match, struct fault_rule *r, struct err_text *e)
{
    static const char *const members[] = {"recipient", "id", "method", "path", NULL};
    enum sq_err err;

    if (!match)
        return SQ_OK;
    err = check_members(match, "match", members, e);
    if (!err)
        err = read_pattern(match, "recipient", &r->recipient, e);
    if (!err)
        err = read_pattern(match, "id", &r->id, e);
    if (!err)
        err = read_pattern(match, "method", &r->method, e);
    if (!err)
        err = read_pattern(match, "path", &r->path, e);
    return err;
}

static enum sq_err read_rule(const cJSON *rule, struct fault_rule *r, struct err_text *e)
{
    static const char *const members[] = {"dialect",     "match", "times",  "every",
                                          "probability", "seed",  "action", NULL};
    enum sq_err err = check_members(rule, "rule", members, e);

    r->probability = 1;
    if (!err)
        err = read_pattern(rule, "dialect", &r->dialect, e);
    if (!err)
        err = read_match(json_get(rule, "match"), r, e);
    if (!err)
        err = read_count(rule, "times", 1e15, &r->times, e);
    if (!err)
        err = read_count(rule, "every", 1e15, &r->every, e);
    if (!err)
        err = read_number(rule, "probability", 0, 1, &r->probability, e);
    if (!err)
        err = read_count(rule, "seed", 1e15, &r->rng, e);
    return err ? err : read_action(json_get(rule, "action"), &r->action, e);
}

enum sq_err fault_parse(const cJSON *list, struct fault_set *s, struct err_text *e)
{
    const cJSON *rule;

    if (!cJSON_IsArray(list))
        return err_set(e, SQ_ERR_INVALID, "the body must be a list of rules");
    cJSON_ArrayForEach(rule, list)
    {
        enum sq_err err;

        if (s->count == FAULT_RULES_MAX)
            return err_set(e, SQ_ERR_TOO_LARGE, "at most %d rules", FAULT_RULES_MAX);
        err = read_rule(rule, &s->rules[s->count++], e);
        if (err)
            return err;
    }
    return SQ_OK;
}

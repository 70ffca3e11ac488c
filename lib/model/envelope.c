/* Reading an envelope, and laying it over the message. */
#include "envelope.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const char *const members[] = {
    "id",         "format",   "idempotency_key", "sender",   "priority", "scheduled_at",
    "expires_at", "reply_to", "uncertain",       "on_limit", "metadata", "tenant",
    "body",       NULL,
};

/* Texts of the envelope; `into` is of no use here. */
static const struct {
    struct field_text field;
    size_t offset;
} texts[] = {
    {{.name = "id", .flags = FIELD_IDENT, .max = MESSAGE_ID_MAX}, offsetof(struct envelope, id)},
    {{.name = "format", .flags = FIELD_IDENT, .max = 32}, offsetof(struct envelope, format)},
    {{.name = "idempotency_key", .flags = FIELD_ASCII, .max = 255},
     offsetof(struct envelope, idempotency_key)},
    {{.name = "sender", .flags = FIELD_IDENT, .max = 64}, offsetof(struct envelope, sender)},
    {{.name = "reply_to", .flags = FIELD_IDENT, .max = FIELD_ID_MAX},
     offsetof(struct envelope, reply_to)},
    {{.name = "tenant", .flags = FIELD_IDENT, .max = 64}, offsetof(struct envelope, tenant)},
};

static enum sq_err read_texts(const struct field_at *at, struct envelope *v)
{
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *s;
        const cJSON *j = field_get(at, texts[i].field.name);
        enum sq_err err;

        /* An empty id or key is a producer's bug, never a wish for none. */
        if (cJSON_IsString(j) && !j->valuestring[0])
            return field_fail(at, SQ_ERR_INVALID, texts[i].field.name, "must not be empty");
        err = field_str(at, &texts[i].field, &s);
        if (err)
            return err;
        memcpy((char *)v + texts[i].offset, &s, sizeof s);
    }
    return SQ_OK;
}

/* One of two words; *ret = whether it is the second. Left alone if absent. */
static enum sq_err read_choice(const struct field_at *at, const char *name, const char *first,
                               const char *second, bool *ret_given, bool *ret)
{
    const cJSON *j = field_get(at, name);
    const char *s = cJSON_IsString(j) ? j->valuestring : NULL;

    *ret_given = j != NULL;
    if (j && !text_ieq(s, first) && !text_ieq(s, second))
        return field_fail(at, SQ_ERR_INVALID, name, "must be %s or %s", first, second);
    if (j)
        *ret = text_ieq(s, second);
    return SQ_OK;
}

static enum sq_err read_choices(const struct field_at *at, struct envelope *v)
{
    bool given, fail = false;
    enum sq_err err = read_choice(at, "uncertain", "retry", "fail", &given, &fail);

    if (err)
        return err;
    if (given)
        v->uncertain = fail ? UNCERTAIN_FAIL : UNCERTAIN_RETRY;
    return read_choice(at, "on_limit", "wait", "fail", &given, &v->fail_on_limit);
}

static enum sq_err read_times(const struct field_at *at, struct envelope *v)
{
    enum sq_err err = field_time(at, "scheduled_at", &v->scheduled_at);

    if (!err)
        err = field_time(at, "expires_at", &v->expires_at);
    return err;
}

static enum sq_err read_all(const struct field_at *at, struct envelope *v)
{
    enum sq_err err = field_check_known(at, members);

    if (!err)
        err = read_texts(at, v);
    v->has_priority = field_get(at, "priority") != NULL;
    if (!err)
        err = field_priority(at, "priority", &v->priority);
    if (!err)
        err = read_times(at, v);
    if (!err)
        err = read_choices(at, v);
    if (!err)
        err = field_object(at, "metadata", false, &v->metadata);
    if (!err)
        err = field_object(at, "body", true, &v->body);
    return err;
}

enum sq_err envelope_read(const cJSON *root, const struct job_limits *limits, struct envelope *ret,
                          struct err_text *e)
{
    struct field_at at = {root, "", limits, e};
    struct envelope v = {.body = NULL};
    enum sq_err err = read_all(&at, &v);

    if (!err)
        *ret = v;
    return err;
}

const char *envelope_reply_to(const cJSON *root)
{
    static const struct field_text f = {
        .name = "reply_to", .flags = FIELD_IDENT, .max = FIELD_ID_MAX};
    struct err_text ignored;
    struct job_limits none = {0};
    struct field_at at = {root, "", &none, &ignored};
    const char *s;

    return field_str(&at, &f, &s) ? NULL : s;
}

/* The members of a that b does not have, then those of b. */
static void add_merged(struct buf *out, const cJSON *a, const cJSON *b)
{
    const cJSON *m;

    json_open(out, '{');
    cJSON_ArrayForEach(m, a)
    {
        if (!json_get(b, m->string)) {
            json_key(out, m->string);
            json_print(m, out);
        }
    }
    cJSON_ArrayForEach(m, b)
    {
        json_key(out, m->string);
        json_print(m, out);
    }
    json_close(out, '}');
}

static enum sq_err merge_metadata(const struct envelope *v, const struct field_at *at,
                                  struct message *m)
{
    const char *old = m->text[MSG_METADATA];
    struct json_limits caps = {.max_depth = at->limits->max_depth};
    struct buf text = {.max = FIELD_METADATA_MAX};
    cJSON *body = NULL;
    enum sq_err err = SQ_OK;

    if (!v->metadata)
        return SQ_OK;
    if (old)
        err = json_parse(old, strlen(old), &caps, &body, at->e);
    if (err)
        return err;
    add_merged(&text, body, v->metadata);
    if (text.failed)
        err = field_fail(at, SQ_ERR_INVALID, "metadata", "must be at most %zu bytes",
                         FIELD_METADATA_MAX);
    else
        message_set(m, MSG_METADATA, buf_str(&text));
    buf_free(&text);
    json_free(body);
    return err;
}

/* "b:ids" would be the bulk whose hash is where "b" has its lead ids. */
static const char *find_part_name(const char *id)
{
    static const char *const parts[] = {":content", ":ids", ":held", ":seen:", ":ledger:"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(id, parts[i]))
            return parts[i];
    return NULL;
}

enum sq_err envelope_apply(const struct envelope *v, const struct job_limits *limits,
                           struct job *job, struct err_text *e)
{
    struct field_at at = {NULL, "", limits, e};
    struct message *m = &job->message;
    const char *part = job->is_bulk && v->id ? find_part_name(v->id) : NULL;

    if (part)
        return field_fail(&at, SQ_ERR_INVALID, "id", "a bulk's must not contain \"%s\"", part);
    if (v->id)
        snprintf(m->id, sizeof m->id, "%s", v->id);
    job->explicit_id = v->id != NULL;
    if (v->idempotency_key)
        snprintf(job->idempotency_key, sizeof job->idempotency_key, "%s", v->idempotency_key);
    if (v->sender)
        message_set(m, MSG_SENDER, v->sender);
    if (v->tenant)
        message_set(m, MSG_TENANT, v->tenant);
    if (v->has_priority)
        m->priority = v->priority;
    if (v->scheduled_at)
        m->scheduled_at = v->scheduled_at;
    if (v->expires_at)
        m->expires_at = v->expires_at;
    m->uncertain = v->uncertain;
    job->fail_on_limit = v->fail_on_limit;
    if (m->expires_at && m->scheduled_at && m->expires_at <= m->scheduled_at)
        return field_fail(&at, SQ_ERR_INVALID, "expires_at", "must be after scheduled_at");
    return merge_metadata(v, &at, m);
}

/* Checked reading of a body's members. */
#include "field.h"

#include "text.h"
#include "timefmt.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define UNIX_S_MAX INT64_C(253402300799) /* the last second of the year 9999 */

enum sq_err field_fail(const struct field_at *at, enum sq_err err, const char *name,
                       const char *fmt, ...)
{
    /* A little longer than what is kept, so that the cut there falls between characters. */
    char path[sizeof at->e->field + 8], reason[sizeof at->e->text + 8];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    snprintf(path, sizeof path, "%s%s%s", at->path, at->path[0] ? "." : "", name);
    return err_set_field(at->e, err, path, "%s", reason);
}

static bool is_listed(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (name[0] == (*names)[0] && strcmp(name, *names) == 0)
            return true;
    return false;
}

enum sq_err field_check_known(const struct field_at *at, const char *const *names)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, at->obj)
    {
        if (!is_listed(member->string, names))
            return field_fail(at, SQ_ERR_INVALID, member->string, "is not a known member");
    }
    return SQ_OK;
}

const cJSON *field_get(const struct field_at *at, const char *name)
{
    const cJSON *j = json_get(at->obj, name);

    return cJSON_IsNull(j) ? NULL : j;
}

/* --- texts --- */

static bool is_ident(const char *s)
{
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
              strchr("._:-", *s)))
            return false;
    return true;
}

static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if (*s < 0x20 || *s > 0x7e)
            return false;
    return true;
}

/* Scheme and host only; whether it may be fetched is decided when it is. */
static bool is_url(const char *s)
{
    const char *host;

    if (strncasecmp(s, "https://", 8) == 0)
        host = s + 8;
    else if (strncasecmp(s, "http://", 7) == 0)
        host = s + 7;
    else
        return false;
    return *host && !strchr("/?#", *host) && !strpbrk(s, " \"<>\\^`{|}");
}

static enum sq_err check_size(const struct field_at *at, const char *name, const char *s,
                              const struct field_text *f)
{
    size_t max = f->flags & FIELD_SUBJECT ? at->limits->max_subject : f->max;

    if (f->flags & FIELD_CONTENT) {
        max = at->limits->max_content;
        if (strlen(s) > max)
            return field_fail(at, SQ_ERR_TOO_LARGE, name, "must be at most %zu bytes", max);
    } else if (text_chars(s) > max) {
        return field_fail(at, SQ_ERR_INVALID, name, "must be at most %zu characters", max);
    }
    return SQ_OK;
}

static const char *check_chars(const char *s, unsigned flags)
{
    if (flags & (FIELD_LINE | FIELD_SUBJECT | FIELD_URL | FIELD_EMAIL) && text_has_control(s))
        return "must not hold control characters";
    if (flags & FIELD_IDENT && !is_ident(s))
        return "must hold only letters, digits and . _ : -";
    if (flags & FIELD_ASCII && !is_ascii(s))
        return "must hold only printable ASCII characters";
    if (flags & FIELD_EMAIL && !address_is_email(s))
        return "must be an email address";
    if (flags & FIELD_URL && !is_url(s))
        return "must be an http or https URL";
    return NULL;
}

enum sq_err field_check(const struct field_at *at, const char *name, const cJSON *j,
                        const struct field_text *f)
{
    const char *fault;
    enum sq_err err;

    if (!cJSON_IsString(j))
        return field_fail(at, SQ_ERR_INVALID, name, "must be a string");
    err = check_size(at, name, j->valuestring, f);
    if (err)
        return err;
    fault = check_chars(j->valuestring, f->flags);
    return fault ? field_fail(at, SQ_ERR_INVALID, name, "%s", fault) : SQ_OK;
}

enum sq_err field_str(const struct field_at *at, const struct field_text *f, const char **ret)
{
    const cJSON *j = field_get(at, f->name);
    bool required = f->flags & FIELD_REQUIRED;
    enum sq_err err;

    if (!j && required)
        return field_fail(at, SQ_ERR_INVALID, f->name, "is required");
    if (cJSON_IsString(j) && !j->valuestring[0]) {
        if (required)
            return field_fail(at, SQ_ERR_INVALID, f->name, "must not be empty");
        j = NULL;
    }
    if (!j) {
        *ret = NULL;
        return SQ_OK;
    }
    err = field_check(at, f->name, j, f);
    if (!err)
        *ret = j->valuestring;
    return err;
}

enum sq_err field_texts(const struct field_at *at, const struct field_text *table, unsigned count,
                        struct message *m)
{
    for (unsigned i = 0; i < count; i++) {
        const char *s;
        enum sq_err err = field_str(at, &table[i], &s);

        if (err)
            return err;
        if (s)
            message_set(m, table[i].into, s);
    }
    return SQ_OK;
}

enum sq_err field_list(const struct field_at *at, const struct field_text *f, struct message *m,
                       enum msg_list into)
{
    const cJSON *list = field_get(at, f->name), *item;
    unsigned i = 0;

    if (!list)
        return SQ_OK;
    if (!cJSON_IsArray(list))
        return field_fail(at, SQ_ERR_INVALID, f->name, "must be a list of strings");
    cJSON_ArrayForEach(item, list)
    {
        char name[64];
        enum sq_err err;

        if (m->list[into].count >= at->limits->max_list)
            return field_fail(at, SQ_ERR_INVALID, f->name, "must hold at most %u items",
                              at->limits->max_list);
        snprintf(name, sizeof name, "%s[%u]", f->name, i++);
        err = field_check(at, name, item, f);
        if (!err && !item->valuestring[0])
            err = field_fail(at, SQ_ERR_INVALID, name, "must not be empty");
        if (err)
            return err;
        message_list_add(m, into, item->valuestring);
    }
    return SQ_OK;
}

/* --- other types --- */

enum sq_err field_object(const struct field_at *at, const char *name, bool required,
                         const cJSON **ret)
{
    const cJSON *j = field_get(at, name);

    if (!j && required)
        return field_fail(at, SQ_ERR_INVALID, name, "is required");
    if (j && !cJSON_IsObject(j))
        return field_fail(at, SQ_ERR_INVALID, name, "must be an object");
    *ret = j;
    return SQ_OK;
}

enum sq_err field_bool(const struct field_at *at, const char *name, bool *ret)
{
    const cJSON *j = field_get(at, name);

    if (j && !cJSON_IsBool(j))
        return field_fail(at, SQ_ERR_INVALID, name, "must be true or false");
    if (j)
        *ret = cJSON_IsTrue(j);
    return SQ_OK;
}

enum sq_err field_json(const struct field_at *at, const char *name, struct message *m,
                       enum msg_text into)
{
    struct buf text = {.max = FIELD_METADATA_MAX};
    const cJSON *j;
    enum sq_err err = field_object(at, name, false, &j);

    if (err || !j)
        return err;
    json_print(j, &text);
    if (text.failed)
        err = field_fail(at, SQ_ERR_INVALID, name, "must be at most %zu bytes", FIELD_METADATA_MAX);
    else
        message_set(m, into, buf_str(&text));
    buf_free(&text);
    return err;
}

enum sq_err field_priority(const struct field_at *at, const char *name, enum priority *ret)
{
    const cJSON *j = field_get(at, name);
    double n = cJSON_IsNumber(j) ? j->valuedouble : 0;

    if (!j || (cJSON_IsString(j) && priority_parse(j->valuestring, ret)))
        return SQ_OK;
    if (n != 1 && n != 2 && n != 3)
        return field_fail(at, SQ_ERR_INVALID, name, "must be HIGH, NORMAL or LOW, or 1, 2 or 3");
    *ret = (enum priority)((int)n - 1);
    return SQ_OK;
}

enum sq_err field_type(const struct field_at *at, const char *name, enum message_type *ret)
{
    const cJSON *j = field_get(at, name);

    if (!j || (cJSON_IsString(j) && message_type_parse(j->valuestring, ret)))
        return SQ_OK;
    return field_fail(at, SQ_ERR_INVALID, name, "must be TRANSACTIONAL, MARKETING or NOTIFICATION");
}

enum sq_err field_time(const struct field_at *at, const char *name, int64_t *ret)
{
    static const char *const expected = "must be an RFC 3339 time or Unix seconds";
    const cJSON *j = field_get(at, name);
    double seconds = cJSON_IsNumber(j) ? j->valuedouble : 0;
    int64_t n;

    if (!j)
        return SQ_OK;
    if (!cJSON_IsString(j) && !cJSON_IsNumber(j))
        return field_fail(at, SQ_ERR_INVALID, name, "%s", expected);
    if (cJSON_IsString(j)) {
        if (time_parse(j->valuestring, &n) == SQ_OK)
            seconds = (double)n / 1000; /* exact to the millisecond far beyond the year 9999 */
        else if (text_to_i64(j->valuestring, &n) == SQ_OK)
            seconds = (double)n;
        else
            return field_fail(at, SQ_ERR_INVALID, name, "%s", expected);
    }
    /* As milliseconds: what is rounded up must not reach the year 10000 either. */
    if (seconds >= (double)UNIX_S_MAX + 1 ||
        seconds * 1000 + 0.5 >= ((double)UNIX_S_MAX + 1) * 1000)
        return field_fail(at, SQ_ERR_INVALID, name,
                          "is beyond the year 9999: seconds are expected, not milliseconds");
    if (!(seconds > 0))
        return field_fail(at, SQ_ERR_INVALID, name, "must be after 1970");
    *ret = (int64_t)(seconds * 1000 + 0.5);
    return SQ_OK;
}

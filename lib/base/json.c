/* JSON in: the check, then the tree, then the search for duplicate names. */
#include "json.h"
#include "json_build.h"
#include "json_check.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_MAX_BYTES = 1 << 20,
    DEFAULT_MAX_DEPTH = 32,
    PAIRWISE_MAX = 32, /* members; objects with more are sorted to find duplicates */
    NAME_SHOWN = 64,   /* bytes of a name in an error */
};

/* Length and some characters of a name: different for nearly all different names, and cheap. */
static uint32_t fingerprint(const char *name)
{
    size_t len = strlen(name);
    const unsigned char *p = (const unsigned char *)name;

    if (len == 0)
        return 0;
    return (uint32_t)len << 24 | (uint32_t)p[0] << 16 | (uint32_t)p[len / 2] << 8 | p[len - 1];
}

/* A name that occurs twice among up to PAIRWISE_MAX members, or NULL. */
static const char *find_twice_small(const cJSON *first)
{
    const char *names[PAIRWISE_MAX];
    uint32_t prints[PAIRWISE_MAX];
    size_t n = 0;

    for (const cJSON *m = first; m; m = m->next, n++) {
        names[n] = m->string;
        prints[n] = fingerprint(m->string);
        for (size_t i = 0; i < n; i++) {
            if (prints[i] == prints[n] && strcmp(names[i], names[n]) == 0)
                return names[n];
        }
    }
    return NULL;
}

static int on_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same for any number, in n log n: the input decides n. */
static enum sq_err find_twice_large(const cJSON *first, size_t count, const char **ret_name)
{
    const char **names = malloc(count * sizeof(*names));
    size_t n = 0;

    if (!names)
        return SQ_ERR_NOMEM;
    for (const cJSON *m = first; m; m = m->next)
        names[n++] = m->string;
    qsort(names, n, sizeof(*names), on_compare);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            *ret_name = names[i];
            break;
        }
    }
    free(names);
    return SQ_OK;
}

static enum sq_err check_object(const cJSON *object, struct err_text *e)
{
    const char *twice = NULL;
    enum sq_err err = SQ_OK;
    size_t n = 0;

    for (const cJSON *m = object->child; m; m = m->next)
        n++;
    if (n <= PAIRWISE_MAX)
        twice = find_twice_small(object->child);
    else
        err = find_twice_large(object->child, n, &twice);
    if (err)
        return err_set(e, err, "out of memory");
    if (twice)
        return err_set(e, SQ_ERR_INVALID, "duplicate member \"%.*s\"", NAME_SHOWN, twice);
    return SQ_OK;
}

/* Recursion is as deep as the text's nesting, which is checked. */
static enum sq_err check_names(const cJSON *j, struct err_text *e)
{
    enum sq_err err = SQ_OK;

    if (cJSON_IsObject(j))
        err = check_object(j, e);
    for (const cJSON *m = j->child; m && !err; m = m->next) {
        if (m->child)
            err = check_names(m, e);
    }
    return err;
}

static enum sq_err check_text(const char *s, size_t len, const struct json_limits *limits,
                              size_t *ret_values, struct err_text *e)
{
    size_t max_bytes = limits && limits->max_bytes ? limits->max_bytes : DEFAULT_MAX_BYTES;
    unsigned max_depth = limits && limits->max_depth ? limits->max_depth : DEFAULT_MAX_DEPTH;
    const char *reason;
    size_t offset;

    if (len > max_bytes)
        return err_set(e, SQ_ERR_TOO_LARGE, "%zu bytes of JSON, at most %zu are taken", len,
                       max_bytes);
    reason = json_check(s, len, max_depth, &offset, ret_values);
    if (!reason)
        return SQ_OK;
    return err_set(e, reason == json_check_too_deep ? SQ_ERR_TOO_LARGE : SQ_ERR_INVALID,
                   "bad JSON: %s at byte %zu", reason, offset);
}

static enum sq_err parse(const char *s, size_t len, char *stay, const struct json_limits *limits,
                         cJSON **ret, struct err_text *e)
{
    size_t values;
    enum sq_err err = check_text(s, len, limits, &values, e);
    cJSON *j;

    if (err)
        return err;
    j = json_build(s, len, values, stay);
    if (!j)
        return err_set(e, SQ_ERR_NOMEM, "out of memory");
    err = check_names(j, e);
    if (err) {
        json_free(j);
        return err;
    }
    *ret = j;
    return SQ_OK;
}

enum sq_err json_parse(const char *s, size_t len, const struct json_limits *limits, cJSON **ret,
                       struct err_text *e)
{
    return parse(s, len, NULL, limits, ret, e);
}

enum sq_err json_parse_in_place(char *s, size_t len, const struct json_limits *limits, cJSON **ret,
                                struct err_text *e)
{
    return parse(s, len, s, limits, ret, e);
}

void json_free(cJSON *j)
{
    free(j);
}

const cJSON *json_get(const cJSON *obj, const char *name)
{
    if (!cJSON_IsObject(obj))
        return NULL;
    for (const cJSON *m = obj->child; m; m = m->next) {
        if (m->string[0] == name[0] && strcmp(m->string, name) == 0)
            return m;
    }
    return NULL;
}

const char *json_str(const cJSON *obj, const char *name)
{
    const cJSON *m = json_get(obj, name);

    return cJSON_IsString(m) ? m->valuestring : NULL;
}

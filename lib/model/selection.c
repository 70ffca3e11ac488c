/* Reading bulk_settings. */
#include "selection.h"

#include "fold.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const char *const members[] = {"lead_ids", "filters", "search_keyword", "assignees", NULL};

/* Bounded by the size of a bulk's job alone: a million ids are a fair wish. */
static enum sq_err read_ids(const struct field_at *at, const char *name, struct arena *a,
                            struct str_list *ret)
{
    const struct field_text id = {name, 0, FIELD_IDENT, FIELD_ID_MAX};
    const cJSON *list = field_get(at, name), *item;
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;

    if (!list)
        return SQ_OK;
    if (!cJSON_IsArray(list))
        return field_fail(at, SQ_ERR_INVALID, name, "must be a list of ids");
    if (!count)
        return field_fail(at, SQ_ERR_INVALID, name, "must not be empty");
    ret->items = arena_alloc(a, (size_t)count * sizeof *ret->items);
    cJSON_ArrayForEach(item, list)
    {
        char path[64];
        enum sq_err err;

        snprintf(path, sizeof path, "%s[%u]", name, ret->count);
        err = field_check(at, path, item, &id);
        if (!err && !item->valuestring[0])
            err = field_fail(at, SQ_ERR_INVALID, path, "must not be empty");
        if (err)
            return err;
        ret->items[ret->count++] = arena_strdup(a, item->valuestring);
    }
    return SQ_OK;
}

static enum sq_err read_keyword(const struct field_at *at, struct arena *a, struct selection *s)
{
    static const struct field_text f = {"search_keyword", 0, FIELD_LINE, 256};
    struct buf folded = {.max = 0};
    const char *keyword;
    enum sq_err err = field_str(at, &f, &keyword);

    if (err || !keyword)
        return err;
    fold_text(&folded, keyword);
    s->search_keyword = arena_strdup(a, buf_str(&folded));
    buf_free(&folded);
    return SQ_OK;
}

static enum sq_err read_filter(const struct field_at *at, struct arena *a, struct selection *s)
{
    char path[128];
    struct field_at in = {NULL, path, at->limits, at->e};
    enum sq_err err = field_object(at, "filters", false, &in.obj);

    if (err || !in.obj)
        return err;
    snprintf(path, sizeof path, "%s.filters", at->path);
    return filter_compile(&in, a, &s->filter);
}

static enum sq_err read_conditions(const struct field_at *at, struct arena *a, struct selection *s)
{
    enum sq_err err = read_filter(at, a, s);

    if (!err)
        err = read_keyword(at, a, s);
    if (!err)
        err = read_ids(at, "assignees", a, &s->assignees);
    return err;
}

/* Lead ids are stored page by page: there may be very many. */
static const char *stored_text(const struct field_at *at, struct arena *a)
{
    struct buf out = {.max = 0}, value = {.max = 0};
    const char *text;

    json_open(&out, '{');
    for (unsigned i = 1; members[i]; i++) {
        const cJSON *j = field_get(at, members[i]);

        if (!j)
            continue;
        buf_clear(&value);
        json_print(j, &value);
        json_key(&out, members[i]);
        json_val_raw(&out, buf_str(&value), value.len);
    }
    json_close(&out, '}');
    text = out.failed || value.failed ? NULL : arena_strndup(a, buf_str(&out), out.len);
    buf_free(&value);
    buf_free(&out);
    return text;
}

enum sq_err selection_read(const struct field_at *at, struct arena *a, struct selection *ret)
{
    struct selection s = {.filter = NULL};
    enum sq_err err = field_check_known(at, members);

    if (!err)
        err = read_ids(at, "lead_ids", a, &s.lead_ids);
    if (!err)
        err = read_conditions(at, a, &s);
    if (err)
        return err;
    /* Nobody means "everybody" by leaving all of it out. */
    if (!s.lead_ids.count && !s.filter && !s.search_keyword && !s.assignees.count)
        return err_set_field(at->e, SQ_ERR_INVALID, at->path,
                             "must hold lead_ids, filters, search_keyword or assignees");
    s.text = stored_text(at, a);
    if (!s.text)
        return err_set_field(at->e, SQ_ERR_NOMEM, at->path, "not enough memory");
    *ret = s;
    return SQ_OK;
}

enum sq_err selection_parse(const char *text, size_t len, const struct job_limits *limits,
                            struct arena *a, struct selection *ret, struct err_text *e)
{
    const struct json_limits caps = {.max_bytes = limits->max_bulk_bytes,
                                     .max_depth = limits->max_depth};
    struct field_at at = {NULL, "bulk_settings", limits, e};
    struct selection s = {.filter = NULL};
    cJSON *root = NULL;
    enum sq_err err = json_parse(text, len, &caps, &root, e);

    if (err)
        return err;
    at.obj = root;
    err = read_conditions(&at, a, &s);
    json_free(root);
    if (!err)
        *ret = s;
    return err;
}

static bool is_assigned(const struct selection *s, const struct filter_lead *lead)
{
    struct filter_field has = {.text = NULL};

    lead->get(lead->ctx, "assigned_to", &has);
    for (unsigned i = 0; i < s->assignees.count && has.text; i++)
        if (strcmp(s->assignees.items[i], has.text) == 0)
            return true;
    return false;
}

bool selection_match(const struct selection *s, const struct filter_lead *lead)
{
    static const char *const searched[] = {"name",    "first_name", "last_name", "email",
                                           "company", "phone",      NULL};

    if (s->filter && !filter_match(s->filter, lead))
        return false;
    if (s->search_keyword && !filter_search(s->search_keyword, searched, lead))
        return false;
    return !s->assignees.count || is_assigned(s, lead);
}

/* Readers of members that hold RFC 5322 addresses. */
#include "field.h"
#include "recipient.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* Longer than any list of sane length, short enough to be scanned without a thought. */
#define LIST_TEXT_MAX ((size_t)64 << 10)

/* Adds what one string holds. */
static enum sq_err add_text(const struct field_at *at, const char *name, const cJSON *j,
                            unsigned max, struct arena *a, struct address_list *list)
{
    struct err_text why;

    if (!cJSON_IsString(j))
        return field_fail(at, SQ_ERR_INVALID, name, "must be a string");
    if (strlen(j->valuestring) > LIST_TEXT_MAX)
        return field_fail(at, SQ_ERR_INVALID, name, "must be at most %zu bytes", LIST_TEXT_MAX);
    if (address_parse_list(j->valuestring, max, a, list, &why))
        return field_fail(at, SQ_ERR_INVALID, name, "%s", why.text);
    return SQ_OK;
}

static enum sq_err add_array(const struct field_at *at, const char *name, const cJSON *array,
                             struct arena *a, struct address_list *list)
{
    const cJSON *item;
    unsigned i = 0;

    cJSON_ArrayForEach(item, array)
    {
        char path[64];
        enum sq_err err;

        if (i >= at->limits->max_list)
            return field_fail(at, SQ_ERR_INVALID, name, "must hold at most %u items",
                              at->limits->max_list);
        snprintf(path, sizeof path, "%s[%u]", name, i++);
        err = add_text(at, path, item, at->limits->max_list, a, list);
        if (err)
            return err;
    }
    return SQ_OK;
}

enum sq_err field_recipients(const struct field_at *at, const char *name, struct message *m)
{
    const cJSON *j = field_get(at, name);
    struct address_list list = {.count = 0};
    enum sq_err err;

    if (!j)
        return field_fail(at, SQ_ERR_INVALID, name, "is required");
    if (!cJSON_IsString(j) && !cJSON_IsArray(j))
        return field_fail(at, SQ_ERR_INVALID, name, "must be a string or a list of strings");
    if (cJSON_IsArray(j) && !j->child)
        return field_fail(at, SQ_ERR_INVALID, name, "must not be empty");
    err = cJSON_IsArray(j) ? add_array(at, name, j, &m->arena, &list)
                           : add_text(at, name, j, at->limits->max_list, &m->arena, &list);
    if (!err)
        recipient_set_list(m, &list);
    return err;
}

enum sq_err field_copies(const struct field_at *at, const char *name, struct message *m,
                         enum msg_list into)
{
    const cJSON *j = field_get(at, name);
    struct address_list list = {.count = 0};
    struct buf text = {.max = 0};
    enum sq_err err;

    if (!j)
        return SQ_OK;
    if (!cJSON_IsArray(j))
        return field_fail(at, SQ_ERR_INVALID, name, "must be a list of strings");
    err = add_array(at, name, j, &m->arena, &list);
    for (unsigned i = 0; i < list.count && !err; i++) {
        buf_clear(&text);
        address_print(&list.items[i], &text);
        message_list_add(m, into, buf_str(&text));
    }
    if (!err)
        m->units += list.count;
    buf_free(&text);
    return err;
}

enum sq_err field_mailbox(const struct field_at *at, const char *name, struct message *m,
                          struct address *ret)
{
    const cJSON *j = field_get(at, name);
    struct address_list list = {.count = 0};
    enum sq_err err = SQ_OK;

    if (cJSON_IsString(j) && !j->valuestring[0])
        j = NULL;
    if (j)
        err = add_text(at, name, j, 1, &m->arena, &list);
    if (!err)
        *ret = list.count ? list.items[0] : (struct address){NULL, NULL};
    return err;
}

/* Reader of attachments. */
#include "crypto.h"
#include "field.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define PATH_MAX_CHARS 1024

static const struct field_text filename = {"filename", 0, FIELD_LINE, 255};
static const struct field_text mime_type = {"mime_type", 0, FIELD_ASCII, 255};
static const struct field_text content_id = {"content_id", 0, FIELD_ASCII, 255};
static const struct field_text url = {"url", 0, FIELD_URL, FIELD_URL_MAX};
static const struct field_text storage_path = {"storage_path", 0, FIELD_LINE, PATH_MAX_CHARS};

static size_t token_length(const char *s)
{
    return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&^_.+-");
}

/* type/subtype, and parameters if any. */
static bool is_mime_type(const char *s)
{
    size_t type = token_length(s), subtype;

    if (!type || s[type] != '/')
        return false;
    s += type + 1;
    subtype = token_length(s);
    return subtype && (!s[subtype] || s[subtype + strspn(s + subtype, " ")] == ';');
}

/* A name, not a path: it becomes part of a header, and perhaps of somebody's disk. */
static bool is_filename(const char *s)
{
    return !strpbrk(s, "/\\") && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

/* Relative, and every segment a name: "a/b.pdf", not "/a", "a//b", "../b", "a/./b", "a\b". */
static bool is_relative_path(const char *s)
{
    if (strchr(s, '\\'))
        return false;
    for (;;) {
        size_t n = strcspn(s, "/");

        if (!n || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
            return false;
        if (!s[n])
            return true;
        s += n + 1;
    }
}

/* Content is not copied through a field reader, which would count its characters. */
static enum sq_err read_content(const struct field_at *at, const char **ret)
{
    const cJSON *j = field_get(at, "content_base64");
    size_t bytes = 0;

    *ret = NULL;
    if (!j)
        return SQ_OK;
    if (!cJSON_IsString(j))
        return field_fail(at, SQ_ERR_INVALID, "content_base64", "must be a string");
    if (!j->valuestring[0])
        return field_fail(at, SQ_ERR_INVALID, "content_base64", "must not be empty");
    if (!base64_check(j->valuestring, strlen(j->valuestring), &bytes))
        return field_fail(at, SQ_ERR_INVALID, "content_base64", "must be base64");
    if (bytes > at->limits->max_attachment)
        return field_fail(at, SQ_ERR_TOO_LARGE, "content_base64", "must be at most %zu bytes",
                          at->limits->max_attachment);
    *ret = j->valuestring;
    return SQ_OK;
}

static enum sq_err read_labels(const struct field_at *at, struct attachment *a)
{
    enum sq_err err = field_str(at, &filename, &a->filename);

    if (!err)
        err = field_str(at, &mime_type, &a->mime_type);
    if (!err)
        err = field_str(at, &content_id, &a->content_id);
    if (err)
        return err;
    if (a->filename && !is_filename(a->filename))
        return field_fail(at, SQ_ERR_INVALID, "filename", "must be a file's name, not a path");
    if (a->mime_type && !is_mime_type(a->mime_type))
        return field_fail(at, SQ_ERR_INVALID, "mime_type", "must be like application/pdf");
    if (a->content_id && strpbrk(a->content_id, " <>()\"\\"))
        return field_fail(at, SQ_ERR_INVALID, "content_id",
                          "must have no blanks, quotes and brackets");
    return SQ_OK;
}

static enum sq_err read_source(const struct field_at *at, const char *other, struct attachment *a)
{
    bool by_url = strcmp(other, "url") == 0;
    enum sq_err err = read_content(at, &a->content_base64);

    if (!err)
        err =
            by_url ? field_str(at, &url, &a->url) : field_str(at, &storage_path, &a->storage_path);
    if (err)
        return err;
    if (a->storage_path && !is_relative_path(a->storage_path))
        return field_fail(at, SQ_ERR_INVALID, "storage_path",
                          "must be a relative path without . and .. in it");
    if (!a->content_base64 == !(by_url ? a->url : a->storage_path))
        return field_fail(at, SQ_ERR_INVALID, a->content_base64 ? other : "content_base64",
                          "either content_base64 or %s is required%s", other,
                          a->content_base64 ? ", not both" : "");
    return SQ_OK;
}

/* Checks first, copies then: a refused attachment leaves nothing behind. */
static enum sq_err read_one(const struct field_at *at, const char *other, struct message *m)
{
    bool has_html = strcmp(other, "url") != 0; /* only there an image can stand in a text */
    const char *const names[] = {
        "filename", "mime_type", "content_base64", other, has_html ? "content_id" : NULL, NULL,
    };
    struct attachment a = {.filename = NULL};
    struct attachment *kept;
    enum sq_err err = field_check_known(at, names);

    if (!err)
        err = read_labels(at, &a);
    if (!err)
        err = read_source(at, other, &a);
    if (err)
        return err;
    kept = message_attachment_add(m);
    kept->filename = arena_strdup(&m->arena, a.filename);
    kept->mime_type = arena_strdup(&m->arena, a.mime_type);
    kept->content_id = arena_strdup(&m->arena, a.content_id);
    kept->content_base64 = a.content_base64; /* not copied: job.c sees to it */
    kept->url = arena_strdup(&m->arena, a.url);
    kept->storage_path = arena_strdup(&m->arena, a.storage_path);
    return SQ_OK;
}

enum sq_err field_attachments(const struct field_at *at, const char *name, const char *other,
                              struct message *m)
{
    const cJSON *list = field_get(at, name), *item;
    unsigned i = 0;

    if (!list)
        return SQ_OK;
    if (!cJSON_IsArray(list))
        return field_fail(at, SQ_ERR_INVALID, name, "must be a list of objects");
    cJSON_ArrayForEach(item, list)
    {
        char path[64];
        struct field_at in = {item, path, at->limits, at->e};
        enum sq_err err;

        snprintf(path, sizeof path, "%s[%u]", name, i);
        if (i++ >= at->limits->max_list)
            return field_fail(at, SQ_ERR_INVALID, name, "must hold at most %u items",
                              at->limits->max_list);
        if (!cJSON_IsObject(item))
            return field_fail(at, SQ_ERR_INVALID, path, "must be an object");
        err = read_one(&in, other, m);
        if (err)
            return err;
    }
    return SQ_OK;
}

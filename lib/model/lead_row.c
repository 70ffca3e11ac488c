/* Importing leads: from other programs' columns and members to a lead's fields.
 *
 * What is refused is what would be lost or dangerous later: no usable id, an e-mail address that is
 * none, more than a lead may hold. Numbers are kept as they were written: lead_address reads them
 * as people write them. */
#include "lead_row.h"

#include "address.h"
#include "json.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <string.h>

void lead_row_free(struct lead_row *r)
{
    if (!r)
        return;
    lead_free(&r->lead);
    r->removes = NULL;
    r->remove_count = 0;
}

/* --- columns --- */

static const struct {
    const char *name, *alias[6];
} aliases[] = {
    {"id", {"lead_id", "contact_id"}},
    {"email", {"mail", "e_mail", "email_address"}},
    {"phone", {"phone_number", "mobile", "mobile_phone", "telephone"}},
    {"assigned_to", {"assignee", "owner"}},
};

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80) || c == '.';
}

/* "First Name" -> "first_name". */
static char *plain_name(struct arena *a, const char *s)
{
    char *name = arena_strdup(a, s), *to = name;

    text_lower(name);
    for (const char *from = name; *from; from++) {
        if (is_word_byte(*from))
            *to++ = *from;
        else if (to > name && to[-1] != '_')
            *to++ = '_';
    }
    while (to > name && to[-1] == '_')
        to--;
    *to = 0;
    return name;
}

static bool find_name(const struct lead_columns *c, const char *name, unsigned *ret)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (strcmp(c->names[i], name) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static void use_aliases(struct lead_columns *c)
{
    unsigned at;

    for (unsigned i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        for (unsigned k = 0; aliases[i].alias[k] && !find_name(c, aliases[i].name, &at); k++)
            if (find_name(c, aliases[i].alias[k], &at))
                c->names[at] = aliases[i].name;
}

static enum sq_err check_names(const struct lead_columns *c, struct err_text *e)
{
    unsigned at = 0;

    for (unsigned i = 0; i < c->count; i++) {
        if (!c->names[i][0])
            return err_set(e, SQ_ERR_INVALID, "column %u has no name", i + 1);
        if (find_name(c, c->names[i], &at) && at < i)
            return err_set(e, SQ_ERR_INVALID, "two columns are called %s", c->names[i]);
    }
    return SQ_OK;
}

enum sq_err lead_columns_read(const struct csv_row *head, const char *id_name, struct arena *a,
                              struct lead_columns *ret, struct err_text *e)
{
    const char *id = id_name ? plain_name(a, id_name) : "id";
    enum sq_err err;

    ret->count = head->count;
    for (unsigned i = 0; i < head->count; i++)
        ret->names[i] = plain_name(a, head->fields[i]);
    if (id_name && find_name(ret, id, &ret->id))
        ret->names[ret->id] = "id";
    else if (id_name)
        return err_set(e, SQ_ERR_INVALID, "no column is called %s", id);
    use_aliases(ret);
    err = check_names(ret, e);
    if (!err && !find_name(ret, "id", &ret->id))
        err = err_set(e, SQ_ERR_INVALID, "no column is called id (name the ids' column by --id)");
    return err;
}

/* --- values --- */

static bool is_id(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-");

    return n && !s[n] && n <= LEAD_ID_MAX;
}

static enum sq_err begin(struct lead_row *r, const char *id, struct err_text *e)
{
    r->removes = NULL;
    r->remove_count = 0;
    if (!id || !*id)
        return err_set_field(e, SQ_ERR_INVALID, "id", "is missing");
    if (!is_id(id))
        return err_set_field(e, SQ_ERR_INVALID, "id", "must be 1 to %d letters, digits and . _ : -",
                             LEAD_ID_MAX);
    lead_begin(&r->lead, id);
    return SQ_OK;
}

/* "vip, gold" -> ["vip","gold"]; what is a JSON list stays. */
static void list_text(const char *value, struct buf *out)
{
    struct lead l = {.id = NULL};
    struct filter_field f = {.text = NULL};

    lead_begin(&l, "");
    if (lead_add(&l, "tags", value, NULL) == SQ_OK)
        lead_get(&l, "tags", &f);
    json_open(out, '[');
    for (unsigned i = 0; i < f.count; i++)
        json_val_str(out, f.items[i]);
    json_close(out, ']');
    lead_free(&l);
}

static enum sq_err add(struct lead_row *r, const char *name, const char *value, struct err_text *e)
{
    struct err_text why = {.text = ""};
    struct buf list = {.max = 0};
    enum sq_err err;

    if (strcmp(name, "email") == 0 && !address_is_email(value))
        return err_set_field(e, SQ_ERR_INVALID, name, "must be an email address");
    if (strcmp(name, "tags") == 0 || strcmp(name, "opted_out") == 0) {
        list_text(value, &list);
        value = buf_str(&list);
    }
    err = lead_add(&r->lead, name, value, &why);
    buf_free(&list);
    return err ? err_set_field(e, err, name, "%s", why.text) : SQ_OK;
}

static enum sq_err check_any(const struct lead_row *r, struct err_text *e)
{
    if (r->lead.count || r->remove_count)
        return SQ_OK;
    return err_set(e, SQ_ERR_INVALID, "there is nothing but an id");
}

/* --- CSV --- */

static const char *trimmed(struct arena *a, const char *s)
{
    size_t len;

    s += strspn(s, " \t\r\n");
    len = strlen(s);
    while (len && strchr(" \t\r\n", s[len - 1]))
        len--;
    return arena_strndup(a, s, len);
}

enum sq_err lead_row_csv(const struct lead_columns *c, const struct csv_row *row,
                         struct lead_row *ret, struct err_text *e)
{
    struct arena cells = {.used = 0};
    enum sq_err err = SQ_OK;

    if (row->error)
        return err_set(e, SQ_ERR_INVALID, "%s", row->error);
    if (row->count != c->count)
        return err_set(e, SQ_ERR_INVALID, "%u fields, the first line has %u", row->count, c->count);
    err = begin(ret, trimmed(&cells, row->fields[c->id]), e);
    for (unsigned i = 0; i < row->count && !err; i++) {
        const char *cell = trimmed(&cells, row->fields[i]);

        if (i != c->id && cell[0])
            err = add(ret, c->names[i], cell, e);
    }
    arena_free(&cells);
    return err ? err : check_any(ret, e);
}

/* --- JSON --- */

static void remove_field(struct lead_row *r, const cJSON *obj, const char *name)
{
    if (!r->removes)
        r->removes =
            arena_alloc(&r->lead.arena, ((size_t)cJSON_GetArraySize(obj) + 1) * sizeof *r->removes);
    r->removes[r->remove_count++] = arena_strdup(&r->lead.arena, name);
}

static enum sq_err add_json(struct lead_row *r, const cJSON *obj, const cJSON *j,
                            struct err_text *e)
{
    struct buf text = {.max = 0};
    enum sq_err err = SQ_OK;

    if (cJSON_IsNull(j))
        remove_field(r, obj, j->string);
    else if (cJSON_IsString(j) && j->valuestring[0])
        err = add(r, j->string, j->valuestring, e);
    else if (!cJSON_IsString(j)) {
        json_print(j, &text);
        err = add(r, j->string, buf_str(&text), e);
    }
    buf_free(&text);
    return err;
}

enum sq_err lead_row_json(const cJSON *obj, const char *id_name, struct lead_row *ret,
                          struct err_text *e)
{
    const char *name = id_name ? id_name : "id";
    const cJSON *id = json_get(obj, name), *j;
    enum sq_err err;

    if (!cJSON_IsObject(obj))
        return err_set(e, SQ_ERR_INVALID, "a lead must be a JSON object");
    if (id && !cJSON_IsString(id) && !cJSON_IsNumber(id))
        return err_set_field(e, SQ_ERR_INVALID, name, "must be a text or a number");
    err = begin(ret, id ? id->valuestring : NULL, e);
    cJSON_ArrayForEach(j, obj)
    {
        if (!err && j != id && strcmp(j->string, "id") != 0)
            err = add_json(ret, obj, j, e);
    }
    return err ? err : check_any(ret, e);
}

/* Leads: named values, their lists, and what the channels make of them.
 *
 * A lead has a dozen or two of fields, asked for by name a few times: a scan of an array beats a
 * hash. Lists are read when they are asked for, as most leads are sent to without it. */
#include "lead.h"

#include "json.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define LIST_ITEMS_MAX 10000

/* --- making one --- */

void lead_begin(struct lead *l, const char *id)
{
    arena_clear(&l->arena);
    l->count = 0;
    l->id = arena_strdup(&l->arena, id);
}

void lead_free(struct lead *l)
{
    if (!l)
        return;
    arena_free(&l->arena);
    free(l->values);
    memset(l, 0, sizeof *l);
}

enum sq_err lead_add(struct lead *l, const char *name, const char *value, struct err_text *e)
{
    size_t name_len = strlen(name), len = strlen(value);

    if (!name_len || name_len > LEAD_NAME_MAX)
        return err_set(e, SQ_ERR_INVALID, "a field's name must have 1 to %d bytes", LEAD_NAME_MAX);
    if (!text_is_utf8(name, name_len) || !text_is_utf8(value, len))
        return err_set(e, SQ_ERR_INVALID, "a field is not valid UTF-8");
    if (l->count == LEAD_FIELDS_MAX)
        return err_set(e, SQ_ERR_TOO_LARGE, "more than %d fields", LEAD_FIELDS_MAX);
    if (len > LEAD_BYTES_MAX || l->arena.used + name_len + len > LEAD_BYTES_MAX)
        return err_set(e, SQ_ERR_TOO_LARGE, "more than %zu bytes", LEAD_BYTES_MAX);
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 32;
        l->values = mem_realloc(l->values, l->cap * sizeof *l->values);
    }
    l->values[l->count++] = (struct lead_value){
        .name = arena_strndup(&l->arena, name, name_len),
        .value = arena_strndup(&l->arena, value, len),
    };
    return SQ_OK;
}

/* --- fields --- */

static struct lead_value *find(const struct lead *l, const char *name)
{
    for (unsigned i = 0; i < l->count; i++)
        if (strcmp(l->values[i].name, name) == 0)
            return &l->values[i];
    return NULL;
}

const char *lead_field(const struct lead *l, const char *name)
{
    const struct lead_value *v = find(l, name);

    if (!v)
        return strcmp(name, "id") == 0 ? l->id : NULL;
    return v->value[0] ? v->value : NULL;
}

/* --- lists --- */

static const char *item_text(struct arena *a, const cJSON *j)
{
    if (cJSON_IsString(j) || cJSON_IsNumber(j)) /* a number's valuestring is its spelling */
        return arena_strdup(a, j->valuestring);
    return NULL;
}

static bool read_array(struct arena *a, const cJSON *array, struct lead_value *v)
{
    int count = cJSON_GetArraySize(array);
    const char **items;
    const cJSON *item;
    unsigned n = 0;

    if (!cJSON_IsArray(array) || count > LIST_ITEMS_MAX)
        return false;
    items = arena_alloc(a, ((size_t)count + 1) * sizeof *items);
    cJSON_ArrayForEach(item, array)
    {
        items[n] = item_text(a, item);
        if (!items[n])
            return false;
        n++;
    }
    v->items = items;
    v->count = n;
    return true;
}

static bool read_json_list(struct arena *a, struct lead_value *v)
{
    const struct json_limits limits = {.max_bytes = LEAD_BYTES_MAX, .max_depth = 2};
    cJSON *j = NULL;
    bool good;

    if (v->value[strspn(v->value, " \t\r\n")] != '[' ||
        json_parse(v->value, strlen(v->value), &limits, &j, NULL) != SQ_OK)
        return false;
    good = read_array(a, j, v);
    json_free(j);
    return good;
}

/* What is not JSON, or broken JSON: the words between commas, brackets and quotes. Whoever typed
 * such an opt-out must not be sent to because of a missing bracket. */
static void read_words(struct arena *a, struct lead_value *v)
{
    static const char between[] = ",;[]\"\t\r\n";
    const char **items = NULL;
    unsigned n = 0, cap = 0;

    for (const char *s = v->value; *s && n < LIST_ITEMS_MAX;) {
        size_t len;

        s += strspn(s, between);
        s += strspn(s, " ");
        len = strcspn(s, between);
        while (len && s[len - 1] == ' ')
            len--;
        if (len && n == cap) {
            const char **grown = arena_alloc(a, (cap + 16) * 2 * sizeof *items);

            if (n)
                memcpy(grown, items, n * sizeof *items);
            items = grown;
            cap = (cap + 16) * 2;
        }
        if (len)
            items[n++] = arena_strndup(a, s, len);
        s += len;
        s += strspn(s, " ");
    }
    v->items = items;
    v->count = n;
}

static bool is_list_name(const char *name)
{
    return strcmp(name, "tags") == 0 || strcmp(name, "opted_out") == 0;
}

static void read_list(struct lead *l, struct lead_value *v)
{
    if (v->is_read)
        return;
    v->is_read = true;
    v->is_list = read_json_list(&l->arena, v);
    if (!v->is_list && is_list_name(v->name)) {
        v->is_list = true;
        read_words(&l->arena, v);
    }
}

void lead_get(struct lead *l, const char *name, struct filter_field *ret)
{
    struct lead_value *v = find(l, name);

    *ret = (struct filter_field){.text = v ? v->value : lead_field(l, name)};
    if (!v)
        return;
    read_list(l, v);
    if (v->is_list)
        *ret = (struct filter_field){.is_list = true, .items = v->items, .count = v->count};
}

static void on_get(void *ctx, const char *field, struct filter_field *ret)
{
    lead_get(ctx, field, ret);
}

struct filter_lead lead_view(struct lead *l)
{
    return (struct filter_lead){.get = on_get, .ctx = l};
}

/* --- channels --- */

/* As people write numbers: +1 (415) 555-0100. */
static const char *plain_number(struct arena *a, const char *s)
{
    char *out, *p;

    if (!s)
        return NULL;
    out = p = arena_strdup(a, s);
    for (; *s; s++)
        if (!strchr(" -.()/", *s))
            *p++ = *s;
    *p = 0;
    return out[0] ? out : NULL;
}

const char *lead_address(struct lead *l, enum channel c)
{
    const char *own = lead_field(l, channel_name(c));

    switch (c) {
    case CHANNEL_SMS:
    case CHANNEL_RCS:
        return plain_number(&l->arena, lead_field(l, "phone"));
    case CHANNEL_WHATSAPP:
        return plain_number(&l->arena, own ? own : lead_field(l, "phone"));
    case CHANNEL_LIVE_CHAT:
    case CHANNEL_CUSTOM:
        return own ? own : l->id;
    case CHANNEL_GMB:
    case CHANNEL_COUNT:
        return NULL;
    default:
        return own;
    }
}

bool lead_opted_out(struct lead *l, enum channel c, const char *subtype)
{
    struct filter_field out;

    lead_get(l, "opted_out", &out);
    for (unsigned i = 0; i < out.count; i++) {
        enum channel named;

        if (channel_parse(out.items[i], &named) ? named == c : text_ieq(out.items[i], "all"))
            return true;
        if (subtype && strcmp(out.items[i], subtype) == 0)
            return true;
    }
    return false;
}

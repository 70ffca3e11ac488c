/* Prints cJSON trees, as they are or in the canonical form that hashes are made of. Recursion is as
 * deep as the tree, which json_parse bounds. */
#include "json.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static void print_value(const cJSON *j, struct buf *out, bool sorted);

static void print_member(const cJSON *m, struct buf *out, bool sorted)
{
    if (m->string)
        json_key(out, m->string);
    print_value(m, out, sorted);
}

static int on_compare(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static void print_sorted(const cJSON *object, struct buf *out)
{
    size_t n = (size_t)cJSON_GetArraySize(object), i = 0;
    const cJSON **members = malloc((n ? n : 1) * sizeof(*members));

    if (!members) { /* the input decides n: fail the output, not the process */
        out->failed = true;
        return;
    }
    for (const cJSON *m = object->child; m; m = m->next)
        members[i++] = m;
    qsort(members, n, sizeof(*members), on_compare);
    for (i = 0; i < n; i++)
        print_member(members[i], out, true);
    free(members);
}

static void print_children(const cJSON *j, struct buf *out, bool sorted)
{
    bool is_object = cJSON_IsObject(j);

    json_open(out, is_object ? '{' : '[');
    if (is_object && sorted) {
        print_sorted(j, out);
    } else {
        for (const cJSON *m = j->child; m; m = m->next)
            print_member(m, out, sorted);
    }
    json_close(out, is_object ? '}' : ']');
}

static bool is_integer(const char *text)
{
    return strspn(text, "-0123456789") == strlen(text);
}

/* As it was spelled, so that no digit is lost to a double: ids of 64 bits stand in metadata. The
 * canonical form of what is not spelled as an integer is its value's. */
static void print_number(const cJSON *j, struct buf *out, bool sorted)
{
    const char *text = j->valuestring;

    if (text && (!sorted || (is_integer(text) && strcmp(text, "-0") != 0)))
        json_val_raw(out, text, strlen(text));
    else
        json_val_num(out, j->valuedouble);
}

static void print_value(const cJSON *j, struct buf *out, bool sorted)
{
    if (cJSON_IsObject(j) || cJSON_IsArray(j))
        print_children(j, out, sorted);
    else if (cJSON_IsString(j))
        json_val_str(out, j->valuestring);
    else if (cJSON_IsNumber(j))
        print_number(j, out, sorted);
    else if (cJSON_IsBool(j))
        json_val_bool(out, cJSON_IsTrue(j));
    else
        json_val_null(out);
}

void json_canonical(const cJSON *j, struct buf *out)
{
    print_value(j, out, true);
}

void json_print(const cJSON *j, struct buf *out)
{
    print_value(j, out, false);
}

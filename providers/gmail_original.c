/* Gmail's mails: headers are decoded already, texts come in base64url, part by part. */
#include "gmail_original.h"

#include "crypto.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <string.h>

const char *gmail_header(const cJSON *payload, const char *name)
{
    const cJSON *headers = json_get(payload, "headers");
    const cJSON *h = cJSON_IsArray(headers) ? headers->child : NULL;

    for (; h; h = h->next)
        if (text_ieq(json_str(h, "name"), name))
            return json_str(h, "value");
    return NULL;
}

/* NULL for what is no text that a mail of ours could hold. */
static const char *decode(const cJSON *part, struct arena *a)
{
    const char *data = json_str(json_get(part, "body"), "data"), *text = NULL;
    struct buf out = {.max = GMAIL_ANSWER_MAX};

    if (data && base64_decode(&out, data, strlen(data), true) == SQ_OK && out.len &&
        strlen(buf_str(&out)) == out.len && text_is_utf8(buf_str(&out), out.len))
        text = arena_strndup(a, out.data, out.len);
    buf_free(&out);
    return text;
}

static void read_leaf(const cJSON *part, struct gmail_original *o)
{
    const char *type = json_str(part, "mimeType");

    if (!text_is_empty(json_str(part, "filename")))
        o->has_files |= gmail_header(part, "Content-ID") == NULL;
    else if (text_ieq(type, "text/plain") && !o->quote.text)
        o->quote.text = decode(part, &o->arena);
    else if (text_ieq(type, "text/html") && !o->quote.html)
        o->quote.html = decode(part, &o->arena);
}

/* As deep as the JSON may be. */
static void read_part(const cJSON *part, struct gmail_original *o)
{
    const cJSON *parts = json_get(part, "parts");

    read_leaf(part, o);
    for (const cJSON *p = cJSON_IsArray(parts) ? parts->child : NULL; p; p = p->next)
        read_part(p, o);
}

/* What is no address is shown as it stands. */
static struct address read_from(const char *from, struct arena *a)
{
    struct address_list list = {.count = 0};

    if (!from || address_parse_list(from, 1, a, &list, NULL) != SQ_OK || list.count != 1)
        return (struct address){.addr = arena_strdup(a, from)};
    return list.items[0];
}

enum sq_err gmail_original_read(const cJSON *json, struct gmail_original *ret)
{
    const cJSON *payload = json_get(json, "payload");
    const char *date = json_str(json, "internalDate");
    struct quote_original *q = &ret->quote;

    read_part(payload, ret);
    q->from = read_from(gmail_header(payload, "From"), &ret->arena);
    q->to = arena_strdup(&ret->arena, gmail_header(payload, "To"));
    q->subject = arena_strdup(&ret->arena, gmail_header(payload, "Subject"));
    if (!date || text_to_i64(date, &q->date_ms) != SQ_OK || (!q->text && !q->html))
        return SQ_ERR_INVALID;
    return SQ_OK;
}

void gmail_original_clear(struct gmail_original *o)
{
    arena_free(&o->arena);
    memset(o, 0, sizeof(*o));
}

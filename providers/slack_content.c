/* A Slack message's text or blocks, and its files by URL. */
#include "slack_content.h"

#include "json.h"
#include "media.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <string.h>

static bool is_block(const cJSON *item)
{
    static const char *const types[] = {"section", "divider", "header",   "image",    "context",
                                        "actions", "input",   "video",    "file",     "table",
                                        "alert",   "card",    "markdown", "rich_text"};
    const char *type = json_str(item, "type");

    for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i], type) == 0)
            return true;
    }
    return false;
}

static bool is_block_list(const cJSON *list)
{
    const cJSON *item;

    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return false;
    cJSON_ArrayForEach(item, list)
    {
        if (!is_block(item))
            return false;
    }
    return true;
}

/* A text that is Slack's own JSON: a list of blocks, one block, or {"blocks", "text"}. NULL = it
 * is just text. Free with json_free. */
static cJSON *read_blocks(const char *text)
{
    static const struct json_limits json_limits = {.max_bytes = 0};
    const char *start = text ? text + strspn(text, " \t\r\n") : "";
    cJSON *json = NULL;

    if (*start != '{' && *start != '[')
        return NULL;
    if (json_parse(start, strlen(start), &json_limits, &json, NULL))
        return NULL;
    if (is_block_list(json) || is_block(json) || is_block_list(json_get(json, "blocks")))
        return json;
    json_free(json);
    return NULL;
}

static void write_raw(struct buf *b, const cJSON *json)
{
    struct buf raw = {.max = b->max};

    json_print(json, &raw);
    json_val_raw(b, buf_str(&raw), raw.len);
    b->failed |= raw.failed;
    buf_free(&raw);
}

void slack_write_content(const struct message *m, struct buf *b)
{
    cJSON *json = read_blocks(m->text[MSG_CONTENT]);
    const cJSON *list = json_get(json, "blocks");

    if (!json) {
        json_opt_str(b, "text", m->text[MSG_CONTENT]);
        return;
    }
    json_opt_str(b, "text", is_block(json) ? NULL : json_str(json, "text"));
    json_key(b, "blocks");
    if (is_block(json))
        json_open(b, '[');
    write_raw(b, list && !is_block(json) ? list : json);
    if (is_block(json))
        json_close(b, ']');
    json_free(json);
}

/* An image is shown, anything else becomes a link. */
static void write_url(struct buf *b, const char *url, const char *mime_type, const char *name)
{
    const char *title = text_is_empty(name) ? url : name;

    json_open(b, '{');
    json_key_str(b, "fallback", title);
    if (media_kind_of(mime_type, text_is_empty(name) ? url : name) == MEDIA_IMAGE) {
        json_key_str(b, "image_url", url);
    } else {
        json_key_str(b, "title", title);
        json_key_str(b, "title_link", url);
    }
    json_close(b, '}');
}

void slack_write_files(const struct message *m, struct buf *b)
{
    bool any = m->list[MSG_MEDIA].count > 0;

    for (unsigned i = 0; i < m->attachment_count; i++)
        any |= m->attachments[i].url != NULL;
    if (!any)
        return;
    json_key(b, "attachments");
    json_open(b, '[');
    for (unsigned i = 0; i < m->list[MSG_MEDIA].count; i++)
        write_url(b, m->list[MSG_MEDIA].items[i], NULL, NULL);
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];

        if (a->url)
            write_url(b, a->url, a->mime_type, a->filename);
    }
    json_close(b, ']');
}

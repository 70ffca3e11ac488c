/* Telegram Bot API: POST /telegram/bot{token}/{sendMessage|sendPhoto|sendDocument|sendMediaGroup}
 * with JSON or multipart; {"ok":true,"result"} or {"ok":false,"error_code","description"}.
 *
 * Chat 403403 has blocked the bot; chat -100 has become the supergroup -100100. */
#include "dialect.h"
#include "multipart.h"
#include "shape.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096
#define CAPTION_MAX 1024
#define VALUE_SIZE 20000

static void telegram_error(struct exchange *x, int status, const char *description)
{
    struct buf *out = exchange_begin(x, status);

    json_key_bool(out, "ok", false);
    json_key_int(out, "error_code", status);
    json_key_str(out, "description", description);
    if (status == 400 && strstr(description, "upgraded")) {
        json_key(out, "parameters");
        json_open(out, '{');
        json_key_int(out, "migrate_to_chat_id", -100100);
        json_close(out, '}');
    }
    exchange_end(x);
}

/* The call's parameters, of JSON or of multipart: as text, objects as JSON. */
struct call {
    struct exchange *x;
    const cJSON *json;
    struct multipart form;
    bool is_form;
};

static bool call_read(struct call *c, struct exchange *x)
{
    c->x = x;
    c->is_form = exchange_has_type(x, "multipart/form-data");
    c->json = NULL;
    if (c->is_form)
        return multipart_read(x, &c->form);
    c->json = exchange_has_type(x, "application/json") ? exchange_json(x) : NULL;
    return cJSON_IsObject(c->json);
}

/* A parameter as text in out; false if it is not there. */
static bool call_text(const struct call *c, const char *name, char *out, size_t size)
{
    struct buf text = {0};
    const cJSON *item;

    if (c->is_form)
        return multipart_text(&c->form, name, out, size) != NULL;
    item = json_get(c->json, name);
    if (!item)
        return false;
    if (cJSON_IsString(item))
        buf_adds(&text, item->valuestring);
    else
        json_print(item, &text);
    snprintf(out, size, "%s", buf_str(&text));
    buf_free(&text);
    return true;
}

static bool is_integer(const char *s)
{
    return shape_digits(s + (s[0] == '-'));
}

/* A URL, or the name of a part that holds the file. */
static bool file_is_good(const struct call *c, const char *value)
{
    static const char attach[] = "attach://";
    const struct multipart_part *p;

    if (!text_starts(value, attach))
        return shape_url(value);
    p = c->is_form ? multipart_find(&c->form, value + sizeof(attach) - 1) : NULL;
    return p && p->filename[0] && p->len;
}

/* --- the methods: each returns what is wrong, or NULL --- */

static const char *check_text(const struct call *c)
{
    char text[VALUE_SIZE];

    if (!call_text(c, "text", text, sizeof(text)) || !*text)
        return "Bad Request: message text is empty";
    return text_chars(text) > TEXT_MAX ? "Bad Request: message is too long" : NULL;
}

static const char *check_caption(const struct call *c)
{
    char text[VALUE_SIZE];

    if (call_text(c, "caption", text, sizeof(text)) && text_chars(text) > CAPTION_MAX)
        return "Bad Request: message caption is too long";
    return NULL;
}

static const char *check_file(const struct call *c, const char *name)
{
    const struct multipart_part *p = c->is_form ? multipart_find(&c->form, name) : NULL;
    char value[2100];

    if (p && p->filename[0])
        return p->len ? check_caption(c) : "Bad Request: file must be non-empty";
    if (!call_text(c, name, value, sizeof(value)) || !file_is_good(c, value))
        return "Bad Request: wrong remote file identifier specified";
    return check_caption(c);
}

static const char *check_photo(const struct call *c)
{
    return check_file(c, "photo");
}

static const char *check_document(const struct call *c)
{
    return check_file(c, "document");
}

static const char *album_fault(const struct call *c, const cJSON *list)
{
    static const char *const members[] = {"type", "media", "caption", "parse_mode", NULL};
    const char *first = json_str(cJSON_GetArrayItem(list, 0), "type");
    const cJSON *item;

    if (cJSON_GetArraySize(list) < 2 || cJSON_GetArraySize(list) > 10)
        return "Bad Request: wrong number of messages in the album";
    cJSON_ArrayForEach(item, list)
    {
        const char *type = json_str(item, "type"), *media = json_str(item, "media");

        if (shape_unknown(item, members) || !media || !file_is_good(c, media))
            return "Bad Request: wrong media";
        if (!type || (strcmp(type, "photo") != 0 && strcmp(type, "document") != 0))
            return "Bad Request: wrong type of the media";
        if (strcmp(type, first) != 0)
            return "Bad Request: document can't be mixed with other media types";
    }
    return NULL;
}

static const char *check_album(const struct call *c)
{
    const char *fault = "Bad Request: can't parse media";
    char text[VALUE_SIZE];
    cJSON *list = NULL;

    if (call_text(c, "media", text, sizeof(text)) &&
        json_parse(text, strlen(text), NULL, &list, NULL) == SQ_OK && cJSON_IsArray(list))
        fault = album_fault(c, list);
    json_free(list);
    return fault;
}

static const char *const common[] = {"chat_id",
                                     "message_thread_id",
                                     "reply_parameters",
                                     "parse_mode",
                                     "disable_notification",
                                     "link_preview_options",
                                     "caption",
                                     "text",
                                     "photo",
                                     "document",
                                     "media",
                                     NULL};

static const char *check_options(const struct call *c)
{
    char text[VALUE_SIZE];

    if (c->json && shape_unknown(c->json, common))
        return "Bad Request: unknown parameter";
    if (call_text(c, "message_thread_id", text, sizeof(text)) && !is_integer(text))
        return "Bad Request: message thread not found";
    if (call_text(c, "reply_parameters", text, sizeof(text)) && !strstr(text, "\"message_id\":"))
        return "Bad Request: can't parse reply parameters";
    if (call_text(c, "parse_mode", text, sizeof(text)) && strcmp(text, "HTML") != 0 &&
        strcmp(text, "MarkdownV2") != 0)
        return "Bad Request: unsupported parse_mode";
    return NULL;
}

static void answer_result(struct exchange *x, const char *chat, bool album)
{
    struct buf *out = exchange_begin(x, 200);

    json_key_bool(out, "ok", true);
    json_key(out, "result");
    if (album)
        json_open(out, '[');
    for (unsigned i = 0; i < (album ? 2 : 1); i++) {
        json_open(out, '{');
        json_key_int(out, "message_id", (int64_t)exchange_serial(x));
        json_key_int(out, "date", x->record->wall_us / 1000000);
        json_key(out, "chat");
        json_open(out, '{');
        json_key_str(out, "id", chat);
        json_close(out, '}');
        json_close(out, '}');
    }
    if (album)
        json_close(out, ']');
    exchange_end(x);
}

static void answer_call(struct exchange *x, const struct call *c,
                        const char *(*check)(const struct call *c))
{
    const char *fault;
    char chat[64];

    if (!call_text(c, "chat_id", chat, sizeof(chat)) || !*chat) {
        telegram_error(x, 400, "Bad Request: chat_id is empty");
    } else if (!is_integer(chat) && chat[0] != '@') {
        telegram_error(x, 400, "Bad Request: chat not found");
    } else if (strcmp(chat, "403403") == 0) {
        telegram_error(x, 403, "Forbidden: bot was blocked by the user");
    } else if (strcmp(chat, "-100") == 0) {
        telegram_error(x, 400, "Bad Request: group chat was upgraded to a supergroup chat");
    } else {
        fault = check_options(c);
        fault = fault ? fault : check(c);
        if (fault)
            telegram_error(x, 400, fault);
        else
            answer_result(x, chat, check == check_album);
    }
}

/* "123:AbC" of "/bot123:AbC/sendMessage", shaped like a token. */
static bool token_is_good(const char *part)
{
    const char *colon = strchr(part, ':');
    char number[64];

    if (!text_starts(part, "bot") || !colon || colon - part - 3 >= (long)sizeof(number))
        return false;
    snprintf(number, sizeof(number), "%.*s", (int)(colon - part - 3), part + 3);
    return shape_digits(number) && strlen(colon + 1) >= 8 && credential_is_good(colon + 1);
}

static void telegram_read(struct exchange *x)
{
    struct call c;
    char chat[64];

    if (call_read(&c, x) && call_text(&c, "chat_id", chat, sizeof(chat)))
        record_set_recipient(x->record, chat);
}

static void telegram_answer(struct exchange *x)
{
    static const struct {
        const char *name;
        const char *(*check)(const struct call *c);
    } methods[] = {{"sendMessage", check_text},
                   {"sendPhoto", check_photo},
                   {"sendDocument", check_document},
                   {"sendMediaGroup", check_album}};
    struct shape_path path;
    struct call c;

    if (!shape_path(x->path, &path) || path.count != 2) {
        telegram_error(x, 404, "Not Found");
        return;
    }
    if (!token_is_good(path.part[0])) {
        telegram_error(x, 401, "Unauthorized");
        return;
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].name, path.part[1]) != 0)
            continue;
        if (call_read(&c, x))
            answer_call(x, &c, methods[i].check);
        else
            telegram_error(x, 400, "Bad Request: can't parse the request");
        return;
    }
    telegram_error(x, 404, "Not Found");
}

const struct dialect dialect_telegram = {
    .name = "telegram",
    .prefix = "/telegram",
    .read = telegram_read,
    .answer = telegram_answer,
};

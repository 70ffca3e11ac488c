/* Slack Web API below /slack/api: chat.postMessage, conversations.open, and the upload of files
 * in three steps. Slack answers 200 {"ok":false,"error"} to what it refuses.
 *
 * An upload is remembered: its bytes must be as many as were announced, and it can be completed
 * once. */
#include "dialect.h"
#include "shape.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPLOADS_MAX 10000 /* the oldest is forgotten, as its number says */
#define FILE_MAX INT64_C(1000000000)

struct upload {
    size_t length;
    bool uploaded, completed;
};

struct uploads {
    struct upload ring[UPLOADS_MAX];
    uint64_t made;
};

static void *uploads_open(void)
{
    return mem_zalloc(sizeof(struct uploads));
}

static void uploads_close(void *state)
{
    free(state);
}

static void uploads_reset(void *state)
{
    *(struct uploads *)state = (struct uploads){.made = 0};
}

/* The upload of "F0000000007", or NULL. */
static struct upload *upload_of_id(struct uploads *u, const char *id)
{
    int64_t n;

    if (!id || id[0] != 'F' || !shape_digits(id + 1) || strlen(id) != 11)
        return NULL;
    for (id++; id[0] == '0' && id[1]; id++)
        ;
    if (text_to_i64(id, &n) || n < 1 || (uint64_t)n > u->made ||
        u->made - (uint64_t)n >= UPLOADS_MAX)
        return NULL;
    return &u->ring[n % UPLOADS_MAX];
}

static void slack_error(struct exchange *x, const char *error)
{
    struct buf *out = exchange_begin(x, 200);

    x->delivers = false;
    json_key_bool(out, "ok", false);
    json_key_str(out, "error", error);
    exchange_end(x);
}

/* --- messages --- */

static bool is_id(const char *s, const char *kinds)
{
    size_t len = s ? strlen(s) : 0;

    return len >= 3 && strchr(kinds, s[0]) &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len;
}

static bool is_ts(const char *s)
{
    size_t whole = strspn(s, "0123456789");

    return whole > 0 && s[whole] == '.' && shape_digits(s + whole + 1);
}

static bool blocks_are_good(const cJSON *blocks)
{
    const cJSON *block;

    if (!cJSON_IsArray(blocks) || cJSON_GetArraySize(blocks) > 50)
        return false;
    cJSON_ArrayForEach(block, blocks)
    {
        if (text_is_empty(json_str(block, "type")))
            return false;
    }
    return true;
}

static const char *message_fault(const cJSON *m)
{
    static const char *const members[] = {
        "channel", "text",         "blocks",       "attachments", "thread_ts", "reply_broadcast",
        "mrkdwn",  "unfurl_links", "unfurl_media", "metadata",    "username",  NULL};
    const cJSON *text = json_get(m, "text"), *thread = json_get(m, "thread_ts");

    if (!cJSON_IsObject(m))
        return "invalid_json";
    if (shape_unknown(m, members))
        return "invalid_arguments";
    if (!is_id(json_str(m, "channel"), "CDGU"))
        return "channel_not_found";
    if (!json_get(m, "blocks") && !json_get(m, "attachments") && !shape_text(text, 1, SIZE_MAX))
        return "no_text";
    if (text && !shape_text(text, 0, 40000))
        return "msg_too_long";
    if (json_get(m, "blocks") && !blocks_are_good(json_get(m, "blocks")))
        return "invalid_blocks";
    if (json_get(m, "attachments") && cJSON_GetArraySize(json_get(m, "attachments")) > 100)
        return "too_many_attachments";
    if (thread && (!cJSON_IsString(thread) || !is_ts(thread->valuestring)))
        return "invalid_thread_ts";
    return NULL;
}

static void post_message(struct exchange *x)
{
    const cJSON *m = exchange_json(x);
    const char *fault = message_fault(m);
    struct buf *out;
    char ts[32];

    if (fault) {
        slack_error(x, fault);
        return;
    }
    out = exchange_begin(x, 200);
    snprintf(ts, sizeof(ts), "1503435956.%06llu", (unsigned long long)exchange_serial(x));
    json_key_bool(out, "ok", true);
    json_key_str(out, "channel", json_str(m, "channel"));
    json_key_str(out, "ts", ts);
    json_key(out, "message");
    json_open(out, '{');
    json_key_str(out, "type", "message");
    json_key_str(out, "text", json_str(m, "text"));
    json_key_str(out, "ts", ts);
    json_close(out, '}');
    exchange_end(x);
}

/* A user's conversation is named after the user: U0123 is met in D0123. */
static void open_conversation(struct exchange *x)
{
    const char *users = json_str(exchange_json(x), "users");
    struct buf *out;
    char channel[64];

    x->delivers = false;
    if (!is_id(users, "UW")) {
        slack_error(x, users ? "user_not_found" : "users_list_not_supplied");
        return;
    }
    out = exchange_begin(x, 200);
    snprintf(channel, sizeof(channel), "D%s", users + 1);
    json_key_bool(out, "ok", true);
    json_key(out, "channel");
    json_open(out, '{');
    json_key_str(out, "id", channel);
    json_close(out, '}');
    exchange_end(x);
}

/* --- files --- */

static void get_upload_url(struct exchange *x)
{
    const struct form *f = exchange_form(x);
    const char *name = f ? form_get(f, "filename") : NULL;
    const char *length = f ? form_get(f, "length") : NULL;
    const char *host = record_header(x->record, "host");
    struct uploads *u = x->state;
    struct buf *out;
    char id[16], url[256];
    int64_t n;

    x->delivers = false;
    if (text_is_empty(name) || !length || text_to_i64(length, &n) || n < 1 || n > FILE_MAX ||
        !exchange_has_type(x, "application/x-www-form-urlencoded")) {
        slack_error(x, "invalid_arguments");
        return;
    }
    u->ring[++u->made % UPLOADS_MAX] = (struct upload){.length = (size_t)n};
    out = exchange_begin(x, 200);
    snprintf(id, sizeof(id), "F%010llu", (unsigned long long)u->made);
    snprintf(url, sizeof(url), "http://%s/slack/upload/v1/%s", host ? host : "127.0.0.1", id);
    json_key_bool(out, "ok", true);
    json_key_str(out, "upload_url", url);
    json_key_str(out, "file_id", id);
    exchange_end(x);
}

/* The bytes as they are; the URL is the credential, so a token here is a leak. */
static void take_upload(struct exchange *x, const char *id)
{
    struct upload *u = upload_of_id(x->state, id);

    x->delivers = false;
    if (!u || !exchange_is(x, "POST") || record_header(x->record, "authorization")) {
        exchange_empty(x, 400);
    } else if (u->length != x->record->body_len) {
        exchange_empty(x, 400);
        buf_adds(&x->body, "size mismatch");
    } else {
        u->uploaded = true;
        exchange_empty(x, 200);
        buf_addf(&x->body, "OK - %zu", u->length);
    }
}

static const char *complete_fault(struct exchange *x, const cJSON *m)
{
    static const char *const members[] = {"files", "channel_id", "thread_ts", "initial_comment",
                                          NULL};
    const cJSON *files = json_get(m, "files"), *file;

    if (!cJSON_IsArray(files) || cJSON_GetArraySize(files) == 0 || shape_unknown(m, members))
        return "invalid_arguments";
    if (json_get(m, "channel_id") && !is_id(json_str(m, "channel_id"), "CDG"))
        return "channel_not_found";
    cJSON_ArrayForEach(file, files)
    {
        struct upload *u = upload_of_id(x->state, json_str(file, "id"));

        if (!u || !u->uploaded || u->completed)
            return "file_not_found";
        u->completed = true;
    }
    return NULL;
}

static void complete_upload(struct exchange *x)
{
    const cJSON *m = exchange_json(x), *file;
    const char *fault = complete_fault(x, m);
    struct buf *out;

    if (fault) {
        slack_error(x, fault);
        return;
    }
    out = exchange_begin(x, 200);
    json_key_bool(out, "ok", true);
    json_key(out, "files");
    json_open(out, '[');
    cJSON_ArrayForEach(file, json_get(m, "files"))
    {
        json_open(out, '{');
        json_key_str(out, "id", json_str(file, "id"));
        json_opt_str(out, "title", json_str(file, "title"));
        json_close(out, '}');
    }
    json_close(out, ']');
    exchange_end(x);
}

static void slack_read(struct exchange *x)
{
    const cJSON *m = exchange_has_type(x, "application/json") ? exchange_json(x) : NULL;
    const char *to = json_str(m, "channel");

    if (!to)
        to = json_str(m, "channel_id");
    record_set_recipient(x->record, to ? to : json_str(m, "users"));
}

static const struct {
    const char *path;
    void (*answer)(struct exchange *x);
} methods[] = {
    {"/api/chat.postMessage", post_message},
    {"/api/conversations.open", open_conversation},
    {"/api/files.getUploadURLExternal", get_upload_url},
    {"/api/files.completeUploadExternal", complete_upload},
};

static void slack_answer(struct exchange *x)
{
    static const char upload[] = "/upload/v1/";
    const char *token = exchange_bearer(x);

    if (text_starts(x->path, upload)) {
        take_upload(x, x->path + sizeof(upload) - 1);
        return;
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].path, x->path) != 0)
            continue;
        if (!exchange_is(x, "POST"))
            slack_error(x, "invalid_post_type");
        else if (!token)
            slack_error(x, "not_authed");
        else if (!credential_is_good(token))
            slack_error(x, "invalid_auth");
        else
            methods[i].answer(x);
        return;
    }
    slack_error(x, "unknown_method");
}

const struct dialect dialect_slack = {
    .name = "slack",
    .prefix = "/slack",
    .read = slack_read,
    .answer = slack_answer,
    .open = uploads_open,
    .close = uploads_close,
    .reset = uploads_reset,
};

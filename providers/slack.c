/* slack: messages to channels and people by Slack's Web API.
 *
 * A person's conversation is opened first. Files by URL go with the message; files in base64 go
 * up one by one, each in three steps: ask for a place, put the bytes there, share the file. Slack
 * answers 200 to what it refuses, so an answer that cannot be read says nothing. */
#include "chat.h"
#include "meaning.h"
#include "provider_util.h"
#include "registry.h"
#include "slack_content.h"

#include "crypto.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 40000 /* Slack cuts what is longer, without a word */

enum action { ACTION_OPEN, ACTION_POST, ACTION_GET_URL, ACTION_PUT_BYTES, ACTION_COMPLETE };
enum { CARRY_CHANNEL, CARRY_TS, CARRY_URL, CARRY_FILE }; /* what progress carries */

struct step {
    enum action action;
    const struct attachment *file; /* of the last three */
};

static const struct provider_setting settings[] = {
    {.name = "token", .help = "bot token (xoxb-...)", .required = true, .secret = true},
    {.name = NULL},
};

static const struct provider_limits limits = {
    .recipient = "1/s",
    .source = "https://docs.slack.dev/apis/web-api/rate-limits",
    .date = "2026-11",
};

/* --- steps --- */

static bool is_person(const char *recipient)
{
    return recipient && (recipient[0] == 'U' || recipient[0] == 'W');
}

static bool has_message(const struct message *m)
{
    if (!text_is_empty(m->text[MSG_CONTENT]) || m->list[MSG_MEDIA].count)
        return true;
    for (unsigned i = 0; i < m->attachment_count; i++) {
        if (m->attachments[i].url)
            return true;
    }
    return false;
}

/* False past the last step. */
static bool step_at(const struct message *m, unsigned step, struct step *ret)
{
    static const enum action of_file[] = {ACTION_GET_URL, ACTION_PUT_BYTES, ACTION_COMPLETE};

    *ret = (struct step){.action = ACTION_OPEN};
    if (is_person(m->text[MSG_RECIPIENT]) && step-- == 0)
        return true;
    ret->action = ACTION_POST;
    if (has_message(m) && step-- == 0)
        return true;
    for (unsigned i = 0; i < m->attachment_count; i++) {
        ret->file = &m->attachments[i];
        if (ret->file->url)
            continue;
        if (step < 3) {
            ret->action = of_file[step];
            return true;
        }
        step -= 3;
    }
    return false;
}

/* --- requests --- */

static const char *channel_of(const struct build_ctx *ctx, const struct message *m)
{
    const char *opened = progress_get(ctx->progress, CARRY_CHANNEL);

    return opened[0] ? opened : m->text[MSG_RECIPIENT];
}

static const char *thread_of(const struct message *m)
{
    const char *thread = m->text[MSG_THREAD_ID];

    return text_is_empty(thread) ? m->text[MSG_REPLY_ID] : thread;
}

static enum sq_err begin(const struct build_ctx *ctx, const char *method, const char *type,
                         struct request *r, struct err_text *e)
{
    enum sq_err err = provider_begin(ctx, "/api/", type, r, e);

    buf_adds(&r->url, method);
    return err ? err : chat_bearer(r, sender_value(ctx->sender, "token"), e);
}

#define TYPE_JSON "application/json; charset=utf-8"
#define TYPE_FORM "application/x-www-form-urlencoded"

static enum sq_err build_open(const struct build_ctx *ctx, const struct message *m,
                              struct request *r, struct err_text *e)
{
    json_open(&r->body, '{');
    json_key_str(&r->body, "users", m->text[MSG_RECIPIENT]);
    json_close(&r->body, '}');
    return begin(ctx, "conversations.open", TYPE_JSON, r, e);
}

static enum sq_err build_post(const struct build_ctx *ctx, const struct message *m,
                              struct request *r, struct err_text *e)
{
    struct buf *b = &r->body;

    json_open(b, '{');
    json_key_str(b, "channel", channel_of(ctx, m));
    slack_write_content(m, b);
    slack_write_files(m, b);
    json_opt_str(b, "thread_ts", thread_of(m));
    json_opt_str(b, "username", m->text[MSG_FROM_NAME]);
    json_close(b, '}');
    return begin(ctx, "chat.postMessage", TYPE_JSON, r, e);
}

static enum sq_err build_get_url(const struct build_ctx *ctx, const struct attachment *a,
                                 struct request *r, struct err_text *e)
{
    size_t bytes;

    if (!base64_check(a->content_base64, strlen(a->content_base64), &bytes))
        return err_set_field(e, SQ_ERR_INVALID, "attachments", "content_base64 is not base64");
    buf_adds(&r->body, "filename=");
    text_add_urlencoded(&r->body, media_name(a));
    buf_adds(&r->body, "&length=");
    buf_add_u64(&r->body, bytes);
    return begin(ctx, "files.getUploadURLExternal", TYPE_FORM, r, e);
}

/* The place that Slack named: no token goes there, since the URL is the permission. */
static enum sq_err build_put_bytes(const struct build_ctx *ctx, const struct attachment *a,
                                   struct request *r, struct err_text *e)
{
    r->method = HTTP_POST;
    buf_adds(&r->url, progress_get(ctx->progress, CARRY_URL));
    if (base64_decode(&r->body, a->content_base64, strlen(a->content_base64), false) &&
        !r->body.failed)
        return err_set_field(e, SQ_ERR_INVALID, "attachments", "content_base64 is not base64");
    return request_header(r, "Content-Type", "application/octet-stream", e);
}

static enum sq_err build_complete(const struct build_ctx *ctx, const struct message *m,
                                  const struct attachment *a, struct request *r, struct err_text *e)
{
    struct buf *b = &r->body;

    json_open(b, '{');
    json_key(b, "files");
    json_open(b, '[');
    json_open(b, '{');
    json_key_str(b, "id", progress_get(ctx->progress, CARRY_FILE));
    json_key_str(b, "title", media_name(a));
    json_close(b, '}');
    json_close(b, ']');
    json_key_str(b, "channel_id", channel_of(ctx, m));
    json_opt_str(b, "thread_ts", thread_of(m));
    json_close(b, '}');
    return begin(ctx, "files.completeUploadExternal", TYPE_JSON, r, e);
}

static enum sq_err check_message(const struct build_ctx *ctx, const struct message *m,
                                 struct err_text *e)
{
    static const struct chat_rule rule = {.uploads = true};
    enum sq_err err =
        chat_refuse(m, ctx, 1u << MSG_FROM_NAME | 1u << MSG_THREAD_ID | 1u << MSG_REPLY_ID, e);

    if (!err)
        err = chat_text_max(m->text[MSG_CONTENT], TEXT_MAX, e);
    return err ? err : chat_check(&rule, m, ctx, e);
}

static enum sq_err slack_build(const struct build_ctx *ctx, const struct message *m,
                               struct request *r, struct err_text *e)
{
    struct step s;
    enum sq_err err = check_message(ctx, m, e);

    if (err)
        return err;
    if (!step_at(m, ctx->progress->step, &s))
        return err_set(e, SQ_ERR_STATE, "no such step");
    switch (s.action) {
    case ACTION_OPEN:
        err = build_open(ctx, m, r, e);
        break;
    case ACTION_POST:
        err = build_post(ctx, m, r, e);
        break;
    case ACTION_GET_URL:
        err = build_get_url(ctx, s.file, r, e);
        break;
    case ACTION_PUT_BYTES:
        err = build_put_bytes(ctx, s.file, r, e);
        break;
    case ACTION_COMPLETE:
        err = build_complete(ctx, m, s.file, r, e);
        break;
    }
    return err ? err : provider_finish(r, e);
}

/* --- answers --- */

static const struct meaning meanings[] = {
    {"access_denied", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"account_inactive", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"as_user_not_supported", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"cannot_dm_bot", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"cannot_reply_to_message", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"channel_not_found", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"ekm_access_denied", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"fatal_error", OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN, 0, 0}, /* perhaps done in part */
    {"file_not_found", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0, 0},
    {"internal_error", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},
    {"invalid_arguments", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"invalid_auth", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"invalid_blocks", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"invalid_blocks_format", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"invalid_json", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"is_archived", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"message_limit_exceeded", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"missing_scope", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"msg_blocks_too_long", OUTCOME_FAILED, CODE_TOO_LARGE, 0, 0},
    {"msg_too_long", OUTCOME_FAILED, CODE_TOO_LARGE, 0, 0},
    {"no_permission", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"no_text", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"not_allowed_token_type", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"not_authed", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"not_in_channel", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"org_login_required", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0}, /* being migrated */
    {"rate_limited", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"ratelimited", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"request_timeout", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},
    {"restricted_action", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"restricted_action_read_only_channel", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"restricted_action_thread_only_channel", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"service_unavailable", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},
    {"storage_limit_reached", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0, 0},
    {"team_access_not_granted", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"team_added_to_org", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0}, /* being migrated */
    {"token_expired", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"token_revoked", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"too_many_attachments", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"user_disabled", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"user_not_found", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"user_not_visible", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
};

/* An https address, or (in a test) one on the endpoint's own host. */
static bool is_upload_url(const struct build_ctx *ctx, const char *url)
{
    const char *endpoint = ctx->sender->endpoint;
    const char *host = endpoint ? strstr(endpoint, "://") : NULL;
    size_t len = host ? (size_t)(host + 3 - endpoint) + strcspn(host + 3, "/") : 0;

    if (!url || strlen(url) >= PROGRESS_SIZE || strchr(url, ' ') || text_has_control(url))
        return false;
    return text_starts(url, "https://") ||
           (len && strncmp(url, endpoint, len) == 0 && url[len] == '/');
}

/* Keeps what the answer to a step gives to later ones; false if that is not in it. */
static bool take(const struct build_ctx *ctx, enum action action, const cJSON *json,
                 struct progress *next)
{
    const char *url;

    switch (action) {
    case ACTION_OPEN:
        progress_set(next, CARRY_CHANNEL, json_str(json_get(json, "channel"), "id"));
        return *progress_get(next, CARRY_CHANNEL);
    case ACTION_POST:
        progress_set(next, CARRY_TS, json_str(json, "ts"));
        return true; /* it was posted, whatever its name is */
    case ACTION_GET_URL:
        url = json_str(json, "upload_url");
        progress_set(next, CARRY_URL, is_upload_url(ctx, url) ? url : NULL);
        progress_set(next, CARRY_FILE, json_str(json, "file_id"));
        return *progress_get(next, CARRY_URL) && *progress_get(next, CARRY_FILE);
    case ACTION_PUT_BYTES:
    case ACTION_COMPLETE:
        break;
    }
    return true;
}

/* Whether the recipient sees something of it. */
static bool is_visible(enum action action)
{
    return action == ACTION_POST || action == ACTION_COMPLETE;
}

/* The message's name is its ts; a message of files alone has none, so a file's id stands in. */
static void succeed(const struct build_ctx *ctx, const struct response *r, enum action action,
                    const cJSON *json, struct outcome *o)
{
    struct progress *next = &o->next;
    struct step later;

    *next = *ctx->progress;
    next->step++;
    next->delivered |= is_visible(action);
    if (!take(ctx, action, json, next)) {
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR,
                    "HTTP %d: the answer lacks what it is for", r->status);
        return;
    }
    outcome_set(o, OUTCOME_SENT, CODE_NONE, "HTTP %d", r->status);
    if (ctx->message && step_at(ctx->message, next->step, &later))
        o->kind = OUTCOME_NEXT;
    provider_set_id_text(o, *progress_get(next, CARRY_TS) ? progress_get(next, CARRY_TS)
                                                          : progress_get(next, CARRY_FILE));
}

/* 200 without "ok": perhaps done, where the step does something that shows. */
static void judge_unreadable(const struct response *r, enum action action, struct outcome *o)
{
    if (is_visible(action))
        outcome_set(o, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN, "HTTP %d: no readable answer",
                    r->status);
    else
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "HTTP %d: no readable answer",
                    r->status);
}

static void slack_classify(const struct build_ctx *ctx, const struct response *r, struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const cJSON *ok = json_get(json, "ok");
    bool is_2xx = r->status >= 200 && r->status < 300;
    struct step s = {.action = ACTION_POST};

    if (ctx->message && !step_at(ctx->message, ctx->progress->step, &s))
        s = (struct step){.action = ACTION_POST};
    if (is_2xx && (cJSON_IsTrue(ok) || s.action == ACTION_PUT_BYTES))
        succeed(ctx, r, s.action, json, o);
    else if (is_2xx && !cJSON_IsBool(ok))
        judge_unreadable(r, s.action, o);
    else
        meaning_judge(ctx, r, MEANING_TABLE(meanings), json_str(json, "error"), NULL, o);
    json_free(json);
}

const struct provider provider_slack = {
    .name = "slack",
    .base_url = "https://slack.com",
    .channels = CHANNEL_BIT(CHANNEL_SLACK),
    .settings = settings,
    .limits = &limits,
    .build = slack_build,
    .classify = slack_classify,
};

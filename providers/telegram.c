/* telegram: messages by the Bot API.
 *
 * A text and files are sent in as few calls as the API allows: neighbouring files of one kind are
 * an album of up to ten, a short text is the first one's caption. Files in base64 make the call
 * multipart. The token is part of the URL and must not get into any text. */
#include "chat.h"
#include "meaning.h"
#include "provider_util.h"
#include "registry.h"
#include "telegram_call.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const struct provider_setting settings[] = {
    {.name = "token", .help = "bot token (123456:ABC...)", .required = true, .secret = true},
    {.name = "parse_mode", .help = "markup of texts: HTML or MarkdownV2; default: none"},
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "30/s",
    .recipient = "1/s",
    .source = "https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this",
    .date = "2026-11",
};

static enum sq_err check_token(const struct sender *s, struct err_text *e)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *token = sender_value(s, "token");
    size_t digits = token ? strspn(token, "0123456789") : 0;
    size_t rest = digits && token[digits] == ':' ? strspn(token + digits + 1, letters) : 0;

    if (rest && token[digits + 1 + rest] == '\0')
        return SQ_OK;
    return err_set_field(e, SQ_ERR_INVALID, "token", "expected a number, a colon and letters");
}

static enum sq_err telegram_check(const struct sender *s, struct err_text *e)
{
    const char *mode = sender_value(s, "parse_mode");

    if (!text_is_empty(mode) && strcmp(mode, "HTML") != 0 && strcmp(mode, "MarkdownV2") != 0)
        return err_set_field(e, SQ_ERR_INVALID, "parse_mode", "expected HTML or MarkdownV2");
    return check_token(s, e);
}

/* Calls after the group became a supergroup are one step further on. */
static unsigned call_index(const struct progress *p)
{
    return *progress_get(p, TELEGRAM_CARRY_CHAT) ? p->step - 1 : p->step;
}

static enum sq_err telegram_build(const struct build_ctx *ctx, const struct message *m,
                                  struct request *r, struct err_text *e)
{
    struct telegram_call call;
    enum sq_err err = check_token(ctx->sender, e);

    if (!err)
        err = telegram_check_message(ctx, m, e);
    if (err)
        return err;
    if (!telegram_call_at(m, call_index(ctx->progress), &call))
        return err_set(e, SQ_ERR_STATE, "no such step");
    r->method = HTTP_POST;
    buf_adds(&r->url, ctx->sender->endpoint);
    buf_adds(&r->url, "/bot");
    buf_adds(&r->url, sender_value(ctx->sender, "token"));
    buf_addc(&r->url, '/');
    err = telegram_write_call(ctx, m, &call, r, e);
    return err ? err : provider_finish(r, e);
}

/* --- answer --- */

/* Refusals have no codes of their own but words, here as parts of the description. */
static const struct meaning meanings[] = {
    {"bot can't initiate conversation", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0},
    {"bot is not a member", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"bot was blocked", OUTCOME_FAILED, CODE_SUPPRESSED, 0, 0},
    {"bot was kicked", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"bots can't send messages to bots", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"can't parse entities", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"caption is too long", OUTCOME_FAILED, CODE_TOO_LARGE, 0, 0},
    {"CHAT_WRITE_FORBIDDEN", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"chat not found", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"failed to get HTTP URL content", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"file is too big", OUTCOME_FAILED, CODE_TOO_LARGE, 0, 0},
    {"have no rights", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"message is too long", OUTCOME_FAILED, CODE_TOO_LARGE, 0, 0},
    {"message text is empty", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"message thread not found", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"message to be replied not found", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"not enough rights", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"PEER_ID_INVALID", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"upgraded to a supergroup", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"user is deactivated", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"user not found", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"wrong file identifier", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"wrong remote file identifier", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"wrong type of the web page content", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
};

static const struct meaning *find_words(const char *description)
{
    for (size_t i = 0; description && i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strcasestr(description, meanings[i].code))
            return &meanings[i];
    }
    return NULL;
}

static void judge_refusal(const struct build_ctx *ctx, const struct response *r, const cJSON *json,
                          struct outcome *o)
{
    const char *description = json_str(json, "description");
    const cJSON *wait = json_get(json_get(json, "parameters"), "retry_after");
    const struct meaning *row = r->status < 500 ? find_words(description) : NULL;

    meaning_judge(ctx, r, (struct meaning_table){NULL, 0}, NULL, NULL, o);
    if (r->status == 401 || r->status == 404) { /* 404: the URL with this token is none */
        o->kind = OUTCOME_AUTH;
        o->code = CODE_INVALID_KEY;
    } else if (row && o->kind != OUTCOME_THROTTLED) {
        o->kind = row->kind;
        o->code = row->error;
    }
    if (o->kind == OUTCOME_THROTTLED && cJSON_IsNumber(wait) && wait->valuedouble > 0 &&
        wait->valuedouble < 1e6)
        o->retry_after_ms = (int64_t)(wait->valuedouble * 1000);
    if (o->retry_after_ms > PROVIDER_RETRY_AFTER_MAX_MS)
        o->retry_after_ms = PROVIDER_RETRY_AFTER_MAX_MS;
    provider_say(ctx, o, description);
}

/* The group has a new id: the same call again, once, to that. */
static bool migrate(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const cJSON *id = json_get(json_get(json, "parameters"), "migrate_to_chat_id");
    struct progress *next = &o->next;
    char chat[32];

    if (!cJSON_IsNumber(id) || *progress_get(ctx->progress, TELEGRAM_CARRY_CHAT) ||
        id->valuedouble < -9e15 || id->valuedouble > 9e15)
        return false;
    *next = *ctx->progress;
    next->step++;
    snprintf(chat, sizeof(chat), "%.0f", id->valuedouble);
    progress_set(next, TELEGRAM_CARRY_CHAT, chat);
    outcome_set(o, OUTCOME_NEXT, CODE_NONE, "the chat has a new id");
    return true;
}

/* An album's name is its first message's. */
static void succeed(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const cJSON *result = json_get(json, "result");
    const cJSON *message = cJSON_IsArray(result) ? cJSON_GetArrayItem(result, 0) : result;
    struct progress *next = &o->next;
    struct telegram_call later;

    provider_set_id_text(o, progress_get(ctx->progress, TELEGRAM_CARRY_FIRST));
    if (!o->provider_message_id[0])
        provider_set_id(o, json_get(message, "message_id"));
    if (!ctx->message || !telegram_call_at(ctx->message, call_index(ctx->progress) + 1, &later))
        return;
    *next = *ctx->progress;
    next->step++;
    next->delivered = true;
    progress_set(next, TELEGRAM_CARRY_FIRST, o->provider_message_id);
    o->kind = OUTCOME_NEXT;
}

static void telegram_classify(const struct build_ctx *ctx, const struct response *r,
                              struct outcome *o)
{
    cJSON *json = provider_answer(r);

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT && !cJSON_IsFalse(json_get(json, "ok")))
        succeed(ctx, json, o);
    else if (!migrate(ctx, json, o))
        judge_refusal(ctx, r, json, o);
    json_free(json);
}

const struct provider provider_telegram = {
    .name = "telegram",
    .base_url = "https://api.telegram.org",
    .channels = CHANNEL_BIT(CHANNEL_TELEGRAM),
    .settings = settings,
    .limits = &limits,
    .check = telegram_check,
    .build = telegram_build,
    .classify = telegram_classify,
};

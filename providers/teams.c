/* teams: Microsoft Teams by the Bot Framework's connector.
 *
 * A bot writes to conversations that exist; it cannot begin one with a person who has not met it.
 * An id that is no conversation's is therefore refused before anything is sent. A text that is an
 * Adaptive Card, or a list of them, goes as such. */
#include "chat.h"
#include "meaning.h"
#include "provider_util.h"
#include "registry.h"

#include "text.h"
#include "uuid.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define BASE_URL "https://smba.trafficmanager.net/teams"
#define CARD_TYPE "application/vnd.microsoft.card.adaptive"

static const struct provider_setting settings[] = {
    {.name = "tenant_id",
     .help = "tenant of the bot, or botframework.com for a multi-tenant one",
     .required = true,
     .secret = true},
    {.name = "app_id", .help = "application id of the bot", .required = true, .secret = true},
    {.name = "app_password", .help = "client secret of the bot", .required = true, .secret = true},
    {.name = "service_url",
     .help = "serviceUrl of the stored conversations; default: the endpoint",
     .secret = true},
    {.name = NULL},
};

static const struct provider_limits limits = {
    .recipient = "30/min burst 7",
    .source = "https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit",
    .date = "2026-11",
};

static enum sq_err teams_check(const struct sender *s, struct err_text *e)
{
    const char *tenant = sender_value(s, "tenant_id"), *url = sender_value(s, "service_url");

    if (tenant && (strpbrk(tenant, "/?#%") || strlen(tenant) > 128))
        return err_set_field(e, SQ_ERR_INVALID, "tenant_id", "expected a tenant's id or name");
    if (!text_is_empty(url) && !text_starts(url, "https://") && !text_starts(url, "http://"))
        return err_set_field(e, SQ_ERR_INVALID, "service_url", "expected http:// or https://");
    return SQ_OK;
}

static bool teams_oauth(const struct sender *s, struct provider_oauth *ret)
{
    ret->grant = OAUTH_CLIENT_CREDENTIALS;
    snprintf(ret->token_url, sizeof(ret->token_url),
             "https://login.microsoftonline.com/%s/oauth2/v2.0/token",
             sender_value(s, "tenant_id"));
    ret->scope = "https://api.botframework.com/.default";
    ret->client_id = sender_value(s, "app_id");
    ret->client_secret = sender_value(s, "app_password");
    return true;
}

/* --- request --- */

/* An endpoint that was configured goes first, then the service URL, then the global one. */
static const char *base_of(const struct sender *s)
{
    const char *url = sender_value(s, "service_url");

    return text_is_empty(url) || !text_eq(s->endpoint, BASE_URL) ? s->endpoint : url;
}

/* A person (by Teams id, directory id or address) rather than a conversation. */
static bool is_person(const char *id)
{
    return text_starts(id, "29:") || text_starts(id, "28:") || text_starts(id, "8:") ||
           uuid_is_valid(id) || (strchr(id, '@') && !strchr(id, ':'));
}

static enum sq_err check_conversation(const char *id, struct err_text *e)
{
    if (!text_is_empty(id) && !is_person(id))
        return SQ_OK;
    err_set_field(e, SQ_ERR_INVALID, "recipient",
                  "is no conversation; the person must write to the bot first");
    if (e)
        snprintf(e->code, sizeof(e->code), "%s", error_code_name(CODE_CONVERSATION_REQUIRED));
    return SQ_ERR_INVALID;
}

/* A thread of a channel is named in its conversation's id. */
static void add_conversation(const struct message *m, struct buf *url)
{
    const char *id = m->text[MSG_RECIPIENT], *thread = m->text[MSG_THREAD_ID];

    text_add_urlencoded(url, id);
    if (!text_is_empty(thread) && !strstr(id, ";messageid=")) {
        text_add_urlencoded(url, ";messageid=");
        text_add_urlencoded(url, thread);
    }
}

static enum sq_err add_url(const struct build_ctx *ctx, const struct message *m, struct request *r,
                           struct err_text *e)
{
    const char *base = base_of(ctx->sender);
    size_t len = strlen(base);

    while (len && base[len - 1] == '/')
        len--;
    r->method = HTTP_POST;
    buf_add(&r->url, base, len);
    buf_adds(&r->url, "/v3/conversations/");
    add_conversation(m, &r->url);
    buf_adds(&r->url, "/activities");
    if (!text_is_empty(m->text[MSG_REPLY_ID])) {
        buf_addc(&r->url, '/');
        text_add_urlencoded(&r->url, m->text[MSG_REPLY_ID]);
    }
    return request_header(r, "Content-Type", "application/json", e);
}

static bool is_card(const cJSON *json)
{
    return text_eq(json_str(json, "type"), "AdaptiveCard");
}

/* A text that is one card or a list of cards; NULL = it is just text. Free with json_free. */
static cJSON *read_cards(const char *text)
{
    static const struct json_limits json_limits = {.max_bytes = 0};
    const char *start = text ? text + strspn(text, " \t\r\n") : "";
    cJSON *json = NULL;
    const cJSON *item;
    bool cards;

    if ((*start != '{' && *start != '[') ||
        json_parse(start, strlen(start), &json_limits, &json, NULL))
        return NULL;
    cards = is_card(json) || (cJSON_IsArray(json) && json->child);
    for (item = is_card(json) ? NULL : json->child; item; item = item->next)
        cards &= is_card(item);
    if (cards)
        return json;
    json_free(json);
    return NULL;
}

static void write_card(const cJSON *card, struct buf *b)
{
    struct buf raw = {.max = b->max};

    json_print(card, &raw);
    json_open(b, '{');
    json_key_str(b, "contentType", CARD_TYPE);
    json_key(b, "content");
    json_val_raw(b, buf_str(&raw), raw.len);
    json_close(b, '}');
    b->failed |= raw.failed;
    buf_free(&raw);
}

static void write_image(const char *url, const char *mime_type, const char *name, struct buf *b)
{
    json_open(b, '{');
    json_key_str(b, "contentType", media_type_of(mime_type, text_is_empty(name) ? url : name));
    json_key_str(b, "contentUrl", url);
    json_opt_str(b, "name", name);
    json_close(b, '}');
}

static void write_attachments(const struct message *m, const cJSON *cards, struct buf *b)
{
    const cJSON *card;

    if (!cards && !m->list[MSG_MEDIA].count && !m->attachment_count)
        return;
    json_key(b, "attachments");
    json_open(b, '[');
    if (is_card(cards)) {
        write_card(cards, b);
    } else {
        cJSON_ArrayForEach(card, cards)
        {
            write_card(card, b);
        }
    }
    for (unsigned i = 0; i < m->list[MSG_MEDIA].count; i++)
        write_image(m->list[MSG_MEDIA].items[i], NULL, NULL, b);
    for (unsigned i = 0; i < m->attachment_count; i++)
        write_image(m->attachments[i].url, m->attachments[i].mime_type, m->attachments[i].filename,
                    b);
    json_close(b, ']');
}

/* Teams shows images by URL; another file needs its reader's consent first. */
static enum sq_err check_files(const struct message *m, struct err_text *e)
{
    static const char reason[] = "teams shows images only; a link to the file can go in the text";

    for (unsigned i = 0; i < m->list[MSG_MEDIA].count; i++) {
        if (media_kind_of(NULL, m->list[MSG_MEDIA].items[i]) != MEDIA_IMAGE)
            return err_set_field(e, SQ_ERR_INVALID, "media_urls", "%s", reason);
    }
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];

        if (media_kind_of(a->mime_type, a->filename ? a->filename : a->url) != MEDIA_IMAGE)
            return err_set_field(e, SQ_ERR_INVALID, "attachments", "%s", reason);
    }
    return SQ_OK;
}

static enum sq_err check_message(const struct build_ctx *ctx, const struct message *m,
                                 struct err_text *e)
{
    static const struct chat_rule rule = {.uploads = false};
    enum sq_err err = check_conversation(m->text[MSG_RECIPIENT], e);

    if (!err)
        err = chat_refuse(m, ctx, 1u << MSG_HTML | 1u << MSG_THREAD_ID | 1u << MSG_REPLY_ID, e);
    if (!err)
        err = chat_check(&rule, m, ctx, e);
    return err ? err : check_files(m, e);
}

static void write_activity(const struct message *m, struct buf *b)
{
    cJSON *cards = read_cards(m->text[MSG_CONTENT]);
    const char *html = m->text[MSG_HTML];

    json_open(b, '{');
    json_key_str(b, "type", "message");
    if (!text_is_empty(html)) {
        json_key_str(b, "text", html);
        json_key_str(b, "textFormat", "xml");
    } else if (!cards && !text_is_empty(m->text[MSG_CONTENT])) {
        json_key_str(b, "text", m->text[MSG_CONTENT]);
        json_key_str(b, "textFormat", "markdown");
    }
    write_attachments(m, cards, b);
    json_opt_str(b, "replyToId", m->text[MSG_REPLY_ID]);
    json_close(b, '}');
    json_free(cards);
}

static enum sq_err teams_build(const struct build_ctx *ctx, const struct message *m,
                               struct request *r, struct err_text *e)
{
    enum sq_err err = check_message(ctx, m, e);

    if (!err)
        err = add_url(ctx, m, r, e);
    if (!err && text_is_empty(ctx->access_token))
        err = err_set(e, SQ_ERR_STATE, "no access token");
    if (!err)
        err = chat_bearer(r, ctx->access_token, e);
    if (err)
        return err;
    write_activity(m, &r->body);
    return provider_finish(r, e);
}

/* --- answer --- */

static const struct meaning meanings[] = {
    {"BadArgument", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"BadSyntax", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"BotDisabledByAdmin", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"BotNotInConversationRoster", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0},
    {"ConversationBlockedByUser", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0},
    {"ConversationNotFound", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0},
    {"ForbiddenOperationException", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0},
    {"InvalidBotApiHost", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"MessageSizeTooBig", OUTCOME_FAILED, CODE_TOO_LARGE, 0, 0},
    {"MessageWritesBlocked", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0},
    {"MissingProperty", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"ServiceError", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},
};

/* What the statuses mean here beyond what they mean anywhere. */
static void judge_status(int status, struct outcome *o)
{
    if (status == 412) { /* the conversation changed under the request */
        o->kind = OUTCOME_RETRY;
    } else if (status == 404 && o->kind == OUTCOME_FAILED) {
        o->code = CODE_CONVERSATION_REQUIRED;
    }
}

static void teams_classify(const struct build_ctx *ctx, const struct response *r, struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const cJSON *error = json_get(json, "error");
    const char *code = json_str(error, "code");

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT) {
        provider_set_id(o, json_get(json, "id"));
    } else {
        meaning_judge(ctx, r, MEANING_TABLE(meanings), code, provider_error_words(json), o);
        if (!meaning_find(MEANING_TABLE(meanings), code))
            judge_status(r->status, o);
        /* 401 and 429 mean what they say, whatever words stand with them. */
        if (r->status == 401) {
            o->kind = OUTCOME_AUTH;
            o->code = CODE_INVALID_KEY;
        }
    }
    json_free(json);
}

const struct provider provider_teams = {
    .name = "teams",
    .base_url = BASE_URL,
    .channels = CHANNEL_BIT(CHANNEL_TEAMS),
    .settings = settings,
    .limits = &limits,
    .check = teams_check,
    .oauth = teams_oauth,
    .build = teams_build,
    .classify = teams_classify,
};

/* microsoft: mails through Microsoft Graph.
 *
 * The short way is one sendMail with the whole mail as MIME, which tells no id. The long way makes
 * a draft (new, or by createReply, createReplyAll, createForward of a message in the mailbox),
 * attaches what is large piece by piece, and sends it: microsoft_plan.c says which step is what.
 * Only the last step sends; whatever comes before may be repeated. */
#include "meaning.h"
#include "microsoft_plan.h"
#include "registry.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define HOUR_MS ((int64_t)3600 * 1000)

static const struct provider_setting settings[] = {
    {.name = "tenant_id", .help = "Directory (tenant) id, or `common`", .required = true},
    {.name = "client_id", .help = "Application (client) id", .required = true},
    {.name = "client_secret", .help = "Client secret", .required = true, .secret = true},
    {.name = "refresh_token",
     .help = "Refresh token of the mailbox; without one the application "
             "itself sends (client credentials)",
     .secret = true},
    {.name = "mailbox", .help = "Mailbox to send from; default: the token's own, or from.address"},
    {.name = "drafts",
     .help = "true: always by a draft, so that the ids of message and "
             "conversation are known (needs Mail.ReadWrite)",
     .fallback = "false"},
    MAIL_SETTINGS,
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "30/minute", /* Exchange Online, per mailbox */
    .day = "10000/day rolling",
    .concurrency = "4",
    .day_unit = LIMIT_RECIPIENTS,
    .source = "https://learn.microsoft.com/office365/servicedescriptions/"
              "exchange-online-service-description/exchange-online-limits",
    .date = "2026-11",
};

/* --- the account --- */

static bool microsoft_oauth(const struct sender *s, struct provider_oauth *ret)
{
    snprintf(ret->token_url, sizeof(ret->token_url),
             "https://login.microsoftonline.com/%s/oauth2/v2.0/token",
             sender_value(s, "tenant_id"));
    ret->client_id = sender_value(s, "client_id");
    ret->client_secret = sender_value(s, "client_secret");
    ret->refresh_token = sender_value(s, "refresh_token");
    ret->grant = ret->refresh_token ? OAUTH_REFRESH_TOKEN : OAUTH_CLIENT_CREDENTIALS;
    ret->scope = ret->refresh_token ? "https://graph.microsoft.com/.default offline_access"
                                    : "https://graph.microsoft.com/.default";
    return true;
}

static bool is_tenant(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-");

    return n > 0 && n <= 253 && !s[n];
}

static enum sq_err microsoft_check(const struct sender *s, struct err_text *e)
{
    if (!is_tenant(sender_value(s, "tenant_id")))
        return err_set_field(e, SQ_ERR_INVALID, "tenant_id", "expected an id or a domain");
    if (!sender_value(s, "refresh_token") && text_is_empty(sender_value(s, "mailbox")) &&
        text_is_empty(s->from_address))
        return err_set_field(e, SQ_ERR_INVALID, "mailbox",
                             "expected a mailbox, since an application has none of its own");
    return mail_check_sender(s, e);
}

/* --- the answer --- */

/* By error.code. */
static const struct meaning errors[] = {
    {"InvalidAuthenticationToken", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"AuthenticationError", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"ErrorAccessDenied", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, THROTTLE_SENDER, 0},
    {"ErrorSendAsDenied", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, THROTTLE_SENDER, 0},
    {"ErrorInvalidRecipients", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"ErrorItemNotFound", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"ErrorInvalidIdMalformed", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"MailboxNotEnabledForRESTAPI", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"ErrorMessageSizeExceeded", OUTCOME_FAILED, CODE_TOO_LARGE, THROTTLE_SENDER, 0},
    {"ErrorQuotaExceeded", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, HOUR_MS},
    {"ErrorMessageSubmissionBlocked", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER,
     HOUR_MS},
    {"ErrorExceededMessageLimit", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, HOUR_MS},
    {"ApplicationThrottled", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"MailboxConcurrency", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"ErrorServerBusy", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"ErrorMailboxStoreUnavailable", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
};

static bool is_id(const char *s)
{
    return !text_is_empty(s) && strlen(s) < sizeof(((struct outcome *)NULL)->thread_id) &&
           !text_has_control(s);
}

static void next_step(const struct build_ctx *ctx, struct outcome *o)
{
    outcome_set(o, OUTCOME_NEXT, CODE_NONE, "%s", "");
    o->next = *ctx->progress;
    o->next.step++;
}

static void after_find(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const cJSON *list = json_get(json, "value");
    const char *id = json_str(cJSON_IsArray(list) ? list->child : NULL, "id");
    struct graph_target t;

    graph_target(ctx->message, &t);
    if (!is_id(id) && (t.by_conversation || t.draft == GRAPH_FORWARD)) {
        outcome_set(o, OUTCOME_FAILED, CODE_PROVIDER_ERROR,
                    "the mailbox holds no such message or conversation");
        return;
    }
    next_step(ctx, o); /* a reply to what is not there is a mail with the headers of one */
    graph_keep_ids(&o->next, is_id(id) ? id : "", "");
}

static void after_draft(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const char *id = json_str(json, "id"), *thread = json_str(json, "conversationId");

    if (!is_id(id)) {
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "the draft's answer has no id");
        return;
    }
    next_step(ctx, o);
    graph_keep_ids(&o->next, id, is_id(thread) ? thread : "");
}

static void after_session(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    const char *url = json_str(json, "uploadUrl");

    if (text_is_empty(url) || strlen(url) > GRAPH_URL_MAX || text_has_control(url)) {
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "the upload's answer has no URL");
        return;
    }
    next_step(ctx, o);
    graph_keep_url(&o->next, url);
}

static void after_send(const struct build_ctx *ctx, struct outcome *o)
{
    char id[sizeof(o->provider_message_id)];

    graph_read_ids(ctx->progress, id, o->thread_id, sizeof(id));
    provider_set_id_text(o, id);
}

/* No id comes back, but the Message-ID is ours. */
static void after_send_mail(const struct build_ctx *ctx, struct outcome *o)
{
    struct mail mail = {0};
    struct buf id = {.max = 512};

    if (ctx->message &&
        mail_read_forward(ctx, ctx->message, GRAPH_RECIPIENTS_MAX, &mail, NULL) == SQ_OK) {
        mime_message_id(ctx->message, mail.from.addr, &id);
        provider_set_id_text(o, buf_str(&id));
    }
    mail_clear(&mail);
    buf_free(&id);
}

static void classify_error(const struct build_ctx *ctx, const struct response *r, cJSON *json,
                           struct outcome *o)
{
    const cJSON *error = json_get(json, "error");
    struct graph_place at = graph_place(ctx->sender, ctx->message, ctx->progress->step);

    if (at.phase == GRAPH_CHUNK_PUT && (r->status == 404 || r->status == 410))
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "the upload has expired");
    else if (r->status == 429) /* throttled, by whatever name */
        provider_say(ctx, o, json_str(error, "message"));
    else
        meaning_judge(ctx, r, MEANING_TABLE(errors), json_str(error, "code"),
                      json_str(error, "message"), o);
}

static void classify_done(const struct build_ctx *ctx, const cJSON *json, struct outcome *o)
{
    switch (graph_place(ctx->sender, ctx->message, ctx->progress->step).phase) {
    case GRAPH_FIND:
        after_find(ctx, json, o);
        break;
    case GRAPH_DRAFT:
        after_draft(ctx, json, o);
        break;
    case GRAPH_SESSION:
        after_session(ctx, json, o);
        break;
    case GRAPH_ATTACH:
    case GRAPH_CHUNK_PUT:
        next_step(ctx, o);
        break;
    case GRAPH_SEND:
        after_send(ctx, o);
        break;
    case GRAPH_SEND_MAIL:
        after_send_mail(ctx, o);
        break;
    }
}

static void microsoft_classify(const struct build_ctx *ctx, const struct response *r,
                               struct outcome *o)
{
    cJSON *json = provider_answer(r);

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT)
        classify_done(ctx, json, o);
    else
        classify_error(ctx, r, json, o);
    json_free(json);
}

const struct provider provider_microsoft = {
    .name = "microsoft",
    .base_url = "https://graph.microsoft.com",
    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
    .settings = settings,
    .limits = &limits,
    .check = microsoft_check,
    .oauth = microsoft_oauth,
    .build = microsoft_build,
    .classify = microsoft_classify,
};

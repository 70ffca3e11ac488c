/* Microsoft Teams by the Bot Framework's connector:
 *   POST /teams/v3/conversations/{id}/activities[/{activity}]   201 {"id"}
 *   POST /teams/oauth2/v2.0/token   client credentials, 200 {"access_token", "expires_in", ...}
 * Errors: {"error":{"code","message"}}; the token's: {"error","error_description"}. A conversation
 * whose id begins with "19:" or "a:" exists, unless it holds "unknown". */
#include "dialect.h"
#include "shape.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define SCOPE "https://api.botframework.com/.default"
#define TOKEN "teams-token-" /* what every token begins with that was given here */

/* --- token --- */

static void token_error(struct exchange *x, int status, const char *error, const char *description)
{
    struct buf *out = exchange_begin(x, status);

    json_key_str(out, "error", error);
    json_key_str(out, "error_description", description);
    exchange_end(x);
}

static void answer_token(struct exchange *x)
{
    const struct form *f = exchange_form(x);
    struct buf *out;
    char token[96];

    x->delivers = false;
    if (!f || !exchange_is(x, "POST"))
        token_error(x, 400, "invalid_request", "AADSTS900144: the request body is empty.");
    else if (!text_eq(form_get(f, "grant_type"), "client_credentials"))
        token_error(x, 400, "unsupported_grant_type", "AADSTS70003: the grant is not supported.");
    else if (text_is_empty(form_get(f, "client_id")))
        token_error(x, 400, "unauthorized_client", "AADSTS700016: application not found.");
    else if (!credential_is_good(form_get(f, "client_secret")))
        token_error(x, 401, "invalid_client", "AADSTS7000215: invalid client secret provided.");
    else if (!text_eq(form_get(f, "scope"), SCOPE))
        token_error(x, 400, "invalid_scope", "AADSTS70011: the scope is not valid.");
    else {
        out = exchange_begin(x, 200);
        snprintf(token, sizeof(token), TOKEN "%.64s", form_get(f, "client_id"));
        json_key_str(out, "token_type", "Bearer");
        json_key_int(out, "expires_in", 3599);
        json_key_str(out, "access_token", token);
        exchange_end(x);
    }
}

/* --- activities --- */

static void teams_error(struct exchange *x, int status, const char *code, const char *message)
{
    exchange_error(x, status, code, "%s", message);
}

static bool attachment_is_good(const cJSON *a)
{
    static const char *const members[] = {"contentType", "contentUrl",   "content",
                                          "name",        "thumbnailUrl", NULL};
    const cJSON *content = json_get(a, "content");

    if (!cJSON_IsObject(a) || shape_unknown(a, members) ||
        text_is_empty(json_str(a, "contentType")))
        return false;
    if (strcmp(json_str(a, "contentType"), "application/vnd.microsoft.card.adaptive") == 0)
        return text_eq(json_str(content, "type"), "AdaptiveCard");
    return shape_url(json_str(a, "contentUrl"));
}

static const char *activity_fault(const cJSON *activity)
{
    static const char *const members[] = {
        "type",    "text",       "textFormat",  "attachments",      "replyToId",
        "summary", "importance", "channelData", "attachmentLayout", NULL};
    const char *format = json_str(activity, "textFormat");
    const cJSON *list = json_get(activity, "attachments"), *a;

    if (shape_unknown(activity, members))
        return shape_unknown(activity, members);
    if (!text_eq(json_str(activity, "type"), "message"))
        return "type";
    if (text_is_empty(json_str(activity, "text")) && cJSON_GetArraySize(list) == 0)
        return "text";
    if (format && strcmp(format, "plain") != 0 && strcmp(format, "markdown") != 0 &&
        strcmp(format, "xml") != 0)
        return "textFormat";
    cJSON_ArrayForEach(a, list)
    {
        if (!attachment_is_good(a))
            return "attachments";
    }
    return NULL;
}

static void answer_activity(struct exchange *x, const struct shape_path *path)
{
    const cJSON *activity = exchange_json(x);
    const char *conversation = path->part[2];
    struct buf *out;
    char id[32];

    if (!exchange_has_type(x, "application/json") || !cJSON_IsObject(activity))
        teams_error(x, 400, "BadSyntax", "the body is not a JSON object");
    else if (activity_fault(activity))
        teams_error(x, 400, "BadArgument", activity_fault(activity));
    else if ((!text_starts(conversation, "19:") && !text_starts(conversation, "a:")) ||
             strstr(conversation, "unknown"))
        teams_error(x, 404, "ConversationNotFound", "Conversation not found.");
    else if (path->count == 5 && !text_eq(json_str(activity, "replyToId"), path->part[4]))
        teams_error(x, 400, "BadArgument", "replyToId");
    else {
        out = exchange_begin(x, 201);
        snprintf(id, sizeof(id), "%llu", 1700000000000ULL + exchange_serial(x));
        json_key_str(out, "id", id);
        exchange_end(x);
    }
}

static const char *const activities[] = {"v3", "conversations", NULL, "activities", NULL};

static bool read_path(const struct exchange *x, struct shape_path *path)
{
    return shape_path(x->path, path) &&
           (shape_path_is(path, activities, 4) || shape_path_is(path, activities, 5));
}

static void teams_read(struct exchange *x)
{
    struct shape_path path;

    if (read_path(x, &path))
        record_set_recipient(x->record, path.part[2]);
    else
        x->delivers = false;
}

static void teams_answer(struct exchange *x)
{
    struct shape_path path;

    if (strcmp(x->path, "/oauth2/v2.0/token") == 0)
        answer_token(x);
    else if (!read_path(x, &path) || !exchange_is(x, "POST"))
        teams_error(x, 404, "NotFound", "no such resource");
    else if (!credential_is_good(exchange_bearer(x)) || !text_starts(exchange_bearer(x), TOKEN))
        teams_error(x, 401, "Unauthorized", "Authorization has been denied for this request.");
    else
        answer_activity(x, &path);
}

const struct dialect dialect_teams = {
    .name = "teams",
    .prefix = "/teams",
    .read = teams_read,
    .answer = teams_answer,
};

/* instagram: Instagram messages by the Graph API.
 *
 * With a page's token the endpoint is Facebook's, as by default; with an Instagram Login token it
 * is https://graph.instagram.com. Texts are counted in bytes. A text and each attachment are
 * messages of their own; documents are not taken. */
#include "graph.h"
#include "provider_util.h"
#include "registry.h"

static const struct provider_setting settings[] = {
    {.name = "account_id",
     .help = "id of the page or of the Instagram account, or me",
     .required = true,
     .secret = true},
    {.name = "token", .help = "access token", .required = true, .secret = true},
    {.name = "tag", .help = "message tag for sends outside the 24 hours, such as HUMAN_AGENT"},
    GRAPH_VERSION_SETTING,
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "300/s",
    .source = "https://developers.facebook.com/documentation/business-messaging/"
              "messenger-platform/overview/rate-limiting",
    .date = "2026-11",
};

static const struct meaning meanings[] = {
    {"-1", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},
    {"1", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},
    {"2", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},            /* temporarily unavailable */
    {"3", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* no capability */
    {"4", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},          /* the app's calls */
    {"10", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"10/2018278", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0}, /* outside the 24 hours */
    {"10/2534022", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0}, /* outside the 24 hours */
    {"17", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},               /* the user's calls */
    {"32", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},               /* the page's calls */
    {"100", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"100/2018001", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"190", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"200", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* 200 to 299 */
    {"368", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* blocked for policy */
    {"551", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},      /* not available */
    {"613", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
    {"1200", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},
    {"80002", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0}, /* the Instagram account's calls */
    {"80006", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},
};

static const struct graph_dm dm = {
    .id = "account_id",
    .text_max = 1000,
    .text_in_bytes = true,
    .kinds = MEDIA_BIT(MEDIA_IMAGE) | MEDIA_BIT(MEDIA_AUDIO) | MEDIA_BIT(MEDIA_VIDEO),
    .meanings = {meanings, sizeof(meanings) / sizeof(meanings[0])},
};

static enum sq_err instagram_build(const struct build_ctx *ctx, const struct message *m,
                                   struct request *r, struct err_text *e)
{
    return graph_dm_build(&dm, ctx, m, r, e);
}

static void instagram_classify(const struct build_ctx *ctx, const struct response *r,
                               struct outcome *o)
{
    graph_dm_classify(&dm, ctx, r, o);
}

const struct provider provider_instagram = {
    .name = "instagram",
    .base_url = GRAPH_BASE_URL,
    .channels = CHANNEL_BIT(CHANNEL_INSTAGRAM),
    .settings = settings,
    .limits = &limits,
    .check = graph_check,
    .build = instagram_build,
    .classify = instagram_classify,
};

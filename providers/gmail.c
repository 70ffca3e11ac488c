/* gmail: users.messages.send, the whole mail as MIME.
 *
 * Small mails go as base64url in JSON, large ones by the upload form, which takes the bytes as they
 * are. A mail joins a thread by three things: threadId, In-Reply-To with References, and the
 * subject. Where the message only names Gmail's own ids, a step before the send looks up what the
 * headers need; an account that may not read goes on without them. A mail of the mailbox that is
 * forwarded or, by `quote`, answered is read whole instead. */
#include "gmail_lookup.h"
#include "gmail_original.h"
#include "mail.h"
#include "meaning.h"
#include "original.h"
#include "registry.h"

#include "crypto.h"
#include "text.h"
#include "timefmt.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define RECIPIENTS_MAX 500
#define RAW_MAX ((size_t)5 << 20)   /* attachments in base64 above this are uploaded */
#define MAIL_MAX ((size_t)36700160) /* of an upload, the API's own */
#define BOUNDARY "sendq=_upload"    /* "=_" stands in no text of a mail (mime.h) */
#define SUBJECT_MAX 998
#define HOUR_MS ((int64_t)3600 * 1000)

static const struct provider_setting settings[] = {
    {.name = "client_id", .help = "OAuth client id"},
    {.name = "client_secret", .help = "OAuth client secret", .secret = true},
    {.name = "refresh_token", .help = "OAuth refresh token of the mailbox", .secret = true},
    {.name = "service_account",
     .help = "Instead of the three: a service account's key file "
             "(JSON) with domain-wide delegation",
     .secret = true},
    {.name = "mailbox", .help = "Mailbox that a service account acts for; default: from.address"},
    {.name = "scope",
     .help = "OAuth scopes; a reply by Gmail's own ids needs one that may read, "
             "as gmail.metadata",
     .fallback = "https://www.googleapis.com/auth/gmail.send"},
    {.name = "quote",
     .help = "true: a reply by Gmail's own message id quotes that mail (scope "
             "gmail.readonly or gmail.modify)",
     .fallback = "false"},
    MAIL_SETTINGS,
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "150/minute", /* 15,000 quota units a minute and user, 100 a send */
    .day = "2000/day rolling",
    .day_unit = LIMIT_RECIPIENTS,
    .source = "https://developers.google.com/gmail/api/reference/quota",
    .date = "2026-11",
};

/* --- the account --- */

static bool gmail_oauth(const struct sender *s, struct provider_oauth *ret)
{
    const char *mailbox = sender_value(s, "mailbox");

    snprintf(ret->token_url, sizeof(ret->token_url), "https://oauth2.googleapis.com/token");
    ret->service_account = sender_value(s, "service_account");
    ret->grant = OAUTH_REFRESH_TOKEN;
    if (ret->service_account) {
        ret->grant = OAUTH_SERVICE_ACCOUNT;
        ret->scope = sender_value(s, "scope");
        ret->subject = text_is_empty(mailbox) ? s->from_address : mailbox;
        return true;
    }
    ret->client_id = sender_value(s, "client_id");
    ret->client_secret = sender_value(s, "client_secret");
    ret->refresh_token = sender_value(s, "refresh_token");
    return true;
}

static enum sq_err gmail_check(const struct sender *s, struct err_text *e)
{
    static const char *const names[] = {"client_id", "client_secret", "refresh_token"};
    bool key_file = sender_value(s, "service_account") != NULL;

    for (size_t i = 0; i < 3; i++) {
        bool given = !text_is_empty(sender_value(s, names[i]));

        if (given && key_file)
            return err_set_field(e, SQ_ERR_INVALID, names[i],
                                 "expected either this or service_account");
        if (!given && !key_file)
            return err_set_field(e, SQ_ERR_INVALID, names[i],
                                 "expected a value, unless there is a service_account");
    }
    if (key_file && text_is_empty(sender_value(s, "mailbox")) && text_is_empty(s->from_address))
        return err_set_field(e, SQ_ERR_INVALID, "mailbox", "expected the mailbox to act for");
    return mail_check_sender(s, e);
}

/* --- threads --- */

static const char *thread_of(const struct build_ctx *ctx, const struct message *m)
{
    const char *found = progress_get(ctx->progress, FOUND_THREAD);

    if (*found)
        return found;
    return gmail_is_id(m->text[MSG_THREAD_ID]) ? m->text[MSG_THREAD_ID] : NULL;
}

/* What was looked up stands before what the message says, which is no header then. */
static void use_found(const struct build_ctx *ctx, struct mail *mail)
{
    const struct progress *p = ctx->progress;

    if (!*progress_get(p, FOUND_MESSAGE_ID) || mail->thread_count)
        return;
    memmove(mail->headers + 2, mail->headers, mail->header_count * sizeof(mail->headers[0]));
    mail->headers[0] = (struct mime_header){"In-Reply-To", progress_get(p, FOUND_MESSAGE_ID)};
    mail->headers[1] = (struct mime_header){"References", progress_get(p, FOUND_REFERENCES)};
    mail->header_count += 2;
    mail->thread_count = 2;
}

/* --- the send --- */

static bool is_large(const struct message *m)
{
    size_t n = 0;

    for (unsigned i = 0; i < m->attachment_count; i++)
        n += strlen(m->attachments[i].content_base64);
    for (int f = MSG_CONTENT; f <= MSG_HTML; f++)
        n += m->text[f] ? strlen(m->text[f]) : 0;
    return n > RAW_MAX;
}

static enum sq_err write_raw(const struct build_ctx *ctx, const struct message *m,
                             const struct mail *mail, struct request *r, struct err_text *e)
{
    struct buf mime = {.max = MAIL_MAX};
    enum sq_err err = mail_compose(ctx, m, mail, true, &mime, e);

    buf_adds(&r->url, "/gmail/v1/users/me/messages/send");
    buf_reserve(&r->body, mime.len / 3 * 4 + 256);
    json_open(&r->body, '{');
    json_opt_str(&r->body, "threadId", thread_of(ctx, m));
    json_key(&r->body, "raw");
    buf_addc(&r->body, '"');
    base64url_encode(&r->body, mime.data, mime.len);
    buf_addc(&r->body, '"');
    json_close(&r->body, '}');
    buf_free(&mime);
    return err ? err : request_header(r, "Content-Type", "application/json", e);
}

/* Metadata and mail in one request: multipart/related. */
static enum sq_err write_upload(const struct build_ctx *ctx, const struct message *m,
                                const struct mail *mail, struct request *r, struct err_text *e)
{
    enum sq_err err;

    buf_adds(&r->url, "/upload/gmail/v1/users/me/messages/send?uploadType=multipart");
    buf_adds(&r->body, "--" BOUNDARY "\r\nContent-Type: application/json\r\n\r\n");
    json_open(&r->body, '{');
    json_opt_str(&r->body, "threadId", thread_of(ctx, m));
    json_close(&r->body, '}');
    buf_adds(&r->body, "\r\n--" BOUNDARY "\r\nContent-Type: message/rfc822\r\n\r\n");
    err = mail_compose(ctx, m, mail, true, &r->body, e);
    buf_adds(&r->body, "\r\n--" BOUNDARY "--\r\n");
    if (!err)
        err = request_header(r, "Content-Type", "multipart/related; boundary=\"" BOUNDARY "\"", e);
    return err;
}

static enum sq_err compose(const struct build_ctx *ctx, const struct message *m, bool is_whole,
                           struct request *r, struct err_text *e)
{
    struct mail mail = {0};
    enum sq_err err = is_whole ? mail_read_forward(ctx, m, RECIPIENTS_MAX, &mail, e)
                               : mail_read(ctx, m, RECIPIENTS_MAX, &mail, e);

    if (!err) {
        use_found(ctx, &mail);
        err = is_large(m) ? write_upload(ctx, m, &mail, r, e) : write_raw(ctx, m, &mail, r, e);
    }
    mail_clear(&mail);
    return err;
}

/* The mail with the original in its texts. */
static enum sq_err compose_quoted(const struct build_ctx *ctx, const struct message *m,
                                  const struct quote_original *o, struct request *r,
                                  struct err_text *e)
{
    struct original_names names;
    const char *id, *text = m->text[MSG_CONTENT], *html = m->text[MSG_HTML];
    bool is_forward = gmail_forward_id(m, &names, &id);
    struct message whole = *m;
    struct quote_body body;
    struct buf subject = {0};
    enum sq_err err = is_forward ? quote_forward(o, text, html, MAIL_MAX / 2, &body)
                                 : quote_reply(o, text, html, MAIL_MAX / 2, &body);

    if (err)
        return is_forward ? err_set_field(e, err, "forward", "the mail would be too large")
                          : compose(ctx, m, false, r, e);
    whole.text[MSG_CONTENT] = body.text.len ? buf_str(&body.text) : NULL;
    whole.text[MSG_HTML] = body.html.len ? buf_str(&body.html) : NULL;
    if (text_is_empty(m->text[MSG_SUBJECT]) && !text_is_empty(o->subject)) {
        quote_subject(is_forward ? "Fwd:" : "Re:", o->subject, SUBJECT_MAX, &subject);
        whole.text[MSG_SUBJECT] = buf_str(&subject);
    }
    err = compose(ctx, &whole, true, r, e);
    buf_free(&subject);
    quote_clear(&body);
    return err;
}

static enum sq_err build_send(const struct build_ctx *ctx, const struct message *m,
                              struct request *r, struct err_text *e)
{
    static const struct json_limits limits_of_json = {.max_bytes = GMAIL_ANSWER_MAX};
    struct gmail_original o = {.has_files = false};
    cJSON *json = NULL;
    enum sq_err err;

    if (ctx->answer && json_parse(ctx->answer, strlen(ctx->answer), &limits_of_json, &json, NULL))
        json = NULL;
    if (json && gmail_original_read(json, &o) == SQ_OK)
        err = compose_quoted(ctx, m, &o.quote, r, e);
    else
        err = compose(ctx, m, false, r, e);
    gmail_original_clear(&o);
    json_free(json);
    return err;
}

static enum sq_err gmail_build(const struct build_ctx *ctx, const struct message *m,
                               struct request *r, struct err_text *e)
{
    enum sq_err err;

    r->method = HTTP_POST;
    buf_adds(&r->url, ctx->sender->endpoint);
    err = mail_bearer(r, ctx->access_token ? ctx->access_token : "", e);
    if (!err && !gmail_lookup_build(ctx, m, r))
        err = build_send(ctx, m, r, e);
    return err ? err : provider_finish(r, e);
}

/* --- the answer --- */

/* By error.errors[0].reason; limits come as 403 or 429. */
static const struct meaning errors[] = {
    {"authError", OUTCOME_AUTH, CODE_INVALID_KEY, THROTTLE_SENDER, 0},
    {"invalidArgument", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"failedPrecondition", OUTCOME_FAILED, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
    {"insufficientPermissions", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, THROTTLE_SENDER, 0},
    {"domainPolicy", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, THROTTLE_SENDER, 0},
    {"rateLimitExceeded", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"userRateLimitExceeded", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"quotaExceeded", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, 0},
    {"dailyLimitExceeded", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_SENDER, HOUR_MS},
    {"backendError", OUTCOME_RETRY, CODE_PROVIDER_ERROR, THROTTLE_SENDER, 0},
};

/* "User-rate limit exceeded.  Retry after 2021-02-25T15:02:25.000Z": no header promises it. */
static void read_wait(const char *words, const struct response *r, struct outcome *o)
{
    const char *at = words ? strstr(words, "Retry after ") : NULL;
    char text[32];
    int64_t until;

    if (!at || response_retry_after(r, PROVIDER_RETRY_AFTER_MAX_MS))
        return;
    snprintf(text, sizeof(text), "%.*s", (int)strspn(at + 12, "0123456789-:.TZ"), at + 12);
    if (time_parse(text, &until) || until <= r->now_ms)
        return;
    until -= r->now_ms;
    o->retry_after_ms = until > PROVIDER_RETRY_AFTER_MAX_MS ? PROVIDER_RETRY_AFTER_MAX_MS : until;
}

static void classify_error(const struct build_ctx *ctx, const struct response *r, cJSON *json,
                           struct outcome *o)
{
    const cJSON *error = json_get(json, "error"), *list = json_get(error, "errors");
    const char *reason = json_str(cJSON_IsArray(list) ? list->child : NULL, "reason");
    const char *words = json_str(error, "message");

    meaning_judge(ctx, r, MEANING_TABLE(errors), reason, words, o);
    if (o->kind == OUTCOME_THROTTLED)
        read_wait(words, r, o);
}

static void gmail_classify(const struct build_ctx *ctx, const struct response *r, struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const char *thread = json_str(json, "threadId");

    provider_classify_status(r, o);
    if (o->kind != OUTCOME_SENT)
        classify_error(ctx, r, json, o);
    if (!gmail_lookup_classify(ctx, r, o) && o->kind == OUTCOME_SENT) {
        provider_set_id(o, json_get(json, "id"));
        if (gmail_is_id(thread))
            snprintf(o->thread_id, sizeof(o->thread_id), "%s", thread);
    }
    json_free(json);
}

const struct provider provider_gmail = {
    .name = "gmail",
    .base_url = "https://gmail.googleapis.com",
    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
    .settings = settings,
    .limits = &limits,
    .check = gmail_check,
    .oauth = gmail_oauth,
    .build = gmail_build,
    .classify = gmail_classify,
    .wants_original = true,
};

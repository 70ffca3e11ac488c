/* smtp: any mail server, over SMTP submission.
 *
 * The id of a mail is its Message-ID, which is made of the message's own: a server's queue id is
 * only in the text of its reply, if at all. */
#include "mail.h"
#include "registry.h"

#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPIENTS_MAX 100 /* what any server must take (RFC 5321 4.5.3.1.8) */

static const struct provider_setting settings[] = {
    {.name = "username", .help = "User to log in as; none = no login"},
    {.name = "password", .help = "Password", .secret = true},
    {.name = "client_id", .help = "OAuth client id, to log in by XOAUTH2 instead of a password"},
    {.name = "client_secret", .help = "OAuth client secret", .secret = true},
    {.name = "refresh_token",
     .help = "OAuth refresh token; token_endpoint says where to use it",
     .secret = true},
    {.name = "scope", .help = "OAuth scope, as `https://mail.google.com/`"},
    {.name = "tls",
     .help = "starttls: required before anything else is said; none: only on a "
             "trusted network. An smtps:// endpoint has TLS from the start",
     .fallback = "starttls"},
    {.name = "ehlo", .help = "Name to say hello by; default: the host's"},
    MAIL_SETTINGS,
    {.name = NULL},
};

/* --- the account --- */

static bool smtp_oauth(const struct sender *s, struct provider_oauth *ret)
{
    ret->grant = OAUTH_REFRESH_TOKEN;
    ret->client_id = sender_value(s, "client_id");
    ret->client_secret = sender_value(s, "client_secret");
    ret->refresh_token = sender_value(s, "refresh_token");
    ret->scope = sender_value(s, "scope");
    return ret->refresh_token != NULL;
}

static bool is_host_name(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-");

    return n > 0 && !s[n];
}

static enum sq_err check_login(const struct sender *s, struct err_text *e)
{
    const char *user = sender_value(s, "username");

    if (sender_value(s, "refresh_token")) {
        if (text_is_empty(s->token_endpoint))
            return err_set_field(e, SQ_ERR_INVALID, "token_endpoint",
                                 "expected the URL of the OAuth server");
        if (!user || !sender_value(s, "client_id"))
            return err_set_field(e, SQ_ERR_INVALID, user ? "client_id" : "username",
                                 "expected a value, since there is a refresh_token");
    } else if (!user != !sender_value(s, "password")) {
        return err_set_field(e, SQ_ERR_INVALID, user ? "password" : "username",
                             "expected a value, since the other one has one");
    }
    if (user && (strchr(user, ':') || text_has_control(user)))
        return err_set_field(e, SQ_ERR_INVALID, "username", "expected a name without colon");
    return SQ_OK;
}

static enum sq_err smtp_check(const struct sender *s, struct err_text *e)
{
    const char *tls = sender_value(s, "tls"), *ehlo = sender_value(s, "ehlo");
    enum sq_err err = check_login(s, e);

    if (!err && tls && !text_eq(tls, "starttls") && !text_eq(tls, "none"))
        err = err_set_field(e, SQ_ERR_INVALID, "tls", "expected starttls or none");
    if (!err && !text_is_empty(ehlo) && !is_host_name(ehlo))
        err = err_set_field(e, SQ_ERR_INVALID, "ehlo", "expected a host name");
    return err ? err : mail_check_sender(s, e);
}

/* --- the transaction --- */

static enum sq_err add_envelope(const struct mail *mail, struct request *r, struct err_text *e)
{
    const struct address_list *const lists[] = {&mail->to, &mail->cc, &mail->bcc};
    enum sq_err err = request_envelope(r, mail->from.addr, e);

    for (size_t i = 0; i < 3; i++)
        for (unsigned k = 0; k < lists[i]->count && !err; k++)
            err = request_envelope(r, lists[i]->items[k].addr, e);
    return err;
}

static void add_login(const struct build_ctx *ctx, struct request *r)
{
    const char *user = sender_value(ctx->sender, "username");
    const char *password = sender_value(ctx->sender, "password");

    r->smtp.plain = text_eq(sender_value(ctx->sender, "tls"), "none");
    if (ctx->access_token)
        buf_adds(&r->smtp.bearer, ctx->access_token);
    if (user)
        buf_addf(&r->userpwd, "%s:%s", user, ctx->access_token || !password ? "" : password);
}

static enum sq_err smtp_build(const struct build_ctx *ctx, const struct message *m,
                              struct request *r, struct err_text *e)
{
    const char *ehlo = sender_value(ctx->sender, "ehlo");
    struct mail mail = {0};
    enum sq_err err = mail_read(ctx, m, RECIPIENTS_MAX, &mail, e);

    buf_adds(&r->url, ctx->sender->endpoint);
    if (!text_is_empty(ehlo))
        buf_addf(&r->url, "/%s", ehlo);
    add_login(ctx, r);
    if (!err)
        err = add_envelope(&mail, r, e);
    if (!err)
        err = mail_compose(ctx, m, &mail, false, &r->body, e);
    mail_clear(&mail);
    return err ? err : provider_finish(r, e);
}

/* --- the reply --- */

/* RFC 3463: "5.1.1" behind the code; 0 for what is not there. */
struct enhanced {
    int class, subject, detail;
};

static struct enhanced read_enhanced(const char *reply)
{
    struct enhanced x = {0};

    if (strlen(reply) < 9 || sscanf(reply + 4, "%1d.%3d.%3d", &x.class, &x.subject, &x.detail) != 3)
        return (struct enhanced){0};
    return x;
}

static bool says(const char *reply, const char *word)
{
    return strcasestr(reply, word) != NULL;
}

static void classify_temporary(int code, const char *reply, struct outcome *o)
{
    struct enhanced x = read_enhanced(reply);
    /* Waiting is no attempt, so only what plainly is a matter of pace counts as one. */
    bool slow = says(reply, "throttl") || says(reply, "rate limit") ||
                says(reply, "too many connections") || says(reply, "too many messages") ||
                (x.subject == 7 && x.detail == 28);

    if (slow)
        outcome_set(o, OUTCOME_THROTTLED, CODE_RATE_LIMITED, "SMTP %d", code);
    else
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "SMTP %d", code);
}

static void classify_permanent(int code, const char *reply, struct outcome *o)
{
    struct enhanced x = read_enhanced(reply);

    if (code == 530 || code == 534 || code == 535 || code == 538)
        outcome_set(o, OUTCOME_AUTH, CODE_INVALID_KEY, "SMTP %d", code);
    else if ((code == 552 && x.subject != 2) || (x.subject == 3 && x.detail == 4))
        outcome_set(o, OUTCOME_FAILED, CODE_TOO_LARGE, "SMTP %d", code);
    else
        outcome_set(o, OUTCOME_FAILED, CODE_PROVIDER_ERROR, "SMTP %d", code);
}

/* Without the code, which stands before it, and without its line end. */
static void say_reply(const struct build_ctx *ctx, const char *reply, struct outcome *o)
{
    struct buf text = {.max = 1024};

    if (strlen(reply) > 4)
        buf_add(&text, reply + 4, strcspn(reply + 4, "\r\n"));
    provider_say(ctx, o, buf_str(&text));
    buf_free(&text);
}

static void set_id(const struct build_ctx *ctx, struct outcome *o)
{
    struct mail mail = {0};
    struct buf id = {.max = 512};

    if (ctx->message && mail_read(ctx, ctx->message, RECIPIENTS_MAX, &mail, NULL) == SQ_OK) {
        mime_message_id(ctx->message, mail.from.addr, &id);
        provider_set_id_text(o, buf_str(&id));
    }
    mail_clear(&mail);
    buf_free(&id);
}

static void smtp_classify(const struct build_ctx *ctx, const struct response *r, struct outcome *o)
{
    if (r->status >= 200 && r->status < 300) {
        outcome_set(o, OUTCOME_SENT, CODE_NONE, "SMTP %d", r->status);
        set_id(ctx, o);
        return;
    }
    if (r->status >= 400 && r->status < 500)
        classify_temporary(r->status, r->body, o);
    else if (r->status >= 500 && r->status < 600)
        classify_permanent(r->status, r->body, o);
    else
        outcome_set(o, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN, "SMTP %d", r->status);
    say_reply(ctx, r->body, o);
}

const struct provider provider_smtp = {
    .name = "smtp",
    .base_url = NULL,
    .channels = CHANNEL_BIT(CHANNEL_EMAIL),
    .settings = settings,
    .check = smtp_check,
    .oauth = smtp_oauth,
    .build = smtp_build,
    .classify = smtp_classify,
    .wants_original = true,
};

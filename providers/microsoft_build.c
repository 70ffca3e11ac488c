/* The requests of a mail through Microsoft Graph, one function per phase. */
#include "microsoft_plan.h"

#include "crypto.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

static void add_user(const struct sender *s, struct buf *url)
{
    const char *mailbox = sender_value(s, "mailbox");

    buf_adds(url, s->endpoint);
    buf_adds(url, "/v1.0/");
    if (text_is_empty(mailbox) && !sender_value(s, "refresh_token"))
        mailbox = s->from_address;
    if (text_is_empty(mailbox)) {
        buf_adds(url, "me");
        return;
    }
    buf_adds(url, "users/");
    text_add_urlencoded(url, mailbox);
}

struct step {
    const struct build_ctx *ctx;
    const struct message *m;
    struct graph_place at;
    struct graph_target to;
    struct mail mail;
    struct request *r;
    struct err_text *e;
};

/* The whole mail as MIME, in base64. */
static enum sq_err write_mime(struct step *s)
{
    struct message bare = *s->m;
    struct buf mime = {0};
    enum sq_err err;

    if (graph_attaches_later(s->m))
        bare.attachment_count = 0;
    err = mail_compose(s->ctx, &bare, &s->mail, true, &mime, s->e);
    base64_encode(&s->r->body, mime.data, mime.len);
    buf_free(&mime);
    return err ? err : request_header(s->r, "Content-Type", "text/plain", s->e);
}

static enum sq_err build_send_mail(struct step *s)
{
    buf_adds(&s->r->url, "/sendMail");
    return write_mime(s);
}

/* OData wants a quote in a text doubled; filter and order must agree on their first field. */
static enum sq_err build_find(struct step *s)
{
    struct buf filter = {.max = 4096};
    const char *id = s->to.find;

    s->r->method = HTTP_GET;
    buf_adds(&filter, s->to.by_conversation ? "receivedDateTime ge 1970-01-01T00:00:00Z and "
                                              "conversationId eq '"
                                            : "internetMessageId eq '");
    for (; *id; id++) {
        buf_addc(&filter, *id);
        if (*id == '\'')
            buf_addc(&filter, '\'');
    }
    buf_addc(&filter, '\'');
    buf_adds(&s->r->url, "/messages?$top=1&$select=id");
    if (s->to.by_conversation)
        buf_adds(&s->r->url, "&$orderby=receivedDateTime%20desc");
    buf_adds(&s->r->url, "&$filter=");
    text_add_urlencoded(&s->r->url, buf_str(&filter));
    buf_free(&filter);
    return SQ_OK;
}

static void write_boxes(struct buf *b, const char *name, const struct address_list *boxes)
{
    if (boxes->count == 0)
        return;
    json_key(b, name);
    json_open(b, '[');
    for (unsigned i = 0; i < boxes->count; i++) {
        json_open(b, '{');
        json_key(b, "emailAddress");
        json_open(b, '{');
        json_key_str(b, "address", boxes->items[i].addr);
        json_opt_str(b, "name", boxes->items[i].name);
        json_close(b, '}');
        json_close(b, '}');
    }
    json_close(b, ']');
}

/* The comment stands above the quoted original and is taken for HTML. */
static void write_comment(const struct message *m, struct buf *b)
{
    const char *text = m->text[MSG_CONTENT] ? m->text[MSG_CONTENT] : "";
    struct buf html = {0};

    if (!text_is_empty(m->text[MSG_HTML])) {
        json_key_str(b, "comment", m->text[MSG_HTML]);
        return;
    }
    for (; *text; text++) {
        if (*text == '&' || *text == '<' || *text == '>')
            buf_addf(&html, "&%s;", *text == '&' ? "amp" : *text == '<' ? "lt" : "gt");
        else if (*text == '\n')
            buf_adds(&html, "<br>\n");
        else
            buf_addc(&html, *text);
    }
    json_key_str(b, "comment", buf_str(&html));
    buf_free(&html);
}

/* All but whom to answer is Graph's own knowledge; a reply to all leaves that to it too. */
static enum sq_err write_answer(struct step *s)
{
    struct buf *b = &s->r->body;

    json_open(b, '{');
    json_key(b, "message");
    json_open(b, '{');
    if (s->to.draft != GRAPH_REPLY_ALL)
        write_boxes(b, "toRecipients", &s->mail.to);
    write_boxes(b, "ccRecipients", &s->mail.cc);
    write_boxes(b, "bccRecipients", &s->mail.bcc);
    write_boxes(b, "replyTo", &s->mail.reply_to);
    json_opt_str(b, "subject", s->m->text[MSG_SUBJECT]);
    json_close(b, '}');
    write_comment(s->m, b);
    json_close(b, '}');
    return request_header(s->r, "Content-Type", "application/json", s->e);
}

static enum sq_err build_draft(struct step *s)
{
    static const char *const verbs[] = {
        [GRAPH_REPLY] = "createReply",
        [GRAPH_REPLY_ALL] = "createReplyAll",
        [GRAPH_FORWARD] = "createForward",
    };
    char found[GRAPH_ID_SIZE], none[GRAPH_ID_SIZE];
    const char *parent = s->to.parent;

    graph_read_ids(s->ctx->progress, found, none, sizeof(found));
    if (!*parent)
        parent = found;
    buf_adds(&s->r->url, "/messages");
    if (s->to.draft == GRAPH_NEW || !*parent)
        return write_mime(s);
    buf_addc(&s->r->url, '/');
    text_add_urlencoded(&s->r->url, parent);
    buf_addf(&s->r->url, "/%s", verbs[s->to.draft]);
    return write_answer(s);
}

static void add_draft(struct step *s, const char *below)
{
    char id[GRAPH_ID_SIZE], thread[GRAPH_ID_SIZE];

    graph_read_ids(s->ctx->progress, id, thread, sizeof(id));
    buf_adds(&s->r->url, "/messages/");
    text_add_urlencoded(&s->r->url, id);
    buf_adds(&s->r->url, below);
}

static enum sq_err build_attach(struct step *s)
{
    const struct attachment *a = &s->m->attachments[s->at.attachment];
    struct buf *b = &s->r->body;

    add_draft(s, "/attachments");
    buf_reserve(b, strlen(a->content_base64) + 1024);
    json_open(b, '{');
    json_key_str(b, "@odata.type", "#microsoft.graph.fileAttachment");
    json_key_str(b, "name", mail_attachment_name(a));
    json_key_str(b, "contentType", mail_attachment_type(a));
    json_key_str(b, "contentBytes", a->content_base64);
    if (!text_is_empty(a->content_id)) {
        json_key_bool(b, "isInline", true);
        json_key_str(b, "contentId", a->content_id);
    }
    json_close(b, '}');
    return request_header(s->r, "Content-Type", "application/json", s->e);
}

static enum sq_err build_session(struct step *s)
{
    const struct attachment *a = &s->m->attachments[s->at.attachment];
    struct buf *b = &s->r->body;

    add_draft(s, "/attachments/createUploadSession");
    json_open(b, '{');
    json_key(b, "AttachmentItem");
    json_open(b, '{');
    json_key_str(b, "attachmentType", "file");
    json_key_str(b, "name", mail_attachment_name(a));
    json_key_int(b, "size", (int64_t)s->at.size);
    json_key_str(b, "contentType", mail_attachment_type(a));
    if (!text_is_empty(a->content_id)) {
        json_key_bool(b, "isInline", true);
        json_key_str(b, "contentId", a->content_id);
    }
    json_close(b, '}');
    json_close(b, '}');
    return request_header(s->r, "Content-Type", "application/json", s->e);
}

static size_t chunk_end(const struct graph_place *at)
{
    size_t end = at->offset + GRAPH_CHUNK;

    return end < at->size ? end : at->size;
}

/* To the URL that the session gave, which is a credential itself. */
static enum sq_err build_chunk(struct step *s)
{
    const char *base64 = s->m->attachments[s->at.attachment].content_base64;
    size_t from = s->at.offset / 3 * 4, to = from + GRAPH_CHUNK / 3 * 4, len = strlen(base64);
    size_t end = chunk_end(&s->at);
    char range[96];
    enum sq_err err;

    s->r->method = HTTP_PUT;
    buf_clear(&s->r->url);
    graph_add_url(s->ctx->progress, &s->r->url);
    snprintf(range, sizeof(range), "bytes %zu-%zu/%zu", s->at.offset, end - 1, s->at.size);
    err = request_header(s->r, "Content-Type", "application/octet-stream", s->e);
    if (!err)
        err = request_header(s->r, "Content-Range", range, s->e);
    if (!err && base64_decode(&s->r->body, base64 + from, (to < len ? to : len) - from, false))
        err = err_set_field(s->e, SQ_ERR_INVALID, "attachments", "must be base64");
    return err;
}

static enum sq_err build_send(struct step *s)
{
    add_draft(s, "/send");
    return request_header(s->r, "Content-Type", "", s->e); /* none: there is no body */
}

static enum sq_err build_step(struct step *s)
{
    static enum sq_err (*const builds[])(struct step *) = {
        [GRAPH_SEND_MAIL] = build_send_mail, [GRAPH_FIND] = build_find,
        [GRAPH_DRAFT] = build_draft,         [GRAPH_ATTACH] = build_attach,
        [GRAPH_SESSION] = build_session,     [GRAPH_CHUNK_PUT] = build_chunk,
        [GRAPH_SEND] = build_send,
    };
    enum graph_phase phase = s->at.phase;
    enum sq_err err = SQ_OK;

    s->r->idempotent = phase != GRAPH_SEND_MAIL && phase != GRAPH_SEND;
    add_user(s->ctx->sender, &s->r->url);
    if (phase != GRAPH_CHUNK_PUT)
        err = mail_bearer(s->r, s->ctx->access_token ? s->ctx->access_token : "", s->e);
    if (!err && phase != GRAPH_CHUNK_PUT && phase != GRAPH_SEND_MAIL)
        err = request_header(s->r, "Prefer", "IdType=\"ImmutableId\"", s->e);
    return err ? err : builds[phase](s);
}

enum sq_err microsoft_build(const struct build_ctx *ctx, const struct message *m, struct request *r,
                            struct err_text *e)
{
    struct step s = {.ctx = ctx, .m = m, .r = r, .e = e};
    enum sq_err err = mail_read_forward(ctx, m, GRAPH_RECIPIENTS_MAX, &s.mail, e);

    r->method = HTTP_POST;
    if (!err) {
        s.at = graph_place(ctx->sender, m, ctx->progress->step);
        graph_target(m, &s.to);
        err = build_step(&s);
    }
    mail_clear(&s.mail);
    return err ? err : provider_finish(r, e);
}

/* A mail's addresses and headers, read from the message and its sender. */
#include "mail.h"

#include "map.h"
#include "original.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

/* --- addresses --- */

struct reading {
    const struct build_ctx *ctx;
    const struct message *m;
    struct mail *mail;
    struct map seen;
    unsigned count, max; /* recipients */
    struct err_text *e;
};

static bool is_repeated(struct reading *r, const char *address)
{
    char key[ADDRESS_MAX + 1];

    snprintf(key, sizeof(key), "%s", address);
    text_lower(key);
    return map_set(&r->seen, key, r) != NULL;
}

static enum sq_err parse_list(struct reading *r, const char *field, const char *text,
                              struct address_list *list)
{
    struct err_text why;

    if (address_parse_list(text, MAIL_RECIPIENTS_MAX, &r->mail->arena, list, &why) == SQ_OK)
        return SQ_OK;
    return err_set_field(r->e, SQ_ERR_INVALID, field, "%s", why.text);
}

/* Recipients: those not named before are appended to list, which has room. */
static enum sq_err read_list(struct reading *r, const char *field, const char *text,
                             struct address_list *list)
{
    struct address_list found = {0};
    enum sq_err err = parse_list(r, field, text, &found);

    for (unsigned i = 0; i < found.count && !err; i++) {
        if (is_repeated(r, found.items[i].addr))
            continue;
        if (r->count++ == r->max)
            err = err_set_field(r->e, SQ_ERR_INVALID, field,
                                "at most %u recipients can be in one mail", r->max);
        else
            list->items[list->count++] = found.items[i];
    }
    return err;
}

static void make_room(struct reading *r, struct address_list *list)
{
    list->items = arena_alloc(&r->mail->arena, r->max * sizeof(*list->items));
}

static enum sq_err read_copies(struct reading *r, const char *field, enum msg_list which,
                               struct address_list *boxes)
{
    const struct str_list *list = &r->m->list[which];
    enum sq_err err = SQ_OK;

    if (list->count)
        make_room(r, boxes);
    for (unsigned i = 0; i < list->count && !err; i++)
        err = read_list(r, field, list->items[i], boxes);
    return err;
}

static enum sq_err read_from(struct reading *r)
{
    const char *from = provider_from(r->ctx, r->m);
    struct address_list one = {0};
    enum sq_err err;

    if (!from)
        return err_set_field(r->e, SQ_ERR_INVALID, "from",
                             "neither the message nor its sender has a from address");
    err = parse_list(r, "from", from, &one);
    if (err || one.count != 1)
        return err_set_field(r->e, SQ_ERR_INVALID, "from", "must be one email address");
    r->mail->from = one.items[0];
    if (!r->mail->from.name)
        r->mail->from.name = provider_from_name(r->ctx, r->m);
    return SQ_OK;
}

static enum sq_err read_addresses(struct reading *r)
{
    const char *const *text = r->m->text;
    enum sq_err err = read_from(r);

    make_room(r, &r->mail->to);
    if (!err)
        err = read_list(r, "recipient", provider_to(r->m), &r->mail->to);
    if (!err && r->mail->to.count == 0)
        err = err_set_field(r->e, SQ_ERR_INVALID, "recipient", "an email address is required");
    if (!err)
        err = read_copies(r, "cc", MSG_CC, &r->mail->cc);
    if (!err)
        err = read_copies(r, "bcc", MSG_BCC, &r->mail->bcc);
    if (!err && !text_is_empty(text[MSG_REPLY_TO]))
        err = parse_list(r, "reply_to", text[MSG_REPLY_TO], &r->mail->reply_to);
    return err;
}

/* --- headers --- */

static void add_header(struct mail *mail, const char *name, const char *value)
{
    mail->headers[mail->header_count++] = (struct mime_header){.name = name, .value = value};
}

/* An id of another kind (a provider's own) is nothing that a header could hold. */
static void read_thread(struct reading *r)
{
    const char *id = r->m->text[MSG_REPLY_ID];

    if (text_is_empty(id))
        return;
    if (id[0] != '<')
        id = arena_printf(&r->mail->arena, "<%s>", id);
    if (!mime_is_message_id(id))
        return;
    add_header(r->mail, "In-Reply-To", id);
    add_header(r->mail, "References", id);
    r->mail->thread_count = r->mail->header_count;
}

static void add_filled(struct buf *out, const char *template, const struct reading *r)
{
    const struct {
        const char *name, *value;
    } vars[] = {
        {"{id}", r->m->id},
        {"{recipient}", r->mail->to.count ? r->mail->to.items[0].addr : ""},
        {"{contact_id}", r->m->text[MSG_CONTACT_ID]},
    };

    while (*template) {
        size_t i = 0;

        while (i < 3 && !text_starts(template, vars[i].name))
            i++;
        if (i == 3) {
            buf_addc(out, *template ++);
            continue;
        }
        if (vars[i].value)
            text_add_urlencoded(out, vars[i].value);
        template += strlen(vars[i].name);
    }
}

/* One click needs an https URL (RFC 8058); the address alone is the older way. */
static void read_unsubscribe(struct reading *r)
{
    const char *url = sender_value(r->ctx->sender, "unsubscribe_url");
    const char *address = sender_value(r->ctx->sender, "unsubscribe_address");
    struct buf value = {.max = 4096};

    if (r->m->type != TYPE_MARKETING || (text_is_empty(url) && text_is_empty(address)))
        return;
    if (!text_is_empty(url)) {
        buf_addc(&value, '<');
        add_filled(&value, url, r);
        buf_addc(&value, '>');
    }
    if (!text_is_empty(address))
        buf_addf(&value, "%s<mailto:%s>", value.len ? ", " : "", address);
    add_header(r->mail, "List-Unsubscribe", arena_strdup(&r->mail->arena, buf_str(&value)));
    if (!text_is_empty(url))
        add_header(r->mail, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
    buf_free(&value);
}

/* --- the whole --- */

enum sq_err mail_read_forward(const struct build_ctx *ctx, const struct message *m, unsigned max,
                              struct mail *ret, struct err_text *e)
{
    struct reading r = {.ctx = ctx, .m = m, .mail = ret, .max = max, .e = e};
    enum sq_err err = SQ_OK;

    if (m->list[MSG_MEDIA].count)
        err = err_set_field(e, SQ_ERR_INVALID, "media_urls", "a mail cannot carry them");
    if (!err)
        err = read_addresses(&r);
    if (!err)
        err = mail_check_attachments(m, e);
    if (!err) {
        read_thread(&r);
        read_unsubscribe(&r);
    }
    map_free(&r.seen);
    return err;
}

bool mail_forward_id(const struct message *m, char *ret, size_t size)
{
    struct original_names names;

    if (m->text[MSG_QUOTED] || !original_forwarded(m, &names))
        return false;
    snprintf(ret, size, "%s", *names.email_id ? names.email_id : names.message_id);
    return true;
}

enum sq_err mail_read(const struct build_ctx *ctx, const struct message *m, unsigned max,
                      struct mail *ret, struct err_text *e)
{
    char id[8];

    if (mail_forward_id(m, id, sizeof(id)))
        return err_set_field(e, SQ_ERR_INVALID, "forward",
                             "the mail is not kept here, and %s has none of its own",
                             ctx->sender->provider->name);
    return mail_read_forward(ctx, m, max, ret, e);
}

void mail_clear(struct mail *mail)
{
    arena_free(&mail->arena);
    memset(mail, 0, sizeof(*mail));
}

static bool is_plain(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s > '~' || strchr("<>\"", *s))
            return false;
    return true;
}

enum sq_err mail_check_sender(const struct sender *s, struct err_text *e)
{
    const char *url = sender_value(s, "unsubscribe_url");
    const char *address = sender_value(s, "unsubscribe_address");

    if (!text_is_empty(url) && (!text_starts(url, "https://") || !is_plain(url)))
        return err_set_field(e, SQ_ERR_INVALID, "unsubscribe_url", "expected an https:// URL");
    if (!text_is_empty(address) && (!strchr(address, '@') || !is_plain(address)))
        return err_set_field(e, SQ_ERR_INVALID, "unsubscribe_address", "expected an email address");
    return SQ_OK;
}

enum sq_err mail_compose(const struct build_ctx *ctx, const struct message *m,
                         const struct mail *mail, bool with_bcc, struct buf *out,
                         struct err_text *e)
{
    struct mime_in in = {
        .message = m,
        .from = mail->from,
        .to = mail->to,
        .cc = mail->cc,
        .reply_to = mail->reply_to,
        .in_reply_to = mail->thread_count ? mail->headers[0].value : NULL,
        .references = mail->thread_count > 1 ? mail->headers[1].value : NULL,
        .headers = mail->headers + mail->thread_count,
        .header_count = mail->header_count - mail->thread_count,
        .date_ms = ctx->now_ms,
    };

    if (with_bcc)
        in.bcc = mail->bcc;
    return mime_compose(&in, out, e);
}

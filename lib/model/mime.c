/* Composing a mail: headers here, the tree of parts in mime_body.c, then GMime writes it. */
#include "mime_impl.h"

#include "crypto.h"
#include "mime_stream.h"
#include "outcome.h"
#include "text.h"
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mime_is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* --- texts of headers --- */

bool mime_is_header_text(const char *s)
{
    return text_is_utf8(s, strlen(s)) && !text_has_control(s);
}

static enum sq_err check_header(struct composer *c, const char *field, const char *s)
{
    if (!s || mime_is_header_text(s))
        return SQ_OK;
    return err_set_field(c->e, SQ_ERR_INVALID, field, "must be one line of UTF-8 text");
}

bool mime_is_message_id(const char *s)
{
    size_t len = s ? strlen(s) : 0;
    const char *at = s ? strchr(s, '@') : NULL;

    if (len < 5 || len > MIME_MESSAGE_ID_MAX || s[0] != '<' || s[len - 1] != '>')
        return false;
    if (!at || at == s + 1 || at == s + len - 2)
        return false;
    for (size_t i = 1; i < len - 1; i++)
        if (s[i] <= ' ' || s[i] > '~' || strchr("<>,;()\"\\", s[i]))
            return false;
    return true;
}

/* Several message ids with single spaces between. */
static bool is_references(const char *s)
{
    char id[MIME_MESSAGE_ID_MAX + 1];

    while (*s) {
        size_t len = strcspn(s, " ");

        if (len > MIME_MESSAGE_ID_MAX)
            return false;
        memcpy(id, s, len);
        id[len] = '\0';
        if (!mime_is_message_id(id))
            return false;
        s += len + (s[len] == ' ');
    }
    return true;
}

/* RFC 2045 token, as in a media type. */
static bool is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!mime_is_alnum(s[i]) && !strchr("!#$%&'*+-.^_`|~", s[i]))
            return false;
    return len > 0 && len <= 127;
}

bool mime_is_type(const char *s)
{
    size_t len;

    if (text_is_empty(s))
        return true;
    len = strcspn(s, "/");
    return s[len] == '/' && is_token(s, len) && is_token(s + len + 1, strlen(s + len + 1));
}

bool mime_needs_smtputf8(const char *addr)
{
    const char *at = strrchr(addr, '@');

    for (; *addr && addr != at; addr++)
        if ((unsigned char)*addr >= 0x80)
            return true;
    return false;
}

/* --- addresses --- */

char *mime_plain_name(const char *name)
{
    struct buf plain = {0};

    for (const char *p = name; *p; p++) {
        buf_addc(&plain, *p);
        if (*p == '=' && p[1] == '?')
            buf_addc(&plain, ' ');
    }
    return plain.data;
}

/* The address with its domain in ASCII. */
static InternetAddress *mailbox_new(struct composer *c, const char *field,
                                    const struct address *box)
{
    InternetAddress *a;
    const char *ascii;
    char *name;

    if (!address_is_email(box->addr)) {
        err_set_field(c->e, SQ_ERR_INVALID, field, "must hold email addresses");
        return NULL;
    }
    if (check_header(c, field, box->name))
        return NULL;
    name = text_is_empty(box->name) ? NULL : mime_plain_name(box->name);
    a = internet_address_mailbox_new(name, box->addr);
    free(name);
    internet_address_set_charset(a, "utf-8");
    ascii = internet_address_mailbox_get_idn_addr(INTERNET_ADDRESS_MAILBOX(a));
    if (ascii && ascii != box->addr) {
        char *copy = g_strdup(ascii);

        internet_address_mailbox_set_addr(INTERNET_ADDRESS_MAILBOX(a), copy);
        g_free(copy);
    }
    return a;
}

static enum sq_err add_addresses(struct composer *c, GMimeMessage *mail, GMimeAddressType type,
                                 const char *field, const struct address_list *list)
{
    InternetAddressList *to = g_mime_message_get_addresses(mail, type);

    for (unsigned i = 0; i < list->count; i++) {
        InternetAddress *a = mailbox_new(c, field, &list->items[i]);

        if (!a)
            return SQ_ERR_INVALID;
        internet_address_list_add(to, a);
        g_object_unref(a);
    }
    return SQ_OK;
}

/* Words of 45 bytes are 60 characters of base64: 72 in all, of the 75 that RFC 2047 allows. */
void mime_encode_words(const char *text, struct buf *out)
{
    size_t left = strlen(text);

    for (size_t n; left > 0; left -= n, text += n) {
        n = text_cut(text, 45);
        n = n ? n : 1; /* not UTF-8: still an end */
        buf_adds(out, "=?utf-8?B?");
        base64_encode(out, text, n);
        buf_adds(out, left > n ? "?= " : "?=");
    }
}

/* --- message ids --- */

/* The id as a dot-atom: whatever else it holds is spelt out in hex. */
static void add_id_left(struct buf *out, const char *id)
{
    for (const char *p = id; *p; p++) {
        bool inner_dot = *p == '.' && p != id && p[1] && p[1] != '.' && p[-1] != '.';

        if (mime_is_alnum(*p) || *p == '-' || *p == '_' || inner_dot)
            buf_addc(out, *p);
        else
            buf_addf(out, "=%02X", (unsigned)(unsigned char)*p);
    }
}

void mime_message_id(const struct message *m, const char *from, struct buf *out)
{
    InternetAddress *a = internet_address_mailbox_new(NULL, from);
    const char *ascii = internet_address_mailbox_get_idn_addr(INTERNET_ADDRESS_MAILBOX(a));
    const char *at = strrchr(ascii ? ascii : from, '@');

    buf_addc(out, '<');
    add_id_left(out, m->id[0] ? m->id : "unknown");
    buf_adds(out, at ? at : "@localhost");
    buf_addc(out, '>');
    g_object_unref(a);
}

/* --- headers --- */

static enum sq_err add_recipients(struct composer *c, GMimeMessage *mail)
{
    const struct mime_in *in = c->in;
    struct address one = in->from;
    const struct address_list from = {.items = &one, .count = 1};
    enum sq_err err = add_addresses(c, mail, GMIME_ADDRESS_TYPE_FROM, "from", &from);

    if (!err)
        err = add_addresses(c, mail, GMIME_ADDRESS_TYPE_REPLY_TO, "reply_to", &in->reply_to);
    if (!err)
        err = add_addresses(c, mail, GMIME_ADDRESS_TYPE_TO, "recipient", &in->to);
    if (!err)
        err = add_addresses(c, mail, GMIME_ADDRESS_TYPE_CC, "cc", &in->cc);
    if (!err)
        err = add_addresses(c, mail, GMIME_ADDRESS_TYPE_BCC, "bcc", &in->bcc);
    return err;
}

static enum sq_err add_thread(struct composer *c, GMimeMessage *mail)
{
    const char *reply = c->in->in_reply_to, *references = c->in->references;

    if (reply && !mime_is_message_id(reply))
        return err_set_field(c->e, SQ_ERR_INVALID, "in_reply_to", "must be a message id");
    if (references && !is_references(references))
        return err_set_field(c->e, SQ_ERR_INVALID, "references", "must be message ids");
    if (!references)
        references = reply;
    if (reply)
        g_mime_object_set_header(GMIME_OBJECT(mail), "In-Reply-To", reply, NULL);
    if (references)
        g_mime_object_set_header(GMIME_OBJECT(mail), "References", references, NULL);
    return SQ_OK;
}

/* A value that must not be taken for text and encoded (URLs in angle brackets, encoded words):
 * given raw, folded at each space behind `fold`. */
static void append_raw(GMimeMessage *mail, const struct mime_header *h, char fold)
{
    GMimeHeaderList *all = g_mime_object_get_header_list(GMIME_OBJECT(mail));
    struct buf raw = {0};
    GMimeHeader *header;

    buf_addc(&raw, ' ');
    for (const char *p = h->value; *p; p++) {
        if (*p == ' ' && p != h->value && p[-1] == fold)
            buf_adds(&raw, "\n ");
        else
            buf_addc(&raw, *p);
    }
    buf_addc(&raw, '\n');
    g_mime_header_list_append(all, h->name, h->value, NULL);
    header = g_mime_header_list_get_header_at(all, g_mime_header_list_get_count(all) - 1);
    g_mime_header_set_raw_value(header, buf_str(&raw));
    buf_free(&raw);
}

static bool is_raw_value(const char *s)
{
    size_t word = 0;

    for (; *s; s++) {
        if (*s < ' ' || *s > '~')
            return false;
        word = *s == ' ' ? 0 : word + 1;
        if (word > MIME_LINE_MAX)
            return false;
    }
    return true;
}

static enum sq_err add_extra(struct composer *c, GMimeMessage *mail)
{
    for (unsigned i = 0; i < c->in->header_count; i++) {
        const struct mime_header *h = &c->in->headers[i];

        if (!is_token(h->name, strlen(h->name)) || !is_raw_value(h->value))
            return err_set_field(c->e, SQ_ERR_INVALID, "headers", "one cannot stand in a mail");
        append_raw(mail, h, ',');
    }
    return SQ_OK;
}

static void add_date_and_id(struct composer *c, GMimeMessage *mail)
{
    GDateTime *date = g_date_time_new_from_unix_utc(c->in->date_ms / 1000);
    struct buf id = {0};

    if (date) {
        g_mime_message_set_date(mail, date);
        g_date_time_unref(date);
    }
    mime_message_id(c->in->message, c->in->from.addr, &id);
    id.data[id.len - 1] = '\0'; /* GMime adds the brackets */
    g_mime_message_set_message_id(mail, id.data + 1);
    buf_free(&id);
}

/* GMime takes what looks like an encoded word for one, and would hand it on. */
static void add_subject(GMimeMessage *mail, const char *subject)
{
    struct mime_header h = {.name = "Subject"};
    struct buf words = {0};

    if (!strstr(subject, "=?")) {
        g_mime_message_set_subject(mail, subject, "utf-8");
        return;
    }
    mime_encode_words(subject, &words);
    h.value = buf_str(&words);
    append_raw(mail, &h, '=');
    buf_free(&words);
}

static enum sq_err add_headers(struct composer *c, GMimeMessage *mail)
{
    const char *subject = c->in->message->text[MSG_SUBJECT];
    enum sq_err err = add_recipients(c, mail);

    if (!err)
        err = check_header(c, "subject", subject);
    if (err)
        return err;
    if (!text_is_empty(subject))
        add_subject(mail, subject);
    add_date_and_id(c, mail);
    err = add_thread(c, mail);
    return err ? err : add_extra(c, mail);
}

/* --- the whole --- */

/* What the mail will need, so that a large buffer does not grow step by step. */
static size_t estimate(const struct message *m)
{
    size_t n = 8192;

    for (unsigned i = 0; i < m->attachment_count; i++) {
        size_t len =
            m->attachments[i].content_base64 ? strlen(m->attachments[i].content_base64) : 0;
        n += len + len / 38 + 1024;
    }
    return n;
}

static enum sq_err write_mail(struct composer *c, GMimeMessage *mail, struct buf *out)
{
    GMimeFormatOptions *options = g_mime_format_options_new();
    GMimeStream *sink = mime_sink_new(out);

    g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_UNIX); /* see sink */
    g_mime_format_options_set_param_encoding_method(options, GMIME_PARAM_ENCODING_METHOD_RFC2231);
    buf_reserve(out, estimate(c->in->message));
    g_mime_object_write_to_stream(GMIME_OBJECT(mail), options, sink);
    g_object_unref(sink);
    g_mime_format_options_free(options);
    if (!out->failed)
        return SQ_OK;
    err_set(c->e, SQ_ERR_TOO_LARGE, "the mail is too large");
    if (c->e)
        snprintf(c->e->code, sizeof(c->e->code), "%s", error_code_name(CODE_TOO_LARGE));
    return SQ_ERR_TOO_LARGE;
}

enum sq_err mime_compose(const struct mime_in *in, struct buf *out, struct err_text *e)
{
    struct composer c = {.in = in, .e = e};
    GMimeMessage *mail;
    GMimeObject *body;
    enum sq_err err;

    g_mime_init();
    err = mime_check_attachments(&c);
    if (err)
        return err;
    mail = g_mime_message_new(FALSE);
    err = add_headers(&c, mail);
    if (!err) {
        body = mime_body(&c);
        g_mime_message_set_mime_part(mail, body);
        g_object_unref(body);
        err = write_mail(&c, mail, out);
    }
    g_object_unref(mail);
    return err;
}

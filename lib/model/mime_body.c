/* The tree of parts:
 *
 *   mixed            when there are attachments
 *     alternative    when there are both texts
 *       text/plain
 *       related      when images belong to the html
 *         text/html
 *         images
 *     attachments
 *
 * Boundaries need no randomness: they hold "=_", which cannot stand in base64 nor in
 * quoted-printable, and a text that holds it is never sent as it is. */
#include "mime_impl.h"

#include "crypto.h"
#include "mime_stream.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "=_" /* in every boundary */

/* --- parts --- */

struct text_traits {
    size_t bytes, high;
    bool encode; /* cannot stand as it is */
};

/* A lone CR, a line too long, a trailing blank or anything like a boundary must be encoded. */
static struct text_traits look_at_text(const char *s)
{
    struct text_traits t = {.encode = strstr(s, MARK) != NULL};
    size_t line = 0;

    for (; *s; s++, t.bytes++) {
        bool end = *s == '\n';

        if (*s == '\r' && s[1] != '\n')
            t.encode = true;
        if ((*s == ' ' || *s == '\t') && (s[1] == '\n' || s[1] == '\r' || !s[1]))
            t.encode = true;
        t.high += (unsigned char)*s >= 0x80;
        line = end ? 0 : line + 1;
        if (line > MIME_LINE_MAX)
            t.encode = true;
    }
    return t;
}

/* Mostly ASCII stays readable as quoted-printable; else base64 is shorter. */
static GMimeContentEncoding text_encoding(const char *s)
{
    struct text_traits t = look_at_text(s);

    if (t.high > t.bytes / 6)
        return GMIME_CONTENT_ENCODING_BASE64;
    return t.encode || t.high ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
                              : GMIME_CONTENT_ENCODING_7BIT;
}

static void set_content(GMimePart *part, GMimeStream *stream, GMimeContentEncoding has,
                        GMimeContentEncoding wants)
{
    GMimeDataWrapper *content = g_mime_data_wrapper_new_with_stream(stream, has);

    g_mime_part_set_content(part, content);
    g_mime_part_set_content_encoding(part, wants);
    g_object_unref(content);
    g_object_unref(stream);
}

static GMimeObject *text_part(const char *subtype, const char *text)
{
    GMimePart *part = g_mime_part_new_with_type("text", subtype);
    const char *s = text ? text : "";

    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
    set_content(part, mime_source_new(s, strlen(s), MIME_SOURCE_TEXT),
                GMIME_CONTENT_ENCODING_DEFAULT, text_encoding(s));
    return GMIME_OBJECT(part);
}

static GMimeMultipart *multipart(struct composer *c, const char *subtype)
{
    GMimeMultipart *m = g_mime_multipart_new_with_subtype(subtype);
    char boundary[64], hex[65];
    uint8_t digest[32];

    crypto_sha256(c->in->message->id, strlen(c->in->message->id), digest);
    crypto_hex(digest, sizeof(digest), hex);
    snprintf(boundary, sizeof(boundary), MARK "%u_%.24s", c->parts++, hex);
    g_mime_multipart_set_boundary(m, boundary);
    return m;
}

static GMimeObject *wrap(GMimeMultipart *m, GMimeObject *first)
{
    g_mime_multipart_add(m, first);
    g_object_unref(first);
    return GMIME_OBJECT(m);
}

/* --- attachments --- */

static bool has_html(const struct composer *c)
{
    return !text_is_empty(c->in->message->text[MSG_HTML]);
}

/* An image that the html shows; without html it is an attachment like others. */
static bool is_inline(const struct composer *c, const struct attachment *a)
{
    return has_html(c) && !text_is_empty(a->content_id);
}

static enum sq_err attachment_fault(struct composer *c, unsigned i, const char *member,
                                    const char *text)
{
    char field[64];

    snprintf(field, sizeof(field), "attachments[%u].%s", i, member);
    return err_set_field(c->e, SQ_ERR_INVALID, field, "%s", text);
}

static bool is_content_id(const char *s)
{
    for (const char *p = s; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("<>()\"\\", *p))
            return false;
    return *s && strlen(s) <= MIME_MESSAGE_ID_MAX;
}

static enum sq_err check_attachment(struct composer *c, unsigned i)
{
    const struct attachment *a = &c->in->message->attachments[i];
    size_t bytes;

    if (!a->content_base64)
        return attachment_fault(c, i, "content_base64", "the content is not there");
    if (!base64_check(a->content_base64, strlen(a->content_base64), &bytes))
        return attachment_fault(c, i, "content_base64", "must be base64");
    if (!mime_is_type(a->mime_type))
        return attachment_fault(c, i, "mime_type", "must be type/subtype");
    if (a->filename && !mime_is_header_text(a->filename))
        return attachment_fault(c, i, "filename", "must be one line of UTF-8 text");
    if (!text_is_empty(a->content_id) && !is_content_id(a->content_id))
        return attachment_fault(c, i, "content_id", "must be printable ASCII without spaces");
    return SQ_OK;
}

enum sq_err mime_check_attachments(struct composer *c)
{
    enum sq_err err = SQ_OK;

    for (unsigned i = 0; i < c->in->message->attachment_count && !err; i++)
        err = check_attachment(c, i);
    return err;
}

/* Composite types may not be in base64 (RFC 2046 5.2.1), so such a file goes as any other. */
static GMimePart *typed_part(const char *type)
{
    char main_type[128];
    size_t len;

    if (text_is_empty(type) || strncasecmp(type, "multipart/", 10) == 0 ||
        strncasecmp(type, "message/", 8) == 0)
        type = "application/octet-stream";
    len = strcspn(type, "/");
    snprintf(main_type, sizeof(main_type), "%.*s", (int)len, type);
    return g_mime_part_new_with_type(main_type, type + len + 1);
}

static GMimeObject *attachment_part(struct composer *c, const struct attachment *a)
{
    GMimePart *part = typed_part(a->mime_type);
    size_t len = strlen(a->content_base64);

    g_mime_object_set_disposition(GMIME_OBJECT(part), is_inline(c, a)
                                                          ? GMIME_DISPOSITION_INLINE
                                                          : GMIME_DISPOSITION_ATTACHMENT);
    if (!text_is_empty(a->filename)) {
        char *name = mime_plain_name(a->filename);

        g_mime_part_set_filename(part, name);
        free(name);
    }
    if (!text_is_empty(a->content_id))
        g_mime_part_set_content_id(part, a->content_id);
    set_content(part, mime_source_new(a->content_base64, len, MIME_SOURCE_BASE64),
                GMIME_CONTENT_ENCODING_BASE64, GMIME_CONTENT_ENCODING_BASE64);
    return GMIME_OBJECT(part);
}

/* `first`, and with it in one multipart all attachments that are, or are not, inline. */
static GMimeObject *with_attachments(struct composer *c, GMimeObject *first, bool inlines)
{
    const struct message *m = c->in->message;
    GMimeMultipart *all = NULL;

    for (unsigned i = 0; i < m->attachment_count; i++) {
        GMimeObject *part;

        if (is_inline(c, &m->attachments[i]) != inlines)
            continue;
        if (!all) {
            all = multipart(c, inlines ? "related" : "mixed");
            first = wrap(all, first);
        }
        part = attachment_part(c, &m->attachments[i]);
        g_mime_multipart_add(all, part);
        g_object_unref(part);
    }
    return first;
}

GMimeObject *mime_body(struct composer *c)
{
    const struct message *m = c->in->message;
    bool has_text = !text_is_empty(m->text[MSG_CONTENT]);
    GMimeMultipart *both;
    GMimeObject *html;

    if (!has_html(c))
        return with_attachments(c, text_part("plain", m->text[MSG_CONTENT]), false);
    html = with_attachments(c, text_part("html", m->text[MSG_HTML]), true);
    if (has_text) {
        both = multipart(c, "alternative");
        wrap(both, text_part("plain", m->text[MSG_CONTENT]));
        html = wrap(both, html);
    }
    return with_attachments(c, html, false);
}

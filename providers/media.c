/* Kinds of files by name and type, and writing multipart/form-data (RFC 7578). */
#include "media.h"

#include "crypto.h"
#include "text.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *ending;
    const char *type;
} types[] = {
    {"jpg", "image/jpeg"},      {"jpeg", "image/jpeg"},       {"png", "image/png"},
    {"gif", "image/gif"},       {"webp", "image/webp"},       {"bmp", "image/bmp"},
    {"mp3", "audio/mpeg"},      {"m4a", "audio/mp4"},         {"aac", "audio/aac"},
    {"ogg", "audio/ogg"},       {"opus", "audio/ogg"},        {"amr", "audio/amr"},
    {"wav", "audio/wav"},       {"mp4", "video/mp4"},         {"3gp", "video/3gpp"},
    {"mov", "video/quicktime"}, {"webm", "video/webm"},       {"pdf", "application/pdf"},
    {"txt", "text/plain"},      {"csv", "text/csv"},          {"zip", "application/zip"},
    {"vcf", "text/vcard"},      {"json", "application/json"},
};

/* The ending of a file name, or of a URL's path. */
static const char *type_by_name(const char *name)
{
    size_t len = name ? strcspn(name, "?#") : 0;
    size_t dot = len;

    while (dot > 0 && name[dot - 1] != '.' && name[dot - 1] != '/')
        dot--;
    if (dot == 0 || name[dot - 1] != '.')
        return NULL;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strlen(types[i].ending) == len - dot &&
            strncasecmp(types[i].ending, name + dot, len - dot) == 0)
            return types[i].type;
    }
    return NULL;
}

const char *media_type_of(const char *mime_type, const char *name)
{
    const char *type = text_is_empty(mime_type) ? type_by_name(name) : mime_type;

    return type ? type : "application/octet-stream";
}

enum media_kind media_kind_of(const char *mime_type, const char *name)
{
    const char *type = media_type_of(mime_type, name);

    if (strncasecmp(type, "image/", 6) == 0)
        return MEDIA_IMAGE;
    if (strncasecmp(type, "audio/", 6) == 0)
        return MEDIA_AUDIO;
    return strncasecmp(type, "video/", 6) == 0 ? MEDIA_VIDEO : MEDIA_FILE;
}

const char *media_name(const struct attachment *a)
{
    return text_is_empty(a->filename) ? "file" : a->filename;
}

/* --- multipart --- */

/* Each file's digest with the one before: a file would have to hold a digest of itself. */
static void digest_files(const struct message *m, uint8_t ret[32])
{
    crypto_sha256(m->id, strlen(m->id), ret);
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const char *content = m->attachments[i].content_base64;
        uint8_t both[64];

        if (!content)
            continue;
        memcpy(both, ret, 32);
        crypto_sha256(content, strlen(content), both + 32);
        crypto_sha256(both, sizeof(both), ret);
    }
}

void form_data_begin(struct form_data *f, const struct message *m, struct buf *body)
{
    uint8_t digest[32];

    digest_files(m, digest);
    f->body = body;
    crypto_hex(digest, 20, f->boundary);
    snprintf(f->content_type, sizeof(f->content_type), "multipart/form-data; boundary=%s",
             f->boundary);
}

/* As browsers do it: a quote and line ends percent-encoded. */
static void add_quoted(struct buf *b, const char *s)
{
    buf_addc(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\r' || *s == '\n')
            buf_addf(b, "%%%02X", (unsigned)*s);
        else
            buf_addc(b, *s);
    }
    buf_addc(b, '"');
}

static void add_head(struct form_data *f, const char *name)
{
    buf_addf(f->body, "--%s\r\nContent-Disposition: form-data; name=", f->boundary);
    add_quoted(f->body, name);
}

void form_data_text(struct form_data *f, const char *name, const char *value)
{
    add_head(f, name);
    buf_adds(f->body, "\r\n\r\n");
    buf_adds(f->body, value);
    buf_adds(f->body, "\r\n");
}

enum sq_err form_data_file(struct form_data *f, const char *name, const struct attachment *a,
                           struct err_text *e)
{
    const char *type = media_type_of(a->mime_type, a->filename);

    add_head(f, name);
    buf_adds(f->body, "; filename=");
    add_quoted(f->body, media_name(a));
    /* A type that could break out of its line is none. */
    buf_addf(f->body, "\r\nContent-Type: %s\r\n\r\n",
             text_has_control(type) ? "application/octet-stream" : type);
    if (!a->content_base64 ||
        base64_decode(f->body, a->content_base64, strlen(a->content_base64), false)) {
        if (f->body->failed)
            return SQ_OK; /* too large: the end of every build says so */
        return err_set_field(e, SQ_ERR_INVALID, "attachments", "content_base64 is not base64");
    }
    buf_adds(f->body, "\r\n");
    return SQ_OK;
}

void form_data_end(struct form_data *f)
{
    buf_addf(f->body, "--%s--\r\n", f->boundary);
}

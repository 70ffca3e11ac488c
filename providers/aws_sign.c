/* AWS Signature Version 4: canonical request -> string to sign -> signature, as the guide has it.
 * Signed are the host, the date, the Content-Type and the session token. */
#include "aws_sign.h"

#include "crypto.h"
#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <string.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

static const char *const methods[HTTP_METHOD_COUNT] = {
    [HTTP_POST] = "POST",   [HTTP_GET] = "GET",       [HTTP_PUT] = "PUT",
    [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
};

struct signing {
    const struct request *r;
    const struct aws_account *a;
    char time[17]; /* 20150830T123600Z; the first 8 are the day */
    struct buf scope;
    struct buf names; /* signed headers, "content-type;host;..." */
};

/* "2015-08-30T12:36:00Z" without its punctuation. */
static void basic_time(int64_t now_ms, char ret[17])
{
    char full[TIME_TEXT];
    size_t n = 0;

    time_format_seconds(now_ms, full);
    for (const char *p = full; *p && n < 16; p++)
        if (*p != '-' && *p != ':')
            ret[n++] = *p;
    ret[n] = '\0';
}

static const char *content_type(const struct request *r)
{
    for (unsigned i = 0; i < r->header_count; i++) {
        const char *line = request_header_at(r, i);

        if (text_starts(line, "Content-Type: "))
            return line + 14;
    }
    return NULL;
}

static void add_hash(struct buf *b, const void *data, size_t len)
{
    uint8_t digest[32];
    char hex[65];

    crypto_sha256(len ? data : "", len, digest);
    crypto_hex(digest, sizeof(digest), hex);
    buf_adds(b, hex);
}

static void add_signed(struct signing *s, struct buf *b, const char *name, const char *value,
                       size_t len)
{
    if (!value)
        return;
    buf_addf(b, "%s:", name);
    buf_add(b, value, len);
    buf_addc(b, '\n');
    buf_addf(&s->names, "%s%s", s->names.len ? ";" : "", name);
}

static void add_signed_text(struct signing *s, struct buf *b, const char *name, const char *value)
{
    add_signed(s, b, name, value, value ? strlen(value) : 0);
}

static void add_canonical(struct signing *s, struct buf *b)
{
    const char *url = buf_str(&s->r->url), *host = strstr(url, "://");
    const char *path, *query, *token = s->a->session_token;

    host = host ? host + 3 : url;
    path = host + strcspn(host, "/?");
    query = path + strcspn(path, "?");
    buf_addf(b, "%s\n", methods[s->r->method]);
    if (path == query)
        buf_addc(b, '/');
    buf_add(b, path, (size_t)(query - path));
    buf_addf(b, "\n%s\n", *query ? query + 1 : "");
    add_signed_text(s, b, "content-type", content_type(s->r));
    add_signed(s, b, "host", host, (size_t)(path - host));
    add_signed_text(s, b, "x-amz-date", s->time);
    add_signed_text(s, b, "x-amz-security-token", text_is_empty(token) ? NULL : token);
    buf_addf(b, "\n%s\n", buf_str(&s->names));
    add_hash(b, s->r->body.data, s->r->body.len);
}

static void hmac(const void *key, size_t len, const char *text, uint8_t ret[32])
{
    uint8_t mac[32];

    crypto_hmac_sha256(key, len, text, strlen(text), mac);
    memcpy(ret, mac, sizeof(mac));
}

static void sign(const struct signing *s, const char *text, char ret_hex[65])
{
    struct buf first = {.max = 1024};
    uint8_t key[32];
    char day[9];

    snprintf(day, sizeof(day), "%.8s", s->time);
    buf_addf(&first, "AWS4%s", s->a->secret_access_key);
    hmac(first.data, first.len, day, key);
    hmac(key, sizeof(key), s->a->region, key);
    hmac(key, sizeof(key), s->a->service, key);
    hmac(key, sizeof(key), "aws4_request", key);
    hmac(key, sizeof(key), text, key);
    crypto_hex(key, sizeof(key), ret_hex);
    if (first.data)
        explicit_bzero(first.data, first.len);
    buf_free(&first);
}

static enum sq_err add_result(struct request *r, const struct signing *s, const char *signature,
                              struct err_text *e)
{
    struct buf value = {.max = 4096};
    enum sq_err err = request_header(r, "X-Amz-Date", s->time, e);

    if (!err && !text_is_empty(s->a->session_token))
        err = request_header(r, "X-Amz-Security-Token", s->a->session_token, e);
    buf_addf(&value, ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
             s->a->access_key_id, buf_str(&s->scope), buf_str(&s->names), signature);
    if (!err)
        err = request_header(r, "Authorization", buf_str(&value), e);
    buf_free(&value);
    return err;
}

enum sq_err aws_sign(struct request *r, const struct aws_account *a, int64_t now_ms,
                     struct err_text *e)
{
    struct signing s = {.r = r, .a = a};
    struct buf canonical = {0}, text = {0};
    char signature[65];
    enum sq_err err;

    basic_time(now_ms, s.time);
    buf_addf(&s.scope, "%.8s/%s/%s/aws4_request", s.time, a->region, a->service);
    add_canonical(&s, &canonical);
    buf_addf(&text, ALGORITHM "\n%s\n%s\n", s.time, buf_str(&s.scope));
    add_hash(&text, canonical.data, canonical.len);
    sign(&s, buf_str(&text), signature);
    err = add_result(r, &s, signature, e);
    buf_free(&canonical);
    buf_free(&text);
    buf_free(&s.scope);
    buf_free(&s.names);
    return err;
}

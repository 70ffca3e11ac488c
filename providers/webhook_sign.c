/* The headers of a webhook after the Standard Webhooks specification.
 *
 * The webhook-id is the same at every attempt, so that a receiver can drop a repeat; timestamp
 * and signature are of the attempt, since receivers refuse old ones. */
#include "webhook_sign.h"

#include "crypto.h"
#include "text.h"
#include "uuid.h"
#include <stdio.h>
#include <string.h>

#define SECRET_PREFIX "whsec_"
/* Of a key, as the specification has it. */
#define KEY_MIN 24
#define KEY_MAX 64
#define SECRETS_MAX 8

/* Takes the next secret of the list and decodes its key; false at the end or when broken (*ret_ok
 * says which). */
static bool next_key(const char **p, struct buf *key, bool *ret_ok)
{
    size_t len;

    *ret_ok = true;
    *p += strspn(*p, " ");
    len = strcspn(*p, " ");
    if (len == 0)
        return false;
    buf_clear(key);
    *ret_ok = text_starts(*p, SECRET_PREFIX) &&
              !base64_decode(key, *p + strlen(SECRET_PREFIX), len - strlen(SECRET_PREFIX), false) &&
              key->len >= KEY_MIN && key->len <= KEY_MAX;
    *p += len;
    return *ret_ok;
}

static void free_key(struct buf *key)
{
    if (key->data)
        explicit_bzero(key->data, key->cap);
    buf_free(key);
}

enum sq_err webhook_secret_check(const char *secrets, struct err_text *e)
{
    const char *p = secrets;
    struct buf key = {.max = 4096};
    unsigned count = 0;
    bool ok;

    while (next_key(&p, &key, &ok))
        count++;
    free_key(&key);
    if (!ok)
        return err_set_field(e, SQ_ERR_INVALID, "secret",
                             "expected " SECRET_PREFIX " and base64 of %d to %d bytes", KEY_MIN,
                             KEY_MAX);
    if (count > SECRETS_MAX)
        return err_set_field(e, SQ_ERR_INVALID, "secret", "at most %d", SECRETS_MAX);
    return SQ_OK;
}

/* Id, time and body are signed with dots between them, so the id must have none: an id with dots
 * (a producer's own) is replaced by one made from it. */
void webhook_id(const char *message_id, char ret[WEBHOOK_ID_TEXT])
{
    if (strchr(message_id, '.'))
        uuid_v5("", message_id, ret);
    else
        snprintf(ret, WEBHOOK_ID_TEXT, "%s", message_id);
}

static void add_signatures(const char *secrets, const struct buf *content, struct buf *out)
{
    struct buf key = {.max = 4096};
    uint8_t mac[32];
    bool ok;

    while (next_key(&secrets, &key, &ok)) {
        crypto_hmac_sha256(key.data, key.len, content->data, content->len, mac);
        buf_adds(out, out->len ? " v1," : "v1,");
        base64_encode(out, mac, sizeof(mac));
    }
    free_key(&key);
}

static enum sq_err add_signature_header(const char *secrets, const char *id, const char *timestamp,
                                        struct request *r, struct err_text *e)
{
    struct buf content = {.max = r->body.max};
    struct buf value = {.max = 1024};
    enum sq_err err = SQ_OK;

    buf_adds(&content, id);
    buf_addc(&content, '.');
    buf_adds(&content, timestamp);
    buf_addc(&content, '.');
    buf_add(&content, buf_str(&r->body), r->body.len);
    r->body.failed |= content.failed;
    if (!content.failed) {
        add_signatures(secrets, &content, &value);
        err = request_header(r, "webhook-signature", buf_str(&value), e);
    }
    buf_free(&value);
    buf_free(&content);
    return err;
}

enum sq_err webhook_sign(const char *secrets, const char *message_id, int64_t now_ms,
                         struct request *r, struct err_text *e)
{
    char id[WEBHOOK_ID_TEXT];
    char timestamp[24];
    enum sq_err err;

    webhook_id(message_id, id);
    snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(now_ms / 1000));
    err = request_header(r, "webhook-id", id, e);
    if (!err)
        err = request_header(r, "webhook-timestamp", timestamp, e);
    if (!err && secrets)
        err = add_signature_header(secrets, id, timestamp, r, e);
    return err;
}

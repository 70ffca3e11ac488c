/* A webhook receiver after the Standard Webhooks specification: any method, any path below
 * /webhook, 200 {"id":"wh-<n>"}. With a secret configured every request must carry a good
 * signature of the last five minutes. */
#include "dialect.h"

#include "crypto.h"
#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE_S 300
#define KEY_MIN 24 /* bytes, by the specification */
#define KEY_MAX 64

struct webhook {
    uint8_t key[KEY_MAX];
    size_t key_len; /* 0 = signatures are not looked at */
};

static void *webhook_open(void)
{
    return mem_zalloc(sizeof(struct webhook));
}

static void webhook_close(void *state)
{
    free(state);
}

static void webhook_reset(void *state)
{
    (void)state;
}

static enum sq_err set_secret(struct webhook *w, const char *secret, struct err_text *e)
{
    struct buf key = {.max = 4096};
    enum sq_err err = SQ_OK;

    if (!text_starts(secret, "whsec_") ||
        base64_decode(&key, secret + 6, strlen(secret + 6), false) || key.len < KEY_MIN ||
        key.len > KEY_MAX) {
        err = err_set_field(e, SQ_ERR_INVALID, "secret",
                            "must be whsec_ and the base64 of 24 to 64 bytes");
    } else {
        memcpy(w->key, key.data, key.len);
        w->key_len = key.len;
    }
    buf_free(&key);
    return err;
}

/* {"secret":"whsec_..."}, or null to stop verifying. */
static enum sq_err webhook_configure(void *state, const cJSON *settings, struct err_text *e)
{
    struct webhook *w = state;
    const cJSON *secret = json_get(settings, "secret");

    if (cJSON_IsString(secret))
        return set_secret(w, secret->valuestring, e);
    if (!cJSON_IsNull(secret))
        return err_set_field(e, SQ_ERR_INVALID, "secret", "must be a string or null");
    w->key_len = 0;
    return SQ_OK;
}

/* The identity is webhook-id; a receiver that gets none looks for what a body may name. */
static void webhook_read(struct exchange *x)
{
    const char *id = record_header(x->record, "webhook-id");
    const cJSON *body = x->record->body[0] == '{' ? exchange_json(x) : NULL;
    const char *to = json_str(body, "recipient");

    record_set_id(x->record, id ? id : json_str(body, "id"));
    record_set_recipient(x->record, to ? to : json_str(body, "to"));
}

/* True if one of the space-separated signatures is "v1,<expected>". Compared in constant time as
 * the specification asks of receivers. */
static bool has_signature(const char *list, const char *expected)
{
    size_t len = strlen(expected);

    for (const char *s = list; *s;) {
        size_t n = strcspn(s, " ");

        if (n == len && CRYPTO_memcmp(s, expected, len) == 0)
            return true;
        s += n;
        s += strspn(s, " ");
    }
    return false;
}

static bool is_signed(const struct webhook *w, const struct record *r, const char *id,
                      const char *timestamp, const char *signatures)
{
    struct buf text = {.max = EXCHANGE_BODY_MAX + 4096}, expected = {0};
    uint8_t mac[32];
    bool good;

    buf_addf(&text, "%s.%s.", id, timestamp);
    buf_add(&text, r->body, r->body_len);
    crypto_hmac_sha256(w->key, w->key_len, text.data, text.len, mac);
    buf_adds(&expected, "v1,");
    base64_encode(&expected, mac, sizeof(mac));
    good = !text.failed && has_signature(signatures, buf_str(&expected));
    buf_free(&text);
    buf_free(&expected);
    return good;
}

static bool is_recent(const struct record *r, const char *timestamp)
{
    int64_t at;

    if (text_to_i64(timestamp, &at))
        return false;
    return llabs(at - r->wall_us / 1000000) <= TOLERANCE_S;
}

/* True if the request may pass; else the error is answered. */
static bool verify(struct exchange *x, const struct webhook *w)
{
    const char *id = record_header(x->record, "webhook-id");
    const char *timestamp = record_header(x->record, "webhook-timestamp");
    const char *signatures = record_header(x->record, "webhook-signature");

    if (text_is_empty(id) || text_is_empty(timestamp) || text_is_empty(signatures))
        exchange_error(x, 400, "missing_headers",
                       "webhook-id, webhook-timestamp and webhook-signature are required");
    else if (strchr(id, '.'))
        exchange_error(x, 400, "bad_id", "webhook-id must not hold a full stop");
    else if (!is_recent(x->record, timestamp))
        exchange_error(x, 401, "bad_timestamp",
                       "webhook-timestamp must be Unix seconds within %d s of now", TOLERANCE_S);
    else if (!is_signed(w, x->record, id, timestamp, signatures))
        exchange_error(x, 401, "bad_signature", "no v1 signature matches");
    else
        return true;
    return false;
}

static void webhook_answer(struct exchange *x)
{
    const struct webhook *w = x->state;
    char id[32];

    if (w->key_len > 0 && !verify(x, w))
        return;
    snprintf(id, sizeof(id), "wh-%llu", (unsigned long long)exchange_serial(x));
    json_key_str(exchange_begin(x, 200), "id", id);
    exchange_end(x);
}

const struct dialect dialect_webhook = {
    .name = "webhook",
    .prefix = "/webhook",
    .read = webhook_read,
    .answer = webhook_answer,
    .open = webhook_open,
    .close = webhook_close,
    .reset = webhook_reset,
    .configure = webhook_configure,
};

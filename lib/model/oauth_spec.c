/* Token requests and what their answers mean. */
#include "oauth_spec.h"

#include "crypto.h"
#include "json.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define ASSERTION_S 3600 /* how long a JWT is good for: the most that Google takes */
#define EXPIRES_DEFAULT_MS 3600000
#define RETRY_AFTER_MAX_MS ((int64_t)3600 * 1000)

/* --- the request --- */

static void add_field(struct buf *b, const char *name, const char *value)
{
    if (text_is_empty(value))
        return;
    buf_addf(b, "%s%s=", b->len ? "&" : "", name);
    text_add_urlencoded(b, value);
}

static void add_part(struct buf *jwt, const struct buf *json)
{
    if (jwt->len)
        buf_addc(jwt, '.');
    base64url_encode(jwt, json->data, json->len);
}

static void add_claims(const struct provider_oauth *spec, const cJSON *key, int64_t now_s,
                       struct buf *jwt)
{
    struct buf json = {0};

    json_open(&json, '{');
    json_key_str(&json, "iss", json_str(key, "client_email"));
    json_opt_str(&json, "scope", spec->scope);
    json_key_str(&json, "aud", spec->token_url);
    json_opt_str(&json, "sub", spec->subject);
    json_key_int(&json, "iat", now_s);
    json_key_int(&json, "exp", now_s + ASSERTION_S);
    json_close(&json, '}');
    add_part(jwt, &json);
    buf_free(&json);
}

static void add_jose_header(const cJSON *key, struct buf *jwt)
{
    struct buf json = {0};

    json_open(&json, '{');
    json_key_str(&json, "alg", "RS256");
    json_key_str(&json, "typ", "JWT");
    json_opt_str(&json, "kid", json_str(key, "private_key_id"));
    json_close(&json, '}');
    add_part(jwt, &json);
    buf_free(&json);
}

static enum sq_err add_assertion(const struct provider_oauth *spec, int64_t now_ms, struct buf *b,
                                 struct err_text *e)
{
    static const struct json_limits limits = {.max_bytes = 65536};
    const char *text = spec->service_account ? spec->service_account : "";
    struct buf jwt = {0}, signature = {0};
    cJSON *key = NULL;
    bool ok = json_parse(text, strlen(text), &limits, &key, NULL) == SQ_OK &&
              json_str(key, "client_email") && json_str(key, "private_key");

    if (ok) {
        add_jose_header(key, &jwt);
        add_claims(spec, key, now_ms / 1000, &jwt);
        ok = crypto_sign_rs256(json_str(key, "private_key"), jwt.data, jwt.len, &signature);
        add_part(&jwt, &signature);
        add_field(b, "assertion", buf_str(&jwt));
    }
    json_free(key);
    buf_free(&jwt);
    buf_free(&signature);
    return ok ? SQ_OK
              : err_set(e, SQ_ERR_INVALID,
                        "the service account is no key file with client_email and private_key");
}

static void add_client(const struct provider_oauth *spec, struct buf *b)
{
    add_field(b, "client_id", spec->client_id);
    add_field(b, "client_secret", spec->client_secret);
}

enum sq_err oauth_request(const struct provider_oauth *spec, const char *url,
                          const char *refresh_token, int64_t now_ms, struct request *r,
                          struct err_text *e)
{
    static const char *const grants[] = {
        [OAUTH_CLIENT_CREDENTIALS] = "client_credentials",
        [OAUTH_REFRESH_TOKEN] = "refresh_token",
        [OAUTH_SERVICE_ACCOUNT] = "urn:ietf:params:oauth:grant-type:jwt-bearer",
    };
    enum sq_err err;

    r->method = HTTP_POST;
    r->idempotent = true; /* a token more does no harm */
    buf_adds(&r->url, url);
    err = request_header(r, "Content-Type", "application/x-www-form-urlencoded", e);
    if (!err)
        err = request_header(r, "Accept", "application/json", e);
    add_field(&r->body, "grant_type", grants[spec->grant]);
    if (!err && spec->grant == OAUTH_SERVICE_ACCOUNT)
        return add_assertion(spec, now_ms, &r->body, e);
    add_client(spec, &r->body);
    if (spec->grant == OAUTH_REFRESH_TOKEN)
        add_field(&r->body, "refresh_token", refresh_token ? refresh_token : spec->refresh_token);
    add_field(&r->body, "scope", spec->scope);
    return err;
}

/* --- the answer --- */

/* Errors that only somebody with new credentials can help. */
static bool is_refusal(const char *error)
{
    static const char *const names[] = {
        "invalid_grant",          "invalid_client",       "unauthorized_client", "invalid_scope",
        "unsupported_grant_type", "interaction_required", "consent_required",    "login_required",
        "access_denied",          "deleted_client",       "disabled_client",     "org_internal",
        "admin_policy_enforced"};

    for (size_t i = 0; error && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], error) == 0)
            return true;
    return false;
}

static bool is_token(const char *s)
{
    if (text_is_empty(s) || strlen(s) > OAUTH_TOKEN_MAX)
        return false;
    for (; *s; s++)
        if (*s < 0x21 || *s > 0x7e)
            return false;
    return true;
}

static int64_t expiry_ms(const cJSON *seconds)
{
    double s = 0;
    int64_t n;

    if (cJSON_IsNumber(seconds))
        s = seconds->valuedouble;
    else if (cJSON_IsString(seconds) && text_to_i64(seconds->valuestring, &n) == SQ_OK)
        s = (double)n;
    return s > 0 && s < 1e9 ? (int64_t)(s * 1000) : EXPIRES_DEFAULT_MS;
}

static void read_grant(const cJSON *json, struct oauth_grant_answer *ret)
{
    const char *access = json_str(json, "access_token"), *refresh = json_str(json, "refresh_token");

    if (!is_token(access)) {
        snprintf(ret->text, sizeof(ret->text), "the token endpoint's answer holds no token");
        return;
    }
    ret->state = OAUTH_GRANTED;
    buf_adds(&ret->access_token, access);
    if (is_token(refresh))
        buf_adds(&ret->refresh_token, refresh);
    ret->expires_ms = expiry_ms(json_get(json, "expires_in"));
}

/* Only the error's name: a description may repeat what was sent. */
static void read_refusal(const struct response *r, const cJSON *json,
                         struct oauth_grant_answer *ret)
{
    const char *error = json_str(json, "error");

    if (is_refusal(error)) {
        ret->state = OAUTH_REFUSED;
        ret->grant_is_dead = strcmp(error, "invalid_grant") == 0;
        snprintf(ret->text, sizeof(ret->text), "the token endpoint says %s", error);
        return;
    }
    if (r->status == 401 || r->status == 403)
        ret->state = OAUTH_REFUSED;
    ret->retry_after_ms = response_retry_after(r, RETRY_AFTER_MAX_MS);
    snprintf(ret->text, sizeof(ret->text), "the token endpoint answers HTTP %d", r->status);
}

void oauth_read_answer(const struct response *r, struct oauth_grant_answer *ret)
{
    static const struct json_limits limits = {.max_bytes = 65536};
    cJSON *json = NULL;

    *ret = (struct oauth_grant_answer){.state = OAUTH_UNAVAILABLE};
    if (r->transport != TRANSPORT_OK && r->transport != TRANSPORT_TOO_BIG) {
        snprintf(ret->text, sizeof(ret->text), "the token endpoint cannot be reached: %.120s",
                 r->error);
        return;
    }
    if (json_parse(r->body, r->body_len, &limits, &json, NULL) != SQ_OK)
        json = NULL;
    if (r->status >= 200 && r->status < 300)
        read_grant(json, ret);
    else
        read_refusal(r, json, ret);
    json_free(json);
}

static void wipe(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

void oauth_answer_clear(struct oauth_grant_answer *a)
{
    wipe(&a->access_token);
    wipe(&a->refresh_token);
}

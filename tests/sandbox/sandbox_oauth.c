/* An OAuth 2.0 token endpoint (RFC 6749, RFC 7523):
 *   POST /oauth/{name}/token   200 {"access_token":"{name}-token-1","expires_in":3599,...}
 * A refresh token "rotate-N" is good once: the answer holds "rotate-N+1", and N alone is then
 * refused, as those providers do that rotate. Errors: {"error","error_description"}. */
#include "dialect.h"
#include "shape.h"

#include "crypto.h"
#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JWT_GRANT "urn:ietf:params:oauth:grant-type:jwt-bearer"

struct oauth_state {
    unsigned long rotated; /* the newest "rotate-N" given out; 0 = none yet */
};

static void *oauth_open(void)
{
    return mem_zalloc(sizeof(struct oauth_state));
}

static void oauth_close(void *state)
{
    free(state);
}

static void oauth_reset(void *state)
{
    memset(state, 0, sizeof(struct oauth_state));
}

static void oauth_error(struct exchange *x, int status, const char *error, const char *description)
{
    struct buf *out = exchange_begin(x, status);

    json_key_str(out, "error", error);
    json_key_str(out, "error_description", description);
    exchange_end(x);
}

/* The n-th part of a JWT as JSON, to be freed; NULL if it is none. */
static cJSON *jwt_part(const char *jwt, unsigned n)
{
    static const struct json_limits limits = {.max_bytes = 65536};
    struct buf text = {0};
    cJSON *json = NULL;

    for (; n > 0 && jwt; n--)
        jwt = strchr(jwt, '.') ? strchr(jwt, '.') + 1 : NULL;
    if (jwt && !base64_decode(&text, jwt, strcspn(jwt, "."), true) &&
        json_parse(text.data, text.len, &limits, &json, NULL))
        json = NULL;
    buf_free(&text);
    return json;
}

static bool is_soon(const cJSON *claims, int64_t now_s)
{
    const cJSON *iat = json_get(claims, "iat"), *exp = json_get(claims, "exp");

    return cJSON_IsNumber(iat) && cJSON_IsNumber(exp) && iat->valuedouble <= (double)now_s + 60 &&
           exp->valuedouble > (double)now_s && exp->valuedouble - iat->valuedouble <= 3600;
}

/* Its signature is checked where the public key is known: in the test. */
static bool assertion_is_good(const char *jwt, int64_t now_s)
{
    cJSON *head = jwt ? jwt_part(jwt, 0) : NULL, *claims = jwt ? jwt_part(jwt, 1) : NULL;
    bool good = text_eq(json_str(head, "alg"), "RS256") &&
                credential_is_good(json_str(claims, "iss")) && json_str(claims, "aud") &&
                json_str(claims, "scope") && is_soon(claims, now_s);

    json_free(head);
    json_free(claims);
    return good;
}

static void grant(struct exchange *x, const char *name, unsigned long rotated)
{
    struct buf *out = exchange_begin(x, 200);
    char text[600];

    snprintf(text, sizeof(text), "%s-token-%llu", name, (unsigned long long)exchange_serial(x));
    json_key_str(out, "access_token", text);
    json_key_str(out, "token_type", "Bearer");
    json_key_int(out, "expires_in", 3599);
    snprintf(text, sizeof(text), "rotate-%lu", rotated);
    if (rotated)
        json_key_str(out, "refresh_token", text);
    exchange_end(x);
}

static void answer_refresh(struct exchange *x, const struct form *f, const char *name)
{
    struct oauth_state *state = x->state;
    const char *token = form_get(f, "refresh_token");
    unsigned long n = token && text_starts(token, "rotate-") ? strtoul(token + 7, NULL, 10) : 0;

    if (!credential_is_good(token) || (n && state->rotated && n != state->rotated)) {
        oauth_error(x, 400, "invalid_grant", "Token has been expired or revoked.");
        return;
    }
    if (n)
        state->rotated = n + 1;
    grant(x, name, n ? n + 1 : 0);
}

static bool is_client_good(struct exchange *x, const struct form *f)
{
    if (!text_is_empty(form_get(f, "client_id")) &&
        credential_is_good(form_get(f, "client_secret")))
        return true;
    oauth_error(x, 401, "invalid_client", "The OAuth client was not found.");
    return false;
}

static void oauth_answer(struct exchange *x)
{
    struct shape_path path;
    const struct form *f = exchange_form(x);
    const char *type = f ? form_get(f, "grant_type") : NULL;
    bool found = shape_path(x->path, &path) && path.count == 2 && text_eq(path.part[1], "token");

    if (!found || !exchange_is(x, "POST") ||
        !exchange_has_type(x, "application/x-www-form-urlencoded"))
        oauth_error(x, 404, "not_found", "no such endpoint");
    else if (text_eq(type, JWT_GRANT) &&
             !assertion_is_good(form_get(f, "assertion"), x->record->wall_us / 1000000))
        oauth_error(x, 400, "invalid_grant", "Invalid JWT.");
    else if (!text_eq(type, JWT_GRANT) && !text_eq(type, "refresh_token") &&
             !text_eq(type, "client_credentials"))
        oauth_error(x, 400, "unsupported_grant_type", "Invalid grant_type");
    else if (!text_eq(type, JWT_GRANT) && !is_client_good(x, f))
        return;
    else if (text_eq(type, "refresh_token"))
        answer_refresh(x, f, path.part[0]);
    else
        grant(x, path.part[0], 0);
}

static void oauth_read(struct exchange *x)
{
    x->delivers = false;
}

const struct dialect dialect_oauth = {
    .name = "oauth",
    .prefix = "/oauth",
    .read = oauth_read,
    .answer = oauth_answer,
    .open = oauth_open,
    .close = oauth_close,
    .reset = oauth_reset,
};

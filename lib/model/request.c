/* Requests are put together here, and header lines checked: nothing can inject a header. */
#include "request.h"

#include "address.h"
#include "text.h"
#include "timefmt.h"
#include <string.h>

/* A reset up to a week is a number of seconds, up to the year 9999 a time. */
#define DELTA_S_MAX 604800
#define UNIX_S_MAX INT64_C(253402300799)

void request_reset(struct request *r)
{
    buf_clear(&r->url);
    buf_clear(&r->head);
    buf_clear(&r->body);
    buf_clear(&r->userpwd);
    r->method = HTTP_POST;
    r->header_count = 0;
    r->http2 = false;
    r->idempotent = false;
    r->max_answer = 0;
    buf_clear(&r->smtp.addresses);
    buf_clear(&r->smtp.bearer);
    r->smtp.rcpt_count = 0;
    r->smtp.plain = false;
}

void request_free(struct request *r)
{
    if (!r)
        return;
    buf_free(&r->url);
    buf_free(&r->head);
    buf_free(&r->body);
    buf_free(&r->userpwd);
    buf_free(&r->smtp.addresses);
    buf_free(&r->smtp.bearer);
    memset(r, 0, sizeof *r);
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_token(const char *s)
{
    if (text_is_empty(s))
        return false;
    for (; *s; s++)
        if (!is_alnum(*s) && !strchr("!#$%&'*+-.^_`|~", *s))
            return false;
    return true;
}

static bool is_field_value(const char *s)
{
    for (; *s; s++)
        if (*s != '\t' && (*s < 0x20 || *s > 0x7e))
            return false;
    return true;
}

enum sq_err request_header(struct request *r, const char *name, const char *value,
                           struct err_text *e)
{
    if (!is_token(name))
        return err_set(e, SQ_ERR_INVALID, "a header name holds a byte that is not allowed");
    if (!value || !is_field_value(value))
        return err_set(e, SQ_ERR_INVALID, "the header %s holds a byte that is not printable ASCII",
                       name);
    if (r->header_count == REQUEST_HEADERS_MAX)
        return err_set(e, SQ_ERR_INVALID, "more than %d headers", REQUEST_HEADERS_MAX);
    buf_adds(&r->head, name);
    buf_adds(&r->head, ": ");
    buf_adds(&r->head, value);
    buf_addc(&r->head, 0);
    if (r->head.failed)
        return err_set(e, SQ_ERR_NOMEM, "the header %s is too long", name);
    r->header_count++;
    return SQ_OK;
}

const char *request_header_at(const struct request *r, unsigned i)
{
    const char *line = r->head.data;

    if (i >= r->header_count)
        return NULL;
    while (i--)
        line += strlen(line) + 1;
    return line;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

enum sq_err request_envelope(struct request *r, const char *addr, struct err_text *e)
{
    bool first = r->smtp.addresses.len == 0;

    if (!address_is_email(addr))
        return err_set(e, SQ_ERR_INVALID, "an envelope address is none");
    buf_adds(&r->smtp.addresses, addr);
    buf_addc(&r->smtp.addresses, 0);
    if (r->smtp.addresses.failed)
        return err_set(e, SQ_ERR_TOO_LARGE, "too many envelope addresses");
    r->smtp.rcpt_count += !first;
    return SQ_OK;
}

/* The value's bounds in one header line if the line is `name`'s. */
static bool line_value(const char *line, size_t len, const char *name, const char **ret,
                       size_t *ret_len)
{
    size_t n = strlen(name);

    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return false;
    line += n + 1;
    len -= n + 1;
    for (; len && is_space(*line); len--)
        line++;
    while (len && is_space(line[len - 1]))
        len--;
    *ret = line;
    *ret_len = len;
    return true;
}

bool response_header(const struct response *r, const char *name, char *ret, size_t size)
{
    const char *value = NULL;
    size_t value_len = 0;

    for (const char *p = r->head; p && *p;) {
        size_t len = strcspn(p, "\r\n");

        /* An interim answer (100, 103) may stand before the final one: start over. */
        if (len >= 5 && strncmp(p, "HTTP/", 5) == 0)
            value = NULL;
        else if (!value)
            line_value(p, len, name, &value, &value_len);
        p += len;
        p += strspn(p, "\r\n");
    }
    if (!value || value_len >= size)
        return false;
    memcpy(ret, value, value_len);
    ret[value_len] = 0;
    return true;
}

int64_t response_retry_after(const struct response *r, int64_t max_ms)
{
    char value[64];
    int64_t at, wait;

    if (!response_header(r, "Retry-After", value, sizeof value) || !value[0])
        return 0;
    if (strspn(value, "0123456789") == strlen(value))
        return text_to_i64(value, &wait) || wait > max_ms / 1000 ? max_ms : wait * 1000;
    if (time_parse_http(value, &at))
        return 0;
    wait = at - r->now_ms;
    if (wait < 0)
        return 0;
    return wait > max_ms ? max_ms : wait;
}

int64_t response_quota_wait(const struct response *r)
{
    static const char *const names[][2] = {{"X-RateLimit-Remaining", "X-RateLimit-Reset"},
                                           {"RateLimit-Remaining", "RateLimit-Reset"}};
    char value[32];
    int64_t left, reset;

    if (r->head == NULL || strcasestr(r->head, "ratelimit-remaining") == NULL)
        return 0;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!response_header(r, names[i][0], value, sizeof value) || text_to_i64(value, &left) ||
            left > 0)
            continue;
        if (!response_header(r, names[i][1], value, sizeof value) || text_to_i64(value, &reset) ||
            reset <= 0 || reset > UNIX_S_MAX)
            continue;
        if (reset <= DELTA_S_MAX)
            return reset * 1000;
        return reset * 1000 > r->now_ms ? reset * 1000 - r->now_ms : 0;
    }
    return 0;
}

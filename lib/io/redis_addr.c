/* Parses a Redis URL. Errors never repeat the URL: it may hold a password. */
#include "redis_link.h"

#include "text.h"

#include <string.h>

#define DEFAULT_PORT 6379
#define MAX_DB 65535

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Copies s[0..len) with %XX decoded. False: too long, a broken escape or an encoded NUL. */
static bool decode(const char *s, size_t len, char *ret, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)s[i];

        if (c == '%') {
            if (len - i < 3 || hex_value(s[i + 1]) < 0 || hex_value(s[i + 2]) < 0)
                return false;
            c = hex_value(s[i + 1]) * 16 + hex_value(s[i + 2]);
            i += 2;
        }
        if (c == '\0' || n + 1 >= size)
            return false;
        ret[n++] = (char)c;
    }
    ret[n] = '\0';
    return true;
}

/* "[user[:password]@]": *rest is what follows it. The last '@' counts, as a password pasted
 * unescaped may hold one. */
static enum sq_err parse_userinfo(const char *s, size_t authority, struct redis_addr *a,
                                  const char **rest, struct err_text *e)
{
    const char *at = memrchr(s, '@', authority), *colon;
    size_t user_len;

    *rest = s;
    if (at == NULL)
        return SQ_OK;
    *rest = at + 1;
    colon = memchr(s, ':', (size_t)(at - s));
    user_len = (size_t)((colon != NULL ? colon : at) - s);
    if (!decode(s, user_len, a->user, sizeof(a->user)))
        return err_set(e, SQ_ERR_INVALID, "Redis URL: the user is too long or badly escaped");
    if (colon != NULL &&
        !decode(colon + 1, (size_t)(at - colon - 1), a->password, sizeof(a->password)))
        return err_set(e, SQ_ERR_INVALID, "Redis URL: the password is too long or badly escaped");
    if (a->user[0] != '\0' && a->password[0] == '\0')
        return err_set(e, SQ_ERR_INVALID,
                       "Redis URL: a user needs a password (user:password@ or :password@)");
    return SQ_OK;
}

static enum sq_err parse_number(const char *s, size_t len, int64_t min, int64_t max,
                                const char *what, int *ret, struct err_text *e)
{
    char text[16];
    int64_t v;

    if (len < sizeof(text)) {
        memcpy(text, s, len);
        text[len] = '\0';
        if (text_to_i64(text, &v) == SQ_OK && v >= min && v <= max) {
            *ret = (int)v;
            return SQ_OK;
        }
    }
    return err_set(e, SQ_ERR_INVALID, "Redis URL: the %s must be a number from %d to %d", what,
                   (int)min, (int)max);
}

/* "host[:port]" or "[v6]:port" in s[0..len). */
static enum sq_err parse_host(const char *s, size_t len, struct redis_addr *a, struct err_text *e)
{
    const char *host = s, *end = s + len, *host_end, *after;

    if (len > 0 && s[0] == '[') {
        host = s + 1;
        host_end = memchr(host, ']', len - 1);
        if (host_end == NULL)
            return err_set(e, SQ_ERR_INVALID, "Redis URL: '[' without ']' in the host");
        after = host_end + 1;
    } else {
        host_end = memchr(s, ':', len);
        if (host_end == NULL)
            host_end = end;
        after = host_end;
    }
    if (after != end && *after != ':')
        return err_set(e, SQ_ERR_INVALID, "Redis URL: expected ':port' after the host");
    if (host == host_end || !decode(host, (size_t)(host_end - host), a->host, sizeof(a->host)) ||
        strpbrk(a->host, " \t\r\n") != NULL)
        return err_set(e, SQ_ERR_INVALID, "Redis URL: the host is missing, too long or malformed");
    a->port = DEFAULT_PORT;
    if (after == end)
        return SQ_OK;
    return parse_number(after + 1, (size_t)(end - after - 1), 1, 65535, "port", &a->port, e);
}

/* redis://[user[:password]@]host[:port][/db] */
static enum sq_err parse_tcp(const char *s, struct redis_addr *a, struct err_text *e)
{
    const char *at = strrchr(s, '@'), *path = strchr(at != NULL ? at : s, '/');
    size_t authority = path != NULL ? (size_t)(path - s) : strlen(s);
    const char *host;
    enum sq_err err = parse_userinfo(s, authority, a, &host, e);

    if (err == SQ_OK)
        err = parse_host(host, (size_t)(s + authority - host), a, e);
    if (err != SQ_OK || path == NULL || path[1] == '\0')
        return err;
    return parse_number(path + 1, strlen(path + 1), 0, MAX_DB, "database", &a->db, e);
}

/* unix://[user:password@]/path[?db=N] */
static enum sq_err parse_unix(const char *s, struct redis_addr *a, struct err_text *e)
{
    const char *at = strstr(s, "@/"), *path, *query;
    enum sq_err err =
        parse_userinfo(s, at != NULL && s[0] != '/' ? (size_t)(at - s) + 1 : 0, a, &path, e);
    size_t len;

    if (err != SQ_OK)
        return err;
    if (path[0] != '/')
        return err_set(e, SQ_ERR_INVALID,
                       "Redis URL: a unix socket needs an absolute path (unix:///path)");
    query = strchr(path, '?');
    len = query != NULL ? (size_t)(query - path) : strlen(path);
    if (!decode(path, len, a->path, sizeof(a->path)))
        return err_set(
            e, SQ_ERR_INVALID,
            "Redis URL: the socket path is too long (%zu bytes at most) or badly escaped",
            sizeof(a->path) - 1);
    if (query == NULL)
        return SQ_OK;
    if (!text_starts(query, "?db="))
        return err_set(e, SQ_ERR_INVALID, "Redis URL: the only parameter is db (?db=1)");
    return parse_number(query + 4, strlen(query + 4), 0, MAX_DB, "database", &a->db, e);
}

enum sq_err redis_addr_parse(const char *url, struct redis_addr *ret, struct err_text *e)
{
    struct redis_addr a = {.port = 0};
    enum sq_err err;

    if (url != NULL && text_has_control(url))
        return err_set(e, SQ_ERR_INVALID, "Redis URL: holds a control character");
    if (url != NULL && text_starts(url, "unix://"))
        err = parse_unix(url + strlen("unix://"), &a, e);
    else if (url != NULL && text_starts(url, "redis://"))
        err = parse_tcp(url + strlen("redis://"), &a, e);
    else if (url != NULL && text_starts(url, "rediss://"))
        err = err_set(e, SQ_ERR_INVALID,
                      "Redis URL: rediss:// (TLS) is not supported; use a unix socket or a TLS "
                      "tunnel such as stunnel");
    else if (url != NULL && text_starts(url, "sentinel://"))
        err = err_set(e, SQ_ERR_INVALID,
                      "Redis URL: sentinel:// is not supported; name the primary by redis://");
    else
        err = err_set(e, SQ_ERR_INVALID,
                      "Redis URL: expected unix:///path or redis://[user:password@]host[:port]"
                      "[/db]");
    if (err == SQ_OK)
        *ret = a;
    return err;
}

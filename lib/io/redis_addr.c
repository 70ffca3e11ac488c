/* Parses a Redis URL. Errors never repeat the URL: it may hold a password. */
#include "redis_addr.h"

#include "text.h"

#include <string.h>

#define DEFAULT_PORT 6379
#define SENTINEL_PORT 26379
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
    if (!decode(s, user_len, a->login.user, sizeof(a->login.user)))
        return err_set(e, SQ_ERR_INVALID, "Redis URL: the user is too long or badly escaped");
    if (colon != NULL &&
        !decode(colon + 1, (size_t)(at - colon - 1), a->login.password, sizeof(a->login.password)))
        return err_set(e, SQ_ERR_INVALID, "Redis URL: the password is too long or badly escaped");
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
static enum sq_err parse_host(const char *s, size_t len, int port, struct redis_host *ret,
                              struct err_text *e)
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
    if (host == host_end ||
        !decode(host, (size_t)(host_end - host), ret->name, sizeof(ret->name)) ||
        strpbrk(ret->name, " \t\r\n") != NULL)
        return err_set(e, SQ_ERR_INVALID, "Redis URL: the host is missing, too long or malformed");
    ret->port = port;
    if (after == end)
        return SQ_OK;
    return parse_number(after + 1, (size_t)(end - after - 1), 1, 65535, "port", &ret->port, e);
}

/* "host,host" in s[0..len). */
static enum sq_err parse_hosts(const char *s, size_t len, int port, struct redis_addr *a,
                               struct err_text *e)
{
    const char *end = s + len, *comma;
    enum sq_err err;

    for (;; s = comma + 1) {
        comma = memchr(s, ',', (size_t)(end - s));
        if (a->host_count == REDIS_HOSTS)
            return err_set(e, SQ_ERR_INVALID, "Redis URL: more than %d hosts", REDIS_HOSTS);
        err = parse_host(s, (size_t)((comma != NULL ? comma : end) - s), port,
                         &a->hosts[a->host_count++], e);
        if (err != SQ_OK || comma == NULL)
            return err;
    }
}

/* "[user[:password]@]hosts[/...]": *path is what follows the hosts' '/', or NULL. */
static enum sq_err parse_authority(const char *s, int port, struct redis_addr *a, const char **path,
                                   struct err_text *e)
{
    const char *at = strrchr(s, '@'), *slash = strchr(at != NULL ? at : s, '/'), *hosts;
    size_t authority = slash != NULL ? (size_t)(slash - s) : strlen(s);
    enum sq_err err = parse_userinfo(s, authority, a, &hosts, e);

    *path = slash != NULL && slash[1] != '\0' ? slash + 1 : NULL;
    if (err == SQ_OK)
        err = parse_hosts(hosts, (size_t)(s + authority - hosts), port, a, e);
    return err;
}

static enum sq_err parse_db(const char *s, struct redis_addr *a, struct err_text *e)
{
    return parse_number(s, strlen(s), 0, MAX_DB, "database", &a->db, e);
}

static enum sq_err parse_tcp(const char *s, struct redis_addr *a, struct err_text *e)
{
    const char *path;
    enum sq_err err = parse_authority(s, DEFAULT_PORT, a, &path, e);

    return err != SQ_OK || path == NULL ? err : parse_db(path, a, e);
}

static enum sq_err parse_sentinel(const char *s, struct redis_addr *a, struct err_text *e)
{
    const char *path, *slash;
    enum sq_err err = parse_authority(s, SENTINEL_PORT, a, &path, e);
    size_t len;

    if (err != SQ_OK)
        return err;
    slash = path != NULL ? strchr(path, '/') : NULL;
    len = path == NULL ? 0 : slash != NULL ? (size_t)(slash - path) : strlen(path);
    if (len == 0 || !decode(path, len, a->master, sizeof(a->master)))
        return err_set(e, SQ_ERR_INVALID,
                       "Redis URL: expected the primary's name after the sentinels "
                       "(sentinel://host,host/name)");
    return slash != NULL && slash[1] != '\0' ? parse_db(slash + 1, a, e) : SQ_OK;
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
    return parse_db(query + 4, a, e);
}

enum sq_err redis_addr_parse(const char *url, struct redis_addr *ret, struct err_text *e)
{
    static const struct {
        const char *name;
        bool tls;
        enum sq_err (*parse)(const char *s, struct redis_addr *a, struct err_text *e);
    } schemes[] = {{"unix://", false, parse_unix},
                   {"redis://", false, parse_tcp},
                   {"rediss://", true, parse_tcp},
                   {"sentinel://", false, parse_sentinel},
                   {"sentinels://", true, parse_sentinel}};
    struct redis_addr a = {.db = 0};
    enum sq_err err;
    size_t i = 0;

    if (url != NULL && text_has_control(url))
        return err_set(e, SQ_ERR_INVALID, "Redis URL: holds a control character");
    while (i < sizeof(schemes) / sizeof(schemes[0]) &&
           (url == NULL || !text_starts(url, schemes[i].name)))
        i++;
    if (i == sizeof(schemes) / sizeof(schemes[0]))
        return err_set(e, SQ_ERR_INVALID,
                       "Redis URL: expected unix:///path, redis(s)://[user:password@]host[:port]"
                       "[/db] or sentinel(s)://host,host/name");
    a.tls.on = schemes[i].tls;
    err = schemes[i].parse(url + strlen(schemes[i].name), &a, e);
    if (err == SQ_OK)
        *ret = a;
    explicit_bzero(&a, sizeof(a));
    return err;
}

static enum sq_err set_part(char *field, size_t size, const char *which, const char *part,
                            const char *text, struct err_text *e)
{
    if (text_is_empty(text))
        return SQ_OK;
    if (strlen(text) >= size)
        return err_set(e, SQ_ERR_INVALID, "the %s%s has more than %zu bytes", which, part,
                       size - 1);
    memcpy(field, text, strlen(text) + 1);
    return SQ_OK;
}

enum sq_err redis_login_set(struct redis_login *l, const char *which, const char *user,
                            const char *password, struct err_text *e)
{
    struct redis_login new = *l;
    enum sq_err err = set_part(new.user, sizeof(new.user), which, "user", user, e);

    if (err == SQ_OK)
        err = set_part(new.password, sizeof(new.password), which, "password", password, e);
    if (err == SQ_OK && new.user[0] != '\0' && new.password[0] == '\0')
        err = err_set(e, SQ_ERR_INVALID, "the %suser needs a password", which);
    if (err == SQ_OK)
        *l = new;
    explicit_bzero(&new, sizeof(new));
    return err;
}

enum sq_err redis_tls_set(struct redis_tls *t, const char *ca_file, const char *cert_file,
                          const char *key_file, const char *server_name, struct err_text *e)
{
    struct redis_tls new = {.on = t->on};
    enum sq_err err = set_part(new.ca_file, sizeof(new.ca_file), "", "CA file", ca_file, e);

    if (err == SQ_OK)
        err = set_part(new.cert_file, sizeof(new.cert_file), "", "certificate file", cert_file, e);
    if (err == SQ_OK)
        err = set_part(new.key_file, sizeof(new.key_file), "", "key file", key_file, e);
    if (err == SQ_OK)
        err = set_part(new.server_name, sizeof(new.server_name), "", "server name", server_name, e);
    if (err != SQ_OK)
        return err;
    if (!t->on && (new.ca_file[0] || new.cert_file[0] || new.key_file[0] || new.server_name[0]))
        return err_set(e, SQ_ERR_INVALID,
                       "Redis URL: CA, certificate, key and server name belong to rediss:// "
                       "and sentinels://");
    *t = new;
    return SQ_OK;
}

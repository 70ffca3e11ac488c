/* Checks that take several settings or senders together. */
#include "config_impl.h"

#include "redis_addr.h"
#include "text.h"
#include <string.h>
#include <sys/stat.h>

static const char *sender_path(struct load *l, unsigned index, const char *path)
{
    return pool_printf(&l->impl->pool, "senders[%u].%s", index, path);
}

static const char *sender_origin(struct load *l, unsigned index, const char *path)
{
    return sender_cells(l, index)[scope_index(&l->impl->sender, path)].origin;
}

static unsigned index_of(const struct load *l, const struct sender *s)
{
    return (unsigned)(s - l->config->senders);
}

/* Indexes the senders by id; a second one of the same id is a fault. */
static void check_ids(struct load *l)
{
    struct map *ids = &l->impl->ids;

    for (unsigned i = 0; i < l->config->sender_count; i++) {
        struct sender *s = &l->config->senders[i];
        const struct sender *first = s->id ? map_get(ids, s->id) : NULL;

        if (first)
            load_error(l, sender_origin(l, i, "id"), sender_path(l, i, "id"),
                       "expected an id of its own, but senders[%u] has the same",
                       index_of(l, first));
        else if (s->id)
            (void)map_set(ids, s->id, s);
    }
}

/* Two senders that both say `default: true` for one channel. */
static void check_defaults(struct load *l)
{
    const struct sender **first = l->impl->defaults;

    for (unsigned i = 0; i < l->config->sender_count; i++) {
        const struct sender *s = &l->config->senders[i];

        for (unsigned c = 0; s->is_default && c < CHANNEL_COUNT; c++) {
            if (!(s->channels & CHANNEL_BIT(c)))
                continue;
            if (first[c])
                load_error(l, sender_origin(l, i, "default"), sender_path(l, i, "default"),
                           "expected one default for %s, but senders[%u] is it already",
                           channel_name((enum channel)c), index_of(l, first[c]));
            else
                first[c] = s;
        }
    }
}

/* A channel without a default has one if a single sender serves it. */
static void find_single_senders(struct load *l)
{
    unsigned count[CHANNEL_COUNT] = {0};
    const struct sender *last[CHANNEL_COUNT] = {0};

    for (unsigned i = 0; i < l->config->sender_count; i++) {
        for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
            if (l->config->senders[i].channels & CHANNEL_BIT(c)) {
                count[c]++;
                last[c] = &l->config->senders[i];
            }
        }
    }
    for (unsigned c = 0; c < CHANNEL_COUNT; c++)
        if (!l->impl->defaults[c] && count[c] == 1)
            l->impl->defaults[c] = last[c];
}

static void check_fallbacks(struct load *l, unsigned index)
{
    const struct sender *s = &l->config->senders[index];
    const char *origin = sender_origin(l, index, "fallback");

    for (unsigned i = 0; i < s->fallback_count; i++) {
        const struct sender *other = map_get(&l->impl->ids, s->fallback[i]);
        const char *path = pool_printf(&l->impl->pool, "senders[%u].fallback[%u]", index, i);

        if (!other)
            load_error(l, origin, path, "expected the id of another sender");
        else if (other == s)
            load_error(l, origin, path, "expected another sender than itself");
        else if (!(other->channels & s->channels) && other->channels && s->channels)
            load_error(l, origin, path, "expected a sender that serves one of its channels");
    }
}

static bool is_loopback(const char *listen)
{
    return !*listen || text_starts(listen, "unix:") || text_starts(listen, "127.") ||
           text_starts(listen, "localhost:") || text_starts(listen, "[::1]:");
}

static const char *root_origin(const struct load *l, const char *path)
{
    return l->impl->cells[scope_index(&l->impl->root, path)].origin;
}

enum sq_err config_redis_addr(const struct config *c, struct redis_addr *ret, struct err_text *e)
{
    struct redis_addr addr;
    enum sq_err err = redis_addr_parse(c->redis_url, &addr, e);

    if (err == SQ_OK)
        err = redis_login_set(&addr.login, "Redis ", c->redis_user, c->redis_password, e);
    if (err == SQ_OK)
        err = redis_login_set(&addr.sentinel, "sentinels' ", c->redis_sentinel_user,
                              c->redis_sentinel_password, e);
    if (err == SQ_OK)
        err = redis_tls_set(&addr.tls, c->redis_ca_file, c->redis_cert_file, c->redis_key_file,
                            c->redis_server_name, e);
    if (err == SQ_OK)
        *ret = addr;
    explicit_bzero(&addr, sizeof(addr));
    return err;
}

bool config_same_redis(const struct config *a, const struct config *b)
{
    return text_eq(a->redis_url, b->redis_url) && text_eq(a->redis_ca_file, b->redis_ca_file) &&
           text_eq(a->redis_cert_file, b->redis_cert_file) &&
           text_eq(a->redis_key_file, b->redis_key_file) &&
           text_eq(a->redis_server_name, b->redis_server_name) &&
           a->redis_timeout_ms == b->redis_timeout_ms;
}

/* Known before the connection is made, which a --check and a reload never do. */
static void check_redis(struct load *l)
{
    struct redis_addr addr;
    struct err_text e = {0};

    if (l->config->redis_url && config_redis_addr(l->config, &addr, &e) != SQ_OK)
        load_error(l, root_origin(l, "redis.url"), "redis.url", "%s", e.text);
    explicit_bzero(&addr, sizeof(addr));
}

static void warn_root(struct load *l)
{
    const struct config *c = l->config;
    struct stat st;

    if (c->admin_listen && !is_loopback(c->admin_listen))
        load_warning(l, root_origin(l, "admin.listen"), "admin.listen",
                     "other machines may reach it and it asks for no password, expected "
                     "127.0.0.1:PORT or unix:PATH");
    if (!text_is_empty(c->attachments_root) &&
        (stat(c->attachments_root, &st) < 0 || !S_ISDIR(st.st_mode)))
        load_warning(l, root_origin(l, "attachments.root"), "attachments.root",
                     "expected a directory that exists: attachments by storage_path will fail");
    if (c->lease_ms && c->redis_timeout_ms >= c->lease_ms)
        load_warning(l, root_origin(l, "redis.timeout"), "redis.timeout",
                     "expected less than worker.lease: a slow Redis could cost this worker its "
                     "messages");
    if (c->sender_count == 0)
        load_warning(l, NULL, "senders", "expected at least one: jobs will be refused");
}

void check_all(struct load *l)
{
    check_ids(l);
    check_defaults(l);
    find_single_senders(l);
    for (unsigned i = 0; i < l->config->sender_count; i++)
        check_fallbacks(l, i);
    check_redis(l);
    warn_root(l);
}

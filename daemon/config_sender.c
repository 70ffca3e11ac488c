/* One sender: its cells -> struct sender, with all that can be said about it alone. */
#include "config_impl.h"

#include "address.h"
#include "registry.h"
#include "text.h"
#include <string.h>

/* One sender being read. */
struct reading {
    struct load *load;
    struct sender *sender;
    struct cell *cells;
    unsigned index;
};

struct cell *sender_cells(const struct load *l, unsigned index)
{
    return l->impl->senders + (size_t)index * l->impl->sender.count;
}

static struct cell *cell_of(const struct reading *r, const char *path)
{
    return &r->cells[scope_index(&r->load->impl->sender, path)];
}

static const char *full_path(const struct reading *r, const char *path)
{
    return pool_printf(&r->load->impl->pool, "senders[%u]%s%s", r->index, *path ? "." : "", path);
}

static void fault(const struct reading *r, const char *path, const char *text)
{
    load_error(r->load, cell_of(r, path)->origin, full_path(r, path), "%s", text);
}

static void read_provider(const struct reading *r)
{
    const struct cell *cell = cell_of(r, "provider");
    struct buf text = {0};

    r->sender->provider = cell->text ? provider_find(cell->text) : NULL;
    if (r->sender->provider)
        return;
    buf_adds(&text, "expected one of ");
    for (unsigned i = 0; provider_at(i); i++)
        buf_addf(&text, "%s%s", i ? ", " : "", provider_at(i)->name);
    fault(r, "provider", buf_str(&text));
    buf_free(&text);
}

/* A limit that is not given is the one that the provider publishes; "" or 0 says that there is
 * none. */
static void fill_published(const struct reading *r)
{
    const char *name = cell_of(r, "provider")->text;
    const struct provider *p = name ? provider_find(name) : NULL;
    const struct provider_limits *l = p ? p->limits : NULL;
    const struct {
        const char *path, *words;
        unsigned bit;
    } all[] = {
        {"limits.rate", l ? l->rate : NULL, PUBLISHED_RATE},
        {"limits.day", l ? l->day : NULL, PUBLISHED_DAY},
        {"limits.recipient", l ? l->recipient : NULL, PUBLISHED_RECIPIENT},
        {"limits.concurrency", l ? l->concurrency : NULL, PUBLISHED_CONCURRENCY},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct cell *cell = cell_of(r, all[i].path);

        if (cell->text || !all[i].words)
            continue;
        cell->text = pool_strdup(&r->load->impl->pool, all[i].words);
        r->sender->published |= all[i].bit;
    }
}

static void add_channels(struct buf *out, unsigned bits)
{
    const char *comma = "";

    for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
        if (bits & CHANNEL_BIT(c)) {
            buf_addf(out, "%s%s", comma, channel_name((enum channel)c));
            comma = ", ";
        }
    }
}

static void report_channel(const struct reading *r, const struct cell *cell, unsigned item)
{
    const struct provider *p = r->sender->provider;
    struct buf text = {0};

    buf_adds(&text, "expected a channel that ");
    buf_addf(&text, "%s serves: ", p ? p->name : "sendq");
    add_channels(&text, p ? p->channels : CHANNEL_ALL);
    load_error(r->load, cell->origin,
               pool_printf(&r->load->impl->pool, "senders[%u].channels[%u]", r->index, item), "%s",
               buf_str(&text));
    buf_free(&text);
}

/* Left out, it is plain only for a provider of one channel; else a sender could become some
 * channel's only one, and so its default, without anybody having said so. */
static void default_channels(const struct reading *r)
{
    unsigned served = r->sender->provider ? r->sender->provider->channels : 0;
    struct buf text = {0};

    if (served && (served & (served - 1)) == 0) {
        r->sender->channels = served;
        return;
    }
    buf_adds(&text, "expected a list of channels, of ");
    add_channels(&text, served ? served : CHANNEL_ALL);
    fault(r, "channels", buf_str(&text));
    buf_free(&text);
}

static void read_channels(const struct reading *r)
{
    const struct cell *cell = cell_of(r, "channels");
    const struct provider *p = r->sender->provider;

    for (unsigned i = 0; i < cell->count; i++) {
        enum channel c;

        if (!channel_parse(cell->list[i], &c) || (p && !(p->channels & CHANNEL_BIT(c))))
            report_channel(r, cell, i);
        else
            r->sender->channels |= CHANNEL_BIT(c);
    }
    if (cell->count == 0)
        default_channels(r);
}

/* smtp is the one provider that does not speak HTTP. */
static void check_scheme(const struct reading *r, const char *path, const char *url, bool smtp)
{
    if (!text_is_empty(url) && text_starts(url, "smtp") != smtp)
        fault(r, path,
              smtp ? "expected smtp://host:port or smtps://host:port"
                   : "expected http:// or https://");
}

static void read_endpoint(const struct reading *r)
{
    const struct provider *p = r->sender->provider;
    char *text = cell_of(r, "endpoint")->text;
    size_t len = text ? strlen(text) : 0;

    while (len && text[len - 1] == '/')
        text[--len] = '\0';
    check_scheme(r, "endpoint", r->sender->endpoint, text_eq(p->name, "smtp"));
    check_scheme(r, "token_endpoint", r->sender->token_endpoint, false);
    if (len)
        return;
    r->sender->endpoint = p->base_url;
    /* A webhook may have its whole URL as an option. */
    if (!p->base_url && !sender_value(r->sender, "url"))
        fault(r, "endpoint", "expected a URL, since this provider has none of its own");
}

static void check_retry(const struct reading *r)
{
    if (r->sender->retry_max_ms < r->sender->retry_base_ms)
        fault(r, "retry.max", "expected no less than retry.base");
    if (r->sender->breaker_max_ms < r->sender->breaker_pause_ms)
        fault(r, "breaker.max", "expected no less than breaker.pause");
}

static void check_from(const struct reading *r)
{
    if (r->sender->channels == CHANNEL_BIT(CHANNEL_EMAIL) && r->sender->from_address &&
        !address_is_email(r->sender->from_address))
        fault(r, "from.address", "expected an e-mail address, since the sender serves email only");
}

/* Where the setting that a provider's check names stands. */
static const char *checked_path(const struct reading *r, const char *field)
{
    static const char *const groups[] = {"", "options.", "credentials."};
    const struct scope *scope = &r->load->impl->sender;
    struct pool *pool = &r->load->impl->pool;
    const char *found = NULL;

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        const char *path = pool_printf(pool, "%s%s", groups[i], field);
        unsigned at = scope_index(scope, path);

        if (at < scope->count && (!found || r->cells[at].text))
            found = path;
    }
    return found;
}

static void check_provider(const struct reading *r)
{
    struct err_text e = {0};
    const char *path, *text = e.text;
    size_t len;

    if (!r->sender->provider->check || !r->sender->provider->check(r->sender, &e))
        return;
    path = *e.field ? checked_path(r, e.field) : NULL;
    len = strlen(e.field);
    if (path && strncmp(text, e.field, len) == 0 && text_starts(text + len, ": "))
        text += len + 2;
    if (path)
        fault(r, path, text);
    else
        load_error(r->load, NULL, full_path(r, ""), "%s", text);
}

void sender_load(struct load *l, unsigned index, struct sender *s)
{
    const struct scope *scope = &l->impl->sender;
    struct reading r = {.load = l, .sender = s, .cells = sender_cells(l, index), .index = index};
    unsigned before = l->fatal_count;

    fill_published(&r);
    for (unsigned i = 0; i < scope->count; i++)
        setting_load(l, &scope->settings[i], &r.cells[i], s,
                     full_path(&r, scope->settings[i].path));
    read_provider(&r);
    read_channels(&r);
    if (l->flags & CONFIG_WITHOUT_SECRETS)
        return;
    sender_load_account(l, index, s);
    sender_load_headers(l, index, s);
    check_retry(&r);
    check_from(&r);
    if (!s->provider)
        return;
    sender_load_values(l, index, s);
    read_endpoint(&r);
    if (l->fatal_count == before) /* the provider may rely on what the table says */
        check_provider(&r);
}

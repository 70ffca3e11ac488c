/* The effective configuration as YAML. Secrets are masked: all under credentials, passwords and
 * queries of URLs, the values of headers. */
#include "config_impl.h"

#include "text.h"
#include <stdio.h>
#include <string.h>

#define MASK "***"

/* One struct's settings on their way out. */
struct printing {
    struct buf *out;
    const struct setting *settings;
    const struct cell *cells;
    const void *base;
    const char *indent;
    char group[64]; /* the group whose head stands above, or "" */
};

/* --- URLs --- */

/* The '@' that ends user and password, or NULL. The last one: a password may hold others. */
static const char *userinfo_end(const char *url)
{
    const char *start = strstr(url, "://");

    return start ? strrchr(start + 3, '@') : NULL;
}

bool url_has_password(const char *url)
{
    return userinfo_end(url) != NULL;
}

void add_masked_url(struct buf *out, const char *url)
{
    const char *at = userinfo_end(url), *query;

    if (at) {
        const char *user = strstr(url, "://") + 3;
        const char *colon = memchr(user, ':', (size_t)(at - user));

        buf_add(out, url, (size_t)((colon ? colon + 1 : user) - url));
        buf_adds(out, MASK);
        url = at;
    }
    query = strchr(url, '?');
    buf_add(out, url, query ? (size_t)(query - url) : strlen(url));
    if (query)
        buf_adds(out, "?" MASK);
}

/* --- scalars --- */

/* Double quotes, as every YAML and JSON reader takes them. */
static void add_quoted(struct buf *out, const char *s)
{
    buf_addc(out, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c == '\n')
            buf_adds(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buf_addf(out, "\\x%02x", c);
        else if (c == 0xc2 && (unsigned char)s[1] < 0xa0) /* C1: U+0080 to U+009F */
            buf_addf(out, "\\x%02x", (unsigned char)*++s);
        else
            buf_addc(out, (char)c);
    }
    buf_addc(out, '"');
}

static void add_url(struct buf *out, const char *url)
{
    struct buf masked = {0};

    add_masked_url(&masked, url);
    add_quoted(out, buf_str(&masked));
    buf_free(&masked);
}

/* Numbers, durations, rates, words: bare where no YAML reader can misread them. */
static void add_bare(struct buf *out, const char *s)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               " ./_-";
    size_t len = strlen(s);

    if (len && s[0] != ' ' && s[0] != '-' && s[0] != '.' && s[len - 1] != ' ' &&
        strspn(s, safe) == len)
        buf_adds(out, s);
    else
        add_quoted(out, s);
}

/* --- settings --- */

/* Writes the heads that path needs and "name: "; the value is the caller's. */
static void add_name(struct printing *p, const char *path)
{
    const char *dot = strchr(path, '.');
    size_t len = dot ? (size_t)(dot - path) : 0;

    if (dot && (strlen(p->group) != len || strncmp(p->group, path, len) != 0))
        buf_addf(p->out, "%s%.*s:\n", p->indent, (int)len, path);
    buf_addf(p->out, "%s%s%s: ", p->indent, dot ? "  " : "", dot ? dot + 1 : path);
    if (len < sizeof(p->group)) {
        memcpy(p->group, path, len);
        p->group[len] = '\0';
    }
}

static void add_list(struct printing *p, const struct setting *s)
{
    const char *const *list = *(const char *const *const *)((const char *)p->base + s->offset);
    unsigned count = *(const unsigned *)((const char *)p->base + s->count_offset);

    buf_addc(p->out, '[');
    for (unsigned i = 0; i < count; i++) {
        buf_adds(p->out, i ? ", " : "");
        if (s->type == SETTING_HEADERS)
            buf_addf(p->out, "\"%.*s: " MASK "\"", (int)strcspn(list[i], ":"), list[i]);
        else
            add_quoted(p->out, list[i]);
    }
    buf_adds(p->out, "]\n");
}

static void add_channel_list(struct buf *out, unsigned bits)
{
    const char *comma = "";

    buf_addc(out, '[');
    for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
        if (bits & CHANNEL_BIT(c)) {
            buf_addf(out, "%s%s", comma, channel_name((enum channel)c));
            comma = ", ";
        }
    }
    buf_adds(out, "]\n");
}

static void add_text(struct printing *p, const struct setting *s, const char *text)
{
    const char *const *field = (const char *const *)((const char *)p->base + s->offset);

    switch (s->type) {
    case SETTING_REDIS:
    case SETTING_URL:
        add_url(p->out, *field ? *field : "");
        break;
    case SETTING_SECRET:
        add_quoted(p->out, *field && **field ? MASK : "");
        break;
    case SETTING_TEXT:
    case SETTING_NAME:
    case SETTING_NAMESPACE:
    case SETTING_LISTEN:
    case SETTING_DIR:
    case SETTING_FILE:
        add_quoted(p->out, text);
        break;
    default:
        add_bare(p->out, text);
    }
    buf_addc(p->out, '\n');
}

static void add_setting(struct printing *p, unsigned i)
{
    const struct setting *s = &p->settings[i];

    if (s->type == SETTING_VALUE || (!setting_is_list(s) && !p->cells[i].text))
        return;
    add_name(p, s->path);
    if (s->type == SETTING_CHANNELS)
        add_channel_list(p->out, *(const unsigned *)((const char *)p->base + s->offset));
    else if (setting_is_list(s))
        add_list(p, s);
    else
        add_text(p, s, p->cells[i].text);
}

/* --- senders --- */

static bool is_under_credentials(const struct printing *p, const struct scope *scope,
                                 const char *name)
{
    char path[128];
    unsigned i;

    snprintf(path, sizeof(path), "credentials.%s", name);
    i = scope_index(scope, path);
    return i < scope->count && !text_is_empty(p->cells[i].text);
}

/* The provider's settings: what was given under credentials (all masked: whoever puts a thing
 * there holds it for secret), or the others with their defaults. */
static void add_values(struct printing *p, const struct scope *scope, const struct sender *s,
                       bool credentials)
{
    for (unsigned i = 0; i < s->value_count; i++) {
        const struct sender_value *v = &s->values[i];
        char path[128];

        if (is_under_credentials(p, scope, v->name) != credentials)
            continue;
        snprintf(path, sizeof(path), "%s.%s", credentials ? "credentials" : "options", v->name);
        add_name(p, path);
        if (credentials)
            add_quoted(p->out, MASK);
        else if (strstr(v->value, "://"))
            add_url(p->out, v->value);
        else
            add_quoted(p->out, v->value);
        buf_addc(p->out, '\n');
    }
}

/* A comment that tells which limits are the provider's own, and where they were read. */
static void add_published(struct buf *out, const struct sender *s)
{
    static const char *const names[] = {"rate", "day", "recipient", "concurrency"};
    const char *comma = " ";

    if (!s->published)
        return;
    buf_adds(out, "    # published by the provider:");
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (s->published & 1u << i) {
            buf_addf(out, "%s%s", comma, names[i]);
            comma = ", ";
        }
    }
    buf_addf(out, " (%s, %s)\n", s->provider->limits->source, s->provider->limits->date);
}

static void add_sender(const struct config *c, unsigned index, struct buf *out)
{
    const struct scope *scope = &c->impl->sender;
    struct printing p = {
        .out = out,
        .settings = scope->settings,
        .cells = c->impl->senders + (size_t)index * scope->count,
        .base = &c->senders[index],
        .indent = "    ",
    };
    size_t start = out->len;

    for (unsigned i = 0; i < scope->count; i++) {
        if (strcmp(scope->settings[i].path, "limits.rate") == 0)
            add_published(out, &c->senders[index]);
        add_setting(&p, i);
    }
    add_values(&p, scope, &c->senders[index], true);
    add_values(&p, scope, &c->senders[index], false);
    if (!out->failed)
        out->data[start + 2] = '-';
}

void config_print(const struct config *c, struct buf *out)
{
    struct printing p = {
        .out = out,
        .settings = c->impl->root.settings,
        .cells = c->impl->cells,
        .base = c,
        .indent = "",
    };

    for (unsigned i = 0; i < c->impl->root.count; i++)
        add_setting(&p, i);
    buf_adds(out, c->sender_count ? "senders:\n" : "senders: []\n");
    for (unsigned i = 0; i < c->sender_count; i++)
        add_sender(c, i, out);
}

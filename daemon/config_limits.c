/* Limits in lists of words: those of channels, tenants and provider accounts. */
#include "config_impl.h"

#include "text.h"
#include <stdio.h>
#include <string.h>

/* Where a list stands. */
struct place {
    struct load *load;
    const char *origin, *path;
};

/* Adds one limit in words to *io; reports what is wrong with it. */
static void read_limit(const struct place *p, unsigned item, const char *words, struct limit *io)
{
    const char *path = pool_printf(&p->load->impl->pool, "%s[%u]", p->path, item);
    struct err_text e = {0};
    int64_t bounds[4];

    if (limit_parse(words, io, &e))
        load_error(p->load, p->origin, path, "%s", e.text);
    else if (io->day.count > 0 && io->day.mode == DAY_CALENDAR &&
             day_bounds(io->day.zone, 0, bounds))
        load_error(p->load, p->origin, path, "this system knows no such time zone");
}

static struct scope_limit *find(struct scope_limit *list, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (text_eq(list[i].name, name))
            return &list[i];
    return NULL;
}

/* A channel's name in the list's spelling, or a tenant's. */
static const char *read_name(const struct place *p, unsigned item, const char *words, bool channels)
{
    size_t len = strcspn(words, " ");
    char *name = pool_strndup(&p->load->impl->pool, words, len);
    enum channel c;

    if (len == 0 || len > SENDER_ID_MAX || words[len] == '\0' ||
        (channels && !channel_parse(name, &c))) {
        load_error(p->load, p->origin, pool_printf(&p->load->impl->pool, "%s[%u]", p->path, item),
                   "expected %s and a limit, such as \"%s 10/s burst 20\"",
                   channels ? "a channel" : "a tenant (* for any other)",
                   channels ? "sms" : "acme");
        return NULL;
    }
    return channels ? channel_name(c) : name;
}

/* Lines of the same name add up: one for the rate, one for the day. */
static struct scope_limit *read_list(const struct place *p, const char **lines, unsigned count,
                                     bool channels, unsigned *ret_count)
{
    struct scope_limit *list =
        pool_alloc(&p->load->impl->pool, ((size_t)count + 1) * sizeof(*list));
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        const char *name = read_name(p, i, lines[i], channels);
        struct scope_limit *at = name ? find(list, n, name) : NULL;

        if (!name)
            continue;
        if (!at) {
            at = &list[n++];
            at->name = name;
        }
        read_limit(p, i, lines[i] + strcspn(lines[i], " "), &at->limit);
        if (at->limit.concurrency)
            load_error(p->load, p->origin, p->path, "expected a rate or a day cap");
    }
    *ret_count = n;
    return list;
}

static struct place root_place(struct load *l, const char *path)
{
    return (struct place){l, l->impl->cells[scope_index(&l->impl->root, path)].origin, path};
}

void limits_load(struct load *l)
{
    struct config *c = l->config;
    struct place channels = root_place(l, "limits.channels");
    struct place tenants = root_place(l, "limits.tenants");

    c->channel_limits = read_list(&channels, c->channel_words, c->channel_word_count, true,
                                  &c->channel_limit_count);
    c->tenant_limits =
        read_list(&tenants, c->tenant_words, c->tenant_word_count, false, &c->tenant_limit_count);
}

void sender_load_account(struct load *l, unsigned index, struct sender *s)
{
    struct place p = {
        l, sender_cells(l, index)[scope_index(&l->impl->sender, "limits.account")].origin,
        pool_printf(&l->impl->pool, "senders[%u].limits.account", index)};

    for (unsigned i = 0; i < s->account_word_count; i++)
        read_limit(&p, i, s->account_words[i], &s->account_limit);
}

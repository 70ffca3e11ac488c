/* Overrides from the environment: SENDQ_<PATH>, upper case, parts joined by two underscores.
 *
 *   SENDQ_REDIS__URL                          redis.url
 *   SENDQ_SENDERS__SUPPORT_MAIL__LIMITS__RATE limits.rate of the sender support-mail
 *   SENDQ_SENDERS__0__TIMEOUT                 timeout of the first sender
 *   SENDQ_SENDERS__0__CHANNELS                the whole list, separated by commas
 *   SENDQ_SENDERS__0__HEADERS__1              one item of a list
 *
 * An index one past the last sender adds a sender, so a configuration can be all environment.
 * Indices go first, then ids: an id may itself come from the environment. */
#include "config_impl.h"

#include "credential.h"
#include "text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "SENDQ_"
#define SENDERS "SENDERS__"

/* One variable, taken apart. */
struct variable {
    const char *name;  /* "SENDQ_REDIS__URL", in the pool */
    const char *rest;  /* "REDIS__URL" */
    const char *value; /* in env */
    bool done;         /* it was a setting, or its fault is reported */
};

struct variables {
    struct variable *items;
    size_t count;
};

/* SENDQ_CRASH of test builds, SENDQ_BUILD and SENDQ_TEST_* of scripts are no settings. */
static bool is_reserved(const char *rest)
{
    return strcmp(rest, "CRASH") == 0 || strcmp(rest, "BUILD") == 0 || text_starts(rest, "TEST_");
}

static int by_name(const void *a, const void *b)
{
    /* Numbers inside names compare as numbers: item 2 comes before item 10. */
    return strverscmp(((const struct variable *)a)->name, ((const struct variable *)b)->name);
}

/* All SENDQ_* variables, sorted: a list comes before its items, these in order. */
static struct variables collect(struct load *l)
{
    struct variables all = {0};
    size_t lines = 0;

    while (l->env && l->env[lines])
        lines++;
    all.items = pool_alloc(&l->impl->pool, (lines + 1) * sizeof(*all.items));
    for (size_t i = 0; i < lines; i++) {
        const char *equals = strchr(l->env[i], '=');
        struct variable *v = &all.items[all.count];

        if (!equals || !text_starts(l->env[i], PREFIX))
            continue;
        v->name = pool_strndup(&l->impl->pool, l->env[i], (size_t)(equals - l->env[i]));
        v->rest = v->name + strlen(PREFIX);
        v->value = equals + 1;
        all.count += !is_reserved(v->rest);
    }
    qsort(all.items, all.count, sizeof(*all.items), by_name);
    return all;
}

/* How a path spells this character: '.' parts a setting's path, but is any other in an id. */
static const char *spell(char c, bool is_id, char buffer[2])
{
    if (c == '.' && !is_id)
        return "__";
    buffer[0] = (char)(isalnum((unsigned char)c) ? toupper((unsigned char)c) : '_');
    buffer[1] = '\0';
    return buffer;
}

/* If text begins with path (or id) as the environment spells it, the rest of text, else NULL. */
static const char *skip_spelled(const char *text, const char *path, bool is_id)
{
    char buffer[2];

    for (; *path; path++) {
        const char *spelled = spell(*path, is_id, buffer);

        if (!text_starts(text, spelled))
            return NULL;
        text += strlen(spelled);
    }
    return text;
}

/* "12" up to `end` -> 12; false for anything else. */
static bool read_index(const char *text, const char *end, unsigned *ret)
{
    char digits[8];
    int64_t n;

    if (end == text || (size_t)(end - text) >= sizeof(digits))
        return false;
    snprintf(digits, sizeof(digits), "%.*s", (int)(end - text), text);
    if (text_to_i64(digits, &n) || n < 0)
        return false;
    *ret = (unsigned)n;
    return true;
}

static void set_text(struct load *l, const struct variable *v, struct cell *cell)
{
    cell->text = pool_strdup(&l->impl->pool, v->value);
    cell->origin = v->name;
}

/* "a, b" -> two items. Empty text is the empty list. */
static void set_list(struct load *l, const struct variable *v, struct cell *cell)
{
    struct pool *p = &l->impl->pool;
    const char *at = v->value;

    cell->list = pool_alloc(p, CONFIG_LIST_MAX * sizeof(char *));
    cell->count = 0;
    cell->origin = v->name;
    while (*at && cell->count < CONFIG_LIST_MAX) {
        size_t len;

        at += strspn(at, " ");
        len = strcspn(at, ",");
        cell->list[cell->count] = pool_strndup(p, at, len);
        for (size_t end = len; end && at[end - 1] == ' '; end--)
            cell->list[cell->count][end - 1] = '\0';
        cell->count++;
        at += len + (at[len] == ',');
    }
}

static void set_item(struct load *l, const struct variable *v, struct cell *cell, const char *path,
                     unsigned index)
{
    struct pool *p = &l->impl->pool;
    char **list;

    if (index > cell->count || index >= CONFIG_LIST_MAX) {
        load_error(l, v->name, path, "expected an index up to %u, one past the last item",
                   (unsigned)cell->count);
        return;
    }
    list = pool_alloc(p, CONFIG_LIST_MAX * sizeof(char *));
    if (cell->count)
        memcpy(list, cell->list, cell->count * sizeof(char *));
    cell->list = list;
    cell->list[index] = pool_strdup(p, v->value);
    if (index == cell->count)
        cell->count++;
    cell->origin = v->name;
}

/* Gives the setting that `rest` spells its value; false if there is none. */
static bool set_in_scope(struct load *l, const struct variable *v, const char *rest,
                         const struct scope *scope, struct cell *cells)
{
    for (unsigned i = 0; i < scope->count; i++) {
        const struct setting *s = &scope->settings[i];
        const char *end = skip_spelled(rest, s->path, false);
        unsigned index;

        if (!end)
            continue;
        if (!*end && setting_is_list(s))
            set_list(l, v, &cells[i]);
        else if (!*end)
            set_text(l, v, &cells[i]);
        else if (setting_is_list(s) && text_starts(end, "__") &&
                 read_index(end + 2, end + strlen(end), &index))
            set_item(l, v, &cells[i], s->path, index);
        else
            continue;
        return true;
    }
    return false;
}

/* SENDERS__<digits>__... : true, with index and what follows. */
static bool split_index(const struct variable *v, unsigned *ret_index, const char **ret_rest)
{
    const char *part, *end;

    if (!text_starts(v->rest, SENDERS))
        return false;
    part = v->rest + strlen(SENDERS);
    end = part + strspn(part, "0123456789");
    if (!text_starts(end, "__") || !read_index(part, end, ret_index))
        return false;
    *ret_rest = end + 2;
    return true;
}

/* Adds an empty sender for each index that follows the last one. */
static void add_senders(struct load *l, const struct variables *all)
{
    struct config_impl *impl = l->impl;
    unsigned index;
    const char *rest;

    for (size_t i = 0; i < all->count; i++) {
        if (!split_index(&all->items[i], &index, &rest) || index != l->config->sender_count ||
            index >= CONFIG_SENDERS_MAX)
            continue;
        impl->senders =
            pool_realloc(&impl->pool, impl->senders,
                         (size_t)(index + 1) * impl->sender.count * sizeof(*impl->senders));
        memset(sender_cells(l, index), 0, impl->sender.count * sizeof(*impl->senders));
        l->config->sender_count++;
    }
}

static bool set_by_index(struct load *l, const struct variable *v)
{
    const char *rest;
    unsigned index;

    if (!split_index(v, &index, &rest))
        return false;
    if (index >= l->config->sender_count) {
        load_error(l, v->name, "senders", "expected an index up to %u, one past the last sender",
                   l->config->sender_count);
        return true;
    }
    return set_in_scope(l, v, rest, &l->impl->sender, sender_cells(l, index));
}

/* Two ids may be spelled alike in the environment ("a-b", "a.b"): such a variable is refused, as
 * it would change one of them by chance. */
static bool set_by_id(struct load *l, const struct variable *v)
{
    unsigned id = scope_index(&l->impl->sender, "id"), matches = 0, match = 0;
    const char *rest = NULL;
    size_t longest = 0;

    if (!text_starts(v->rest, SENDERS))
        return false;
    for (unsigned i = 0; i < l->config->sender_count; i++) {
        const char *name = sender_cells(l, i)[id].text;
        const char *end = name ? skip_spelled(v->rest + strlen(SENDERS), name, true) : NULL;
        size_t len = end ? strlen(name) : 0;

        if (len == 0 || !text_starts(end, "__") || len < longest)
            continue;
        matches = len > longest ? 1 : matches + 1;
        longest = len;
        match = i;
        rest = end + 2;
    }
    if (matches > 1) {
        load_error(l, v->name, "senders",
                   "expected one sender, but several ids are spelled so: use the index");
        return true;
    }
    return matches && set_in_scope(l, v, rest, &l->impl->sender, sender_cells(l, match));
}

static bool cell_refers(const struct cell *cell, bool list, const char *name)
{
    if (!list)
        return cell->text && text_starts(cell->text, "env:") && strcmp(cell->text + 4, name) == 0;
    for (size_t i = 0; i < cell->count; i++) {
        const char *at = strstr(cell->list[i], "env:");

        if (at && strcmp(at + 4, name) == 0)
            return true;
    }
    return false;
}

/* True if some setting says env:<name>: then the variable is a credential, no setting. */
static bool is_referred(const struct load *l, const char *name)
{
    const struct config_impl *impl = l->impl;
    size_t cells = (size_t)l->config->sender_count * impl->sender.count;

    for (unsigned i = 0; i < impl->root.count; i++)
        if (cell_refers(&impl->cells[i], setting_is_list(&impl->root.settings[i]), name))
            return true;
    for (size_t i = 0; i < cells; i++)
        if (cell_refers(&impl->senders[i],
                        setting_is_list(&impl->sender.settings[i % impl->sender.count]), name))
            return true;
    return false;
}

static bool check_value(struct load *l, const struct variable *v)
{
    size_t len = strlen(v->value);

    if (len <= CONFIG_TEXT_MAX && text_is_utf8(v->value, len))
        return true;
    load_error(l, v->name, "environment", "expected UTF-8 text of at most 64 KiB");
    return false;
}

static bool set_root(struct load *l, const struct variable *v)
{
    return set_in_scope(l, v, v->rest, &l->impl->root, l->impl->cells);
}

static void apply(struct load *l, struct variables *all,
                  bool (*set)(struct load *l, const struct variable *v))
{
    for (size_t i = 0; i < all->count; i++)
        if (!all->items[i].done)
            all->items[i].done = set(l, &all->items[i]);
}

void env_apply(struct load *l)
{
    struct variables all = collect(l);

    for (size_t i = 0; i < all.count; i++)
        all.items[i].done = !check_value(l, &all.items[i]);
    add_senders(l, &all);
    apply(l, &all, set_root);
    apply(l, &all, set_by_index);
    apply(l, &all, set_by_id);
    for (size_t i = 0; i < all.count; i++)
        if (!all.items[i].done && !is_referred(l, all.items[i].name))
            load_error(l, all.items[i].name, "environment",
                       "expected the name of a setting, such as SENDQ_REDIS__URL, but there is "
                       "none of this name");
}

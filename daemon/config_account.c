/* What a sender's provider asks for: credentials, options and extra headers.
 *
 * Secrets stand under `credentials`, the rest under `options` or `credentials`, as the provider's
 * table says; every value under credentials may be a reference (credential.h). */
#include "config_impl.h"

#include "credential.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

/* One sender being read. */
struct account {
    struct load *load;
    struct sender *sender;
    struct cell *cells;
    unsigned index;
};

static struct cell *value_cell(const struct account *a, const char *group, const char *name)
{
    const struct scope *scope = &a->load->impl->sender;
    char path[128];
    unsigned i;

    snprintf(path, sizeof(path), "%s.%s", group, name);
    i = scope_index(scope, path);
    return i < scope->count ? &a->cells[i] : NULL;
}

static const char *value_path(const struct account *a, const char *group, const char *name)
{
    return pool_printf(&a->load->impl->pool, "senders[%u].%s.%s", a->index, group, name);
}

static bool is_given(const struct cell *cell)
{
    return cell && !text_is_empty(cell->text);
}

/* Tells of secrets that are less hidden than they could be. */
static void warn_exposed(const struct account *a, const struct cell *cell, const char *path,
                         const struct credential *c)
{
    if (c->world_readable)
        load_warning(a->load, cell->origin, path,
                     "the file it refers to is readable by everybody, expected mode 0600");
    else if (c->inlined && !cell->origin)
        load_warning(a->load, cell->origin, path,
                     "the secret itself stands here, expected a reference to it: file:PATH, "
                     "env:NAME or credential:NAME");
}

static const char *resolve(const struct account *a, const struct provider_setting *p,
                           const struct cell *cell, const char **ret_file)
{
    const char *path = value_path(a, "credentials", p->name);
    struct credential c;
    struct err_text e;

    if (credential_resolve(cell->text, a->load->env, &a->load->impl->pool, &c, &e)) {
        load_error(a->load, cell->origin, path, "%s", e.text);
        return NULL;
    }
    if (p->secret)
        warn_exposed(a, cell, path, &c);
    *ret_file = c.file;
    return c.value;
}

/* The value of one of the provider's settings; NULL when it has none or a fault is reported. */
static const char *read_value(const struct account *a, const struct provider_setting *p,
                              const char **ret_file)
{
    const struct cell *credential = value_cell(a, "credentials", p->name);
    const struct cell *option = value_cell(a, "options", p->name);

    if (is_given(option) && p->secret) {
        load_error(a->load, option->origin, value_path(a, "options", p->name),
                   "expected under credentials, since it is a secret");
        return NULL;
    }
    if (is_given(credential) && is_given(option)) {
        load_error(a->load, option->origin, value_path(a, "options", p->name),
                   "expected either here or under credentials, not both");
        return NULL;
    }
    if (is_given(credential))
        return resolve(a, p, credential, ret_file);
    if (is_given(option))
        return option->text;
    if (p->required)
        load_error(a->load, NULL, value_path(a, p->secret ? "credentials" : "options", p->name),
                   "expected a value, %s needs it: %s", a->sender->provider->name,
                   p->help ? p->help : "required");
    return p->required ? NULL : p->fallback;
}

static void add_names(struct buf *out, const struct provider *p, bool secrets_too)
{
    size_t start = out->len;

    for (const struct provider_setting *s = p->settings; s && s->name; s++)
        if (secrets_too || !s->secret)
            buf_addf(out, "%s%s", out->len == start ? "one of " : ", ", s->name);
    if (out->len == start)
        buf_adds(out, "nothing");
}

/* Names that some provider has, but not this one. */
static void report_foreign(const struct account *a)
{
    const struct scope *scope = &a->load->impl->sender;

    for (unsigned i = 0; i < scope->count; i++) {
        const struct setting *s = &scope->settings[i];
        bool is_credential;
        const char *name = setting_value_name(s, &is_credential);
        struct buf text = {0};

        if (!name || !a->cells[i].text || provider_setting_find(a->sender->provider, name))
            continue;
        add_names(&text, a->sender->provider, is_credential);
        load_error(a->load, a->cells[i].origin,
                   value_path(a, is_credential ? "credentials" : "options", name),
                   "not a setting of %s, expected %s", a->sender->provider->name, buf_str(&text));
        buf_free(&text);
    }
}

void sender_load_values(struct load *l, unsigned index, struct sender *s)
{
    struct account a = {.load = l, .sender = s, .cells = sender_cells(l, index), .index = index};

    report_foreign(&a);
    for (const struct provider_setting *p = s->provider->settings; p && p->name; p++) {
        const char *file = NULL;
        const char *value = read_value(&a, p, &file);

        if (!value)
            continue;
        if (s->value_count == SENDER_VALUES_MAX) {
            load_error(l, NULL, value_path(&a, "options", p->name),
                       "expected at most %d settings of a provider", SENDER_VALUES_MAX);
            return;
        }
        s->values[s->value_count++] =
            (struct sender_value){.name = p->name, .value = value, .file = file};
    }
}

/* "Name: value" -> the same with the value resolved, or NULL. RFC 9110: a name is a token. */
static const char *read_header(const struct account *a, const struct cell *cell, const char *line,
                               const char *path)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    struct pool *pool = &a->load->impl->pool;
    size_t len = strspn(line, token);
    struct credential c;
    struct err_text e;
    const char *value;

    value = line + len + (line[len] == ':');
    value += strspn(value, " ");
    if (len == 0 || line[len] != ':' || !*value) {
        load_error(a->load, cell->origin, path, "expected \"Name: value\"");
        return NULL;
    }
    if (credential_resolve(value, a->load->env, pool, &c, &e)) {
        load_error(a->load, cell->origin, path, "%s", e.text);
        return NULL;
    }
    if (text_has_control(c.value)) {
        load_error(a->load, cell->origin, path,
                   "expected a value without line ends or control characters");
        return NULL;
    }
    return pool_printf(pool, "%.*s: %s", (int)len, line, c.value);
}

void sender_load_headers(struct load *l, unsigned index, struct sender *s)
{
    struct account a = {.load = l, .sender = s, .cells = sender_cells(l, index), .index = index};
    struct cell *cell = &a.cells[scope_index(&l->impl->sender, "headers")];
    struct pool *pool = &l->impl->pool;

    s->headers = pool_alloc(pool, (cell->count + 1) * sizeof(*s->headers));
    for (unsigned i = 0; i < cell->count; i++) {
        const char *path = pool_printf(pool, "senders[%u].headers[%u]", index, i);
        const char *header = read_header(&a, cell, cell->list[i], path);

        if (header)
            s->headers[s->header_count++] = header;
    }
}

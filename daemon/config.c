/* The configuration: loading in order, error lines, look-ups. */
#include "config_impl.h"

#include "credential.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- error lines --- */

static void report(struct load *l, bool fatal, const char *origin, size_t line, const char *path,
                   const char *text)
{
    struct buf out = {0};

    l->fatal_count += fatal;
    if (fatal && l->fatal_count > CONFIG_ERRORS_MAX) {
        if (l->fatal_count == CONFIG_ERRORS_MAX + 1)
            l->report(true, "more errors follow: these first", l->arg);
        return;
    }
    if (origin)
        buf_adds(&out, origin);
    else if (line)
        buf_addf(&out, "%s:%zu", l->name, line);
    else
        buf_adds(&out, l->name);
    buf_addf(&out, ": %s: %s", path, text);
    l->report(fatal, buf_str(&out), l->arg);
    buf_free(&out);
}

static void report_args(struct load *l, bool fatal, const char *origin, size_t line,
                        const char *path, const char *fmt, va_list args)
{
    va_list again;
    char *text;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    text = mem_zalloc((size_t)(len < 0 ? 0 : len) + 1);
    vsnprintf(text, (size_t)(len < 0 ? 0 : len) + 1, fmt, again);
    va_end(again);
    report(l, fatal, origin, line, path, text);
    free(text);
}

static size_t line_of(const struct load *l, const char *path)
{
    return l->doc ? doc_line(l->doc, path) : 0;
}

void load_error(struct load *l, const char *origin, const char *path, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    report_args(l, true, origin, line_of(l, path), path, fmt, args);
    va_end(args);
}

void load_warning(struct load *l, const char *origin, const char *path, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    report_args(l, false, origin, line_of(l, path), path, fmt, args);
    va_end(args);
}

void load_error_at(struct load *l, size_t line, const char *path, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    report_args(l, true, NULL, line, path, fmt, args);
    va_end(args);
}

/* --- loading --- */

static void load_list(struct load *l, const struct setting *s, struct cell *cell, void *base,
                      const char *path)
{
    for (unsigned i = 0; i < cell->count; i++)
        if (!*cell->list[i] || text_has_control(cell->list[i]))
            load_error(l, cell->origin, path,
                       "expected items of text without line ends or control characters");
    *(const char ***)((char *)base + s->offset) = (const char **)cell->list;
    *(unsigned *)((char *)base + s->count_offset) = (unsigned)cell->count;
}

/* redis.url may be a reference, as it may hold a password, and so may user and password. Returns
 * NULL when reported. */
static const char *resolve_reference(struct load *l, const struct setting *s,
                                     const struct cell *cell)
{
    struct credential c;
    struct err_text e;
    bool secret;

    if (credential_resolve(cell->text, l->env, &l->impl->pool, &c, &e)) {
        load_error(l, cell->origin, s->path, "%s", e.text);
        return NULL;
    }
    secret = s->type == SETTING_REDIS ? url_has_password(c.value)
                                      : *c.value != '\0' && strstr(s->path, "password") != NULL;
    if (c.world_readable && secret)
        load_warning(l, cell->origin, s->path,
                     "the file it refers to is readable by everybody, expected mode 0600");
    if (c.inlined && !cell->origin && secret)
        load_warning(l, cell->origin, s->path,
                     "the password itself stands here, expected a reference to it: file:PATH, "
                     "env:NAME or credential:NAME");
    return c.value;
}

static bool has_own_store(const struct setting *s)
{
    return s->type == SETTING_CHANNELS || s->type == SETTING_HEADERS ||
           s->type == SETTING_PROVIDER || s->type == SETTING_VALUE;
}

void setting_load(struct load *l, const struct setting *s, struct cell *cell, void *base,
                  const char *path)
{
    struct err_text e;
    const char *text;

    if (has_own_store(s))
        return;
    if (setting_is_list(s)) {
        load_list(l, s, cell, base, path);
        return;
    }
    if (!cell->text)
        cell->text = pool_strdup(&l->impl->pool, s->fallback);
    if (!cell->text && s->required)
        cell->text = pool_strdup(&l->impl->pool, "");
    if (!cell->text)
        return;
    text = s->type == SETTING_REDIS || s->type == SETTING_SECRET ? resolve_reference(l, s, cell)
                                                                 : cell->text;
    if (text && setting_store(s, text, base, &e))
        load_error(l, cell->origin, path, "%s", e.text);
}

static void load_values(struct load *l)
{
    struct config_impl *impl = l->impl;
    struct config *c = l->config;

    for (unsigned i = 0; i < impl->root.count; i++)
        setting_load(l, &impl->root.settings[i], &impl->cells[i], c, impl->root.settings[i].path);
    c->job.max_attachment = (size_t)c->attachments_max;
    limits_load(l);
    if (l->flags & CONFIG_WITHOUT_SENDERS) {
        c->sender_count = 0;
        return;
    }
    c->senders = pool_alloc(&impl->pool, ((size_t)c->sender_count + 1) * sizeof(*c->senders));
    for (unsigned i = 0; i < c->sender_count; i++)
        sender_load(l, i, &c->senders[i]);
    c->job.max_attachment = (size_t)c->attachments_max;
    check_all(l);
}

/* False when what the file says cannot be judged further. */
static bool load_file(struct load *l, struct doc **ret_doc, const char *text, size_t len)
{
    struct config_impl *impl = l->impl;

    impl->root = scope_root();
    impl->sender = scope_sender(&impl->pool);
    impl->cells = pool_alloc(&impl->pool, (impl->root.count + 1) * sizeof(*impl->cells));
    if (!text)
        return true;
    *ret_doc = doc_parse(l, text, len);
    l->doc = *ret_doc;
    return l->doc && schema_load(l, text, len);
}

static struct config *config_new(void)
{
    struct config *c = mem_zalloc(sizeof(*c));

    c->impl = mem_zalloc(sizeof(*c->impl));
    return c;
}

/* Loads into l->config and returns it, or frees it and returns NULL. */
static struct config *load(struct load *l, const char *text, size_t len)
{
    struct doc *doc = NULL;

    if (load_file(l, &doc, text, len)) {
        env_apply(l);
        load_values(l);
    }
    doc_free(doc);
    l->doc = NULL;
    if (l->fatal_count == 0)
        return l->config;
    config_free(l->config);
    return NULL;
}

struct config *config_load_text(const char *name, const char *text, size_t len,
                                const char *const *env, config_report on_report, void *arg)
{
    struct config *c = config_new();
    struct load l = {
        .config = c, .impl = c->impl, .name = name, .env = env, .report = on_report, .arg = arg};

    return load(&l, text, len);
}

struct config *config_load_opts(const char *path, unsigned flags, config_report on_report,
                                void *arg)
{
    struct config *c = config_new();
    struct load l = {.config = c,
                     .impl = c->impl,
                     .name = path ? path : "defaults",
                     .env = (const char *const *)environ,
                     .flags = flags,
                     .report = on_report,
                     .arg = arg};
    char *text = NULL;
    size_t len = 0;
    struct err_text e;

    if (path &&
        pool_read_file(&c->impl->pool, path, CONFIG_FILE_MAX, false, &text, &len, NULL, &e)) {
        load_error(&l, NULL, "file", "expected a readable configuration file: %s", e.text);
        config_free(c);
        return NULL;
    }
    c = load(&l, text, len);
    if (c)
        pool_release(&c->impl->pool, text);
    return c;
}

struct config *config_load(const char *path, config_report on_report, void *arg)
{
    return config_load_opts(path, 0, on_report, arg);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    map_free(&c->impl->ids);
    pool_free(&c->impl->pool);
    free(c->impl);
    free(c);
}

/* --- look-ups --- */

const struct sender *config_sender(const struct config *c, const char *id)
{
    return id ? map_get(&c->impl->ids, id) : NULL;
}

const struct sender *config_default_sender(const struct config *c, enum channel ch)
{
    return (unsigned)ch < CHANNEL_COUNT ? c->impl->defaults[ch] : NULL;
}

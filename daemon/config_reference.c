/* The reference of all settings as Markdown, from the same tables that load them. */
#include "config_impl.h"

#include "registry.h"
#include "text.h"
#include <string.h>

/* '|' would end a table's cell. */
static void add_cell(struct buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '|')
            buf_addc(out, '\\');
        buf_addc(out, *s);
    }
}

static void add_default(struct buf *out, const struct setting *s)
{
    if (s->required)
        buf_adds(out, "required");
    else if (setting_is_list(s))
        buf_adds(out, s->type == SETTING_CHANNELS ? "the provider's only one" : "`[]`");
    else if (text_is_empty(s->fallback))
        buf_adds(out, "empty");
    else
        buf_addf(out, "`%s`", s->fallback);
}

static void add_type(struct buf *out, const struct setting *s)
{
    if (s->words)
        add_cell(out, s->words);
    else
        buf_adds(out, setting_type_name(s->type));
    if (s->max)
        setting_range(s, out);
}

static void add_settings(struct buf *out, const struct scope *scope)
{
    buf_adds(out, "| setting | default | type | what it does, and why so |\n"
                  "| --- | --- | --- | --- |\n");
    for (unsigned i = 0; i < scope->count; i++) {
        const struct setting *s = &scope->settings[i];

        if (s->type == SETTING_VALUE)
            continue;
        buf_addf(out, "| `%s` | ", s->path);
        add_default(out, s);
        buf_adds(out, " | ");
        add_type(out, s);
        buf_adds(out, " | ");
        add_cell(out, s->help);
        buf_adds(out, " |\n");
    }
}

static void add_provider(struct buf *out, const struct provider *p)
{
    for (const struct provider_setting *s = p->settings; s && s->name; s++) {
        buf_addf(out, "| %s | `%s.%s` | ", p->name, s->secret ? "credentials" : "options", s->name);
        if (s->fallback)
            buf_addf(out, "`%s`", s->fallback);
        else
            buf_adds(out, s->required ? "required" : "empty");
        buf_adds(out, " | ");
        add_cell(out, s->help ? s->help : "");
        buf_adds(out, " |\n");
    }
}

void config_reference(struct buf *out)
{
    struct pool pool = {0};
    const struct scope root = scope_root(), sender = scope_sender(&pool);

    buf_adds(out, "### Settings\n\n");
    add_settings(out, &root);
    buf_adds(out, "\n### Settings of a sender (`senders[]`)\n\n");
    add_settings(out, &sender);
    buf_adds(out, "\n### Settings of a provider (within its sender)\n\n"
                  "| provider | setting | default | what it is |\n"
                  "| --- | --- | --- | --- |\n");
    for (unsigned i = 0; provider_at(i); i++)
        add_provider(out, provider_at(i));
    buf_adds(out, "\nEvery setting can be overridden from the environment: `SENDQ_`, then its "
                  "path in upper case with `__` between the parts. A sender is named by its id "
                  "or index: `SENDQ_REDIS__URL`, `SENDQ_SENDERS__SUPPORT_MAIL__LIMITS__RATE`, "
                  "`SENDQ_SENDERS__0__TIMEOUT`. Lists are separated by commas.\n");
    pool_free(&pool);
}

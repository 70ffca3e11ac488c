/* Templates: compiled to segments (literal text, then a place), so that rendering is copying. */
#include "template.h"

#include "text.h"
#include <string.h>

/* Literal text, followed by a place unless it is the last. */
struct segment {
    const char *text;
    size_t len;
    const char *name;     /* NULL: no place follows */
    const char *fallback; /* NULL: none */
    size_t at;            /* where the place begins, in characters from 1 */
};

struct template
{
    enum template_kind kind;
    struct segment *segments;
    unsigned count;
};

/* --- compiling --- */

struct compiler {
    const char *at;
    struct arena *arena;
    struct err_text *e;
    struct buf literal;
    struct segment *segments;
    unsigned count, cap;
    const char *counted_to; /* `chars` of the text stand before it */
    size_t chars;
};

/* Asked with rising `at`, so that the text is walked once. */
static size_t char_number(struct compiler *c, const char *at)
{
    for (; c->counted_to < at; c->counted_to++)
        c->chars += ((unsigned char)*c->counted_to & 0xc0) != 0x80;
    return c->chars + 1;
}

static enum sq_err fail(struct compiler *c, const char *at, const char *why)
{
    return err_set(c->e, SQ_ERR_INVALID, "the {{ at character %zu %s", char_number(c, at), why);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* s[0..len) without the space around it, in the arena. */
static const char *trimmed(struct arena *a, const char *s, size_t len, size_t *ret_len)
{
    while (len && is_space(*s))
        s++, len--;
    while (len && is_space(s[len - 1]))
        len--;
    *ret_len = len;
    return arena_strndup(a, s, len);
}

static void push(struct compiler *c, const char *name, const char *fallback, const char *at)
{
    struct segment *s;

    if (c->count == c->cap) {
        struct segment *grown = arena_alloc(c->arena, (c->cap * 2 + 4) * sizeof *grown);

        if (c->count)
            memcpy(grown, c->segments, c->count * sizeof *grown);
        c->segments = grown;
        c->cap = c->cap * 2 + 4;
    }
    s = &c->segments[c->count++];
    s->len = c->literal.len;
    s->text = arena_strndup(c->arena, buf_str(&c->literal), c->literal.len);
    s->name = name;
    s->fallback = fallback;
    s->at = name ? char_number(c, at) : 0;
    buf_clear(&c->literal);
}

/* "contact.first_name" is how other systems write it. */
static const char *without_prefix(const char *name)
{
    if (text_starts(name, "contact.") && name[8])
        return name + 8;
    if (text_starts(name, "lead.") && name[5])
        return name + 5;
    return name;
}

/* Reads the place whose {{ stands at c->at. */
static enum sq_err read_place(struct compiler *c)
{
    const char *open = c->at, *inside = open + 2, *close = strstr(inside, "}}");
    const char *bar = close ? memchr(inside, '|', (size_t)(close - inside)) : NULL;
    const char *name, *fallback = NULL;
    size_t len, fallback_len = 0;

    if (!close)
        return fail(c, open, "is not closed by }}");
    name = trimmed(c->arena, inside, (size_t)((bar ? bar : close) - inside), &len);
    if (bar)
        fallback = trimmed(c->arena, bar + 1, (size_t)(close - bar - 1), &fallback_len);
    if (!len)
        return fail(c, open, "names no field");
    if (len > TEMPLATE_NAME_MAX || strpbrk(name, "{}") || text_has_control(name))
        return fail(c, open, "does not name a field");
    if (fallback_len > TEMPLATE_DEFAULT_MAX)
        return fail(c, open, "has too long a default");
    if (c->count == TEMPLATE_PLACES_MAX)
        return fail(c, open, "is one too many");
    push(c, without_prefix(name), fallback, open);
    c->at = close + 2;
    return SQ_OK;
}

static enum sq_err read_all(struct compiler *c)
{
    enum sq_err err = SQ_OK;

    while (*c->at && !err) {
        size_t n = strcspn(c->at, "{\\");

        buf_add(&c->literal, c->at, n);
        c->at += n;
        if (text_starts(c->at, "{{")) {
            err = read_place(c);
        } else if (text_starts(c->at, "\\{{")) {
            buf_adds(&c->literal, "{{");
            c->at += 3;
        } else if (*c->at) {
            buf_addc(&c->literal, *c->at++);
        }
    }
    push(c, NULL, NULL, NULL);
    return err;
}

enum sq_err template_compile(const char *text, enum template_kind kind, struct arena *a,
                             const struct template **ret, struct err_text *e)
{
    struct compiler c = {.at = text, .counted_to = text, .arena = a, .e = e};
    enum sq_err err = read_all(&c);
    struct template *t;

    if (c.literal.failed)
        err = err_set(e, SQ_ERR_TOO_LARGE, "the template is too large");
    buf_free(&c.literal);
    if (err)
        return err;
    t = arena_alloc(a, sizeof *t);
    *t = (struct template){.kind = kind, .segments = c.segments, .count = c.count};
    *ret = t;
    return SQ_OK;
}

unsigned template_places(const struct template *t)
{
    return t->count - 1;
}

const char *template_text(const struct template *t)
{
    return t->count == 1 ? t->segments[0].text : NULL;
}

/* --- rendering --- */

static void add_value(struct buf *out, enum template_kind kind, const char *s)
{
    if (kind == TEMPLATE_HTML)
        text_add_html(out, s, strlen(s));
    else if (kind == TEMPLATE_LINE)
        text_add_line(out, s);
    else
        buf_adds(out, s);
}

/* False if the lead has nothing there. */
static bool add_field(struct buf *out, enum template_kind kind, const struct filter_field *f)
{
    if (!f->is_list && text_is_empty(f->text))
        return false;
    if (!f->is_list)
        add_value(out, kind, f->text);
    for (unsigned i = 0; f->is_list && i < f->count; i++) {
        buf_adds(out, i ? ", " : "");
        add_value(out, kind, f->items[i]);
    }
    return !f->is_list || f->count > 0;
}

static enum sq_err fill(const struct segment *s, enum template_kind kind,
                        const struct filter_lead *lead, enum template_missing missing,
                        struct buf *out, struct err_text *e)
{
    struct filter_field f = {.text = NULL};

    lead->get(lead->ctx, s->name, &f);
    if (add_field(out, kind, &f))
        return SQ_OK;
    if (!s->fallback && missing == TEMPLATE_FAIL)
        return err_set(e, SQ_ERR_INVALID, "{{%s}} at character %zu has neither value nor default",
                       s->name, s->at);
    buf_adds(out, s->fallback);
    return SQ_OK;
}

enum sq_err template_render(const struct template *t, const struct filter_lead *lead,
                            enum template_missing missing, struct buf *out, struct err_text *e)
{
    enum sq_err err = SQ_OK;

    for (unsigned i = 0; i < t->count && !err && !out->failed; i++) {
        const struct segment *s = &t->segments[i];

        buf_add(out, s->text, s->len);
        if (s->name)
            err = fill(s, t->kind, lead, missing, out, e);
    }
    if (!err && out->failed)
        err = err_set(e, SQ_ERR_TOO_LARGE, "the filled text is larger than %zu bytes", out->max);
    return err;
}

/* RFC 5322 address lists, by recursive descent over one string.
 *
 * An address is read as a phrase first, for only what follows its words tells what it is: `<` makes
 * them a display name, `@` a local part, `:` the name of a group. */
#include "address.h"

#include "text.h"
#include <string.h>

#define COMMENT_DEPTH_MAX 16

struct scan {
    const char *start, *p;
    struct arena *arena;
    struct address_list *list;
    unsigned max;
    const char *fault; /* NULL while all is well */
    struct buf words;  /* the phrase; of one word alone: a local part, unquoted */
    struct buf name;
    unsigned word_count;
    bool quoted; /* the last word was */
    bool in_group;
};

static bool fail(struct scan *s, const char *fault)
{
    if (!s->fault)
        s->fault = fault;
    return false;
}

/* Characters that end a word outside of quotes. */
static bool is_special(char c)
{
    if ((c >= 'a' && c <= 'z') || c == '.') /* nearly all there is */
        return false;
    return !c || strchr(" \"(),:;<>@[]\\", c) != NULL;
}

/* Skips one comment; p stands on its opening parenthesis. */
static bool skip_comment(struct scan *s)
{
    unsigned depth = 0;

    for (; *s->p; s->p++) {
        if (*s->p == '\\' && s->p[1])
            s->p++;
        else if (*s->p == '(' && ++depth > COMMENT_DEPTH_MAX)
            return fail(s, "holds comments nested too deep");
        else if (*s->p == ')' && --depth == 0) {
            s->p++;
            return true;
        }
    }
    return fail(s, "holds an unclosed comment");
}

/* Skips spaces and comments; true if there were spaces. */
static bool skip_space(struct scan *s)
{
    bool spaced = false;

    for (;;) {
        if (*s->p == ' ') {
            spaced = true;
            s->p++;
        } else if (*s->p != '(' || !skip_comment(s)) {
            return spaced;
        }
    }
}

static bool read_quoted(struct scan *s)
{
    for (s->p++; *s->p != '"'; s->p++) {
        if (*s->p == '\\')
            s->p++;
        if (!*s->p)
            return fail(s, "holds an unclosed quote");
        buf_addc(&s->words, *s->p);
    }
    s->p++;
    return true;
}

static bool read_atom(struct scan *s)
{
    const char *start = s->p;

    while (!is_special(*s->p))
        s->p++;
    buf_add(&s->words, start, (size_t)(s->p - start));
    return true;
}

/* Reads words up to a special character: 0 or more. */
static bool read_words(struct scan *s)
{
    buf_clear(&s->words);
    s->word_count = 0;
    for (;;) {
        bool spaced = skip_space(s);

        if (s->fault)
            return false;
        if (*s->p != '"' && is_special(*s->p))
            return true;
        if (s->word_count++ && spaced)
            buf_addc(&s->words, ' ');
        s->quoted = *s->p == '"';
        if (!(s->quoted ? read_quoted(s) : read_atom(s)))
            return false;
        if (s->words.failed)
            return fail(s, "holds a name that is too long");
    }
}

static bool is_listed(const struct address_list *l, const char *addr)
{
    for (unsigned i = 0; i < l->count; i++)
        if (strcmp(l->items[i].addr, addr) == 0)
            return true;
    return false;
}

/* Grows by doubling at powers of two; what is outgrown stays in the arena. */
static struct address *list_add(struct scan *s)
{
    struct address_list *l = s->list;

    if (!(l->count & (l->count - 1))) {
        unsigned cap = l->count ? l->count * 2 : 1;
        struct address *grown = arena_alloc(s->arena, cap * sizeof *grown);

        if (l->count)
            memcpy(grown, l->items, l->count * sizeof *grown);
        l->items = grown;
    }
    return &l->items[l->count++];
}

static bool keep(struct scan *s, const char *addr)
{
    struct address *a;

    if (is_listed(s->list, addr))
        return true;
    if (s->list->count >= s->max)
        return fail(s, s->max == 1 ? "must be one address" : "names too many addresses");
    a = list_add(s);
    a->name = s->name.len ? arena_strdup(s->arena, buf_str(&s->name)) : NULL;
    a->addr = arena_strdup(s->arena, addr);
    return true;
}

/* The rest of an addr-spec whose local part is the one word read; p stands where @ must be. */
static bool read_spec(struct scan *s)
{
    struct buf addr = {.max = 1024};
    const char *domain;
    bool ok;

    if (*s->p != '@')
        return fail(s, *s->p && s->word_count && *s->p != '>' && *s->p != ',' && *s->p != ';'
                           ? "holds a character that is not allowed there"
                           : "holds an address without @");
    if (s->word_count != 1)
        return fail(s, s->word_count ? "holds words before an address that is not in <>"
                                     : "holds an address without a name before @");
    s->p++;
    skip_space(s);
    if (s->fault)
        return false;
    if (*s->p == '[')
        return fail(s, "holds an address literal, which is not supported");
    domain = s->p;
    while (!is_special(*s->p))
        s->p++;
    ok = address_canonical(buf_str(&s->words), s->quoted, domain, (size_t)(s->p - domain), &addr);
    ok = ok ? keep(s, buf_str(&addr)) : fail(s, "holds an address that is not valid");
    buf_free(&addr);
    return ok;
}

static bool read_angle(struct scan *s)
{
    s->p++;
    if (s->words.len > ADDRESS_NAME_MAX)
        return fail(s, "holds a name that is too long");
    buf_add(&s->name, buf_str(&s->words), s->words.len);
    if (!read_words(s) || !read_spec(s))
        return false;
    skip_space(s);
    if (!s->fault && *s->p != '>')
        return fail(s, "holds a < without its >");
    s->p++;
    return !s->fault;
}

/* One mailbox, or the head of a group. */
static bool read_address(struct scan *s)
{
    buf_clear(&s->name);
    if (!read_words(s))
        return false;
    if (*s->p == '<')
        return read_angle(s);
    if (*s->p == ':' && s->word_count && !s->in_group) {
        s->in_group = true;
        s->p++;
        return true;
    }
    if (!s->word_count && (!*s->p || *s->p == ','))
        return fail(s, s->p == s->start ? "must not be empty" : "holds an empty address");
    return read_spec(s);
}

/* What stands after a mailbox: true if the list goes on behind it. */
static bool read_separator(struct scan *s)
{
    skip_space(s);
    if (!s->fault && s->in_group && *s->p == ';') {
        s->in_group = false;
        s->p++;
        skip_space(s);
    }
    if (s->fault)
        return false;
    if (*s->p == ',') {
        s->p++;
        return true;
    }
    return *s->p ? fail(s, "holds a character that is not allowed there")
                 : s->in_group && fail(s, "holds a group without its ;");
}

static void read_list(struct scan *s)
{
    bool more = true;

    while (more) {
        bool was_in_group = s->in_group;

        skip_space(s);
        if (s->fault)
            return;
        if (!(s->in_group && *s->p == ';') && !read_address(s))
            return;
        more = s->in_group && !was_in_group ? true : read_separator(s);
    }
}

enum sq_err address_parse_list(const char *str, unsigned max, struct arena *a,
                               struct address_list *ret, struct err_text *e)
{
    struct scan s = {.start = str, .p = str, .arena = a, .list = ret, .max = max};
    unsigned before = ret->count;
    const char *fault;
    size_t at;

    s.words.max = s.name.max = 4 * ADDRESS_NAME_MAX;
    if (!text_is_utf8(str, strlen(str)) || text_has_control(str))
        return err_set(e, SQ_ERR_INVALID, "must not hold control characters");
    read_list(&s);
    buf_free(&s.words);
    buf_free(&s.name);
    fault = s.fault;
    at = (size_t)(s.p - str);
    if (!fault && ret->count == before && !before)
        return err_set(e, SQ_ERR_INVALID, "names no address");
    if (!fault)
        return SQ_OK;
    if (!at || !*str)
        return err_set(e, SQ_ERR_INVALID, "%s", fault);
    return err_set(e, SQ_ERR_INVALID, "%s (at byte %zu)", fault, at);
}

/* --- printing --- */

/* True if a name may stand without quotes: atoms and single spaces between them. */
static bool is_phrase(const char *s)
{
    if (*s == ' ' || !*s || s[strlen(s) - 1] == ' ' || strstr(s, "  "))
        return false;
    for (; *s; s++)
        if (*s != ' ' && (is_special(*s) || *s == '.'))
            return false;
    return true;
}

void address_print(const struct address *a, struct buf *out)
{
    if (!a->name) {
        buf_adds(out, a->addr);
        return;
    }
    if (is_phrase(a->name)) {
        buf_adds(out, a->name);
    } else {
        buf_addc(out, '"');
        for (const char *p = a->name; *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_addc(out, '\\');
            buf_addc(out, *p);
        }
        buf_addc(out, '"');
    }
    buf_addf(out, " <%s>", a->addr);
}

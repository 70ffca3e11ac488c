/* Html written anew from its tags.
 *
 * It is read loosely, as html in mails is: what is no tag is text. Whatever a browser would have
 * made of it, what comes out are tags of the list alone, in order and closed, and text without
 * angle brackets. So nothing depends on reading it exactly as a browser does. */
#include "quote_html.h"

#include "text.h"
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 100
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const elements[] = {
    "a",     "abbr", "b",     "big",  "blockquote", "caption", "center", "code", "dd",
    "del",   "div",  "dl",    "dt",   "em",         "font",    "h1",     "h2",   "h3",
    "h4",    "h5",   "h6",    "i",    "ins",        "li",      "ol",     "p",    "pre",
    "q",     "s",    "small", "span", "strike",     "strong",  "sub",    "sup",  "table",
    "tbody", "td",   "tfoot", "th",   "thead",      "tr",      "tt",     "u",    "ul",
};
static const char *const voids[] = {"br", "hr", "img"};
/* Left out with all that is in them. */
static const char *const opaque[] = {
    "script",   "style",    "title",    "textarea", "xmp",    "iframe", "noembed",
    "noframes", "noscript", "template", "select",   "object", "svg",    "math",
};
static const char *const attributes[] = {
    "align",   "alt", "bgcolor", "border", "cellpadding", "cellspacing", "color",
    "colspan", "dir", "face",    "height", "href",        "lang",        "rowspan",
    "size",    "src", "style",   "title",  "valign",      "width",
};

struct writer {
    struct buf *out;
    bool without_cid;
    const char *open[DEPTH_MAX];
    unsigned depth;
};

/* A piece of the html. */
struct piece {
    const char *s;
    size_t len;
};

static bool piece_is(struct piece p, const char *word)
{
    return p.len == strlen(word) && strncasecmp(p.s, word, p.len) == 0;
}

static const char *find(struct piece p, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (piece_is(p, list[i]))
            return list[i];
    return NULL;
}

static const char *find_in(const char *s, size_t len, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= len; i++)
        if (strncasecmp(s + i, word, n) == 0)
            return s + i;
    return NULL;
}

static const char *skip_blank(const char *s)
{
    return s + strspn(s, " \t\r\n\f");
}

/* --- attributes --- */

static bool begins(struct piece v, const char *prefix)
{
    return v.len >= strlen(prefix) && strncasecmp(v.s, prefix, strlen(prefix)) == 0;
}

/* As it stands: what hides its scheme behind entities has none of these. */
static bool is_target(const struct writer *w, struct piece v, bool is_src)
{
    static const char *const schemes[] = {"http://", "https://", "mailto:", "tel:"};

    if (is_src && begins(v, "cid:"))
        return !w->without_cid;
    for (size_t i = 0; i < (is_src ? 2 : COUNT(schemes)); i++)
        if (begins(v, schemes[i]))
            return true;
    return false;
}

/* Colours and sizes, but nothing that fetches, runs, hides its words, or leaves its place. */
static bool is_style(struct piece v)
{
    static const char *const words[] = {"&",          "\\",       "/*",       "@",      "url",
                                        "expression", "position", "behavior", "binding"};

    for (size_t i = 0; i < COUNT(words); i++)
        if (find_in(v.s, v.len, words[i]))
            return false;
    return true;
}

static void add_attribute(const struct writer *w, struct piece name, struct piece v)
{
    const char *known = find(name, attributes, COUNT(attributes));
    bool is_src = text_eq(known, "src");

    if (!known || ((is_src || text_eq(known, "href")) && !is_target(w, v, is_src)) ||
        (text_eq(known, "style") && !is_style(v)))
        return;
    buf_addf(w->out, " %s=\"", known);
    for (size_t i = 0; i < v.len; i++) { /* entities stay what they are */
        if (strchr("\"<>", v.s[i]))
            text_add_html(w->out, v.s + i, 1);
        else
            buf_addc(w->out, v.s[i]);
    }
    buf_addc(w->out, '"');
}

static const char *read_value(const char *s, struct piece *ret)
{
    char quote = *s;

    if (quote != '"' && quote != '\'') {
        *ret = (struct piece){s, strcspn(s, " \t\r\n\f>")};
        return s + ret->len;
    }
    ret->s = ++s;
    while (*s && *s != quote)
        s++;
    ret->len = (size_t)(s - ret->s);
    return *s ? s + 1 : s;
}

/* Writes them if w is not NULL; returns where the tag's '>' or the end is. */
static const char *read_attributes(const char *s, const struct writer *w)
{
    while (*(s += strspn(s, " \t\r\n\f/")) && *s != '>') {
        struct piece name = {s, strcspn(s + 1, " \t\r\n\f/=>") + 1}, value = {"", 0};
        const char *after = skip_blank(s + name.len);

        s += name.len;
        if (*after == '=')
            s = read_value(skip_blank(after + 1), &value);
        if (w)
            add_attribute(w, name, value);
    }
    return s;
}

/* --- tags --- */

static void close_last(struct writer *w)
{
    buf_addf(w->out, "</%s>", w->open[--w->depth]);
}

/* With those in it that were not closed; nothing for what is not open. */
static void close_element(struct writer *w, struct piece name)
{
    unsigned at = w->depth;

    while (at > 0 && !piece_is(name, w->open[at - 1]))
        at--;
    while (at > 0 && w->depth >= at)
        close_last(w);
}

static const char *open_element(struct writer *w, struct piece name, const char *s)
{
    const char *element = find(name, elements, COUNT(elements));
    const char *known = element ? element : find(name, voids, COUNT(voids));

    if (!known || (element && w->depth == DEPTH_MAX))
        return read_attributes(s, NULL);
    if (element)
        w->open[w->depth++] = element;
    buf_addf(w->out, "<%s", known);
    s = read_attributes(s, w);
    buf_addc(w->out, '>');
    return s;
}

/* Behind the end of an element that is left out. */
static const char *skip_element(const char *s, const char *name)
{
    const char *end = s + strlen(s);

    while ((s = find_in(s, (size_t)(end - s), "</")) != NULL) {
        s += 2;
        if (strncasecmp(s, name, strlen(name)) == 0)
            return read_attributes(s + strlen(name), NULL);
    }
    return end;
}

static const char *skip_comment(const char *s)
{
    bool is_comment = text_starts(s, "!--");
    const char *end = strstr(s + (is_comment ? 3 : 0), is_comment ? "-->" : ">");

    if (!end)
        return s + strlen(s);
    return end + (is_comment ? 2 : 0);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* s is behind the '<' of a tag or a comment. */
static const char *read_markup(struct writer *w, const char *s)
{
    bool is_end = *s == '/';
    struct piece name;
    const char *hidden;

    if (*s == '!' || *s == '?')
        return skip_comment(s);
    s += is_end;
    name = (struct piece){s, strcspn(s, " \t\r\n\f/>")};
    s += name.len;
    hidden = is_end ? NULL : find(name, opaque, COUNT(opaque));
    if (is_end)
        close_element(w, name);
    if (hidden)
        return skip_element(read_attributes(s, NULL), hidden);
    return is_end ? read_attributes(s, NULL) : open_element(w, name, s);
}

static bool is_markup(const char *s)
{
    return s[0] == '<' &&
           (is_letter(s[1]) || s[1] == '!' || s[1] == '?' || (s[1] == '/' && is_letter(s[2])));
}

/* --- interface --- */

void quote_html_add(const char *html, bool without_cid, struct buf *out)
{
    struct writer w = {.out = out, .without_cid = without_cid};

    while (*html && !out->failed) {
        size_t n = strcspn(html, "<>");

        buf_add(out, html, n); /* entities stay what they are */
        html += n;
        if (is_markup(html)) {
            html = read_markup(&w, html + 1);
            html += *html == '>';
        } else if (*html) {
            text_add_html(out, html++, 1);
        }
    }
    while (w.depth > 0)
        close_last(&w);
}

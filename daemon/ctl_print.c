/* Output of the operator's tool: tables for people, lines of JSON for programs. */
#include "ctl_print.h"

#include "text.h"
#include <string.h>

#define GAP 2     /* between columns */
#define MIN_CUT 8 /* a flexible column gets no narrower */
#define DOTS "..."

/* --- filling --- */

void table_begin(struct table *t, const char *heads)
{
    t->column_count = 0;
    t->cell_count = 0;
    buf_clear(&t->text);
    while (t->column_count < TABLE_COLUMNS_MAX) {
        struct table_column *c = &t->columns[t->column_count++];

        c->right = *heads == '>';
        c->flexible = *heads == '~';
        c->name = heads + (c->right || c->flexible);
        c->name_len = strcspn(c->name, "|");
        if (c->name[c->name_len] == '\0')
            break;
        heads = c->name + c->name_len + 1;
    }
}

static void end_cell(struct table *t)
{
    buf_add(&t->text, "", 1);
    t->cell_count++;
}

void table_add(struct table *t, const char *s)
{
    if (text_is_empty(s))
        s = "-";
    text_add_visible(&t->text, s, strlen(s));
    end_cell(t);
}

void table_add_int(struct table *t, int64_t v)
{
    buf_add_i64(&t->text, v);
    end_cell(t);
}

void table_add_time(struct table *t, const char *rfc3339)
{
    if (rfc3339 == NULL || strlen(rfc3339) != 24 || rfc3339[10] != 'T' || rfc3339[19] != '.') {
        table_add(t, rfc3339);
        return;
    }
    text_add_visible(&t->text, rfc3339, 10);
    buf_addc(&t->text, ' ');
    text_add_visible(&t->text, rfc3339 + 11, 8);
    end_cell(t);
}

size_t table_rows(const struct table *t)
{
    return t->cell_count / t->column_count;
}

void table_free(struct table *t)
{
    buf_free(&t->text);
}

/* --- measuring --- */

static bool has_heads(const struct table *t)
{
    for (unsigned i = 0; i < t->column_count; i++)
        if (t->columns[i].name_len > 0)
            return true;
    return false;
}

static void measure(const struct table *t, size_t widths[TABLE_COLUMNS_MAX])
{
    const char *cell = buf_str(&t->text);

    for (unsigned i = 0; i < t->column_count; i++)
        widths[i] = t->columns[i].name_len;
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t chars = text_chars(cell);

        if (chars > widths[i % t->column_count])
            widths[i % t->column_count] = chars;
        cell += strlen(cell) + 1;
    }
}

/* The widest column that may still give way, or -1. */
static int widest(const struct table *t, const size_t widths[TABLE_COLUMNS_MAX])
{
    int found = -1;

    for (unsigned i = 0; i < t->column_count; i++)
        if (t->columns[i].flexible && widths[i] > MIN_CUT &&
            (found < 0 || widths[i] > widths[found]))
            found = (int)i;
    return found;
}

/* Narrows flexible columns, the widest first, until the lines fit (or nothing gives way). */
static void fit(const struct table *t, size_t width, size_t widths[TABLE_COLUMNS_MAX])
{
    size_t total = GAP * (size_t)(t->column_count - 1);
    int at;

    for (unsigned i = 0; i < t->column_count; i++)
        total += widths[i];
    while (width > 0 && total > width && (at = widest(t, widths)) >= 0) {
        widths[at]--;
        total--;
    }
}

/* --- printing --- */

static void add_spaces(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_addc(out, ' ');
}

/* The words of the contract that call for a colour: an operator's eye finds them first. */
static const char *colour_of(const char *s)
{
    static const struct {
        const char *word, *colour;
    } words[] = {
        {"sent", "\033[32m"},      {"ok", "\033[32m"},        {"running", "\033[32m"},
        {"scheduled", "\033[33m"}, {"throttled", "\033[33m"}, {"day_cap", "\033[33m"},
        {"draining", "\033[33m"},  {"paused", "\033[33m"},    {"failed", "\033[31m"},
        {"broken", "\033[31m"},    {"dead", "\033[31m"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(s, words[i].word) == 0)
            return words[i].colour;
    return NULL;
}

/* The bytes of the first n characters. */
static size_t prefix_bytes(const char *s, size_t n)
{
    size_t at = 0;

    while (s[at] != '\0' && (n > 0 || ((unsigned char)s[at] & 0xc0) == 0x80)) {
        at++;
        n -= ((unsigned char)s[at] & 0xc0) != 0x80;
    }
    return at;
}

static void add_cell(struct buf *out, const char *s, size_t width, const char *colour)
{
    if (colour)
        buf_adds(out, colour);
    if (text_chars(s) > width) {
        buf_add(out, s, prefix_bytes(s, width - strlen(DOTS)));
        buf_adds(out, DOTS);
    } else {
        buf_adds(out, s);
    }
    if (colour)
        buf_adds(out, "\033[0m");
}

/* One cell with its padding; nothing is padded at the end of a line. */
static void add_padded(struct buf *out, const struct table *t, unsigned column, const char *s,
                       size_t width, const char *colour)
{
    size_t chars = text_chars(s), pad = chars < width ? width - chars : 0;

    if (column > 0)
        add_spaces(out, GAP);
    if (t->columns[column].right)
        add_spaces(out, pad);
    add_cell(out, s, width, colour);
    if (column + 1 == t->column_count)
        buf_addc(out, '\n');
    else if (!t->columns[column].right)
        add_spaces(out, pad);
}

static void print_heads(const struct table *t, const struct paper *p, struct buf *out,
                        const size_t widths[TABLE_COLUMNS_MAX])
{
    struct buf name = {0};

    for (unsigned i = 0; i < t->column_count; i++) {
        buf_clear(&name);
        buf_add(&name, t->columns[i].name, t->columns[i].name_len);
        add_padded(out, t, i, buf_str(&name), widths[i], p->colour ? "\033[1m" : NULL);
    }
    buf_free(&name);
}

void table_print(const struct table *t, const struct paper *p, struct buf *out)
{
    const char *cell = buf_str(&t->text);
    size_t widths[TABLE_COLUMNS_MAX];

    if (t->column_count == 0)
        return;
    measure(t, widths);
    fit(t, p->width, widths);
    if (has_heads(t))
        print_heads(t, p, out, widths);
    for (size_t i = 0; i < t->cell_count; i++) {
        unsigned column = (unsigned)(i % t->column_count);

        add_padded(out, t, column, cell, widths[column], p->colour ? colour_of(cell) : NULL);
        cell += strlen(cell) + 1;
    }
}

void print_json_line(const struct buf *json, struct buf *out)
{
    text_add_visible(out, buf_str(json), json->len);
    buf_addc(out, '\n');
}

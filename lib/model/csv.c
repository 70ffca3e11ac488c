/* CSV: one state machine, a byte at a time. */
#include "csv.h"

#include <string.h>

/* --- rows --- */

static void start_row(struct csv *c)
{
    buf_clear(&c->text);
    c->count = 0;
    c->state = CSV_FIELD_START;
}

static bool give(struct csv *c, const char *error)
{
    struct csv_row row = {.line = c->first_line, .error = error};

    if (!error) {
        for (unsigned i = 0; i < c->count; i++)
            c->fields[i] = c->text.data + c->starts[i];
        row.fields = c->fields;
        row.count = c->count;
    }
    return c->row(&row, c->arg);
}

/* The row is told now, the rest of its line is skipped. */
static bool fault(struct csv *c, const char *error)
{
    bool more = give(c, error);

    start_row(c);
    c->state = CSV_SKIP;
    return more;
}

static void start_field(struct csv *c)
{
    if (c->count < CSV_FIELDS_MAX)
        c->starts[c->count] = c->text.len;
    c->count++;
}

static void end_field(struct csv *c)
{
    buf_addc(&c->text, '\0');
    c->state = CSV_FIELD_START;
}

static const char *over_cap(const struct csv *c)
{
    if (c->count > CSV_FIELDS_MAX)
        return "too many fields";
    return c->text.failed ? "the row is too long" : NULL;
}

/* At a line's end outside quotes. */
static bool end_row(struct csv *c)
{
    bool more = true;

    if (c->state == CSV_FIELD_START && c->count > 0) /* after a delimiter: one more, empty */
        start_field(c);
    if (c->count > 0) {
        end_field(c);
        more = give(c, over_cap(c));
    }
    start_row(c);
    return more;
}

/* --- bytes --- */

static bool take_plain(struct csv *c, char ch)
{
    if (ch == c->delimiter)
        end_field(c);
    else if (ch == '"')
        return fault(c, "a quote stands inside a field that is not quoted");
    else if (ch == '\0')
        return fault(c, "a NUL byte");
    else
        buf_addc(&c->text, ch);
    return true;
}

static bool take_start(struct csv *c, char ch)
{
    if (c->count == 0)
        c->first_line = c->line;
    start_field(c);
    c->state = ch == '"' ? CSV_QUOTED : CSV_PLAIN;
    return ch == '"' || take_plain(c, ch);
}

static bool take_quoted(struct csv *c, char ch)
{
    if (ch == '\0')
        return fault(c, "a NUL byte");
    if (ch == '"')
        c->state = CSV_QUOTE_SEEN;
    else
        buf_addc(&c->text, ch);
    return true;
}

static bool take_after_quote(struct csv *c, char ch)
{
    if (ch == c->delimiter) {
        end_field(c);
        return true;
    }
    if (ch != '"')
        return fault(c, "text stands after a closing quote");
    buf_addc(&c->text, '"');
    c->state = CSV_QUOTED;
    return true;
}

static bool take(struct csv *c, char ch)
{
    bool more = true;

    if (ch == '\n' && c->state != CSV_QUOTED) {
        more = end_row(c);
        c->line++;
        return more;
    }
    c->line += ch == '\n';
    switch (c->state) {
    case CSV_FIELD_START:
        return take_start(c, ch);
    case CSV_PLAIN:
        return take_plain(c, ch);
    case CSV_QUOTED:
        more = take_quoted(c, ch);
        break;
    case CSV_QUOTE_SEEN:
        return take_after_quote(c, ch);
    case CSV_SKIP:
        return true;
    }
    /* A quote that is never closed must not gather the rest of the file. */
    if (more && c->text.failed) {
        more = fault(c, "the row is too long (is a quote not closed?)");
        if (ch == '\n')
            c->state = CSV_FIELD_START;
    }
    return more;
}

/* A CR counts only where no LF follows. */
static bool take_line_ends(struct csv *c, char ch)
{
    bool held = c->has_cr;

    c->has_cr = ch == '\r' && c->state != CSV_QUOTED;
    if (held && ch != '\n' && !take(c, '\r'))
        return false;
    return c->has_cr || take(c, ch);
}

/* --- interface --- */

static bool is_mark(struct csv *c, char ch)
{
    static const char mark[] = "\xef\xbb\xbf";

    if (c->bom < 3 && ch == mark[c->bom]) {
        c->bom++;
        return true;
    }
    return false;
}

/* What looked like the beginning of a mark and is text. */
static bool give_mark_back(struct csv *c)
{
    unsigned n = c->bom;

    c->bom = 3;
    if (n == 3)
        return true;
    return (n < 1 || take_line_ends(c, '\xef')) && (n < 2 || take_line_ends(c, '\xbb'));
}

bool csv_feed(struct csv *c, const char *data, size_t len)
{
    if (c->line == 0) {
        c->line = 1;
        c->delimiter = c->delimiter ? c->delimiter : ',';
        c->text.max = CSV_ROW_MAX;
    }
    for (size_t i = 0; i < len; i++) {
        if (is_mark(c, data[i]))
            continue;
        if (!give_mark_back(c) || !take_line_ends(c, data[i]))
            return false;
    }
    return true;
}

bool csv_end(struct csv *c)
{
    if (c->line == 0 || !give_mark_back(c))
        return c->line == 0;
    c->has_cr = false;
    if (c->state == CSV_QUOTED)
        return fault(c, "a quote is not closed");
    return end_row(c);
}

void csv_done(struct csv *c)
{
    buf_free(&c->text);
}

char csv_guess_delimiter(const char *data, size_t len)
{
    static const char delimiters[] = ",;\t";
    unsigned count[3] = {0};
    unsigned best = 0;
    bool quoted = false;

    for (size_t i = 0; i < len && (quoted || data[i] != '\n'); i++) {
        const char *d = data[i] ? strchr(delimiters, data[i]) : NULL;

        quoted ^= data[i] == '"';
        if (d && !quoted)
            count[d - delimiters]++;
    }
    for (unsigned i = 1; i < 3; i++)
        if (count[i] > count[best])
            best = i;
    return delimiters[best];
}

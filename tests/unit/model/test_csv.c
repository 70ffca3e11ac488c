/* CSV: every rule, at once and byte by byte. */
#include "model_test.h"

#include "csv.h"
#include <stdlib.h>
#include <string.h>

/* Rows as text: "line:field|field;" or "line!error;". */
static bool on_row(const struct csv_row *row, void *arg)
{
    struct buf *out = arg;

    buf_addf(out, "%lu", row->line);
    buf_adds(out, row->error ? "!" : ":");
    buf_adds(out, row->error);
    for (unsigned i = 0; i < row->count; i++) {
        buf_adds(out, i ? "|" : "");
        buf_adds(out, row->fields[i]);
    }
    buf_adds(out, ";");
    return strstr(buf_str(out), "stop") == NULL;
}

static void read_all(const char *text, size_t len, size_t step, struct buf *out)
{
    struct csv *c = calloc(1, sizeof *c);
    bool more = true;

    c->row = on_row;
    c->arg = out;
    for (size_t i = 0; i < len && more; i += step)
        more = csv_feed(c, text + i, len - i < step ? len - i : step);
    if (more)
        (void)csv_end(c);
    csv_done(c);
    free(c);
}

#define BAD_QUOTE "!a quote stands inside a field that is not quoted;"
#define BAD_TEXT "!text stands after a closing quote;"

static const struct {
    const char *text, *rows;
} cases[] = {
    {"", ""},
    {"\n\n\r\n", ""},
    {"a,b\n", "1:a|b;"},
    {"a,b", "1:a|b;"},
    {"a,b\r\nc,d\r\n", "1:a|b;2:c|d;"},
    {"a,\n", "1:a|;"},
    {",\n", "1:|;"},
    {",,", "1:||;"},
    {"a\n\nb\n", "1:a;3:b;"},
    {"\"a\",\"b\"\n", "1:a|b;"},
    {"\"a,b\"\n", "1:a,b;"},
    {"\"a\"\"b\"\n", "1:a\"b;"},
    {"\"\"\"\"\n", "1:\";"},
    {"\"\",x\n", "1:|x;"},
    {"\"\"", "1:;"},
    {"\"a\nb\",c\nd\n", "1:a\nb|c;3:d;"},
    {"\"a\r\nb\"\r\nd", "1:a\r\nb;3:d;"},
    {"a b, c \n", "1:a b| c ;"},
    {"\xef\xbb\xbf"
     "a,b\n",
     "1:a|b;"},
    {"\xef\xbb\xbf\"a\",b\n", "1:a|b;"},
    {"\xef\xbb"
     "a\n",
     "1:\xef\xbb"
     "a;"},
    {"\xef", "1:\xef;"},
    {"a\rb\n", "1:a\rb;"},
    {"a\r", "1:a;"},
    {"a\"b,c\nd\n", "1" BAD_QUOTE "2:d;"},
    {"x,a\"\nd\n", "1" BAD_QUOTE "2:d;"},
    {"\"a\"b,c\nd\n", "1" BAD_TEXT "2:d;"},
    {"\"a\" ,c\nd\n", "1" BAD_TEXT "2:d;"},
    {"a\n\"b\nc", "1:a;2!a quote is not closed;"},
    {"stop\nb\n", "1:stop;"},
    {"\xc3\xa9,\xf0\x9f\x98\x80\n", "1:\xc3\xa9|\xf0\x9f\x98\x80;"},
};

static void rows_are_read_in_any_pieces(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(cases); i++) {
        for (size_t step = 1; step < 9; step++) {
            struct buf out = {.max = 0};

            read_all(cases[i].text, strlen(cases[i].text), step, &out);
            if (strcmp(buf_str(&out), cases[i].rows) != 0)
                fail_msg("%s (by %zu): %s", cases[i].text, step, buf_str(&out));
            buf_free(&out);
        }
    }
}

static void a_nul_is_refused(void **state)
{
    struct buf out = {.max = 0};

    (void)state;
    read_all("a\0b,c\nd,\"\0\"\ne\n", 14, 4, &out);
    assert_string_equal(buf_str(&out), "1!a NUL byte;2!a NUL byte;3:e;");
    buf_free(&out);
}

static void add_long(struct buf *text)
{
    for (size_t i = 0; i < CSV_ROW_MAX; i += 32)
        buf_adds(text, "0123456789abcdef0123456789abcdef");
}

static void too_much_is_refused_and_the_next_line_read(void **state)
{
    struct buf text = {.max = 0}, out = {.max = 0};

    (void)state;
    for (int i = 0; i < CSV_FIELDS_MAX; i++)
        buf_adds(&text, ",");
    buf_adds(&text, "\nx\n");
    read_all(text.data, text.len, 4096, &out);
    assert_string_equal(buf_str(&out), "1!too many fields;2:x;");
    buf_clear(&text);
    buf_clear(&out);
    add_long(&text);
    buf_adds(&text, "\nx\n\"");
    add_long(&text);
    buf_adds(&text, "\ny\n");
    read_all(text.data, text.len, 4096, &out);
    assert_string_equal(buf_str(&out), "1!the row is too long;2:x;"
                                       "3!the row is too long (is a quote not closed?);4:y;");
    buf_free(&text);
    buf_free(&out);
}

static void the_delimiter_is_guessed(void **state)
{
    (void)state;
    assert_int_equal(csv_guess_delimiter("a,b;c,d\n;;;;", 12), ',');
    assert_int_equal(csv_guess_delimiter("a;b;c,d\n", 8), ';');
    assert_int_equal(csv_guess_delimiter("a\tb\n", 4), '\t');
    assert_int_equal(csv_guess_delimiter("\"a;;b\",b\n", 9), ',');
    assert_int_equal(csv_guess_delimiter("a", 1), ',');
    assert_int_equal(csv_guess_delimiter("", 0), ',');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_in_any_pieces),
        cmocka_unit_test(a_nul_is_refused),
        cmocka_unit_test(too_much_is_refused_and_the_next_line_read),
        cmocka_unit_test(the_delimiter_is_guessed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

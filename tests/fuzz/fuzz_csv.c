/* Fuzzes CSV: any pieces give the same rows, and what was written comes back. */
#include "csv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Each row as its fields in quotes: a CSV file again. */
static bool on_row(const struct csv_row *row, void *arg)
{
    struct buf *out = arg;

    check(row->line > 0 && (row->error || row->count > 0));
    for (unsigned i = 0; i < row->count; i++) {
        buf_adds(out, i ? ",\"" : "\"");
        for (const char *s = row->fields[i]; *s; s++) {
            buf_addc(out, *s);
            if (*s == '"')
                buf_addc(out, '"');
        }
        buf_adds(out, "\"");
    }
    buf_adds(out, row->error ? "" : "\n");
    return true;
}

static void read_all(const char *text, size_t len, size_t step, struct buf *out)
{
    struct csv *c = calloc(1, sizeof *c);

    check(c != NULL);
    c->row = on_row;
    c->arg = out;
    for (size_t i = 0; i < len; i += step)
        check(csv_feed(c, text + i, len - i < step ? len - i : step));
    check(csv_end(c));
    csv_done(c);
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once = {.max = 0}, pieces = {.max = 0}, again = {.max = 0};

    read_all((const char *)data, size, size + 1, &once);
    read_all((const char *)data, size, 3, &pieces);
    check(once.len == pieces.len && strcmp(buf_str(&once), buf_str(&pieces)) == 0);
    read_all(buf_str(&once), once.len, 7, &again);
    check(once.len == again.len && strcmp(buf_str(&once), buf_str(&again)) == 0);
    buf_free(&once);
    buf_free(&pieces);
    buf_free(&again);
    (void)csv_guess_delimiter((const char *)data, size);
    return 0;
}

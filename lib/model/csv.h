/* CSV, read as it comes (RFC 4180): bytes in, rows out.
 *
 * Fields may be quoted; quotes inside are doubled; quoted fields may hold delimiters and line ends.
 * Lines end with LF or CRLF. A byte order mark is skipped, and so are empty lines. A row that
 * breaks a rule is told with its line and what is wrong; the next line starts anew. */
#ifndef SENDQ_MODEL_CSV_H
#define SENDQ_MODEL_CSV_H

#include "buf.h"

#define CSV_ROW_MAX ((size_t)4 << 20) /* bytes of a row */
#define CSV_FIELDS_MAX 1000

struct csv_row {
    unsigned long line; /* its first line in the file, from 1 */
    const char *const *fields;
    unsigned count;
    const char *error; /* NULL: good. Else what is wrong, and there are no fields */
};

/* False ends the reading. What it is given is valid during the call only. */
typedef bool (*csv_row_cb)(const struct csv_row *row, void *arg);

enum csv_state {
    CSV_FIELD_START,
    CSV_PLAIN,
    CSV_QUOTED,
    CSV_QUOTE_SEEN, /* in a quoted field: its end, or the first of two */
    CSV_SKIP,       /* the rest of a line after a fault */
};

/* Zero-initialise with delimiter, row and arg; csv_done frees. */
struct csv {
    char delimiter; /* ',' where it is 0 */
    csv_row_cb row;
    void *arg;
    enum csv_state state;
    unsigned bom; /* bytes of a byte order mark seen; 3 = past it or there is none */
    bool has_cr;  /* a CR that a LF may follow */
    unsigned long line, first_line;
    struct buf text; /* of the row's fields, each with its NUL */
    size_t starts[CSV_FIELDS_MAX];
    unsigned count;
    const char *fields[CSV_FIELDS_MAX];
};

/* Reads further bytes; false once the callback said so. */
bool csv_feed(struct csv *c, const char *data, size_t len);
/* The end of the file: the last row, if its line end is missing. */
bool csv_end(struct csv *c);
void csv_done(struct csv *c);

/* The likeliest delimiter by the first line: ',', ';' or tab. */
char csv_guess_delimiter(const char *data, size_t len);

#endif

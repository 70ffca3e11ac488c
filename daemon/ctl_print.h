/* Output of the operator's tool: tables for people, lines of JSON for programs. Pure functions;
 * whatever they are given comes out without control characters. */
#ifndef SENDQ_DAEMON_CTL_PRINT_H
#define SENDQ_DAEMON_CTL_PRINT_H

#include "buf.h"

/* What is printed on. */
struct paper {
    unsigned width; /* columns; 0 = as wide as it takes */
    bool colour;
};

#define TABLE_COLUMNS_MAX 12

struct table_column {
    const char *name;
    size_t name_len;
    bool right;    /* numbers */
    bool flexible; /* cut when the paper is too narrow */
};

/* Cells are added row by row. Zero-initialise, table_begin, table_free. */
struct table {
    struct table_column columns[TABLE_COLUMNS_MAX];
    unsigned column_count;
    size_t cell_count;
    struct buf text; /* each cell with its NUL */
};

/* heads: "ID|>BYTES|~ERROR": '>' before a name aligns right, '~' lets its column be cut. If all
 * names are empty there is no line of heads. heads must outlive the table. */
void table_begin(struct table *t, const char *heads);
void table_add(struct table *t, const char *s); /* NULL and "" show as "-" */
void table_add_int(struct table *t, int64_t v);
void table_add_time(struct table *t, const char *rfc3339); /* "2026-11-21 09:10:11" */
size_t table_rows(const struct table *t);
void table_print(const struct table *t, const struct paper *p, struct buf *out);
void table_free(struct table *t);

/* Appends one JSON value as a line. What a terminal could take for a command (and a JSON writer
 * need not escape: DEL, C1, bidi) is written as \u1234. */
void print_json_line(const struct buf *json, struct buf *out);

#endif

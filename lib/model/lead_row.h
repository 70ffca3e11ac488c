/* A lead as it is imported: from a row of CSV, or from a JSON object. */
#ifndef SENDQ_MODEL_LEAD_ROW_H
#define SENDQ_MODEL_LEAD_ROW_H

#include "csv.h"
#include "lead.h"

typedef struct cJSON cJSON;

/* What an import changes of one lead. Zero-initialise; lead_row_free. */
struct lead_row {
    struct lead lead;     /* its id, and the fields to set */
    const char **removes; /* names of fields to remove; in the lead's arena */
    unsigned remove_count;
};

void lead_row_free(struct lead_row *r); /* NULL is fine */

/* The columns of a CSV file by its first row: lower case, with _ for what else stands between
 * words. Where no column is called id, email, phone or assigned_to itself, their usual other names
 * (contact_id, mail, mobile, owner, ...) stand for them. */
struct lead_columns {
    const char *names[CSV_FIELDS_MAX];
    unsigned count, id;
};

/* id_name: the heading of the ids' column, or NULL for "id". Texts live in the arena. */
enum sq_err lead_columns_read(const struct csv_row *head, const char *id_name, struct arena *a,
                              struct lead_columns *ret, struct err_text *e) SQ_MUST_CHECK;

/* Reads a row; an empty cell leaves the field as it is. e's text begins with the column's name. */
enum sq_err lead_row_csv(const struct lead_columns *c, const struct csv_row *row,
                         struct lead_row *ret, struct err_text *e) SQ_MUST_CHECK;

/* Reads an object. Lists and objects are kept as JSON, null removes the field. id_name: the member
 * that holds the id, or NULL for "id". */
enum sq_err lead_row_json(const cJSON *obj, const char *id_name, struct lead_row *ret,
                          struct err_text *e) SQ_MUST_CHECK;

#endif

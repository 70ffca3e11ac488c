/* Filters: which leads a bulk means. Compiled once from JSON, then asked about lead after lead.
 *
 *   {"conditions": [{"id": "g1", "conditions": [
 *       {"id": "c1", "field": "first_name", "operator": "contains", "value": "st"}]}]}
 *
 * A group's members are joined by AND, or by OR where `logic` (or `operator`) is "OR" or `match` is
 * "any". Groups nest. Text compares without regard to case, in UTF-8. */
#ifndef SENDQ_MODEL_FILTER_H
#define SENDQ_MODEL_FILTER_H

#include "field.h"

enum filter_op {
    FILTER_ALL, /* group: AND */
    FILTER_ANY, /* group: OR */
    FILTER_EQUALS,
    FILTER_NOT_EQUALS,
    FILTER_CONTAINS,
    FILTER_NOT_CONTAINS,
    FILTER_STARTS_WITH,
    FILTER_ENDS_WITH,
    FILTER_IN,
    FILTER_NOT_IN,
    FILTER_GT,
    FILTER_GTE,
    FILTER_LT,
    FILTER_LTE,
    FILTER_BETWEEN,
    FILTER_IS_EMPTY,
    FILTER_IS_NOT_EMPTY,
    FILTER_BEFORE,
    FILTER_AFTER,
    FILTER_OP_COUNT
};

/* A value in all the ways that it can be compared. */
struct filter_value {
    const char *text; /* case-folded */
    bool is_number, is_time;
    double number;
    int64_t time_ms;
};

struct filter {
    enum filter_op op;
    const char *field;           /* of a condition */
    struct filter_value *values; /* of a condition: any of them; between: low and high */
    struct filter *members;      /* of a group */
    unsigned count;              /* values or members */
};

#define FILTER_NODES_MAX 1000   /* groups and conditions of one filter */
#define FILTER_VALUES_MAX 10000 /* values of one condition */
#define FILTER_DEPTH_MAX 16

/* Compiles at->obj, the `filters` object; all memory is the arena's. Errors name the member by its
 * path, and the condition by its id. */
enum sq_err filter_compile(const struct field_at *at, struct arena *a,
                           const struct filter **ret) SQ_MUST_CHECK;

/* What a lead has in one field: a text, or a list of texts (tags). */
struct filter_field {
    const char *text; /* NULL where the lead has none; not used if is_list */
    bool is_list;
    const char *const *items;
    unsigned count;
};

/* A lead, as far as filters are concerned: a look-up of its fields. `get` always fills *ret. */
struct filter_lead {
    void (*get)(void *ctx, const char *field, struct filter_field *ret);
    void *ctx;
};

/* True if the lead meets the filter. A list matches by element: `contains` means that one element
 * equals a value. Numbers compare as numbers and times (RFC 3339, or a date alone) as times where
 * both sides are such. A field that the lead lacks is empty: it meets only the negative operators
 * and is_empty. */
bool filter_match(const struct filter *f, const struct filter_lead *lead);
/* True if the folded text is found in any of the fields. */
bool filter_search(const char *folded, const char *const *fields, const struct filter_lead *lead);
/* Fills a value from its case-folded text, which it keeps. */
void filter_value_set(struct filter_value *v, const char *text);

#endif

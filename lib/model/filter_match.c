/* Asking a filter about a lead. */
#include "filter.h"

#include "fold.h"
#include <string.h>

/* -1, 0, 1; or 2 if the two cannot be compared. */
#define INCOMPARABLE 2

static int order_of(const struct filter_value *a, const struct filter_value *b)
{
    int c;

    if (a->is_number && b->is_number)
        return (a->number > b->number) - (a->number < b->number);
    if (a->is_time && b->is_time)
        return (a->time_ms > b->time_ms) - (a->time_ms < b->time_ms);
    if (a->is_number || b->is_number || a->is_time || b->is_time)
        return INCOMPARABLE;
    c = strcmp(a->text, b->text);
    return (c > 0) - (c < 0);
}

static bool is_equal(const struct filter_value *a, const struct filter_value *b)
{
    return strcmp(a->text, b->text) == 0 ||
           (a->is_number && b->is_number && a->number == b->number);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

/* One value of the lead against one of the condition; negative operators as their positive. */
static bool compare(enum filter_op op, const struct filter_value *has,
                    const struct filter_value *want, bool is_element)
{
    int order = op >= FILTER_GT ? order_of(has, want) : 0;

    switch (op) {
    case FILTER_CONTAINS:
    case FILTER_NOT_CONTAINS:
        return is_element ? is_equal(has, want) : strstr(has->text, want->text) != NULL;
    case FILTER_STARTS_WITH:
        return strncmp(has->text, want->text, strlen(want->text)) == 0;
    case FILTER_ENDS_WITH:
        return ends_with(has->text, want->text);
    case FILTER_GT:
    case FILTER_AFTER:
        return order == 1;
    case FILTER_GTE:
        return order == 0 || order == 1;
    case FILTER_LT:
    case FILTER_BEFORE:
        return order == -1;
    case FILTER_LTE:
        return order == 0 || order == -1;
    default:
        return is_equal(has, want);
    }
}

static bool is_between(const struct filter *f, const struct filter_value *has)
{
    return compare(FILTER_GTE, has, &f->values[0], false) &&
           compare(FILTER_LTE, has, &f->values[1], false);
}

/* One text of the lead against all values of the condition. */
static bool text_meets(const struct filter *f, const char *text, bool is_element)
{
    struct buf folded = {.max = 0};
    struct filter_value has = {.text = ""};
    bool met = false;

    fold_text(&folded, text);
    filter_value_set(&has, buf_str(&folded));
    if (f->op == FILTER_BETWEEN)
        met = is_between(f, &has);
    else
        for (unsigned i = 0; i < f->count && !met; i++)
            met = compare(f->op, &has, &f->values[i], is_element);
    buf_free(&folded);
    return met;
}

static bool is_empty(const struct filter_field *has)
{
    return has->is_list ? has->count == 0 : !has->text || !has->text[0];
}

static bool is_negative(enum filter_op op)
{
    return op == FILTER_NOT_EQUALS || op == FILTER_NOT_CONTAINS || op == FILTER_NOT_IN;
}

static bool condition_met(const struct filter *f, const struct filter_lead *lead)
{
    struct filter_field has = {.text = NULL};
    bool met = false;

    lead->get(lead->ctx, f->field, &has);
    if (f->op == FILTER_IS_EMPTY || f->op == FILTER_IS_NOT_EMPTY)
        return is_empty(&has) == (f->op == FILTER_IS_EMPTY);
    if (has.is_list)
        for (unsigned i = 0; i < has.count && !met; i++)
            met = text_meets(f, has.items[i], true);
    else if (!is_empty(&has))
        met = text_meets(f, has.text, false);
    return met != is_negative(f->op);
}

bool filter_match(const struct filter *f, const struct filter_lead *lead)
{
    if (f->op != FILTER_ALL && f->op != FILTER_ANY)
        return condition_met(f, lead);
    for (unsigned i = 0; i < f->count; i++)
        if (filter_match(&f->members[i], lead) == (f->op == FILTER_ANY))
            return f->op == FILTER_ANY;
    return f->op == FILTER_ALL;
}

static bool text_has(const char *text, const char *folded)
{
    struct buf b = {.max = 0};
    bool found;

    fold_text(&b, text);
    found = strstr(buf_str(&b), folded) != NULL;
    buf_free(&b);
    return found;
}

bool filter_search(const char *folded, const char *const *fields, const struct filter_lead *lead)
{
    for (; *fields; fields++) {
        struct filter_field has = {.text = NULL};

        lead->get(lead->ctx, *fields, &has);
        if (!has.is_list && has.text && text_has(has.text, folded))
            return true;
    }
    return false;
}

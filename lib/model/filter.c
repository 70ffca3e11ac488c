/* Compiling filters: JSON to a tree, every rule checked. */
#include "filter.h"

#include "fold.h"
#include "text.h"
#include "timefmt.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATOR_MAX 40
#define TEXT_MAX 1024

/* Names in the form that normalize() gives: lower case, without "_", "-" and spaces. */
static const struct {
    enum filter_op op;
    const char *names[9];
} operators[] = {
    {FILTER_EQUALS, {"equals", "equal", "eq", "=", "==", "is", "equalto"}},
    {FILTER_NOT_EQUALS,
     {"notequals", "notequal", "neq", "ne", "!=", "<>", "isnot", "notequalto", "doesnotequal"}},
    {FILTER_CONTAINS, {"contains", "contain", "includes", "has", "like"}},
    {FILTER_NOT_CONTAINS,
     {"notcontains", "notcontain", "doesnotcontain", "notincludes", "excludes", "notlike"}},
    {FILTER_STARTS_WITH, {"startswith", "startwith", "beginswith"}},
    {FILTER_ENDS_WITH, {"endswith", "endwith"}},
    {FILTER_IN, {"in", "anyof", "isanyof", "oneof", "isoneof"}},
    {FILTER_NOT_IN, {"notin", "nin", "noneof", "isnoneof", "isnotoneof"}},
    {FILTER_GT, {"gt", ">", "greaterthan", "morethan", "above"}},
    {FILTER_GTE,
     {"gte", "ge", ">=", "greaterthanorequal", "greaterthanorequals", "greaterthanorequalto",
      "atleast"}},
    {FILTER_LT, {"lt", "<", "lessthan", "below"}},
    {FILTER_LTE,
     {"lte", "le", "<=", "lessthanorequal", "lessthanorequals", "lessthanorequalto", "atmost"}},
    {FILTER_BETWEEN, {"between", "isbetween", "range", "inrange"}},
    {FILTER_IS_EMPTY, {"isempty", "empty", "isnull", "notset", "isnotset", "notexists", "isblank"}},
    {FILTER_IS_NOT_EMPTY,
     {"isnotempty", "notempty", "isnotnull", "isset", "exists", "isnotblank", "hasvalue"}},
    {FILTER_BEFORE, {"before", "isbefore", "earlierthan"}},
    {FILTER_AFTER, {"after", "isafter", "laterthan"}},
};

static const char *const group_members[] = {"id", "conditions", "logic", "operator", "match", NULL};
static const char *const condition_members[] = {"id", "field", "operator", "value", NULL};

/* What the steps of one compilation share. */
struct compile {
    struct arena *arena;
    const struct job_limits *limits;
    struct err_text *e;
    unsigned nodes, depth;
};

/* "Starts With", "starts_with" and "startsWith" are one. False if it is too long to be known. */
static bool normalize(const char *s, char ret[OPERATOR_MAX])
{
    size_t n = 0;

    for (; *s; s++) {
        if (*s == '_' || *s == '-' || *s == ' ')
            continue;
        if (n + 1 == OPERATOR_MAX)
            return false;
        ret[n++] = *s;
    }
    ret[n] = 0;
    text_lower(ret);
    return true;
}

static bool find_operator(const char *s, enum filter_op *ret)
{
    char name[OPERATOR_MAX];

    if (!normalize(s, name))
        return false;
    for (unsigned i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        for (unsigned k = 0; k < 9 && operators[i].names[k]; k++) {
            if (strcmp(name, operators[i].names[k]) == 0) {
                *ret = operators[i].op;
                return true;
            }
        }
    }
    return false;
}

/* Fails for one member of a condition, naming the condition by its id, if it has one. */
static enum sq_err fail_condition(const struct field_at *at, const char *member, const char *reason)
{
    const char *id = json_str(at->obj, "id");

    if (text_is_empty(id))
        return field_fail(at, SQ_ERR_INVALID, member, "%s", reason);
    return field_fail(at, SQ_ERR_INVALID, member, "%s (condition %s)", reason, id);
}

/* --- values --- */

static bool read_number(const char *s, double *ret)
{
    char *end;

    if (!(*s >= '0' && *s <= '9') && *s != '-' && *s != '.')
        return false;
    if (s[strspn(s, "0123456789.eE+-")])
        return false; /* nor hexadecimal, nor words */
    *ret = strtod(s, &end);
    return !*end && isfinite(*ret);
}

/* A time, or the midnight that begins a date. */
static bool read_time(const char *s, int64_t *ret)
{
    char text[32];

    if (time_parse(s, ret) == SQ_OK)
        return true;
    if (strlen(s) != 10)
        return false;
    snprintf(text, sizeof text, "%sT00:00:00Z", s);
    return time_parse(text, ret) == SQ_OK;
}

void filter_value_set(struct filter_value *v, const char *text)
{
    v->text = text;
    v->is_number = read_number(text, &v->number);
    v->is_time = !v->is_number && read_time(text, &v->time_ms);
}

/* A scalar's text: what a lead's field would hold. */
static bool scalar_text(const cJSON *j, struct buf *out)
{
    if (cJSON_IsString(j))
        buf_adds(out, j->valuestring);
    else if (cJSON_IsNumber(j) || cJSON_IsBool(j))
        json_canonical(j, out);
    else
        return false;
    return true;
}

static enum sq_err add_value(struct compile *c, const struct field_at *at, const cJSON *j,
                             struct filter *f)
{
    struct buf raw = {.max = TEXT_MAX}, folded = {.max = 0};
    struct filter_value *v = &f->values[f->count];
    enum sq_err err = SQ_OK;

    if (!scalar_text(j, &raw))
        err =
            fail_condition(at, "value", "must be a text, a number, true or false, or such a list");
    else if (raw.failed)
        err = fail_condition(at, "value", "is too long");
    if (!err) {
        fold_text(&folded, buf_str(&raw));
        filter_value_set(v, arena_strdup(c->arena, buf_str(&folded)));
        f->count++;
    }
    buf_free(&raw);
    buf_free(&folded);
    return err;
}

static enum sq_err read_values(struct compile *c, const struct field_at *at, struct filter *f)
{
    const cJSON *j = field_get(at, "value"), *item;
    int count = cJSON_IsArray(j) ? cJSON_GetArraySize(j) : 1;
    enum sq_err err = SQ_OK;

    if (!j)
        return fail_condition(at, "value", "is required");
    if (count == 0)
        return fail_condition(at, "value", "must not be an empty list");
    if (count > FILTER_VALUES_MAX)
        return fail_condition(at, "value", "holds too many values");
    f->values = arena_alloc(c->arena, (size_t)count * sizeof *f->values);
    memset(f->values, 0, (size_t)count * sizeof *f->values);
    if (!cJSON_IsArray(j))
        return add_value(c, at, j, f);
    cJSON_ArrayForEach(item, j)
    {
        err = add_value(c, at, item, f);
        if (err)
            return err;
    }
    return SQ_OK;
}

static enum sq_err check_values(const struct field_at *at, const struct filter *f)
{
    bool dates = f->op == FILTER_BEFORE || f->op == FILTER_AFTER;

    if (f->op == FILTER_BETWEEN && f->count != 2)
        return fail_condition(at, "value", "must be a list of two values");
    for (unsigned i = 0; i < f->count && dates; i++)
        if (!f->values[i].is_time)
            return fail_condition(at, "value", "must be a date or an RFC 3339 time");
    return SQ_OK;
}

/* --- the tree --- */

static enum sq_err read_condition(struct compile *c, const struct field_at *at, struct filter *f)
{
    static const struct field_text id = {"id", 0, FIELD_LINE, 64};
    static const struct field_text field = {"field", 0, FIELD_REQUIRED | FIELD_LINE, 128};
    static const struct field_text op = {"operator", 0, FIELD_REQUIRED, 256};
    const char *s;
    enum sq_err err = field_check_known(at, condition_members);

    if (!err)
        err = field_str(at, &id, &s);
    if (!err)
        err = field_str(at, &field, &f->field);
    if (!err)
        err = field_str(at, &op, &s);
    if (err)
        return err;
    if (!find_operator(s, &f->op))
        return fail_condition(at, "operator", "is not a known operator");
    f->field = arena_strdup(c->arena, f->field);
    if (f->op == FILTER_IS_EMPTY || f->op == FILTER_IS_NOT_EMPTY)
        return SQ_OK;
    err = read_values(c, at, f);
    return err ? err : check_values(at, f);
}

/* A group's three ways to say how its members are joined. */
static const struct join_word {
    const char *member, *all, *any, *expected;
} join_words[] = {
    {"logic", "and", "or", "must be AND or OR"},
    {"operator", "and", "or", "must be AND or OR"},
    {"match", "all", "any", "must be all or any"},
};

static enum sq_err read_join(const struct field_at *at, const struct join_word *w,
                             enum filter_op *join)
{
    const cJSON *j = field_get(at, w->member);
    const char *s = cJSON_IsString(j) ? j->valuestring : NULL;
    enum filter_op op = text_ieq(s, w->any) ? FILTER_ANY : FILTER_ALL;

    if (!j)
        return SQ_OK;
    if (!text_ieq(s, w->all) && !text_ieq(s, w->any))
        return fail_condition(at, w->member, w->expected);
    if (*join != FILTER_OP_COUNT && *join != op)
        return fail_condition(at, w->member, "contradicts the group's other joining word");
    *join = op;
    return SQ_OK;
}

static enum sq_err read_joins(const struct field_at *at, struct filter *f)
{
    enum filter_op join = FILTER_OP_COUNT;
    enum sq_err err = SQ_OK;

    for (unsigned i = 0; i < sizeof join_words / sizeof join_words[0] && !err; i++)
        err = read_join(at, &join_words[i], &join);
    f->op = join == FILTER_ANY ? FILTER_ANY : FILTER_ALL;
    return err;
}

static enum sq_err read_node(struct compile *c, const struct field_at *at, struct filter *f);

static enum sq_err read_member(struct compile *c, const struct field_at *group, const cJSON *item,
                               unsigned i, struct filter *f)
{
    char path[256];
    struct field_at at = {item, path, c->limits, c->e};

    snprintf(path, sizeof path, "%s.conditions[%u]", group->path, i);
    if (!cJSON_IsObject(item))
        return err_set_field(c->e, SQ_ERR_INVALID, path, "must be an object");
    return read_node(c, &at, f);
}

static enum sq_err read_group(struct compile *c, const struct field_at *at, struct filter *f)
{
    static const struct field_text id = {"id", 0, FIELD_LINE, 64};
    const cJSON *list = field_get(at, "conditions"), *item;
    const char *s;
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    enum sq_err err = field_check_known(at, group_members);

    if (!err)
        err = field_str(at, &id, &s);
    if (!err)
        err = read_joins(at, f);
    if (err)
        return err;
    if (!count)
        return field_fail(at, SQ_ERR_INVALID, "conditions", "must be a list that is not empty");
    c->nodes += (unsigned)count;
    if (c->nodes > FILTER_NODES_MAX)
        return field_fail(at, SQ_ERR_INVALID, "conditions", "a filter has at most %d conditions",
                          FILTER_NODES_MAX);
    f->members = arena_alloc(c->arena, (size_t)count * sizeof *f->members);
    memset(f->members, 0, (size_t)count * sizeof *f->members);
    cJSON_ArrayForEach(item, list)
    {
        err = read_member(c, at, item, f->count, &f->members[f->count]);
        if (err)
            return err;
        f->count++;
    }
    return SQ_OK;
}

/* What has conditions is a group. */
static enum sq_err read_node(struct compile *c, const struct field_at *at, struct filter *f)
{
    enum sq_err err;

    if (!json_get(at->obj, "conditions"))
        return read_condition(c, at, f);
    if (c->depth == FILTER_DEPTH_MAX)
        return field_fail(at, SQ_ERR_INVALID, "conditions", "groups nest at most %d deep",
                          FILTER_DEPTH_MAX);
    c->depth++;
    err = read_group(c, at, f);
    c->depth--;
    return err;
}

enum sq_err filter_compile(const struct field_at *at, struct arena *a, const struct filter **ret)
{
    struct compile c = {.arena = a, .limits = at->limits, .e = at->e};
    struct filter *f = arena_alloc(a, sizeof *f);
    enum sq_err err;

    memset(f, 0, sizeof *f);
    c.depth = 1;
    err = read_group(&c, at, f);
    if (!err)
        *ret = f;
    return err;
}

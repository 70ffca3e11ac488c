/* Filters asked about leads: every operator, every alias, lists, numbers, times, case. */
#include "format_test.h"

#include "filter.h"

struct lead {
    const char *name, *text;
    const char *const *items;
    unsigned count;
    bool is_list;
};

static const char *const tags[] = {"Import 10/05/25", "VIP"};

/* One lead; "none" is what it lacks. */
static const struct lead fields[] = {
    {.name = "name", .text = "Stra\xc3\x9f\x65r"},
    {.name = "city", .text = "K\xc3\x96LN"},
    {.name = "greek", .text = "\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82"},
    {.name = "age", .text = "41"},
    {.name = "score", .text = "-2.50"},
    {.name = "zero", .text = "0"},
    {.name = "flag", .text = "true"},
    {.name = "seen", .text = "2025-03-01T12:00:00+02:00"},
    {.name = "born", .text = "1984-02-29"},
    {.name = "blank", .text = ""},
    {.name = "raw", .text = "caf\xe9"}, /* not UTF-8 */
    {.name = "tags", .items = tags, .count = 2, .is_list = true},
    {.name = "notags", .is_list = true},
};

static void get_field(void *ctx, const char *name, struct filter_field *ret)
{
    (void)ctx;
    *ret = (struct filter_field){.text = NULL};
    for (unsigned i = 0; i < COUNT(fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            *ret = (struct filter_field){.text = fields[i].text,
                                         .is_list = fields[i].is_list,
                                         .items = fields[i].items,
                                         .count = fields[i].count};
}

static bool matches(const char *filters)
{
    static const struct job_limits limits = {.max_list = 100};
    static const struct filter_lead lead = {get_field, NULL};
    struct json_limits caps = {.max_depth = 40};
    struct err_text e = {.text = ""};
    char *text = spelled_out(filters);
    struct field_at at = {NULL, "filters", &limits, &e};
    struct arena arena = {.head = NULL};
    const struct filter *f = NULL;
    cJSON *j = NULL;
    bool met;

    assert_int_equal(json_parse(text, strlen(text), &caps, &j, &e), SQ_OK);
    at.obj = j;
    if (filter_compile(&at, &arena, &f))
        fail_msg("%s: %s", filters, e.text);
    json_free(j); /* the filter keeps nothing of it */
    met = filter_match(f, &lead);
    arena_free(&arena);
    free(text);
    return met;
}

#define ONE(field, op, value)                                                                      \
    "{'conditions':[{'field':'" field "','operator':'" op "','value':" value "}]}"
#define BARE(field, op) "{'conditions':[{'field':'" field "','operator':'" op "'}]}"

static const struct {
    const char *filters;
    bool met;
} cases[] = {
    /* text, without regard to case */
    {ONE("city", "equals", "'k\xc3\xb6ln'"), true},
    {ONE("city", "equals", "'koln'"), false},
    {ONE("name", "equals", "'STRASSER'"), true},
    {ONE("name", "equals", "'stra\xe1\xba\x9e\x65r'"), true},
    {ONE("greek", "equals", "'\xce\xa3\xce\x8a\xce\xa3\xce\xa5\xce\xa6\xce\x9f\xce\xa3'"), true},
    {ONE("city", "not_equals", "'k\xc3\xb6ln'"), false},
    {ONE("city", "not_equals", "'Bonn'"), true},
    {ONE("city", "contains", "'\xc3\x96L'"), true},
    {ONE("city", "contains", "'x'"), false},
    {ONE("city", "contains", "''"), true},
    {ONE("city", "not_contains", "'\xc3\xb6l'"), false},
    {ONE("city", "not_contains", "'x'"), true},
    {ONE("city", "starts_with", "'k\xc3\xb6'"), true},
    {ONE("city", "starts_with", "'\xc3\xb6'"), false},
    {ONE("city", "starts_with", "'k\xc3\xb6lner'"), false},
    {ONE("city", "ends_with", "'LN'"), true},
    {ONE("city", "ends_with", "'k'"), false},
    {ONE("city", "ends_with", "'am k\xc3\xb6ln'"), false},
    {ONE("raw", "contains", "'CAF'"), true},
    {ONE("raw", "equals", "'caf'"), false},
    /* any of */
    {ONE("city", "equals", "['Bonn','K\xc3\xb6ln']"), true},
    {ONE("city", "in", "['Bonn','K\xc3\xb6ln']"), true},
    {ONE("city", "in", "'k\xc3\xb6ln'"), true},
    {ONE("city", "in", "['Bonn']"), false},
    {ONE("city", "not_in", "['Bonn','K\xc3\xb6ln']"), false},
    {ONE("city", "not_in", "['Bonn']"), true},
    {ONE("city", "contains", "['x','ln']"), true},
    {ONE("city", "not_equals", "['Bonn','K\xc3\xb6ln']"), false},
    /* numbers */
    {ONE("age", "equals", "41"), true},
    {ONE("age", "equals", "'41.0'"), true},
    {ONE("age", "gt", "40"), true},
    {ONE("age", "gt", "41"), false},
    {ONE("age", "gt", "'9'"), true}, /* as numbers, not as text */
    {ONE("age", "gte", "41"), true},
    {ONE("age", "gte", "41.5"), false},
    {ONE("age", "lt", "42"), true},
    {ONE("age", "lt", "41"), false},
    {ONE("age", "lte", "41"), true},
    {ONE("age", "lte", "40"), false},
    {ONE("age", "between", "[41,50]"), true},
    {ONE("age", "between", "[30,41]"), true},
    {ONE("age", "between", "[42,50]"), false},
    {ONE("score", "lt", "0"), true},
    {ONE("score", "equals", "-2.5"), true},
    {ONE("score", "in", "[1,-25e-1]"), true},
    {ONE("city", "gt", "5"), false}, /* a text and a number have no order */
    {ONE("city", "lt", "5"), false},
    {ONE("flag", "equals", "true"), true},
    {ONE("flag", "equals", "false"), false},
    /* text in order */
    {ONE("city", "gt", "'J'"), true},
    {ONE("city", "lt", "'J'"), false},
    {ONE("city", "between", "['a','z']"), true},
    /* times */
    {ONE("seen", "before", "'2025-03-02'"), true},
    {ONE("seen", "before", "'2025-03-01'"), false},
    {ONE("seen", "before", "'2025-03-01T10:00:01Z'"), true},
    {ONE("seen", "before", "'2025-03-01T10:00:00Z'"), false},
    {ONE("seen", "after", "'2025-03-01T09:59:59Z'"), true},
    {ONE("seen", "after", "'2025-03-01T10:00:00Z'"), false},
    {ONE("seen", "gte", "'2025-03-01T10:00:00Z'"), true},
    {ONE("seen", "between", "['2025-03-01','2025-03-02']"), true},
    {ONE("born", "before", "'1984-03-01'"), true},
    {ONE("born", "after", "'1984-03-01'"), false},
    {ONE("city", "before", "'2025-01-01'"), false},
    {ONE("city", "after", "'2025-01-01'"), false},
    /* what is empty */
    {BARE("blank", "is_empty"), true},
    {BARE("none", "is_empty"), true},
    {BARE("notags", "is_empty"), true},
    {BARE("zero", "is_empty"), false},
    {BARE("tags", "is_empty"), false},
    {BARE("blank", "is_not_empty"), false},
    {BARE("none", "is_not_empty"), false},
    {BARE("notags", "is_not_empty"), false},
    {BARE("city", "is_not_empty"), true},
    {BARE("tags", "is_not_empty"), true},
    {ONE("none", "equals", "''"), false},
    {ONE("none", "contains", "''"), false},
    {ONE("none", "not_equals", "'x'"), true},
    {ONE("none", "not_contains", "'x'"), true},
    {ONE("none", "not_in", "['x']"), true},
    {ONE("none", "gt", "0"), false},
    {ONE("none", "lt", "0"), false},
    {ONE("none", "before", "'2025-01-01'"), false},
    {ONE("blank", "lte", "0"), false},
    /* lists, by element */
    {ONE("tags", "contains", "['Import 10/05/25']"), true},
    {ONE("tags", "contains", "'vip'"), true},
    {ONE("tags", "contains", "'vi'"), false},
    {ONE("tags", "contains", "['x','vip']"), true},
    {ONE("tags", "not_contains", "'vip'"), false},
    {ONE("tags", "not_contains", "'vi'"), true},
    {ONE("tags", "equals", "'vip'"), true},
    {ONE("tags", "in", "['x','vip']"), true},
    {ONE("tags", "not_in", "['x']"), true},
    {ONE("tags", "starts_with", "'import'"), true},
    {ONE("notags", "contains", "'vip'"), false},
    {ONE("notags", "not_contains", "'vip'"), true},
    /* other spellings */
    {ONE("city", "eq", "'k\xc3\xb6ln'"), true},
    {ONE("city", "=", "'k\xc3\xb6ln'"), true},
    {ONE("city", "IS", "'k\xc3\xb6ln'"), true},
    {ONE("city", "!=", "'Bonn'"), true},
    {ONE("city", "isNot", "'Bonn'"), true},
    {ONE("city", "does not equal", "'Bonn'"), true},
    {ONE("city", "startsWith", "'k'"), true},
    {ONE("city", "STARTS-WITH", "'k'"), true},
    {ONE("city", "begins_with", "'k'"), true},
    {ONE("city", "endsWith", "'n'"), true},
    {ONE("city", "does_not_contain", "'x'"), true},
    {ONE("city", "any_of", "['k\xc3\xb6ln']"), true},
    {ONE("city", "none_of", "['x']"), true},
    {ONE("age", ">", "40"), true},
    {ONE("age", ">=", "41"), true},
    {ONE("age", "<", "42"), true},
    {ONE("age", "<=", "41"), true},
    {ONE("age", "greater_than", "40"), true},
    {ONE("age", "less_than_or_equal", "41"), true},
    {BARE("none", "is_null"), true},
    {BARE("city", "exists"), true},
    {ONE("seen", "is_after", "'2020-01-01'"), true},
};

static void test_conditions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(cases); i++)
        if (matches(cases[i].filters) != cases[i].met)
            fail_msg("%s is %d", cases[i].filters, !cases[i].met);
}

#define YES "{'field':'city','operator':'is_not_empty'}"
#define NO "{'field':'city','operator':'is_empty'}"

static const struct {
    const char *filters;
    bool met;
} groups[] = {
    {"{'conditions':[" YES "," YES "]}", true},
    {"{'conditions':[" YES "," NO "]}", false},
    {"{'conditions':[" NO "," NO "],'logic':'OR'}", false},
    {"{'conditions':[" NO "," YES "],'logic':'OR'}", true},
    {"{'conditions':[" NO "," YES "],'logic':'or'}", true},
    {"{'conditions':[" NO "," YES "],'operator':'OR'}", true},
    {"{'conditions':[" NO "," YES "],'match':'any'}", true},
    {"{'conditions':[" NO "," YES "],'match':'all'}", false},
    {"{'conditions':[" NO "," YES "],'logic':'AND'}", false},
    {"{'conditions':[" NO "," YES "],'logic':'OR','match':'any'}", true},
    {"{'conditions':[{'conditions':[" NO "," YES "],'logic':'OR'}," YES "]}", true},
    {"{'conditions':[{'conditions':[" NO "," YES "],'logic':'OR'}," NO "]}", false},
    {"{'logic':'OR','conditions':[{'conditions':[" NO "," YES "]},{'conditions':[" YES "]}]}",
     true},
    {"{'logic':'OR','conditions':[{'conditions':[" NO "," YES "]},{'conditions':[" NO "]}]}",
     false},
    {"{'conditions':[{'id':'g','conditions':[{'conditions':[" YES "]}]}]}", true},
};

static void test_groups(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(groups); i++)
        if (matches(groups[i].filters) != groups[i].met)
            fail_msg("%s is %d", groups[i].filters, !groups[i].met);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bulk bodies: the document's examples and every rule of bulk_settings; whom a selection means. */
#include "format_test.h"

#include "selection.h"

#define BULK(settings)                                                                             \
    "{'bulk_settings':{" settings "},'message_data':{'recipient':'p@example.com','subject':'S',"   \
    "'content':'C'}}"
#define FILTERS(members) BULK("'filters':{" members "}")
#define CONDITION(members) FILTERS("'conditions':[{'id':'g','conditions':[{" members "}]}]")
#define OP(op, value) CONDITION("'id':'c1','field':'f','operator':" op ",'value':" value)
#define ROOT "bulk_settings.filters"
#define GROUP ROOT ".conditions[0]"
#define COND GROUP ".conditions[0]"
#define IDS "must be a list of ids"
#define NOT_EMPTY "must be a list that is not empty"
#define VALUE "must be a text, a number, true or false, or such a list (condition c1)"
static const struct selection *parse_bulk(const char *s, struct job *j)
{
    struct err_text e;

    if (parse_short(s, NULL, j, &e) != SQ_OK)
        fail_msg("%s: %s", s, e.text);
    assert_true(j->is_bulk);
    return j->selection;
}

static const struct selection *parse_bulk_file(const char *name, struct job *j)
{
    struct err_text e;

    if (parse_file(name, j, &e) != SQ_OK)
        fail_msg("%s: %s", name, e.text);
    return j->selection;
}

/* --- the document's examples --- */

static void test_example_ids(void **state)
{
    const struct selection *s;
    struct job j;

    (void)state;
    s = parse_bulk_file("messaging_bulk_ids.json", &j);
    assert_int_equal(s->lead_ids.count, 3);
    assert_string_equal(s->lead_ids.items[2], "550e8400-e29b-41d4-a716-446655440003");
    assert_int_equal(j.message.channel, CHANNEL_EMAIL);
    check_text(&j, MSG_RECIPIENT, NULL); /* a placeholder is nobody's address */
    check_text(&j, MSG_SUBJECT, "Special Offer - 50% Off!");
    job_clear(&j);
}

static void test_example_keyword(void **state)
{
    const struct selection *s;
    struct job j;

    (void)state;
    s = parse_bulk_file("messaging_bulk_keyword.json", &j);
    assert_string_equal(s->search_keyword, "enterprise customers");
    assert_int_equal(j.message.channel, CHANNEL_SMS);
    job_clear(&j);
}

static void test_example_filters(void **state)
{
    const struct filter *f;
    struct job j;

    (void)state;
    f = parse_bulk_file("messaging_bulk_filters.json", &j)->filter;
    assert_int_equal(f->op, FILTER_ALL);
    assert_int_equal(f->count, 1);
    f = &f->members[0];
    assert_int_equal(f->op, FILTER_ALL);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->members[0].op, FILTER_CONTAINS);
    assert_string_equal(f->members[0].field, "first_name");
    assert_string_equal(f->members[0].values[0].text, "st");
    assert_string_equal(f->members[1].values[0].text, "import 10/05/25");
    assert_int_equal(j.message.priority, PRIORITY_LOW);
    assert_int_equal(j.message.type, TYPE_NOTIFICATION);
    job_clear(&j);
}

static void test_example_assignees(void **state)
{
    const struct selection *s;
    struct job j;

    (void)state;
    s = parse_bulk_file("messaging_bulk_assignees.json", &j);
    assert_int_equal(s->assignees.count, 2);
    assert_string_equal(s->assignees.items[1], "user-uuid-2");
    job_clear(&j);
}

/* --- what goes wrong --- */

static const struct bad_case bad_cases[] = {
    {BULK(""), "bulk_settings", "must hold lead_ids, filters, search_keyword or assignees"},
    {BULK("'lead_ids':null,'search_keyword':''"), "bulk_settings",
     "must hold lead_ids, filters, search_keyword or assignees"},
    {BULK("'colour':1"), "bulk_settings.colour", UNKNOWN},
    {"{'bulk_settings':[],'message_data':{}}", "bulk_settings", "must be an object"},
    {"{'bulk_settings':'x','message_data':{}}", "bulk_settings", "must be an object"},
    {BULK("'lead_ids':'a'"), "bulk_settings.lead_ids", IDS},
    {BULK("'lead_ids':{}"), "bulk_settings.lead_ids", IDS},
    {BULK("'lead_ids':[]"), "bulk_settings.lead_ids", EMPTY},
    {BULK("'lead_ids':[5]"), "bulk_settings.lead_ids[0]", STRING},
    {BULK("'lead_ids':['a',null]"), "bulk_settings.lead_ids[1]", STRING},
    {BULK("'lead_ids':['a','']"), "bulk_settings.lead_ids[1]", EMPTY},
    {BULK("'lead_ids':['a b']"), "bulk_settings.lead_ids[0]", IDENT},
    {BULK("'lead_ids':['{x}']"), "bulk_settings.lead_ids[0]", IDENT},
    {BULK("'lead_ids':['\xc3\xa9']"), "bulk_settings.lead_ids[0]", IDENT},
    {BULK("'lead_ids':['a\\n']"), "bulk_settings.lead_ids[0]", IDENT},
    {BULK("'lead_ids':['<<129:x>>']"), "bulk_settings.lead_ids[0]",
     "must be at most 128 characters"},
    {BULK("'assignees':'a'"), "bulk_settings.assignees", IDS},
    {BULK("'assignees':[]"), "bulk_settings.assignees", EMPTY},
    {BULK("'assignees':[true]"), "bulk_settings.assignees[0]", STRING},
    {BULK("'search_keyword':5"), "bulk_settings.search_keyword", STRING},
    {BULK("'search_keyword':['a']"), "bulk_settings.search_keyword", STRING},
    {BULK("'search_keyword':'a\\nb'"), "bulk_settings.search_keyword", CONTROL},
    {BULK("'search_keyword':'<<257:x>>'"), "bulk_settings.search_keyword",
     "must be at most 256 characters"},
    /* filters: groups */
    {BULK("'filters':[]"), ROOT, "must be an object"},
    {BULK("'filters':'x'"), ROOT, "must be an object"},
    {FILTERS(""), ROOT ".conditions", NOT_EMPTY},
    {FILTERS("'conditions':[]"), ROOT ".conditions", NOT_EMPTY},
    {FILTERS("'conditions':{}"), ROOT ".conditions", NOT_EMPTY},
    {FILTERS("'conditions':null"), ROOT ".conditions", NOT_EMPTY},
    {FILTERS("'conditions':[5]"), GROUP, "must be an object"},
    {FILTERS("'conditions':[null]"), GROUP, "must be an object"},
    {FILTERS("'conditions':[{}]"), GROUP ".field", REQUIRED},
    {FILTERS("'conditions':[{'id':'g','conditions':[]}]"), GROUP ".conditions", NOT_EMPTY},
    {FILTERS("'conditions':[{'id':5,'conditions':[{}]}]"), GROUP ".id", STRING},
    {FILTERS("'colour':1,'conditions':[{}]"), ROOT ".colour", UNKNOWN},
    {FILTERS("'logic':'XOR','conditions':[{}]"), ROOT ".logic", "must be AND or OR"},
    {FILTERS("'logic':1,'conditions':[{}]"), ROOT ".logic", "must be AND or OR"},
    {FILTERS("'operator':'any','conditions':[{}]"), ROOT ".operator", "must be AND or OR"},
    {FILTERS("'match':'or','conditions':[{}]"), ROOT ".match", "must be all or any"},
    {FILTERS("'match':'any','logic':'AND','conditions':[{}]"), ROOT ".match",
     "contradicts the group's other joining word"},
    {FILTERS("'conditions':[<<1001:{},>>{}]"), ROOT ".conditions",
     "a filter has at most 1000 conditions"},
    /* filters: conditions */
    {CONDITION("'field':null"), COND ".field", REQUIRED},
    {CONDITION("'field':'','operator':'eq','value':1"), COND ".field", EMPTY},
    {CONDITION("'field':5"), COND ".field", STRING},
    {CONDITION("'field':'a\\nb'"), COND ".field", CONTROL},
    {CONDITION("'field':'<<129:x>>'"), COND ".field", "must be at most 128 characters"},
    {CONDITION("'id':5,'field':'f'"), COND ".id", STRING},
    {CONDITION("'id':'<<65:x>>','field':'f'"), COND ".id", "must be at most 64 characters"},
    {CONDITION("'field':'f'"), COND ".operator", REQUIRED},
    {CONDITION("'field':'f','colour':1"), COND ".colour", UNKNOWN},
    {OP("''", "1"), COND ".operator", EMPTY},
    {OP("5", "1"), COND ".operator", STRING},
    {OP("'resembles'", "1"), COND ".operator", "is not a known operator (condition c1)"},
    {OP("'<<50:x>>'", "1"), COND ".operator", "is not a known operator (condition c1)"},
    {CONDITION("'field':'f','operator':'resembles','value':1"), COND ".operator",
     "is not a known operator"},
    {CONDITION("'id':'c1','field':'f','operator':'equals'"), COND ".value",
     "is required (condition c1)"},
    {OP("'equals'", "null"), COND ".value", "is required (condition c1)"},
    {OP("'equals'", "{}"), COND ".value", VALUE},
    {OP("'equals'", "[]"), COND ".value", "must not be an empty list (condition c1)"},
    {OP("'equals'", "[1,{}]"), COND ".value", VALUE},
    {OP("'equals'", "[[1]]"), COND ".value", VALUE},
    {OP("'in'", "[null]"), COND ".value", VALUE},
    {OP("'equals'", "'<<1025:x>>'"), COND ".value", "is too long (condition c1)"},
    {OP("'in'", "[<<10000:1,>>1]"), COND ".value", "holds too many values (condition c1)"},
    {OP("'between'", "1"), COND ".value", "must be a list of two values (condition c1)"},
    {OP("'between'", "[1]"), COND ".value", "must be a list of two values (condition c1)"},
    {OP("'between'", "[1,2,3]"), COND ".value", "must be a list of two values (condition c1)"},
    {OP("'before'", "'soon'"), COND ".value", "must be a date or an RFC 3339 time (condition c1)"},
    {OP("'after'", "'2025-02-30'"), COND ".value",
     "must be a date or an RFC 3339 time (condition c1)"},
    {OP("'after'", "17"), COND ".value", "must be a date or an RFC 3339 time (condition c1)"},
    /* the message of a bulk */
    {"{'bulk_settings':{'lead_ids':['a']}}", "message_data", REQUIRED},
    {"{'bulk_settings':{'lead_ids':['a']},'message_data':{'content':'C'}}", "sender_type",
     "is required without a recipient"},
    {"{'bulk_settings':{'lead_ids':['a']},'message_data':{'recipient':'p@x.y','content':'C'}}",
     "message_data.subject", "is required for email"},
    {"{'bulk_settings':{'lead_ids':['a']},'message_data':{'recipient':'p@x.y'}}",
     "message_data.content", REQUIRED},
    {"{'bulk_settings':{'lead_ids':['a']},'message_data':{'recipient':5}}",
     "message_data.recipient", STRING},
};

static void test_bad(void **state)
{
    (void)state;
    check_bad(bad_cases, COUNT(bad_cases), "messaging");
}

/* Groups nest 16 deep, not 17. */
static void test_depth(void **state)
{
    static const char leaf[] = "{'field':'f','operator':'is_empty'}";
    struct job_limits limits = {.max_depth = 100};

    (void)state;
    for (unsigned deep = 16; deep <= 17; deep++) {
        char s[2000];
        struct err_text e;
        struct job j;

        snprintf(s, sizeof s,
                 "{'bulk_settings':{'filters':<<%u:{'conditions':[>>%s<<%u:]}>>},"
                 "'message_data':{'recipient':'+14155550100','content':'C'}}",
                 deep, leaf, deep);
        assert_int_equal(parse_short(s, &limits, &j, &e), deep == 16 ? SQ_OK : SQ_ERR_INVALID);
        if (deep > 16)
            assert_non_null(strstr(e.text, "nest at most 16 deep"));
        job_clear(&j);
    }
}

/* What is stored of a selection means the same when it is read back; lead ids are not in it. */
static void test_stored_text(void **state)
{
    const struct job_limits limits = {.max_bulk_bytes = 1 << 20, .max_depth = 32};
    const struct selection *s;
    struct selection back;
    struct arena a = {0};
    struct err_text e;
    struct job j;

    (void)state;
    s = parse_bulk(BULK("'lead_ids':['a'],'assignees':['u1','u2'],'search_keyword':'STRASSE',"
                        "'filters':{'conditions':[{'field':'f','operator':'eq','value':'X'}]}"),
                   &j);
    assert_null(strstr(s->text, "lead_ids"));
    assert_int_equal(selection_parse(s->text, strlen(s->text), &limits, &a, &back, &e), SQ_OK);
    assert_int_equal(back.assignees.count, 2);
    assert_string_equal(back.assignees.items[1], "u2");
    assert_string_equal(back.search_keyword, "strasse");
    assert_string_equal(back.filter->members[0].values[0].text, "x");
    assert_int_equal(selection_parse("{}", 2, &limits, &a, &back, &e), SQ_OK);
    assert_null(back.filter);
    assert_int_equal(selection_parse("{", 1, &limits, &a, &back, &e), SQ_ERR_INVALID);
    assert_int_equal(selection_parse("{\"filters\":{}}", 14, &limits, &a, &back, &e),
                     SQ_ERR_INVALID);
    arena_free(&a);
    job_clear(&j);
}

/* --- whom it means --- */

struct lead {
    const char *const *fields; /* name, value, ..., NULL */
};

static void get_field(void *ctx, const char *field, struct filter_field *ret)
{
    const struct lead *l = ctx;

    ret->text = NULL;
    ret->is_list = false;
    for (const char *const *p = l->fields; *p; p += 2)
        if (strcmp(*p, field) == 0)
            ret->text = p[1];
}

static const struct {
    const char *raw;
    bool ann, bob;
} match_cases[] = {
    {BULK("'search_keyword':'ACME'"), true, false},
    {BULK("'search_keyword':'\xc3\xa9ric'"), false, true},
    {BULK("'search_keyword':'5550100'"), true, false},
    {BULK("'search_keyword':'example.com'"), true, true},
    {BULK("'search_keyword':'berlin'"), false, false}, /* a city is not searched */
    {BULK("'assignees':['u1']"), true, false},
    {BULK("'assignees':['u2','u1']"), true, true},
    {BULK("'assignees':['u3']"), false, false},
    {BULK("'assignees':['u1'],'search_keyword':'\xc3\x89RIC'"), false, false},
    {BULK("'assignees':['u2'],'search_keyword':'\xc3\x89RIC'"), false, true},
    {BULK("'lead_ids':['x']"), true, true}, /* the caller's */
    {BULK("'filters':{'conditions':[{'field':'city','operator':'is_not_empty'}]},"
          "'assignees':['u1','u2']"),
     true, false},
};

static void test_match(void **state)
{
    static const char *const ann[] = {
        "first_name", "Ann",          "company",     "Acme Ltd", "email", "ann@example.com",
        "phone",      "+14155550100", "assigned_to", "u1",       "city",  "Berlin",
        NULL};
    static const char *const bob[] = {
        "name", "Bob \xc3\x89ric", "email", "bob@example.com", "assigned_to", "u2", NULL};
    struct lead leads[] = {{ann}, {bob}};

    (void)state;
    for (unsigned i = 0; i < COUNT(match_cases); i++) {
        struct job j;
        const struct selection *s = parse_bulk(match_cases[i].raw, &j);
        struct filter_lead a = {get_field, &leads[0]}, b = {get_field, &leads[1]};

        if (selection_match(s, &a) != match_cases[i].ann ||
            selection_match(s, &b) != match_cases[i].bob)
            fail_msg("%s", match_cases[i].raw);
        job_clear(&j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_ids),
        cmocka_unit_test(test_example_keyword),
        cmocka_unit_test(test_example_filters),
        cmocka_unit_test(test_example_assignees),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_stored_text),
        cmocka_unit_test(test_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

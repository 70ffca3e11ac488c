/* Importing leads: headings, rows, objects, and what is refused. */
#include "model_test.h"

#include "json.h"
#include "lead_row.h"
#include <stdlib.h>
#include <string.h>

/* "id name=value name=value -removed", or the error. */
static void show(const struct lead_row *r, enum sq_err err, const struct err_text *e,
                 struct buf *out)
{
    if (err) {
        buf_adds(out, e->text);
        return;
    }
    buf_adds(out, r->lead.id);
    for (unsigned i = 0; i < r->lead.count; i++)
        buf_addf(out, " %s=%s", r->lead.values[i].name, r->lead.values[i].value);
    for (unsigned i = 0; i < r->remove_count; i++)
        buf_addf(out, " -%s", r->removes[i]);
}

#define FIELDS_MAX 5

static struct csv_row row_of(const char *const fields[FIELDS_MAX])
{
    struct csv_row row = {.line = 1, .fields = fields};

    while (row.count < FIELDS_MAX && fields[row.count])
        row.count++;
    return row;
}

static const struct {
    const char *head[FIELDS_MAX], *id_name, *row[FIELDS_MAX], *expected;
} rows[] = {
    {{"id", "First Name", "E-Mail"},
     NULL,
     {"1", "Ana", "a@x.example"},
     "1 first_name=Ana email=a@x.example"},
    {{"Contact ID", "email", "mail"},
     NULL,
     {"c:1", "a@x.example", "b@x.example"},
     "c:1 email=a@x.example mail=b@x.example"},
    {{"id", "Mobile"}, NULL, {" 7 ", "\t+1 415 555-0100 "}, "7 phone=+1 415 555-0100"},
    {{"id", "Owner"}, NULL, {"1", "u1"}, "1 assigned_to=u1"},
    {{"id", "Plan-Name (old)", "A\xc3\x91O"},
     NULL,
     {"1", "Gold", "5"},
     "1 plan_name_old=Gold a\xc3\x91o=5"},
    {{"No.", "id", "x"}, "no.", {"9", "1", "y"}, "two columns are called id"},
    {{"Number", "x"}, "Number", {"9", "y"}, "9 x=y"},
    {{"Number", "x"}, "nummer", {"9", "y"}, "no column is called nummer"},
    {{"x"}, NULL, {"y"}, "no column is called id (name the ids' column by --id)"},
    {{"id", "x", "X"}, NULL, {"1", "a", "b"}, "two columns are called x"},
    {{"id", " "}, NULL, {"1", "a"}, "column 2 has no name"},
    {{"id", "x", "y"}, NULL, {"1", "", "b"}, "1 y=b"},
    {{"id", "x"}, NULL, {"1", ""}, "there is nothing but an id"},
    {{"id", "x"}, NULL, {"", "a"}, "id: is missing"},
    {{"id", "x"}, NULL, {"a b", "a"}, "id: must be 1 to 128 letters, digits and . _ : -"},
    {{"id", "x"}, NULL, {"1", "a", "b"}, "3 fields, the first line has 2"},
    {{"id", "x"}, NULL, {"1"}, "1 fields, the first line has 2"},
    {{"id", "email"}, NULL, {"1", "nobody"}, "email: must be an email address"},
    {{"id", "x"}, NULL, {"1", "\xff"}, "x: a field is not valid UTF-8"},
    {{"id", "tags"}, NULL, {"1", "vip, gold"}, "1 tags=[\"vip\",\"gold\"]"},
    {{"id", "Tags"}, NULL, {"1", "[\"a,b\"]"}, "1 tags=[\"a,b\"]"},
    {{"id", "Opted Out"}, NULL, {"1", "email"}, "1 opted_out=[\"email\"]"},
};

static void csv_rows_become_leads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct csv_row head = row_of(rows[i].head), row = row_of(rows[i].row);
        struct lead_columns *columns = calloc(1, sizeof *columns);
        struct arena a = {.used = 0};
        struct lead_row r = {.removes = NULL};
        struct err_text e = {.text = ""};
        struct buf out = {.max = 0};
        enum sq_err err = lead_columns_read(&head, rows[i].id_name, &a, columns, &e);

        if (!err)
            err = lead_row_csv(columns, &row, &r, &e);
        show(&r, err, &e, &out);
        assert_string_equal(buf_str(&out), rows[i].expected);
        buf_free(&out);
        lead_row_free(&r);
        arena_free(&a);
        free(columns);
    }
}

static void a_faulty_csv_row_is_refused(void **state)
{
    struct csv_row bad = {.line = 3, .error = "a NUL byte"};
    struct lead_columns *columns = calloc(1, sizeof *columns);
    struct lead_row r = {.removes = NULL};
    struct err_text e;

    (void)state;
    assert_int_equal(lead_row_csv(columns, &bad, &r, &e), SQ_ERR_INVALID);
    assert_string_equal(e.text, "a NUL byte");
    free(columns);
}

static const struct {
    const char *json, *id_name, *expected;
} objects[] = {
    {"{\"id\":\"1\",\"first_name\":\"Ana\"}", NULL, "1 first_name=Ana"},
    {"{\"id\":17,\"score\":1.50,\"ok\":true}", NULL, "17 score=1.50 ok=true"},
    {"{\"id\":\"1\",\"tags\":[\"a\",\"b\"],\"x\":{\"y\":1}}", NULL,
     "1 tags=[\"a\",\"b\"] x={\"y\":1}"},
    {"{\"id\":\"1\",\"tags\":\"a;b\"}", NULL, "1 tags=[\"a\",\"b\"]"},
    {"{\"id\":\"1\",\"x\":null,\"y\":\"\",\"z\":null}", NULL, "1 -x -z"},
    {"{\"id\":\"1\",\"x\":\"\"}", NULL, "there is nothing but an id"},
    {"{\"uid\":\"7\",\"x\":\"y\",\"id\":\"other\"}", "uid", "7 x=y"},
    {"{\"x\":\"y\"}", NULL, "id: is missing"},
    {"{\"id\":null,\"x\":\"y\"}", NULL, "id: must be a text or a number"},
    {"{\"id\":\"a/b\",\"x\":\"y\"}", NULL, "id: must be 1 to 128 letters, digits and . _ : -"},
    {"{\"id\":\"1\",\"email\":\"x\"}", NULL, "email: must be an email address"},
    {"{\"id\":\"1\",\"email\":5}", NULL, "email: must be an email address"},
    {"[]", NULL, "a lead must be a JSON object"},
};

static void objects_become_leads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(objects); i++) {
        struct lead_row r = {.removes = NULL};
        struct err_text e = {.text = ""};
        struct buf out = {.max = 0};
        cJSON *j = NULL;

        assert_int_equal(json_parse(objects[i].json, strlen(objects[i].json), NULL, &j, &e), SQ_OK);
        show(&r, lead_row_json(j, objects[i].id_name, &r, &e), &e, &out);
        assert_string_equal(buf_str(&out), objects[i].expected);
        json_free(j);
        buf_free(&out);
        lead_row_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_rows_become_leads),
        cmocka_unit_test(a_faulty_csv_row_is_refused),
        cmocka_unit_test(objects_become_leads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

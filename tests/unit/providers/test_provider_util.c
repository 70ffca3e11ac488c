/* Unit tests of the providers' shared helpers: mailboxes, ids, masked texts. */
#include "provider_test.h"
#include "provider_util.h"

static void expect_mailbox(const char **cursor, const char *name, const char *address)
{
    struct mailbox box;

    assert_int_equal(provider_mailbox_next(cursor, &box), SQ_OK);
    assert_string_equal(box.name, name);
    assert_string_equal(box.address, address);
}

static void test_list_of_all_forms(void **state)
{
    const char *p = " a@x.example, Jane  Doe <jane@x.example>,\"Doe, \\\"J\\\"\" <j@x.example> ,,"
                    "<bare@x.example>, Max (a, comment) Muster <m@x.example>, \xc3\xa9@x.example";
    struct mailbox box;

    (void)state;
    expect_mailbox(&p, "", "a@x.example");
    expect_mailbox(&p, "Jane Doe", "jane@x.example");
    expect_mailbox(&p, "Doe, \"J\"", "j@x.example");
    expect_mailbox(&p, "", "bare@x.example");
    expect_mailbox(&p, "Max Muster", "m@x.example");
    expect_mailbox(&p, "", "\xc3\xa9@x.example");
    assert_int_equal(provider_mailbox_next(&p, &box), SQ_ERR_NOT_FOUND);
    assert_int_equal(provider_mailbox_next(&p, &box), SQ_ERR_NOT_FOUND);
}

static void test_what_is_no_mailbox(void **state)
{
    static const char *const bad[] = {
        "jane",       "Jane <jane>", "Jane <j@x",      "\"Jane <j@x>", "a b@x",  "<a@x> <b@x>",
        "@x.example", "a@",          "Jane (<j@x.ex>", "<>",           "<a@x;>", "a@x; b@x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *p = bad[i];
        struct mailbox box = {.name = "untouched"};

        if (provider_mailbox_next(&p, &box) != SQ_ERR_INVALID)
            fail_msg("taken: %s", bad[i]);
        assert_string_equal(box.name, "untouched");
    }
}

static void test_too_long_is_refused_not_cut(void **state)
{
    char text[700];
    const char *p = text;
    struct mailbox box;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + sizeof(text) - 11, "@x.example", 11);
    assert_int_equal(provider_mailbox_next(&p, &box), SQ_ERR_INVALID);
}

static void test_secrets_are_masked(void **state)
{
    struct fixture f;
    struct outcome o = {.kind = OUTCOME_FAILED, .code = CODE_PROVIDER_ERROR, .text = "HTTP 400"};

    (void)state;
    fixture_init(&f, "twilio", "http://x");
    set_value(&f, "auth_token", "s3cr3t-token");
    set_value(&f, "account_sid", "AC1");
    f.ctx.access_token = "ya29.long";
    provider_say(&f.ctx, &o, "bad token s3cr3t-token, s3cr3t-toke, AC1\nand ya29.long!");
    assert_string_equal(o.text, "HTTP 400: bad token ***, s3cr3t-toke, AC1 and ***!");
    provider_say(&f.ctx, &o, NULL);
    provider_say(&f.ctx, &o, "");
    assert_string_equal(o.text, "HTTP 400: bad token ***, s3cr3t-toke, AC1 and ***!");
    fixture_free(&f);
}

static void test_long_texts_are_cut_at_a_character(void **state)
{
    struct fixture f;
    struct outcome o = {.kind = OUTCOME_FAILED, .text = "HTTP 400"};
    char said[2001];

    (void)state;
    fixture_init(&f, "sandbox", "http://x");
    for (size_t i = 0; i + 2 < sizeof(said); i += 2)
        memcpy(said + i, "\xc3\xa9", 2);
    said[2000] = '\0';
    provider_say(&f.ctx, &o, said);
    assert_int_equal(strlen(o.text), 254); /* 10 bytes, then 122 of two bytes */
    assert_memory_equal(o.text, "HTTP 400: \xc3\xa9", 12);
    fixture_free(&f);
}

static void expect_id(const char *answer, const char *id)
{
    struct response r = make_response(200, "", answer);
    struct outcome o = {.kind = OUTCOME_SENT};
    cJSON *json = provider_answer(&r);

    provider_set_id(&o, json_get(json, "id"));
    assert_string_equal(o.provider_message_id, id);
    json_free(json);
}

static void test_ids_are_strings_or_numbers(void **state)
{
    char long_id[280], answer[300];

    (void)state;
    expect_id("{\"id\":\"m1\"}", "m1");
    expect_id("{\"id\":42}", "42");
    expect_id("{\"id\":null}", "");
    expect_id("{\"id\":true}", "");
    expect_id("{\"id\":{\"a\":1}}", "");
    expect_id("{}", "");
    expect_id("[]", "");
    expect_id("not json", "");
    expect_id("{\"id\":\"a\\nb\"}", "");
    memset(long_id, 'a', sizeof(long_id));
    long_id[sizeof(long_id) - 1] = '\0';
    snprintf(answer, sizeof(answer), "{\"id\":\"%s\"}", long_id);
    expect_id(answer, "");
}

static void test_a_cut_answer_is_no_json(void **state)
{
    struct response r = make_response(200, "", "{\"id\":\"m1\"}");

    (void)state;
    r.transport = TRANSPORT_TOO_BIG;
    assert_null(provider_answer(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_of_all_forms),
        cmocka_unit_test(test_what_is_no_mailbox),
        cmocka_unit_test(test_too_long_is_refused_not_cut),
        cmocka_unit_test(test_secrets_are_masked),
        cmocka_unit_test(test_long_texts_are_cut_at_a_character),
        cmocka_unit_test(test_ids_are_strings_or_numbers),
        cmocka_unit_test(test_a_cut_answer_is_no_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

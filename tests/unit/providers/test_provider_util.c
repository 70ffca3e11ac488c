/* Unit tests of the providers' shared helpers: ids, masked texts. */
#include "provider_test.h"
#include "provider_util.h"

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
        cmocka_unit_test(test_secrets_are_masked),
        cmocka_unit_test(test_long_texts_are_cut_at_a_character),
        cmocka_unit_test(test_ids_are_strings_or_numbers),
        cmocka_unit_test(test_a_cut_answer_is_no_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

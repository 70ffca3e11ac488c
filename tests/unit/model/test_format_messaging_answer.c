/* The messaging format's answers, as the document shows them. */
#include "model_test.h"

#include "job.h"
#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1795252211123)

static const struct message sent_message = {.id = "550e8400-e29b-41d4-a716-446655440000",
                                            .channel = CHANNEL_EMAIL};

static void assert_answer(const struct answer_in *in, const char *expected)
{
    struct buf out = {.max = 0};

    job_answer("messaging", in, &out);
    assert_string_equal(buf_str(&out), expected);
    buf_free(&out);
}

static void test_answer_sent(void **state)
{
    struct outcome o = {.provider_message_id = "msg_abc123", .cost = "0.001"};
    struct answer_in in = {.message = &sent_message,
                           .provider = "sendgrid",
                           .outcome = &o,
                           .now_ms = INT64_C(1738319400000)};

    (void)state;
    /* The document's own example. */
    assert_answer(&in, "{\"success\":true,\"message_id\":\"550e8400-e29b-41d4-a716-446655440000\","
                       "\"channel_used\":\"EMAIL\",\"provider_used\":\"sendgrid\","
                       "\"provider_message_id\":\"msg_abc123\",\"status\":\"SENT\","
                       "\"cost\":0.001,\"sent_at\":\"2025-01-31T10:30:00Z\"}");
    o.cost[0] = o.provider_message_id[0] = 0;
    assert_answer(&in, "{\"success\":true,\"message_id\":\"550e8400-e29b-41d4-a716-446655440000\","
                       "\"channel_used\":\"EMAIL\",\"provider_used\":\"sendgrid\","
                       "\"provider_message_id\":null,\"status\":\"SENT\","
                       "\"cost\":null,\"sent_at\":\"2025-01-31T10:30:00Z\"}");
}

static const struct {
    const char *cost, *json;
} cost_cases[] = {
    {"0", "0"},          {"-0.00750", "-0.00750"}, {"12.5", "12.5"},
    {"1e-3", "1e-3"},    {"1E+10", "1E+10"},       {"", "null"},
    {"-", "null"},       {".5", "null"},           {"5.", "null"},
    {"01", "null"},      {"1e", "null"},           {"1.2.3", "null"},
    {"0.1 USD", "null"}, {"$1", "null"},           {"NaN", "null"},
    {"1,5", "null"},     {"+1", "null"},           {"1}", "null"},
    {" 1", "null"},
};

static void test_answer_cost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(cost_cases); i++) {
        struct outcome o = {0};
        struct answer_in in = {.message = &sent_message, .provider = "p", .outcome = &o};
        struct buf out = {.max = 0};
        char expected[64];

        snprintf(o.cost, sizeof o.cost, "%s", cost_cases[i].cost);
        snprintf(expected, sizeof expected, "\"cost\":%s,", cost_cases[i].json);
        job_answer("messaging", &in, &out);
        if (!strstr(buf_str(&out), expected))
            fail_msg("%s: %s", cost_cases[i].cost, buf_str(&out));
        buf_free(&out);
    }
}

static const struct {
    const char *field, *loc;
} location_cases[] = {
    {"message_data.recipient", "[\"body\",\"message_data\",\"recipient\"]"},
    {"message_data.media_urls[12]", "[\"body\",\"message_data\",\"media_urls\",12]"},
    {"priority", "[\"body\",\"priority\"]"},
    {"", "[\"body\"]"},
};

static void test_answer_invalid(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(location_cases); i++) {
        struct err_text e;
        struct answer_in in = {.error = &e, .code = CODE_VALIDATION_ERROR, .now_ms = NOW};
        char expected[256];

        err_set_field(&e, SQ_ERR_INVALID, location_cases[i].field, "is \"bad\"");
        snprintf(expected, sizeof expected,
                 "{\"status_code\":422,\"detail\":[{\"loc\":%s,\"msg\":\"is \\\"bad\\\"\","
                 "\"type\":\"value_error\"}]}",
                 location_cases[i].loc);
        assert_answer(&in, expected);
    }
}

/* Members' names come from outside: whatever they hold, the answer stays JSON. */
static void test_answer_invalid_odd_fields(void **state)
{
    static const char *const fields[] = {"a[",      "a[x]", "[",   "[]]",
                                         ".",       "..a",  "a[1", "\"\n",
                                         "[[",      "]",    "a.",  "[99999999999999999999]",
                                         "a[-5].b", "a[1]b"};

    (void)state;
    for (unsigned i = 0; i < COUNT(fields); i++) {
        struct err_text e = {.text = ""};
        struct answer_in in = {.error = &e, .code = CODE_VALIDATION_ERROR, .now_ms = NOW};
        struct buf out = {.max = 0};
        cJSON *back = NULL;

        err_set_field(&e, SQ_ERR_INVALID, fields[i], "is bad");
        job_answer("messaging", &in, &out);
        assert_int_equal(json_parse(out.data, out.len, NULL, &back, NULL), SQ_OK);
        json_free(back);
        buf_free(&out);
    }
}

static void test_answer_failed(void **state)
{
    struct outcome o = {.text = "mailbox \"full\""};
    struct answer_in in = {.message = &sent_message,
                           .provider = "sendgrid",
                           .outcome = &o,
                           .code = CODE_PROVIDER_ERROR,
                           .now_ms = INT64_C(1738319400000)};
    struct err_text e;

    (void)state;
    assert_answer(&in, "{\"success\":false,\"message_id\":\"550e8400-e29b-41d4-a716-446655440000\","
                       "\"channel_used\":\"EMAIL\",\"provider_used\":\"sendgrid\","
                       "\"status\":\"FAILED\",\"error_code\":\"provider_error\","
                       "\"error_message\":\"mailbox \\\"full\\\"\","
                       "\"failed_at\":\"2025-01-31T10:30:00Z\",\"status_code\":502}");
    /* A rejected job has no message. */
    err_set(&e, SQ_ERR_TOO_LARGE, "too long");
    in = (struct answer_in){.error = &e, .code = CODE_TOO_LARGE, .now_ms = INT64_C(1738319400000)};
    assert_answer(&in, "{\"success\":false,\"message_id\":null,\"channel_used\":null,"
                       "\"provider_used\":null,\"status\":\"FAILED\",\"error_code\":\"too_large\","
                       "\"error_message\":\"too long\",\"failed_at\":\"2025-01-31T10:30:00Z\","
                       "\"status_code\":413}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_sent),    cmocka_unit_test(test_answer_cost),
        cmocka_unit_test(test_answer_invalid), cmocka_unit_test(test_answer_invalid_odd_fields),
        cmocka_unit_test(test_answer_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

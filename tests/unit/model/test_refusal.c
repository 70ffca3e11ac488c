/* Refusals: kept, stored, read back. */
#include "model_test.h"

#include "refusal.h"
#include <string.h>

static void a_message_without_one_may_be_sent(void **state)
{
    struct message m = {.id = "a"};
    const char *text = NULL;

    (void)state;
    assert_int_equal(refusal_get(&m, &text), CODE_NONE);
    assert_null(text);
}

static void it_survives_being_stored(void **state)
{
    struct message m = {.id = "a", .scheduled_at = 5}, back = {.id = ""};
    struct buf packed = {.max = 0};
    const char *text = NULL;

    (void)state;
    refusal_set(&m, CODE_SUPPRESSED, "contact %s opted out of: email", "c1");
    refusal_set(&m, CODE_TEMPLATE_ERROR, "a later one");
    assert_int_equal(m.scheduled_at, 0);
    message_pack(&m, &packed);
    assert_int_equal(message_unpack(packed.data, packed.len, &back), SQ_OK);
    assert_int_equal(refusal_get(&back, &text), CODE_SUPPRESSED);
    assert_string_equal(text, "contact c1 opted out of: email");
    message_clear(&back);
    message_clear(&m);
    buf_free(&packed);
}

static void an_unknown_code_is_still_a_refusal(void **state)
{
    struct message m = {.id = "a"};
    const char *text = NULL;

    (void)state;
    m.text[MSG_REFUSAL] = "some_newer_code: because";
    assert_int_equal(refusal_get(&m, &text), CODE_VALIDATION_ERROR);
    assert_string_equal(text, "because");
    m.text[MSG_REFUSAL] = "odd";
    assert_int_equal(refusal_get(&m, &text), CODE_VALIDATION_ERROR);
    assert_string_equal(text, "odd");
}

static void long_reasons_are_cut_at_a_character(void **state)
{
    struct message m = {.id = "a"};
    char reason[400];
    const char *text = NULL;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof reason; i += 2)
        memcpy(reason + i, "\xc3\xa9", 2);
    reason[sizeof reason - 2] = 0;
    refusal_set(&m, CODE_SUPPRESSED, "%s", reason);
    refusal_get(&m, &text);
    assert_int_equal(strlen(text), 254);
    message_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_without_one_may_be_sent),
        cmocka_unit_test(it_survives_being_stored),
        cmocka_unit_test(an_unknown_code_is_still_a_refusal),
        cmocka_unit_test(long_reasons_are_cut_at_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

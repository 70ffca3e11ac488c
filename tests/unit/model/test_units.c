/* Unit tests of counting a message as a limit does. */
#include "model_test.h"

#include "units.h"
#include <string.h>

static void test_recipients(void **state)
{
    struct message m = {.channel = CHANNEL_EMAIL};

    (void)state;
    message_set(&m, MSG_RECIPIENT, "a@x,b@x");
    message_list_add(&m, MSG_CC, "c@x");
    message_list_add(&m, MSG_BCC, "d@x");
    assert_int_equal(units_count(&m, LIMIT_RECIPIENTS), 4);
    assert_int_equal(units_count(&m, LIMIT_MESSAGES), 1);
    assert_int_equal(units_count(&m, LIMIT_SEGMENTS), 1);
    message_clear(&m);
}

/* Elsewhere a comma is part of the name. */
static void test_one_recipient(void **state)
{
    struct message m = {.channel = CHANNEL_CUSTOM};

    (void)state;
    message_set(&m, MSG_RECIPIENT, "a,b");
    assert_int_equal(units_count(&m, LIMIT_RECIPIENTS), 1);
    message_clear(&m);
}

static void test_segments(void **state)
{
    struct message m = {.channel = CHANNEL_SMS};
    char text[162];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[161] = '\0';
    assert_int_equal(units_count(&m, LIMIT_SEGMENTS), 1);
    message_set(&m, MSG_CONTENT, text);
    assert_int_equal(units_count(&m, LIMIT_SEGMENTS), 2);
    m.channel = CHANNEL_WHATSAPP;
    assert_int_equal(units_count(&m, LIMIT_SEGMENTS), 1);
    message_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_one_recipient),
        cmocka_unit_test(test_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

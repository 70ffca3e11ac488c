/* Looking up a sender's settings. */
#include "model_test.h"

#include "sender.h"

static void test_value(void **state)
{
    struct sender s = {
        .values = {{"api_key", "k"}, {"domain", ""}},
        .value_count = 2,
    };

    (void)state;
    assert_string_equal(sender_value(&s, "api_key"), "k");
    assert_string_equal(sender_value(&s, "domain"), "");
    assert_null(sender_value(&s, "api"));
    assert_null(sender_value(&s, ""));
    s.value_count = 0;
    assert_null(sender_value(&s, "api_key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_value)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of the table of providers. */
#include "provider_test.h"

static void test_every_provider_is_found_by_name(void **state)
{
    unsigned n = 0;

    (void)state;
    for (; provider_at(n); n++)
        assert_ptr_equal(provider_find(provider_at(n)->name), provider_at(n));
    assert_true(n > 0);
    assert_null(provider_at(1000));
}

static void test_unknown_names_are_not_found(void **state)
{
    (void)state;
    assert_null(provider_find("Sendgrid"));
    assert_null(provider_find(""));
    assert_null(provider_find(NULL));
}

static void test_every_provider_is_complete(void **state)
{
    (void)state;
    for (unsigned i = 0; provider_at(i); i++) {
        const struct provider *p = provider_at(i);

        assert_non_null(p->build);
        assert_non_null(p->classify);
        assert_int_not_equal(p->channels, 0);
        assert_int_equal(p->channels & CHANNEL_BIT(CHANNEL_GMB), 0);
        assert_non_null(p->settings);
        for (const struct provider_setting *s = p->settings; s->name; s++)
            assert_non_null(s->help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_provider_is_found_by_name),
        cmocka_unit_test(test_unknown_names_are_not_found),
        cmocka_unit_test(test_every_provider_is_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

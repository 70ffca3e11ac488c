/* Unit tests of the table of providers. */
#include "provider_test.h"

#include "rate.h"
#include "text.h"

#define ONE_MORE(name) +1

static void test_every_provider_is_found_by_name(void **state)
{
    unsigned n = 0;

    (void)state;
    for (; provider_at(n); n++)
        assert_ptr_equal(provider_find(provider_at(n)->name), provider_at(n));
    assert_int_equal(n, PROVIDER_LIST(ONE_MORE));
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

/* Published limits are in the words of the configuration, with their source. */
static void test_published_limits_can_be_read(void **state)
{
    (void)state;
    for (unsigned i = 0; provider_at(i); i++) {
        const struct provider_limits *l = provider_at(i)->limits;
        struct rate rate;
        struct day_cap day;
        int64_t n;

        if (!l)
            continue;
        assert_true(!l->rate || rate_parse(l->rate, &rate, NULL) == SQ_OK);
        assert_true(!l->recipient || rate_parse(l->recipient, &rate, NULL) == SQ_OK);
        assert_true(!l->day || day_cap_parse(l->day, &day, NULL) == SQ_OK);
        assert_true(!l->concurrency || text_to_i64(l->concurrency, &n) == SQ_OK);
        /* A message carries one number of units besides 1. */
        assert_true(l->rate_unit == LIMIT_MESSAGES || l->day_unit == LIMIT_MESSAGES ||
                    l->rate_unit == l->day_unit);
        assert_true(strncmp(l->source, "https://", 8) == 0);
        assert_int_equal(strlen(l->date), strlen("2026-11"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_provider_is_found_by_name),
        cmocka_unit_test(test_unknown_names_are_not_found),
        cmocka_unit_test(test_every_provider_is_complete),
        cmocka_unit_test(test_published_limits_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

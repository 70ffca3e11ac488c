/* UUIDs and random numbers: form, version bits, order, known v5 values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uuid.h"
#include <stdbool.h>
#include <string.h>

static void test_v7_carries_time_and_version(void **state)
{
    char id[UUID_TEXT];

    (void)state;
    uuid_v7(0x0123456789ab, id);
    assert_true(uuid_is_valid(id));
    assert_memory_equal(id, "01234567-89ab-7", 15);
    assert_non_null(strchr("89ab", id[19]));
}

static void test_v7_sorts_by_time_and_does_not_repeat(void **state)
{
    enum { N = 2000 };
    static char ids[N][UUID_TEXT];

    (void)state;
    for (int i = 0; i < N; i++)
        uuid_v7(1700000000000 + i / 2, ids[i]);
    for (int i = 2; i < N; i++)
        assert_true(strcmp(ids[i - 2], ids[i]) < 0);
    for (int i = 1; i < N; i += 2)
        assert_string_not_equal(ids[i - 1], ids[i]);
}

static void test_v5_known_values(void **state)
{
    char id[UUID_TEXT];

    (void)state;
    uuid_v5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com", id); /* RFC 9562 A.4 */
    assert_string_equal(id, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    uuid_v5("6BA7B811-9DAD-11D1-80B4-00C04FD430C8", "https://example.com/", id);
    assert_string_equal(id, "dd2c1780-811a-5296-81c5-178a0ef488bc");
}

static void test_v5_bad_namespace_is_nil(void **state)
{
    char a[UUID_TEXT], b[UUID_TEXT];

    (void)state;
    uuid_v5("6ba7b810-nonsense", "x", a);
    uuid_v5("00000000-0000-0000-0000-000000000000", "x", b);
    assert_string_equal(a, b);
}

static void test_validity(void **state)
{
    static const char *const bad[] = {
        "",
        "01234567-89ab-7def-8123-456789abcde",
        "01234567-89ab-7def-8123-456789abcdef0",
        "0123456789ab-7def-8123-456789abcdef0",
        "01234567-89ab-7def-8123-456789abcdeg",
        "01234567x89ab-7def-8123-456789abcdef",
        "{1234567-89ab-7def-8123-456789abcde}",
    };

    (void)state;
    assert_true(uuid_is_valid("01234567-89AB-7def-8123-456789abcdef"));
    assert_false(uuid_is_valid(NULL));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(uuid_is_valid(bad[i]));
}

static void test_random_hex_length(void **state)
{
    char a[2 * 300 + 1], b[2 * 300 + 1];

    (void)state;
    for (unsigned n = 0; n <= 300; n += 50) {
        random_hex(n, a);
        assert_int_equal(strlen(a), 2 * n);
        assert_int_equal(strspn(a, "0123456789abcdef"), 2 * n);
    }
    random_hex(300, b);
    assert_string_not_equal(a, b);
}

static void test_random_bytes_past_the_pool(void **state)
{
    unsigned char big[1000] = {0};
    size_t zeros = 0;

    (void)state;
    random_bytes(big, sizeof(big));
    for (size_t i = 0; i < sizeof(big); i++)
        zeros += big[i] == 0;
    assert_true(zeros < 100); /* 4 are expected */
}

static void test_random_below_stays_below_and_reaches_all(void **state)
{
    bool seen[7] = {false};

    (void)state;
    for (int i = 0; i < 2000; i++) {
        uint64_t v = random_below(7);

        assert_true(v < 7);
        seen[v] = true;
        assert_true(random_below(UINT64_MAX / 2 + 2) < UINT64_MAX / 2 + 2);
    }
    for (int i = 0; i < 7; i++)
        assert_true(seen[i]);
    assert_int_equal(random_below(1), 0);
}

/* 2^64 is one and a third of this bound: a bare remainder gives the lowest third twice as often. */
static void test_random_below_is_uniform(void **state)
{
    uint64_t third = (uint64_t)1 << 62;
    int low = 0;

    (void)state;
    for (int i = 0; i < 3000; i++)
        low += random_below(3 * third) < third;
    assert_in_range(low, 800, 1200); /* 1000 expected, 26 the standard deviation */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v7_carries_time_and_version),
        cmocka_unit_test(test_v7_sorts_by_time_and_does_not_repeat),
        cmocka_unit_test(test_v5_known_values),
        cmocka_unit_test(test_v5_bad_namespace_is_nil),
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_random_hex_length),
        cmocka_unit_test(test_random_bytes_past_the_pool),
        cmocka_unit_test(test_random_below_stays_below_and_reaches_all),
        cmocka_unit_test(test_random_below_is_uniform),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

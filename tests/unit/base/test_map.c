/* The string map: set, replace, delete, growth and shrinking, walking; SipHash by vector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "map.h"
#include "siphash.h"
#include <stdio.h>
#include <string.h>

enum { N = 5000 };

static const char *name_of(int i, char *text)
{
    snprintf(text, 16, "key-%d", i);
    return text;
}

static void test_set_get_replace_delete(void **state)
{
    struct map m = {0};
    int a = 1, b = 2;

    (void)state;
    assert_null(map_get(&m, "x"));
    assert_null(map_del(&m, "x"));
    assert_null(map_set(&m, "x", &a));
    assert_ptr_equal(map_set(&m, "x", &b), &a);
    assert_int_equal(m.count, 1);
    assert_ptr_equal(map_get(&m, "x"), &b);
    assert_null(map_get(&m, "X"));
    assert_null(map_set(&m, "", &a));
    assert_ptr_equal(map_get(&m, ""), &a);
    assert_ptr_equal(map_del(&m, "x"), &b);
    assert_null(map_get(&m, "x"));
    assert_null(map_del(&m, "x"));
    map_free(&m);
    map_free(NULL);
    assert_null(map_get(&m, "x"));
}

/* Every third key goes again, some way behind the newest. */
static void test_many_with_deletions_between(void **state)
{
    static int values[N];
    struct map m = {0};
    char text[16];

    (void)state;
    for (int i = 0; i < N; i++) {
        map_set(&m, name_of(i, text), &values[i]);
        if (i % 3 == 0 && i >= 300)
            assert_ptr_equal(map_del(&m, name_of(i - 300, text)), &values[i - 300]);
    }
    for (int i = 0; i < N; i++) {
        bool is_gone = i % 3 == 0 && i + 300 < N;

        assert_ptr_equal(map_get(&m, name_of(i, text)), is_gone ? NULL : &values[i]);
    }
    map_free(&m);
}

static void test_churn_does_not_grow_the_table(void **state)
{
    struct map m = {0};
    char text[16];
    int value;

    (void)state;
    for (int i = 0; i < 20 * N; i++) {
        map_set(&m, name_of(i, text), &value);
        if (i >= 5)
            assert_non_null(map_del(&m, name_of(i - 5, text)));
    }
    assert_int_equal(m.count, 5);
    assert_true(m.cap <= 64);
    map_free(&m);
}

static void test_shrinks_after_a_peak(void **state)
{
    struct map m = {0};
    char text[16];
    int value;

    (void)state;
    for (int i = 0; i < N; i++)
        map_set(&m, name_of(i, text), &value);
    assert_true(m.cap >= N);
    for (int i = 0; i < N - 1; i++)
        map_del(&m, name_of(i, text));
    assert_true(m.cap <= 64);
    assert_ptr_equal(map_get(&m, name_of(N - 1, text)), &value);
    map_free(&m);
}

static void test_walk_meets_each_once(void **state)
{
    static int seen[N];
    struct map m = {0};
    char text[16];
    const char *key;
    void *value;
    size_t pos = 0;
    int walked = 0;

    (void)state;
    assert_false(map_next(&m, &pos, &key, &value));
    for (int i = 0; i < N; i++)
        map_set(&m, name_of(i, text), &seen[i]);
    for (pos = 0; map_next(&m, &pos, &key, &value); walked++) {
        int *mark = value;

        assert_string_equal(key, name_of((int)(mark - seen), text));
        assert_int_equal((*mark)++, 0);
    }
    assert_int_equal(walked, N);
    map_free(&m);
}

static void test_each_map_has_its_own_seed(void **state)
{
    struct map a = {0}, b = {0};
    int value;

    (void)state;
    map_set(&a, "x", &value);
    map_set(&b, "x", &value);
    assert_memory_not_equal(a.seed, b.seed, sizeof(a.seed));
    map_free(&a);
    map_free(&b);
}

static void test_siphash_vectors(void **state)
{
    unsigned char seed[16], input[15];

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        seed[i] = (unsigned char)i;
    for (unsigned i = 0; i < 15; i++)
        input[i] = (unsigned char)i;
    assert_true(siphash13(input, 0, seed) == 0xabac0158050fc4dc);
    assert_true(siphash13(input, 15, seed) == 0xd320d86d2a519956);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_get_replace_delete),
        cmocka_unit_test(test_many_with_deletions_between),
        cmocka_unit_test(test_churn_does_not_grow_the_table),
        cmocka_unit_test(test_shrinks_after_a_peak),
        cmocka_unit_test(test_walk_meets_each_once),
        cmocka_unit_test(test_each_map_has_its_own_seed),
        cmocka_unit_test(test_siphash_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

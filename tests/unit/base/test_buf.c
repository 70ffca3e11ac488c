/* Buffers and the arena: growth, the cap, sticky failure, reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "buf.h"
#include <stdlib.h>
#include <string.h>

static void test_appends_every_kind(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_string_equal(buf_str(&b), "");
    buf_adds(&b, "a");
    buf_adds(&b, NULL);
    buf_addc(&b, '-');
    buf_addf(&b, "%03d|", 7);
    buf_add_u64(&b, UINT64_MAX);
    buf_addc(&b, '|');
    buf_add_i64(&b, INT64_MIN);
    buf_add_i64(&b, 0);
    assert_string_equal(buf_str(&b), "a-007|18446744073709551615|-92233720368547758080");
    assert_int_equal(b.len, strlen(b.data));
    buf_free(&b);
    assert_null(b.data);
    buf_adds(&b, "again");
    assert_string_equal(buf_str(&b), "again");
    buf_free(&b);
    buf_free(NULL);
}

static void test_grows_far_past_the_first_block(void **state)
{
    struct buf b = {0};

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_addc(&b, (char)('a' + i % 26));
    assert_false(b.failed);
    assert_int_equal(b.len, 100000);
    assert_int_equal(b.data[99999], 'a' + 99999 % 26);
    assert_int_equal(b.data[b.len], '\0');
    buf_free(&b);
}

static void test_cap_is_exact_and_failure_sticks(void **state)
{
    struct buf b = {.max = 10};

    (void)state;
    buf_adds(&b, "0123456789");
    assert_false(b.failed);
    buf_addc(&b, 'x');
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "0123456789");
    buf_clear(&b);
    assert_false(b.failed);
    buf_adds(&b, "12345678");
    buf_adds(&b, "abc");
    buf_adds(&b, "d"); /* would fit, but a hole before it is no text */
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "12345678");
    assert_null(buf_reserve(&b, 1));
    buf_free(&b);
    assert_int_equal(b.max, 10);
}

static void test_lowered_cap_holds_in_old_memory(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_adds(&b, "a long enough text");
    buf_clear(&b);
    b.max = 4;
    buf_adds(&b, "12345");
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void test_huge_requests_fail_cleanly(void **state)
{
    struct buf b = {.max = SIZE_MAX};

    (void)state;
    buf_adds(&b, "x");
    assert_null(buf_reserve(&b, SIZE_MAX - 1));
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "x");
    buf_free(&b);
}

static void test_reserve_gives_room(void **state)
{
    struct buf b = {0};
    char *to = buf_reserve(&b, 1000);

    (void)state;
    assert_non_null(to);
    memset(to, 'r', 1000);
    b.len += 1000;
    assert_int_equal(b.data[1000], '\0');
    buf_free(&b);
}

static void test_memory_copies(void **state)
{
    char *s = mem_strndup("abcdef", 3);
    char *zeros = mem_zalloc(64);

    (void)state;
    assert_string_equal(s, "abc");
    for (int i = 0; i < 64; i++)
        assert_int_equal(zeros[i], 0);
    assert_null(mem_strdup(NULL));
    free(s);
    free(zeros);
}

static void test_arena_keeps_what_it_gave(void **state)
{
    struct arena a = {0};
    char *texts[2000];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        texts[i] = arena_printf(&a, "text number %d", i);
        assert_int_equal((uintptr_t)texts[i] % 8, 0);
    }
    for (int i = 0; i < 2000; i++)
        assert_int_equal(atoi(texts[i] + 12), i);
    assert_null(arena_strdup(&a, NULL));
    assert_string_equal(arena_strndup(&a, "abc", 2), "ab");
    assert_true(a.used >= 2000 * 16);
    arena_free(&a);
    arena_free(NULL);
}

static void test_arena_big_block_leaves_the_current_one(void **state)
{
    struct arena a = {0};
    char *before, *big, *after;

    (void)state;
    before = arena_strdup(&a, "before");
    big = arena_alloc(&a, 1 << 20);
    memset(big, 'x', 1 << 20);
    after = arena_strdup(&a, "after");
    assert_ptr_equal(after, before + 8);
    assert_string_equal(before, "before");
    arena_free(&a);
}

static void test_arena_clear_reuses_one_block_but_no_giant(void **state)
{
    struct arena a = {0};
    char *first = arena_alloc(&a, 100);

    (void)state;
    for (int i = 0; i < 1000; i++)
        arena_alloc(&a, 100);
    arena_clear(&a);
    assert_int_equal(a.used, 0);
    assert_ptr_equal(arena_alloc(&a, 100), first);
    arena_free(&a);
    arena_alloc(&a, 1 << 20);
    arena_clear(&a);
    assert_null(a.head);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_every_kind),
        cmocka_unit_test(test_grows_far_past_the_first_block),
        cmocka_unit_test(test_cap_is_exact_and_failure_sticks),
        cmocka_unit_test(test_lowered_cap_holds_in_old_memory),
        cmocka_unit_test(test_huge_requests_fail_cleanly),
        cmocka_unit_test(test_reserve_gives_room),
        cmocka_unit_test(test_memory_copies),
        cmocka_unit_test(test_arena_keeps_what_it_gave),
        cmocka_unit_test(test_arena_big_block_leaves_the_current_one),
        cmocka_unit_test(test_arena_clear_reuses_one_block_but_no_giant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

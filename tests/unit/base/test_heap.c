/* The heap against a plain search for the smallest, under random pushes and removals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap.h"

enum { N = 200 };

static void assert_in_shape(const struct heap *h)
{
    for (size_t i = 1; i <= h->count; i++) {
        assert_int_equal(h->nodes[i]->index, i);
        if (i > 1)
            assert_true(h->nodes[i / 2]->key <= h->nodes[i]->key);
    }
}

static void assert_min_is_right(const struct heap *h, const struct heap_node *nodes)
{
    int64_t min = INT64_MAX;
    size_t count = 0;

    for (int i = 0; i < N; i++) {
        if (nodes[i].index == 0)
            continue;
        count++;
        min = nodes[i].key < min ? nodes[i].key : min;
    }
    assert_int_equal(h->count, count);
    if (count)
        assert_true(heap_min(h)->key == min);
    else
        assert_null(heap_min(h));
}

static void test_random_operations(void **state)
{
    struct heap h = {0};
    struct heap_node nodes[N] = {{0}};
    uint32_t random = 1;

    (void)state;
    for (int step = 0; step < 20000; step++) {
        struct heap_node *n;

        random = random * 1664525 + 1013904223; /* fixed seed: a failure repeats */
        n = &nodes[(random >> 8) % N];
        if (random >> 30)
            heap_push(&h, n, (int64_t)(random >> 16 & 1023) - 512); /* again: a new key */
        else
            heap_remove(&h, n);
        if (step % 16 == 0) {
            assert_in_shape(&h);
            assert_min_is_right(&h, nodes);
        }
    }
    heap_free(&h);
    for (int i = 0; i < N; i++)
        assert_int_equal(nodes[i].index, 0);
}

static void test_drains_in_order(void **state)
{
    struct heap h = {0};
    struct heap_node nodes[N] = {{0}};
    int64_t last = INT64_MIN;

    (void)state;
    for (int i = 0; i < N; i++)
        heap_push(&h, &nodes[i], i * 7919 % 101);
    for (struct heap_node *n; (n = heap_min(&h)); heap_remove(&h, n)) {
        assert_true(n->key >= last);
        last = n->key;
    }
    assert_int_equal(h.count, 0);
    heap_free(&h);
    heap_free(NULL);
}

static void test_removing_an_outsider_does_nothing(void **state)
{
    struct heap h = {0};
    struct heap_node in = {0}, out = {0};

    (void)state;
    heap_push(&h, &in, 5);
    heap_remove(&h, &out);
    heap_remove(&h, &in);
    heap_remove(&h, &in);
    assert_int_equal(h.count, 0);
    heap_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_drains_in_order),
        cmocka_unit_test(test_removing_an_outsider_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

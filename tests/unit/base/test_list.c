/* The intrusive list: order, removal, walking while removing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "list.h"

struct item {
    int n;
    struct list link;
};

static void test_order_and_pop(void **state)
{
    struct item a = {.n = 1}, b = {.n = 2}, c = {.n = 3};
    struct list head;
    int expected = 1;

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_pop(&head));
    list_add_tail(&head, &b.link);
    list_add_tail(&head, &c.link);
    list_add_head(&head, &a.link);
    while (!list_is_empty(&head))
        assert_int_equal(LIST_ENTRY(list_pop(&head), struct item, link)->n, expected++);
    assert_int_equal(expected, 4);
}

static void test_removal_while_walking_and_twice(void **state)
{
    struct item items[5];
    struct list head;
    int left = 0;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].n = i;
        list_add_tail(&head, &items[i].link);
    }
    LIST_EACH(node, &head)
    {
        if (LIST_ENTRY(node, struct item, link)->n % 2 == 0)
            list_del(node);
    }
    list_del(&items[0].link);
    LIST_EACH(node, &head)
    {
        assert_int_equal(LIST_ENTRY(node, struct item, link)->n % 2, 1);
        left++;
    }
    assert_int_equal(left, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_pop),
        cmocka_unit_test(test_removal_while_walking_and_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

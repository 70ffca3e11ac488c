/* CRC-32 against the catalogue's check value and what zlib says. */
#include "crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_known_values(void **state)
{
    (void)state;
    assert_int_equal(crc32_of("", 0), 0);
    assert_int_equal(crc32_of("123456789", 9), 0xcbf43926);
    assert_int_equal(crc32_of("550e8400-e29b-41d4-a716-446655440001", 36), 0xb73b3067);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_values)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

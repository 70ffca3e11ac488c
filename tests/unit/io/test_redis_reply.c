/* Reply accessors: each type by each accessor, and what a wrong type gives. */
#include "unit.h"

#include "redis_reply.h"

#include <hiredis/hiredis.h>
#include <string.h>

static redisReply text_reply(int type, const char *s)
{
    redisReply r;

    memset(&r, 0, sizeof(r));
    r.type = type;
    r.str = (char *)s;
    r.len = strlen(s);
    return r;
}

static redisReply int_reply(long long v)
{
    redisReply r;

    memset(&r, 0, sizeof(r));
    r.type = REDIS_REPLY_INTEGER;
    r.integer = v;
    return r;
}

static void test_errors_and_nil(void **state)
{
    redisReply error = text_reply(REDIS_REPLY_ERROR, "ERR no"), nil = {.type = REDIS_REPLY_NIL};

    (void)state;
    assert_true(reply_is_error(NULL));
    assert_true(reply_is_error(&error));
    assert_false(reply_is_error(&nil));
    assert_string_equal(reply_error(&error), "ERR no");
    assert_string_equal(reply_error(NULL), "");
    assert_string_equal(reply_error(&nil), "");
    assert_true(reply_is_nil(&nil));
    assert_false(reply_is_nil(NULL));
    assert_null(reply_str(&error, NULL));
}

static void test_text_and_numbers(void **state)
{
    redisReply string = text_reply(REDIS_REPLY_STRING, "-42"), n = int_reply(7), holey;
    redisReply status = text_reply(REDIS_REPLY_STATUS, "OK");
    size_t len = 0;

    (void)state;
    assert_string_equal(reply_str(&string, &len), "-42");
    assert_int_equal(len, 3);
    assert_string_equal(reply_str(&status, NULL), "OK");
    assert_null(reply_str(&n, &len));
    assert_int_equal(len, 3);
    assert_int_equal(reply_int(&n, -1), 7);
    assert_int_equal(reply_int(&string, -1), -42);
    assert_int_equal(reply_int(&status, -1), -1);
    assert_int_equal(reply_int(NULL, -1), -1);
    holey = string;
    holey.str = (char *)"4\0002";
    assert_int_equal(reply_int(&holey, -1), -1);
}

static void test_arrays(void **state)
{
    redisReply a = text_reply(REDIS_REPLY_STRING, "a"), one = text_reply(REDIS_REPLY_STRING, "1");
    redisReply b = text_reply(REDIS_REPLY_STRING, "b"), two = int_reply(2);
    redisReply *elements[] = {&a, &one, &b, &two, &one};
    redisReply array = {.type = REDIS_REPLY_ARRAY, .elements = 5, .element = elements};

    (void)state;
    assert_int_equal(reply_count(&array), 5);
    assert_int_equal(reply_count(&a), 0);
    assert_int_equal(reply_count(NULL), 0);
    assert_ptr_equal(reply_at(&array, 3), &two);
    assert_null(reply_at(&array, 5));
    assert_null(reply_at(&a, 0));
    assert_string_equal(reply_field(&array, "a"), "1");
    assert_null(reply_field(&array, "b")); /* not a text */
    assert_null(reply_field(&array, "1")); /* a value, and the odd one out */
    assert_null(reply_field(NULL, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_and_nil),
        cmocka_unit_test(test_text_and_numbers),
        cmocka_unit_test(test_arrays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

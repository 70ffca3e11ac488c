/* Replies in an arena: what hiredis' reader builds in it, and when it is emptied. */
#include "redis_arena.h"

#include "redis_reply.h"
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The next whole reply, or NULL. */
static redisReply *next(redisReader *reader)
{
    void *reply = NULL;

    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    return reply;
}

static void feed(redisReader *reader, const char *text)
{
    assert_int_equal(redisReaderFeed(reader, text, strlen(text)), REDIS_OK);
}

static void test_kinds(void **state)
{
    redisReader *reader = redisReaderCreate();
    struct redis_arena *m = redis_arena_new(reader);
    redisReply *r;
    size_t len;

    (void)state;
    feed(reader,
         "*6\r\n+ok\r\n$5\r\na\r\nbc\r\n:-7\r\n$-1\r\n*0\r\n*2\r\n-ERR no\r\n$0\r\n\r\n+next\r\n");
    r = next(reader);
    assert_int_equal(reply_count(r), 6);
    assert_string_equal(reply_str(reply_at(r, 0), NULL), "ok");
    assert_memory_equal(reply_str(reply_at(r, 1), &len), "a\r\nbc", 6); /* and the NUL */
    assert_int_equal(len, 5);
    assert_int_equal(reply_int(reply_at(r, 2), 0), -7);
    assert_true(reply_is_nil(reply_at(r, 3)));
    assert_int_equal(reply_count(reply_at(r, 4)), 0);
    assert_string_equal(reply_error(reply_at(reply_at(r, 5), 0)), "ERR no");
    assert_string_equal(reply_str(reply_at(reply_at(r, 5), 1), &len), "");
    reader->fn->freeObject(r);
    r = next(reader);
    assert_string_equal(reply_str(r, NULL), "next");
    reader->fn->freeObject(r);
    redis_arena_free(m);
    redisReaderFree(reader);
}

/* A connection that breaks in the middle, or babbles: nothing is freed twice, or not at all. */
static void test_halves(void **state)
{
    static const char *const texts[] = {"*2\r\n$3\r\nabc\r\n", "*2\r\n$3\r\nabc\r\n?"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        redisReader *reader = redisReaderCreate();
        struct redis_arena *m = redis_arena_new(reader);
        void *reply = NULL;

        feed(reader, texts[i]);
        assert_int_equal(redisReaderGetReply(reader, &reply), i == 0 ? REDIS_OK : REDIS_ERR);
        assert_null(reply);
        redis_arena_free(m);
        redisReaderFree(reader);
    }
}

/* Byte by byte, and many after each other: each is whole, whatever the one before left. */
static void test_piece_by_piece(void **state)
{
    static const char text[] = "*3\r\n$4\r\nlong\r\n:12\r\n*1\r\n$1\r\nx\r\n";
    redisReader *reader = redisReaderCreate();
    struct redis_arena *m = redis_arena_new(reader);

    (void)state;
    for (int k = 0; k < 100; k++) {
        redisReply *r = NULL;

        for (size_t i = 0; i + 1 < sizeof(text); i++) {
            assert_null(r);
            assert_int_equal(redisReaderFeed(reader, text + i, 1), REDIS_OK);
            r = next(reader);
        }
        assert_string_equal(reply_str(reply_at(r, 0), NULL), "long");
        assert_int_equal(reply_int(reply_at(r, 1), 0), 12);
        assert_string_equal(reply_str(reply_at(reply_at(r, 2), 0), NULL), "x");
        reader->fn->freeObject(r);
    }
    redis_arena_free(m);
    redisReaderFree(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_piece_by_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The blocking link against a real server. */
#include "unit.h"

#include "redis_reply.h"
#include "redis_server.h"

static struct redis_server server;

static int start(void **state)
{
    (void)state;
    redis_server_start(&server, "s3cret");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redis_server_stop(&server);
    return 0;
}

static struct redisReply *run(struct redis_sync *r, int argc, const char **argv, const size_t *lens)
{
    struct redisReply *reply = NULL;
    struct err_text e = {.text = ""};

    if (redis_sync_command(r, argc, argv, lens, &reply, &e) != SQ_OK)
        fail_msg("%s", e.text);
    return reply;
}

static void test_commands(void **state)
{
    struct redis_addr addr = server.addr;
    struct redis_sync *r;
    struct redisReply *reply;
    struct err_text e;
    size_t len;

    (void)state;
    addr.db = 3;
    assert_int_equal(redis_sync_open(&addr, NULL, 2000, &r, &e), SQ_OK);
    redis_reply_free(run(r, 3, (const char *[]){"SET", "k", "a\0b"}, (size_t[]){3, 1, 3}));
    reply = run(r, 2, (const char *[]){"GET", "k"}, NULL);
    assert_memory_equal(reply_str(reply, &len), "a\0b", 3);
    assert_int_equal(len, 3);
    redis_reply_free(reply);
    redis_reply_free(run(r, 2, (const char *[]){"SELECT", "0"}, NULL));
    reply = run(r, 2, (const char *[]){"GET", "k"}, NULL);
    assert_true(reply_is_nil(reply)); /* it went to database 3 */
    redis_reply_free(reply);
    redis_sync_close(r);
}

static void test_error_reply(void **state)
{
    struct redis_sync *r;
    struct redisReply *reply = (struct redisReply *)&server;
    struct err_text e;

    (void)state;
    assert_int_equal(redis_sync_open(&server.addr, NULL, 2000, &r, &e), SQ_OK);
    assert_int_equal(redis_sync_command(r, 2, (const char *[]){"INCR", "x y"}, NULL, &reply, &e),
                     SQ_OK);
    redis_reply_free(reply);
    reply = (struct redisReply *)&server;
    assert_int_equal(redis_sync_command(r, 2, (const char *[]){"LLEN", "x y"}, NULL, &reply, &e),
                     SQ_ERR_IO);
    assert_non_null(strstr(e.text, "WRONGTYPE"));
    assert_ptr_equal(reply, &server); /* untouched */
    redis_sync_close(r);
}

static void test_refused(void **state)
{
    struct redis_addr addr = server.addr;
    struct redis_sync *r = NULL;
    struct err_text e;

    (void)state;
    strcpy(addr.login.password, "wr0ng");
    assert_int_equal(redis_sync_open(&addr, NULL, 2000, &r, &e), SQ_ERR_IO);
    assert_non_null(strstr(e.text, "AUTH refused: WRONGPASS"));
    assert_null(strstr(e.text, "wr0ng"));
    memcpy(addr.path, "/nowhere", 9);
    assert_int_equal(redis_sync_open(&addr, NULL, 2000, &r, &e), SQ_ERR_IO);
    assert_non_null(strstr(e.text, "cannot connect to Redis"));
    assert_null(r);
    redis_sync_close(NULL);
    redis_reply_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_error_reply),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, start, stop);
}

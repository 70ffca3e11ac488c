/* The asynchronous link against a real server that is killed, slow, full or lying. */
#include "unit.h"

#include "redis_fixture.h"

#include <sys/socket.h>
#include <sys/un.h>

static void test_says_hello_first(void **state)
{
    struct fixture *f = *state;

    f->server.addr.db = 5;
    open_link(f);
    assert_int_equal(SEND(f, "CLIENT", "INFO"), SQ_OK);
    run_for(f, 1);
    assert_non_null(strstr(f->reply, "name=unit"));
    assert_int_equal(SEND(f, "SET", "k", "v"), SQ_OK);
    assert_int_equal(SEND(f, "SELECT", "0"), SQ_OK);
    assert_int_equal(SEND(f, "EXISTS", "k"), SQ_OK);
    assert_int_equal(SEND(f, "SELECT", "5"), SQ_OK);
    assert_int_equal(SEND(f, "GET", "k"), SQ_OK);
    run_for(f, 5);
    assert_string_equal(f->reply, "v");
    assert_string_equal(f->states, "u");
}

static void test_wrong_password(void **state)
{
    struct fixture *f = *state;

    strcpy(f->server.addr.login.password, "wr0ng");
    f->link = redis_link_new(f->loop, &f->server.addr, &f->opts);
    assert_int_equal(SEND(f, "PING"), SQ_ERR_STATE);
    run_until(f, 'd');
    assert_string_equal(f->why, "AUTH refused: WRONGPASS");
    assert_int_equal(SEND(f, "PING"), SQ_ERR_STATE);
    assert_int_equal(f->nulls, 0);
}

static void test_missing_password(void **state)
{
    struct fixture *f = *state;

    f->server.addr.login.password[0] = '\0';
    f->link = redis_link_new(f->loop, &f->server.addr, &f->opts);
    run_until(f, 'd');
    assert_non_null(strstr(f->why, "NOAUTH"));
}

static void test_error_reply_is_passed_on(void **state)
{
    struct fixture *f = *state;

    open_link(f);
    assert_int_equal(SEND(f, "NOSUCH"), SQ_OK);
    run_for(f, 1);
    assert_true(f->error);
    assert_non_null(strstr(f->reply, "unknown command"));
    assert_string_equal(f->states, "u");
}

/* READONLY: what is pending is answered with NULL, and the address is asked again. */
static void test_turned_away(void **state)
{
    struct fixture *f = *state;

    open_link(f);
    assert_int_equal(SEND(f, "REPLICAOF", "127.0.0.1", "1"), SQ_OK);
    run_for(f, 1);
    assert_int_equal(SEND(f, "SET", "k", "v"), SQ_OK);
    assert_int_equal(SEND(f, "BLPOP", "nothing", "0"), SQ_OK);
    run_until(f, 'd');
    assert_int_equal(f->nulls, 2);
    assert_non_null(strstr(f->why, "READONLY"));
    run_until(f, 'u');
    assert_string_equal(f->states, "udu");
    assert_int_equal(SEND(f, "PING"), SQ_OK);
    run_for(f, 1);
    assert_false(f->error);
}

static void on_late(void *arg)
{
    struct fixture *f = arg;

    redis_server_up(&f->server);
}

/* Down is reported once however often connecting fails; it comes up by itself. */
static void test_waits_for_a_server_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct timer *late = timer_new(f->loop, on_late, f);

    redis_server_down(&f->server);
    f->link = redis_link_new(f->loop, &f->server.addr, &f->opts);
    timer_set_us(late, 150000);
    run_until(f, 'u');
    assert_string_equal(f->states, "du");
    timer_free(late);
}

static void test_killed_server(void **state)
{
    struct fixture *f = *state;

    open_link(f);
    for (int i = 0; i < 3; i++)
        assert_int_equal(SEND(f, "BLPOP", "nothing", "0"), SQ_OK);
    assert_int_equal(SEND(f, "CLIENT", "GETNAME"), SQ_OK); /* queued behind */
    redis_server_down(&f->server);
    run_for(f, 4);
    assert_int_equal(f->nulls, 4);
    assert_string_equal(f->states, "ud");
    assert_false(redis_link_is_up(f->link));
    assert_int_equal(SEND(f, "PING"), SQ_ERR_STATE);
    redis_server_up(&f->server);
    run_until(f, 'u');
    assert_int_equal(SEND(f, "ECHO", "again"), SQ_OK);
    run_for(f, 1);
    assert_string_equal(f->reply, "again");
    assert_int_equal(f->nulls, 4);
    assert_string_equal(f->states, "udu");
}

static void test_overdue_command_drops_the_link(void **state)
{
    struct fixture *f = *state;

    f->opts.command_timeout_ms = 250;
    open_link(f);
    assert_int_equal(SEND(f, "PING"), SQ_OK);
    assert_int_equal(SEND(f, "BLPOP", "nothing", "0"), SQ_OK);
    assert_int_equal(SEND(f, "PING"), SQ_OK);
    run_for(f, 3);
    assert_int_equal(f->replies, 1);
    assert_int_equal(f->nulls, 2);
    assert_string_equal(f->why, "no answer in time");
    run_until(f, 'u');
    assert_string_equal(f->states, "udu");
}

static void on_push(void *arg)
{
    struct fixture *f = arg;
    struct redis_sync *r;
    struct redisReply *reply;

    assert_int_equal(redis_sync_open(&f->server.addr, NULL, 1000, &r, NULL), SQ_OK);
    assert_int_equal(
        redis_sync_command(r, 3, (const char *[]){"RPUSH", "bell", "1"}, NULL, &reply, NULL),
        SQ_OK);
    redis_reply_free(reply);
    redis_sync_close(r);
}

/* A link without a command timeout waits for as long as it takes. */
static void test_blocking_command_without_timeout(void **state)
{
    struct fixture *f = *state;
    struct timer *push = timer_new(f->loop, on_push, f);

    f->opts.command_timeout_ms = 0;
    open_link(f);
    assert_int_equal(SEND(f, "BLPOP", "bell", "0"), SQ_OK);
    timer_set_us(push, 100000);
    run_for(f, 1);
    assert_int_equal(f->reply_count, 2);
    assert_string_equal(f->states, "u");
    timer_free(push);
}

static void test_free_answers_what_is_pending(void **state)
{
    struct fixture *f = *state;

    open_link(f);
    assert_int_equal(SEND(f, "BLPOP", "nothing", "0"), SQ_OK);
    assert_int_equal(SEND(f, "PING"), SQ_OK);
    free_link(f);
    assert_int_equal(f->nulls, 2);
    assert_int_equal(f->replies, 0);
    assert_string_equal(f->states, "u");
}

/* Whether a reply, the killed server, the deadline or the state report leads to the freeing: each
 * command is answered once, and nothing is touched afterwards (ASan looks). */
static void test_free_from_inside_a_reply(void **state)
{
    struct fixture *f = *state;

    open_link(f);
    f->free_in_reply = true;
    for (int i = 0; i < 5; i++)
        assert_int_equal(SEND(f, "PING"), SQ_OK);
    run_for(f, 5);
    assert_int_equal(f->replies, 1);
    assert_int_equal(f->nulls, 4);
}

static void test_free_from_inside_a_null_reply(void **state)
{
    struct fixture *f = *state;

    open_link(f);
    f->free_in_reply = true;
    for (int i = 0; i < 5; i++)
        assert_int_equal(SEND(f, "BLPOP", "nothing", "0"), SQ_OK);
    redis_server_down(&f->server);
    run_for(f, 5);
    assert_int_equal(f->nulls, 5);
    assert_null(f->link);
}

static void test_free_from_inside_an_overdue_reply(void **state)
{
    struct fixture *f = *state;

    f->opts.command_timeout_ms = 20;
    open_link(f);
    f->free_in_reply = true;
    assert_int_equal(SEND(f, "BLPOP", "nothing", "0"), SQ_OK);
    assert_int_equal(SEND(f, "PING"), SQ_OK);
    run_for(f, 2);
    assert_int_equal(f->nulls, 2);
}

static void test_free_from_inside_a_report(void **state)
{
    struct fixture *f = *state;

    f->free_in_state = true;
    open_link(f);
    assert_null(f->link);
    f->states[0] = '\0';
    f->free_in_state = false;
    open_link(f);
    assert_int_equal(SEND(f, "BLPOP", "nothing", "0"), SQ_OK);
    f->free_in_state = true;
    redis_server_down(&f->server);
    run_until(f, 'd');
    assert_null(f->link);
    assert_int_equal(f->nulls, 1);
}

static void test_large_and_many(void **state)
{
    struct fixture *f = *state;
    const size_t size = 8 << 20;
    char *big = malloc(size + 1);
    const char *argv[802] = {"RPUSH", "list"};
    size_t lens[802] = {5, 4};

    memset(big, 'b', size);
    big[size] = '\0';
    open_link(f);
    assert_int_equal(SEND(f, "SET", "big", big), SQ_OK);
    assert_int_equal(SEND(f, "GET", "big"), SQ_OK);
    run_for(f, 2);
    assert_int_equal(f->reply_len, size);
    for (int i = 2; i < 802; i++) {
        argv[i] = "a\0b\r\n";
        lens[i] = 5;
    }
    assert_int_equal(redis_link_command(f->link, on_reply, f, 802, argv, lens), SQ_OK);
    memset(argv, 0, sizeof(argv)); /* they were copied */
    assert_int_equal(SEND(f, "LINDEX", "list", "799"), SQ_OK);
    run_for(f, 2);
    assert_int_equal(f->reply_len, 5);
    for (int i = 0; i < 500; i++)
        assert_int_equal(SEND(f, "LRANGE", "list", "0", "-1"), SQ_OK);
    run_for(f, 500);
    assert_int_equal(f->reply_count, 800);
    assert_int_equal(f->nulls, 0);
    free(big);
}

/* ---- servers that are none ---- */

static int fake_server(struct fixture *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    redis_server_down(&f->server);
    memcpy(a.sun_path, f->server.addr.path, sizeof(a.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void test_server_that_never_answers(void **state)
{
    struct fixture *f = *state;
    int fd = fake_server(f);

    f->opts.connect_timeout_ms = 30;
    f->link = redis_link_new(f->loop, &f->server.addr, &f->opts);
    run_until(f, 'd');
    assert_string_equal(f->why, "connecting took too long");
    close(fd);
}

struct liar {
    struct timer *timer;
    int fd;
};

static void on_lie(void *arg)
{
    struct liar *l = arg;
    int peer = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK);
    static const char lie[] = "?what\r\n";

    if (peer >= 0)
        assert_int_equal(write(peer, lie, sizeof(lie) - 1), sizeof(lie) - 1);
    else
        timer_set_us(l->timer, 1000);
}

static void test_server_that_talks_nonsense(void **state)
{
    struct fixture *f = *state;
    struct liar l = {.fd = fake_server(f)};

    assert_int_equal(fcntl(l.fd, F_SETFL, O_NONBLOCK), 0);
    l.timer = timer_new(f->loop, on_lie, &l);
    timer_set_us(l.timer, 0);
    f->link = redis_link_new(f->loop, &f->server.addr, &f->opts);
    run_until(f, 'd');
    assert_non_null(strstr(f->why, "Protocol error"));
    timer_free(l.timer);
    close(l.fd);
}

/* ---- subscriptions ---- */

static void on_message(struct redisReply *reply, void *arg)
{
    struct fixture *f = arg;

    f->replies++;
    snprintf(f->reply, sizeof(f->reply), "%s", reply_str(reply_at(reply, 2), NULL));
    loop_stop(f->loop);
}

static void command_aside(struct fixture *f, int argc, const char **argv)
{
    struct redis_sync *r;
    struct redisReply *reply;

    assert_int_equal(redis_sync_open(&f->server.addr, NULL, 1000, &r, NULL), SQ_OK);
    assert_int_equal(redis_sync_command(r, argc, argv, NULL, &reply, NULL), SQ_OK);
    redis_reply_free(reply);
    redis_sync_close(r);
}

static void test_subscription_survives_a_reconnect(void **state)
{
    struct fixture *f = *state;

    f->link = redis_link_new(f->loop, &f->server.addr, &f->opts);
    redis_link_subscribe(f->link, "news", on_message, f);
    run_until(f, 'u');
    command_aside(f, 3, (const char *[]){"PUBLISH", "news", "one"});
    loop_run(f->loop);
    assert_string_equal(f->reply, "one");
    command_aside(f, 4, (const char *[]){"CLIENT", "KILL", "TYPE", "pubsub"});
    run_until(f, 'u');
    assert_string_equal(f->states, "udu");
    command_aside(f, 3, (const char *[]){"PUBLISH", "news", "two"});
    loop_run(f->loop);
    assert_string_equal(f->reply, "two");
    assert_int_equal(f->replies, 2);
}

int main(void)
{
#define TEST(name, set) cmocka_unit_test_setup_teardown(name, set, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_says_hello_first, setup_password),
        TEST(test_wrong_password, setup_password),
        TEST(test_missing_password, setup_password),
        TEST(test_error_reply_is_passed_on, setup),
        TEST(test_turned_away, setup),
        TEST(test_waits_for_a_server_that_is_not_there, setup),
        TEST(test_killed_server, setup),
        TEST(test_overdue_command_drops_the_link, setup),
        TEST(test_blocking_command_without_timeout, setup),
        TEST(test_free_answers_what_is_pending, setup),
        TEST(test_free_from_inside_a_reply, setup),
        TEST(test_free_from_inside_a_null_reply, setup),
        TEST(test_free_from_inside_an_overdue_reply, setup),
        TEST(test_free_from_inside_a_report, setup),
        TEST(test_large_and_many, setup),
        TEST(test_server_that_never_answers, setup),
        TEST(test_server_that_talks_nonsense, setup),
        TEST(test_subscription_survives_a_reconnect, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Looking up leads, templates and originals in a Redis of the test's own. */
#include "../io/unit.h"

#include "directory.h"
#include "loop.h"
#include "original_store.h"
#include "redis_server.h"
#include "template_store.h"
#include "text.h"

struct fixture {
    struct redis_server server;
    struct loop *loop;
    struct store *store;
    struct directory *directory;
    struct timer *guard;
    bool up;
    /* What the last look-up gave. */
    int calls;
    enum store_status st;
    size_t count;
    char seen[8][64];
};

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for too long");
}

static void on_state(bool up, const char *why, void *arg)
{
    struct fixture *f = arg;

    (void)why;
    f->up = up;
    loop_stop(f->loop);
}

/* What a look-up found, as one word per lead. */
static void on_leads(enum store_status st, const struct directory_found *found, size_t count,
                     void *arg)
{
    struct fixture *f = arg;

    f->calls++;
    f->st = st;
    f->count = count;
    for (size_t i = 0; i < count; i++)
        snprintf(f->seen[i], sizeof(f->seen[i]), "%s %s",
                 found[i].problem ? "problem"
                 : found[i].lead  ? lead_field(found[i].lead, "id")
                                  : "none",
                 found[i].problem ? found[i].problem
                 : found[i].lead && lead_field(found[i].lead, "email")
                     ? lead_field(found[i].lead, "email")
                     : "-");
    loop_stop(f->loop);
}

static void on_templates(enum store_status st, const struct template_source *s, size_t count,
                         void *arg)
{
    struct fixture *f = arg;

    f->calls++;
    f->st = st;
    f->count = count;
    for (size_t i = 0; i < count; i++)
        snprintf(f->seen[i], sizeof(f->seen[i]), "%d %s %s %s", s[i].is_found,
                 s[i].subject ? s[i].subject : "-", s[i].text ? s[i].text : "-",
                 s[i].html ? s[i].html : "-");
    loop_stop(f->loop);
}

static void on_originals(enum store_status st, const struct original_source *s, size_t count,
                         void *arg)
{
    struct fixture *f = arg;

    f->calls++;
    f->st = st;
    f->count = count;
    for (size_t i = 0; i < count; i++)
        snprintf(f->seen[i], sizeof(f->seen[i]), "%d%d %s %s %s", s[i].is_found, s[i].is_too_large,
                 s[i].packed ? s[i].packed : "-", s[i].sent_at ? s[i].sent_at : "-",
                 s[i].provider_message_id ? s[i].provider_message_id : "-");
    loop_stop(f->loop);
}

static void command(struct fixture *f, int argc, const char **argv, const size_t *lens)
{
    struct redis_sync *r;
    struct redisReply *reply;
    struct err_text e;

    assert_int_equal(redis_sync_open(&f->server.addr, NULL, 5000, &r, &e), SQ_OK);
    assert_int_equal(redis_sync_command(r, argc, argv, lens, &reply, &e), SQ_OK);
    redis_reply_free(reply);
    redis_sync_close(r);
}

#define COMMAND(f, ...)                                                                            \
    command(f, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                             \
            (const char *[]){__VA_ARGS__}, NULL)

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct store_opts opts = {
        .ns = "t", .worker_name = "w", .timeout_ms = 5000, .on_state = on_state, .arg = f};

    redis_server_start(&f->server, NULL);
    f->loop = loop_new();
    opts.loop = f->loop;
    opts.addr = &f->server.addr;
    f->guard = timer_new(f->loop, on_guard, NULL);
    timer_set_us(f->guard, 20000000);
    f->store = store_new(&opts);
    f->directory = directory_redis_new(f->store);
    loop_run(f->loop);
    assert_true(f->up);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    directory_free(f->directory);
    store_free(f->store);
    timer_free(f->guard);
    loop_free(f->loop);
    redis_server_stop(&f->server);
    free(f);
    return 0;
}

static void leads_come_in_the_order_asked_for(void **state)
{
    struct fixture *f = *state;
    const char *const ids[] = {"b", "missing", "a", "b"};

    COMMAND(f, "HSET", "t:lead:a", "email", "a@x.example", "tags", "[\"x\"]");
    COMMAND(f, "HSET", "t:lead:b", "first_name", "Bo");
    assert_int_equal(directory_get(f->directory, ids, 4, on_leads, f), SQ_OK);
    assert_int_equal(f->calls, 0);
    loop_run(f->loop);
    assert_int_equal(f->st, STORE_OK);
    assert_int_equal(f->count, 4);
    assert_string_equal(f->seen[0], "b -");
    assert_string_equal(f->seen[1], "none -");
    assert_string_equal(f->seen[2], "a a@x.example");
    assert_string_equal(f->seen[3], "b -");
}

static void a_lead_that_cannot_be_used_says_why(void **state)
{
    struct fixture *f = *state;
    const char *const ids[] = {"list", "nul", "latin", "good"};
    const char *nul[] = {"HSET", "t:lead:nul", "email", "a\0b"};

    COMMAND(f, "LPUSH", "t:lead:list", "x");
    command(f, 4, nul, (const size_t[]){4, 10, 5, 3});
    COMMAND(f, "HSET", "t:lead:latin", "email", "\xe9");
    COMMAND(f, "HSET", "t:lead:good", "email", "a@x.example");
    assert_int_equal(directory_get(f->directory, ids, 4, on_leads, f), SQ_OK);
    loop_run(f->loop);
    assert_int_equal(f->st, STORE_OK);
    assert_string_equal(f->seen[0], "problem its key does not hold a hash");
    assert_string_equal(f->seen[1], "problem a field holds a NUL byte");
    assert_string_equal(f->seen[2], "problem a field is not valid UTF-8");
    assert_string_equal(f->seen[3], "good a@x.example");
}

static void templates_are_found(void **state)
{
    struct fixture *f = *state;
    const char *const ids[] = {"t1", "missing", "list"};

    COMMAND(f, "HSET", "t:template:t1", "subject", "S", "html", "<p>", "text", "");
    COMMAND(f, "LPUSH", "t:template:list", "x");
    assert_int_equal(template_get(f->store, ids, 3, on_templates, f), SQ_OK);
    loop_run(f->loop);
    assert_int_equal(f->st, STORE_OK);
    assert_string_equal(f->seen[0], "1 S - <p>");
    assert_string_equal(f->seen[1], "0 - - -");
    assert_string_equal(f->seen[2], "0 - - -");
}

static void originals_are_hash_and_content(void **state)
{
    struct fixture *f = *state;
    const char *const ids[] = {"m1", "no-hash", "no-content", "list", "most", "large", "none"};

    COMMAND(f, "HSET", "t:message:m1", "sent_at", "2026", "provider_message_id", "p1");
    COMMAND(f, "SET", "t:content:m1", "packed");
    COMMAND(f, "SET", "t:content:no-hash", "packed");
    COMMAND(f, "HSET", "t:message:no-content", "sent_at", "2026");
    COMMAND(f, "HSET", "t:message:list", "id", "list");
    COMMAND(f, "RPUSH", "t:content:list", "x");
    COMMAND(f, "HSET", "t:message:most", "id", "most");
    COMMAND(f, "SETRANGE", "t:content:most", "2097151", "x");
    COMMAND(f, "HSET", "t:message:large", "id", "large");
    COMMAND(f, "SETRANGE", "t:content:large", "2097152", "x");
    assert_int_equal(original_get(f->store, ids, 7, on_originals, f), SQ_OK);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->st, STORE_OK);
    assert_string_equal(f->seen[0], "10 packed 2026 p1");
    assert_memory_equal(f->seen[1], "00", 2);
    assert_memory_equal(f->seen[2], "00", 2);
    assert_memory_equal(f->seen[3], "00", 2);
    assert_memory_equal(f->seen[4], "10  -", 5);
    assert_memory_equal(f->seen[5], "11 -", 4);
    assert_memory_equal(f->seen[6], "00", 2);
}

static void originals_lost_on_the_way(void **state)
{
    struct fixture *f = *state;
    const char *const ids[] = {"a", "b"};

    COMMAND(f, "ACL", "SETUSER", "default", "-getrange");
    assert_int_equal(original_get(f->store, ids, 2, on_originals, f), SQ_OK);
    loop_run(f->loop);
    assert_int_equal(f->st, STORE_ERROR);
    assert_int_equal(f->count, 0);
    assert_int_equal(original_get(f->store, ids, 2, on_originals, f), SQ_OK);
    store_close(f->store);
    assert_int_equal(f->calls, 2);
    assert_int_equal(f->st, STORE_LOST);
    assert_int_equal(original_get(f->store, ids, 2, on_originals, f), SQ_ERR_STATE);
    assert_int_equal(f->calls, 2);
}

static void a_broken_connection_is_told_once(void **state)
{
    struct fixture *f = *state;
    const char *const ids[] = {"a", "b"};

    assert_int_equal(directory_get(f->directory, ids, 2, on_leads, f), SQ_OK);
    store_close(f->store);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->st, STORE_LOST);
    assert_int_equal(f->count, 0);
    assert_int_equal(directory_get(f->directory, ids, 2, on_leads, f), SQ_ERR_STATE);
    assert_int_equal(template_get(f->store, ids, 2, on_templates, f), SQ_ERR_STATE);
    assert_int_equal(f->calls, 1);
}

static void a_refusal_is_an_error(void **state)
{
    struct fixture *f = *state;
    const char *const ids[] = {"a", "b"};

    COMMAND(f, "ACL", "SETUSER", "default", "-hgetall");
    assert_int_equal(directory_get(f->directory, ids, 2, on_leads, f), SQ_OK);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->st, STORE_ERROR);
    assert_non_null(strstr(store_error(f->store), "NOPERM"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(leads_come_in_the_order_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lead_that_cannot_be_used_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(templates_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(originals_are_hash_and_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(originals_lost_on_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_connection_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_is_an_error, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What tests against a real Redis stand on: one server per program, emptied before each test, a
 * loop, and a blocking connection that looks at what is stored. */
#ifndef SENDQ_TESTS_REDIS_RIG_H
#define SENDQ_TESTS_REDIS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "buf.h"
#include "loop.h"
#include "redis_reply.h"
#include "redis_server.h"
#include <inttypes.h>

#define RIG_TEXTS 8

struct rig {
    struct redis_server server;
    struct redis_sync *redis;
    struct loop *loop;
    struct timer *guard; /* fails the test instead of hanging */
    struct timer *turn;  /* ends a turn in which nothing happens */
    struct buf texts[RIG_TEXTS];
    unsigned next_text;
};

static inline void rig_print(const struct redisReply *r, struct buf *out)
{
    int64_t n = reply_int(r, INT64_MIN);
    const char *text = reply_str(r, NULL);

    if (reply_is_nil(r))
        buf_adds(out, "(nil)");
    else if (text != NULL)
        buf_adds(out, text);
    else if (n != INT64_MIN)
        buf_addf(out, "%" PRId64, n);
    for (size_t i = 0; i < reply_count(r); i++) {
        if (i > 0)
            buf_addc(out, ' ');
        rig_print(reply_at(r, i), out);
    }
}

/* Runs one command; what comes back as text: "(nil)", "(error) ...", arrays joined by spaces.
 * Valid until RIG_TEXTS further commands. */
static inline const char *rig_redis(struct rig *g, int argc, const char **argv)
{
    struct buf *out = &g->texts[g->next_text++ % RIG_TEXTS];
    struct redisReply *reply = NULL;
    struct err_text e = {0};

    buf_clear(out);
    if (redis_sync_command(g->redis, argc, argv, NULL, &reply, &e) != SQ_OK) {
        buf_addf(out, "(error) %s", e.text);
        return buf_str(out);
    }
    rig_print(reply, out);
    redis_reply_free(reply);
    return buf_str(out);
}

#define REDIS(g, ...)                                                                              \
    rig_redis(g, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                           \
              (const char *[]){__VA_ARGS__})
#define REDIS_INT(g, ...) strtoll(REDIS(g, __VA_ARGS__), NULL, 10)

static inline void on_rig_guard(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for too long");
}

static inline void on_rig_turn(void *arg)
{
    loop_stop(((struct rig *)arg)->loop);
}

/* Lets the loop do what it has to do: for what Redis alone knows, and the test asks for again. */
static inline void rig_turn(struct rig *g)
{
    timer_set_us(g->turn, 1000);
    loop_run(g->loop);
}

static inline int rig_group_setup(void **state)
{
    struct rig *g = calloc(1, sizeof(*g));
    struct err_text e;

    redis_server_start(&g->server, NULL);
    *state = g;
    return redis_sync_open(&g->server.addr, NULL, 5000, &g->redis, &e) == SQ_OK ? 0 : -1;
}

static inline int rig_group_teardown(void **state)
{
    struct rig *g = *state;

    redis_sync_close(g->redis);
    redis_server_stop(&g->server);
    for (size_t i = 0; i < RIG_TEXTS; i++)
        buf_free(&g->texts[i]);
    free(g);
    return 0;
}

static inline void rig_begin(struct rig *g)
{
    REDIS(g, "CONFIG", "SET", "maxmemory", "0");
    REDIS(g, "FLUSHALL");
    g->loop = loop_new();
    g->guard = timer_new(g->loop, on_rig_guard, g);
    timer_set_us(g->guard, 20 * 1000000);
    g->turn = timer_new(g->loop, on_rig_turn, g);
}

static inline void rig_end(struct rig *g)
{
    timer_free(g->guard);
    timer_free(g->turn);
    loop_free(g->loop);
}

/* No more memory for anything that needs some. */
static inline void rig_fill_memory(struct rig *g)
{
    assert_string_equal(REDIS(g, "CONFIG", "SET", "maxmemory", "1"), "OK");
    assert_memory_equal(REDIS(g, "SET", "any", "thing"), "(error) Redis: OOM", 18);
}

#endif

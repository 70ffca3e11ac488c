/* One link to one redis-server, and what the link reports. */
#ifndef SENDQ_TESTS_REDIS_FIXTURE_H
#define SENDQ_TESTS_REDIS_FIXTURE_H

#include "loop.h"
#include "redis_link.h"
#include "redis_reply.h"
#include "redis_server.h"

/* What a test sees of its link. The loop stops when `until` of what is counted has happened. */
struct fixture {
    struct redis_server server;
    struct loop *loop;
    struct redis_link *link;
    struct timer *guard; /* fails the test instead of hanging */
    struct redis_link_opts opts;
    char states[64]; /* 'u' and 'd', in order */
    char why[256];
    int replies, nulls;
    int stop_at_replies; /* replies and nulls together; 0 = never */
    char stop_at_state;  /* 'u' or 'd'; 0 = never */
    bool free_in_state, free_in_reply;
    size_t reply_len, reply_count;
    char reply[256];
    bool error;
};

static inline void on_guard(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for too long");
}

static inline void free_link(struct fixture *f)
{
    struct redis_link *link = f->link;

    f->link = NULL;
    redis_link_free(link);
}

static inline void on_state(struct redis_link *l, bool up, const char *why, void *arg)
{
    struct fixture *f = arg;
    size_t n = strlen(f->states);

    assert_true(n + 1 < sizeof(f->states));
    assert_int_equal(redis_link_is_up(l), up);
    f->states[n] = up ? 'u' : 'd';
    snprintf(f->why, sizeof(f->why), "%s", why);
    if (f->free_in_state)
        free_link(f);
    if (f->stop_at_state == f->states[n])
        loop_stop(f->loop);
}

static inline void on_reply(struct redisReply *reply, void *arg)
{
    struct fixture *f = arg;
    const char *text = reply_str(reply, &f->reply_len);

    if (reply == NULL)
        f->nulls++;
    else
        f->replies++;
    f->error = reply_is_error(reply);
    f->reply_count = reply_count(reply);
    snprintf(f->reply, sizeof(f->reply), "%s", text != NULL ? text : reply_error(reply));
    if (f->free_in_reply && f->link != NULL)
        free_link(f);
    if (f->replies + f->nulls == f->stop_at_replies)
        loop_stop(f->loop);
}

static inline struct fixture *fixture_new(const char *password)
{
    struct fixture *f = calloc(1, sizeof(*f));

    redis_server_start(&f->server, password);
    f->loop = loop_new();
    f->guard = timer_new(f->loop, on_guard, f);
    timer_set_us(f->guard, 20 * 1000000);
    f->opts = (struct redis_link_opts){.name = "unit",
                                       .connect_timeout_ms = 5000,
                                       .command_timeout_ms = 5000,
                                       .backoff_base_ms = 5,
                                       .backoff_max_ms = 20,
                                       .on_state = on_state,
                                       .arg = f};
    return f;
}

static inline int setup(void **state)
{
    *state = fixture_new(NULL);
    return 0;
}

static inline int setup_password(void **state)
{
    *state = fixture_new("s3cret word");
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    redis_link_free(f->link);
    timer_free(f->guard);
    loop_free(f->loop);
    redis_server_stop(&f->server);
    free(f);
    return 0;
}

/* Runs the loop until the link reports this state. */
static inline void run_until(struct fixture *f, char state)
{
    f->stop_at_state = state;
    loop_run(f->loop);
    f->stop_at_state = 0;
}

static inline void open_link(struct fixture *f)
{
    f->link = redis_link_new(f->loop, &f->server.addr, &f->opts);
    assert_string_equal(f->states, "");
    run_until(f, 'u');
}

static inline enum sq_err try_send(struct fixture *f, int argc, const char **argv)
{
    return redis_link_command(f->link, on_reply, f, argc, argv, NULL);
}

#define SEND(f, ...)                                                                               \
    try_send(f, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                            \
             (const char *[]){__VA_ARGS__})

/* Runs the loop until n more answers, or NULLs, have come. */
static inline void run_for(struct fixture *f, int n)
{
    f->stop_at_replies = f->replies + f->nulls + n;
    loop_run(f->loop);
    f->stop_at_replies = 0;
}

#endif

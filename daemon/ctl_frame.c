/* What every noun of sendqctl works with: options, output, Redis. */
#include "ctl.h"

#include "text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- options --- */

const char *ctl_opt(const struct ctl *c, const char *name)
{
    const struct ctl_option *options = c->noun->options;

    for (int i = 0; options && options[i].name; i++)
        if (strcmp(options[i].name, name) == 0)
            return c->values[i];
    return NULL;
}

int64_t ctl_opt_int(const struct ctl *c, const char *name, int64_t fallback)
{
    const char *value = ctl_opt(c, name);
    int64_t n;

    return value && text_to_i64(value, &n) == SQ_OK ? n : fallback;
}

/* --- saying things --- */

static void say(const char *fmt, va_list args)
{
    char text[1024];
    struct buf line = {0};
    int len = vsnprintf(text, sizeof(text), fmt, args);

    buf_adds(&line, "sendqctl: ");
    text_add_visible(&line, text, len < 0 ? 0 : strlen(text));
    fprintf(stderr, "%s\n", buf_str(&line));
    buf_free(&line);
}

void ctl_error(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
}

enum ctl_exit ctl_negative(const struct ctl *c, const char *fmt, ...)
{
    va_list args;

    if (c->failed)
        return CTL_NEGATIVE;
    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    return CTL_NEGATIVE;
}

bool ctl_flush(struct ctl *c)
{
    const char *at = buf_str(&c->out);
    size_t left = c->out.len;

    while (left > 0) {
        ssize_t n = write(STDOUT_FILENO, at, left);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    buf_clear(&c->out);
    return true;
}

void ctl_end_line(struct ctl *c)
{
    print_json_line(&c->line, &c->out);
    buf_clear(&c->line);
}

void ctl_end_table(struct ctl *c, struct table *t, const char *nothing)
{
    if (table_rows(t) > 0)
        table_print(t, &c->paper, &c->out);
    else if (nothing)
        buf_addf(&c->out, "%s\n", nothing);
    table_free(t);
}

/* --- Redis --- */

enum ctl_exit ctl_connect(struct ctl *c, struct err_text *e)
{
    const char *prefix = ctl_key(c, KEY_PREFIX, NULL);
    int64_t timeout_ms = c->config->redis_timeout_ms;
    enum ctl_exit status = CTL_OK;
    struct redis_addr addr;

    if (config_redis_addr(c->config, &addr, e) != SQ_OK)
        status = CTL_USAGE;
    else if (redis_sync_open(&addr, prefix, timeout_ms, &c->redis, e) != SQ_OK)
        status = CTL_REDIS;
    explicit_bzero(&addr, sizeof(addr));
    return status;
}

bool ctl_goes_on(struct ctl *c)
{
    struct err_text ignored;

    if (!c->lost)
        return !c->failed;
    redis_sync_close(c->redis);
    c->redis = NULL;
    c->lost = c->failed = ctl_connect(c, &ignored) != CTL_OK;
    return true;
}

static void keep_reply(struct ctl *c, struct redisReply *reply)
{
    if (c->reply_count == c->reply_cap) {
        c->reply_cap = c->reply_cap ? 2 * c->reply_cap : 64;
        c->replies = mem_realloc(c->replies, c->reply_cap * sizeof(struct redisReply *));
    }
    c->replies[c->reply_count++] = reply;
}

/* Not a script, though: that was to see it coming. */
static bool is_spared(const struct ctl *c, const char *command, const struct err_text *e)
{
    return c->spares_types && strstr(e->text, "WRONGTYPE") && strcmp(command, "EVAL") != 0;
}

const struct redisReply *ctl_call_args(struct ctl *c, int argc, const char **argv,
                                       const size_t *lens)
{
    struct redisReply *reply = NULL;
    struct err_text e;

    if (c->failed)
        return NULL;
    if (redis_sync_command(c->redis, argc, argv, lens, &reply, &e) != SQ_OK) {
        if (is_spared(c, argv[0], &e))
            return NULL;
        ctl_error("%s", e.text);
        c->failed = true;
        c->lost = redis_sync_is_lost(c->redis);
        return NULL;
    }
    keep_reply(c, reply);
    return reply;
}

const struct redisReply *ctl_call_words(struct ctl *c, const char **words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (words[i] == NULL)
            words[i] = "";
    return ctl_call_args(c, (int)count, words, NULL);
}

int64_t ctl_int(struct ctl *c, const char *command, const char *key)
{
    return reply_int(ctl_call(c, command, key), 0);
}

const struct redisReply *ctl_script(struct ctl *c, enum ctl_script s, const char *const *argv,
                                    size_t argc)
{
    static const char *const events[] = {
        [EVENTS_FINAL] = "final", [EVENTS_ALL] = "all", [EVENTS_OFF] = "off"};
    const char **all = arena_alloc(&c->arena, (argc + 7) * sizeof(*all));

    all[0] = "EVAL";
    all[1] = ctl_script_text(s);
    all[2] = "1";
    all[3] = ctl_key(c, KEY_PREFIX, NULL);
    all[4] = ""; /* no worker */
    all[5] = events[c->config->events];
    all[6] = ctl_text(c, c->config->events_max);
    if (argc > 0)
        memcpy(all + 7, argv, argc * sizeof(*all));
    return ctl_call_args(c, (int)argc + 7, all, NULL);
}

int64_t ctl_now_ms(struct ctl *c)
{
    const struct redisReply *t = ctl_call(c, "TIME");

    return reply_int(reply_at(t, 0), 0) * 1000 + reply_int(reply_at(t, 1), 0) / 1000;
}

const char *ctl_key(struct ctl *c, enum key_kind kind, const char *part)
{
    struct buf key = {0};
    const char *copy;

    key_make(&key, c->ns, kind, part);
    copy = arena_strdup(&c->arena, buf_str(&key));
    buf_free(&key);
    return copy;
}

const char *ctl_text(struct ctl *c, int64_t v)
{
    return arena_printf(&c->arena, "%lld", (long long)v);
}

void ctl_forget(struct ctl *c)
{
    for (size_t i = 0; i < c->reply_count; i++)
        redis_reply_free(c->replies[i]);
    c->reply_count = 0;
    arena_clear(&c->arena);
}

/* The store's connection: scripts loaded once per connection, calls sent, answers sorted.
 *
 * A call's answer is one of: {'ok', ...}, {'fenced'}, {'gone'}, an error, or none (the link died).
 * An empty script cache (restart, failover, SCRIPT FLUSH) shows as NOSCRIPT: nothing ran, so the
 * scripts are loaded again on the same connection, ahead of whatever the caller sends next, and the
 * caller is told to call again. */
#include "store_impl.h"

#include "crash.h"
#include "crypto.h"
#include "keys.h"
#include "scripts_embedded.h"
#include "text.h"
#include "timefmt.h"
#include "uuid.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *text;
    size_t len;
} scripts[SCRIPT_COUNT] = {
    [SCRIPT_TAKE] = {"take", script_take, sizeof(script_take) - 1},
    [SCRIPT_ACCEPT] = {"accept", script_accept, sizeof(script_accept) - 1},
    [SCRIPT_CLAIM] = {"claim", script_claim, sizeof(script_claim) - 1},
    [SCRIPT_START] = {"start", script_start, sizeof(script_start) - 1},
    [SCRIPT_FINISH] = {"finish", script_finish, sizeof(script_finish) - 1},
    [SCRIPT_RECOVER] = {"recover", script_recover, sizeof(script_recover) - 1},
    [SCRIPT_CONFIGURE] = {"configure", script_configure, sizeof(script_configure) - 1},
    [SCRIPT_LEAVE] = {"leave", script_leave, sizeof(script_leave) - 1},
    [SCRIPT_OVERVIEW] = {"overview", script_overview, sizeof(script_overview) - 1},
    [SCRIPT_EXPAND] = {"expand", script_expand, sizeof(script_expand) - 1},
    [SCRIPT_CHARGE] = {"charge", script_charge, sizeof(script_charge) - 1},
};

/* What an ACL forbids reads differently when a script asks for it. */
static const char *acl_hint(const char *error)
{
    bool refused = text_starts(error, "NOPERM") ||
                   strstr(error, "can't run this command") != NULL ||
                   strstr(error, "can't access at least one of the") != NULL;

    return refused ? " (docs/redis.md lists the rights of its ACL user)" : "";
}

static void keep_error(struct store *s, const char *before, const char *error)
{
    snprintf(s->error, sizeof(s->error), "%s%.160s%s", before, error, acl_hint(error));
}

/* A script that Redis cannot compile (another Lua, a function renamed away) never gets into its
 * cache: calling it over and over would be all that this daemon does. */
static void on_loaded(struct redisReply *reply, void *arg)
{
    struct store *s = arg;

    if (!reply_is_error(reply))
        return;
    s->scripts_refused = true;
    keep_error(s, "SCRIPT LOAD refused: ", reply_error(reply));
}

static void load_scripts(struct store *s)
{
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", scripts[i].text};
        const size_t lens[] = {6, 4, scripts[i].len};

        if (redis_link_command(s->link, on_loaded, s, 3, argv, lens) != SQ_OK)
            return; /* the link's end will be reported */
    }
}

static void on_link_state(struct redis_link *l, bool up, const char *why, void *arg)
{
    struct store *s = arg;

    (void)l;
    if (up)
        load_scripts(s);
    s->opts.on_state(up, why, s->opts.arg);
}

static void on_bell(struct redisReply *reply, void *arg)
{
    struct store *s = arg;

    if (reply != NULL && s->opts.on_bell != NULL)
        s->opts.on_bell(text_eq(reply_str(reply_at(reply, 2), NULL), "bulk"), s->opts.arg);
}

static void on_bell_state(struct redis_link *l, bool up, const char *why, void *arg)
{
    (void)l, (void)up, (void)why, (void)arg; /* the command link tells the same story */
}

static struct redis_link *link_new(struct store *s, const char *name, int64_t command_timeout_ms,
                                   void (*on_state)(struct redis_link *, bool, const char *,
                                                    void *))
{
    const struct redis_link_opts opts = {
        .name = name,
        .key = s->prefix.data,
        .connect_timeout_ms = s->opts.timeout_ms,
        .command_timeout_ms = command_timeout_ms,
        .backoff_base_ms = 50,
        .backoff_max_ms = 2000,
        .on_state = on_state,
        .arg = s,
    };

    return redis_link_new(s->opts.loop, s->opts.addr, &opts);
}

struct store *store_new(const struct store_opts *opts)
{
    struct store *s = mem_zalloc(sizeof(*s));
    struct buf channel = {0};
    uint8_t digest[20];

    s->opts = *opts;
    s->ns = mem_strdup(opts->ns);
    s->worker_name = mem_strdup(opts->worker_name);
    key_make(&s->prefix, s->ns, KEY_PREFIX, NULL);
    random_hex(16, s->worker_id);
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        crypto_sha1(scripts[i].text, scripts[i].len, digest);
        crypto_hex(digest, sizeof(digest), s->sha[i]);
    }
    s->link = link_new(s, "commands", opts->timeout_ms, on_link_state);
    s->bell = link_new(s, "bell", 0, on_bell_state);
    key_make(&channel, s->ns, KEY_BELL, NULL);
    redis_link_subscribe(s->bell, channel.data, on_bell, s);
    buf_free(&channel);
    return s;
}

void store_close(struct store *s)
{
    struct redis_link *link = s->link, *bell = s->bell;

    s->link = s->bell = NULL;
    if (link != NULL)
        redis_link_free(link);
    if (bell != NULL)
        redis_link_free(bell);
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    store_close(s);
    buf_free(&s->prefix);
    buf_free(&s->retire);
    resp_free(&s->args);
    free(s->ns);
    free(s->worker_name);
    free(s);
}

void store_set_login(struct store *s, const struct redis_addr *addr)
{
    redis_link_set_login(s->link, addr);
    redis_link_set_login(s->bell, addr);
}

bool store_is_up(const struct store *s)
{
    return s->link != NULL && redis_link_is_up(s->link);
}

void store_set_settings(struct store *s, const struct store_settings *settings)
{
    s->settings = *settings;
}

const char *store_error(const struct store *s)
{
    return s->error;
}

const char *store_worker_id(const struct store *s)
{
    return s->worker_id;
}

void store_see_clock(struct store *s, const struct store_call *call, int64_t redis_us)
{
    if (redis_us > 0)
        clock_offset_see(&s->clock, redis_us, call->sent_us, clock_mono_us());
}

int64_t store_now_us(const struct store *s)
{
    return s->clock.known ? clock_mono_us() + s->clock.low : clock_wall_ms() * 1000;
}

int64_t store_clock_spread_us(const struct store *s)
{
    return clock_offset_spread_us(&s->clock);
}

int64_t store_now_ms(const struct store *s)
{
    return store_now_us(s) / 1000;
}

/* --- building a call --- */

struct resp *args_begin(struct store *s, struct resp *a, enum script script)
{
    resp_begin(a);
    resp_add(a, "EVALSHA", 7);
    resp_add(a, s->sha[script], 40);
    resp_add(a, "1", 1);
    resp_add(a, s->prefix.data, s->prefix.len);
    resp_adds(a, s->worker_id);
    resp_adds(a, s->settings.events);
    resp_add_int(a, s->settings.events_max);
    return a;
}

/* --- sorting its answer --- */

static enum store_status reply_status(struct store *s, const struct redisReply *r)
{
    const char *word;

    if (r == NULL)
        return STORE_LOST;
    if (reply_is_error(r)) {
        const char *text = reply_error(r);

        if (text_starts(text, "NOSCRIPT")) {
            bool refused = s->scripts_refused;

            s->scripts_refused = false;
            load_scripts(s);
            return refused ? STORE_ERROR : STORE_AGAIN;
        }
        keep_error(s, "", text);
        return STORE_ERROR;
    }
    word = reply_str(reply_at(r, 0), NULL);
    if (text_eq(word, "ok"))
        return STORE_OK;
    if (text_eq(word, "fenced"))
        return STORE_FENCED;
    if (text_eq(word, "gone"))
        return STORE_GONE;
    snprintf(s->error, sizeof(s->error), "a script answered in an unknown form");
    return STORE_ERROR;
}

static void on_reply(struct redisReply *reply, void *arg)
{
    struct store_call *call = arg;

    CRASH_POINT(scripts[call->script].name, ".after");
    call->deliver(call->store, call, reply_status(call->store, reply), reply);
    free(call);
}

enum sq_err args_send(struct store *s, struct resp *a, enum script script, store_deliver deliver,
                      void (*cb)(void), void *arg)
{
    struct store_call *call;
    enum sq_err err;

    if (!store_is_up(s))
        return SQ_ERR_STATE;
    call = mem_alloc(sizeof(*call));
    *call = (struct store_call){.store = s,
                                .script = script,
                                .deliver = deliver,
                                .cb = cb,
                                .arg = arg,
                                .sent_us = clock_mono_us()};
    CRASH_POINT(scripts[script].name, ".before");
    err = redis_link_send(s->link, on_reply, call, a);
    resp_trim(&s->args);
    if (err != SQ_OK)
        free(call);
    return err;
}

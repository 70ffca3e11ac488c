/* The token cache. One account per credential, by a digest of all that makes it.
 *
 * An account is idle, queued (wants a token, no transfer free yet) or asking. Whoever waits hangs
 * on the account and gets what the one request brings. After a failure the account rests for a
 * while, so that a thousand messages do not ask a dead endpoint a thousand times: who comes
 * meanwhile gets the last answer, after the turn. */
#include "oauth.h"

#include "crypto.h"
#include "map.h"
#include "oauth_file.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNTS_MAX 4096  /* more are forgotten, the oldest idle first */
#define ASKING_MAX 16      /* requests at a time, over all accounts */
#define EARLY_MS 300000    /* a token is renewed this long before its end, */
#define EARLY_PART 10      /* or when a tenth of its life is left */
#define MARGIN_MS 30000    /* and not given out any more this long before it */
#define REST_FIRST_MS 1000 /* after a failure; doubled for each next */
#define REST_MAX_MS 60000

enum account_state { ACCOUNT_IDLE, ACCOUNT_QUEUED, ACCOUNT_ASKING };

struct oauth_account {
    struct oauth *oauth;
    struct list node;  /* in all, the last used first */
    struct list queue; /* in queue, or in due */
    struct list waiters;
    enum account_state state;
    char key[65];
    struct provider_oauth spec; /* its texts are in arena */
    const char *url, *file;
    struct arena arena;
    struct buf token, refresh_token; /* the latter as the last answer had it; empty = the spec's */
    int64_t good_until_us, renew_at_us, rest_until_us, rest_ms;
    enum oauth_state last_state; /* of the last failure, and what was said */
    char last_text[sizeof(((struct oauth_grant_answer *)NULL)->text)];
    bool reread; /* refused once: the file has a newer refresh token */
    struct request request;
};

struct oauth {
    struct loop *loop;
    struct oauth_opts opts;
    struct http_multi *http;
    struct map by_key;
    struct list all, queue, due;
    struct after *after;
    unsigned count, waiting;
};

static void on_answer(const struct response *r, void *arg);

static void wipe(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_clear(b);
}

/* --- waiters --- */

static void deliver(struct oauth_account *a, const struct oauth_answer *answer)
{
    struct list now, *node;

    list_init(&now);
    while ((node = list_pop(&a->waiters)) != NULL)
        list_add_tail(&now, node);
    while ((node = list_pop(&now)) != NULL) {
        struct oauth_waiter *w = LIST_ENTRY(node, struct oauth_waiter, node);

        a->oauth->waiting--;
        w->cb(answer, w->arg);
    }
}

static void deliver_last(struct oauth_account *a)
{
    int64_t rest_ms = (a->rest_until_us - loop_now_us(a->oauth->loop)) / 1000;
    const struct oauth_answer answer = {
        .state = a->last_state,
        .text = a->last_text,
        .retry_after_ms = rest_ms > 0 ? rest_ms : 0,
    };

    deliver(a, &answer);
}

static void on_after(void *arg)
{
    struct oauth *o = arg;
    struct list *node;

    while ((node = list_pop(&o->due)) != NULL)
        deliver_last(LIST_ENTRY(node, struct oauth_account, queue));
}

static void deliver_later(struct oauth_account *a)
{
    list_del(&a->queue);
    list_add_tail(&a->oauth->due, &a->queue);
    after_request(a->oauth->after);
}

/* --- answers --- */

static void rest(struct oauth_account *a, int64_t at_least_ms)
{
    a->rest_ms = a->rest_ms ? a->rest_ms * 2 : REST_FIRST_MS;
    if (a->rest_ms > REST_MAX_MS)
        a->rest_ms = REST_MAX_MS;
    a->rest_until_us =
        loop_now_us(a->oauth->loop) + (at_least_ms > a->rest_ms ? at_least_ms : a->rest_ms) * 1000;
}

static void keep_token(struct oauth_account *a, const struct oauth_grant_answer *g)
{
    int64_t now = loop_now_us(a->oauth->loop), life = g->expires_ms;
    int64_t early = life / EARLY_PART < EARLY_MS ? life / EARLY_PART : EARLY_MS;
    int64_t margin = life / 2 < MARGIN_MS ? life / 2 : MARGIN_MS;

    wipe(&a->token);
    buf_add(&a->token, g->access_token.data, g->access_token.len);
    a->good_until_us = now + (life - margin) * 1000;
    a->renew_at_us = now + (life - (early > margin ? early : margin)) * 1000;
    a->rest_ms = a->rest_until_us = 0;
    a->reread = false;
}

static void keep_refresh_token(struct oauth_account *a, const struct oauth_grant_answer *g)
{
    const struct oauth_opts *opts = &a->oauth->opts;
    struct err_text e = {.text = "it did not come from a file"};

    if (g->refresh_token.len == 0 || text_eq(g->refresh_token.data, buf_str(&a->refresh_token)))
        return;
    wipe(&a->refresh_token);
    buf_add(&a->refresh_token, g->refresh_token.data, g->refresh_token.len);
    if (text_eq(g->refresh_token.data, a->spec.refresh_token))
        return;
    if (a->file && oauth_file_write(a->file, g->refresh_token.data, &e) == SQ_OK)
        return;
    if (opts->warn) {
        struct buf text = {.max = 512};

        buf_addf(&text,
                 "the provider replaced a refresh token, and the new one is only in memory: %s",
                 e.text);
        opts->warn(buf_str(&text), opts->arg);
        buf_free(&text);
    }
}

/* True if another worker has put a new refresh token into the file since this one was read. */
static bool file_has_another(struct oauth_account *a)
{
    struct buf used = {0}, now = {0};
    bool other;

    buf_adds(&used, a->refresh_token.len ? buf_str(&a->refresh_token) : a->spec.refresh_token);
    other = a->file && oauth_file_read(a->file, &now, NULL) == SQ_OK &&
            !text_eq(buf_str(&now), buf_str(&used));
    wipe(&used);
    wipe(&now);
    buf_free(&used);
    buf_free(&now);
    return other;
}

static void ask(struct oauth_account *a);

static void settle(struct oauth_account *a, struct oauth_grant_answer *g)
{
    struct oauth_answer answer = {.state = g->state, .text = g->text};

    a->state = ACCOUNT_IDLE;
    if (g->state == OAUTH_GRANTED) {
        keep_refresh_token(a, g);
        keep_token(a, g);
        deliver(a, &answer);
        return;
    }
    if (g->grant_is_dead && !a->reread && file_has_another(a)) {
        a->reread = true;
        ask(a);
        return;
    }
    a->reread = false;
    rest(a, g->retry_after_ms);
    a->last_state = g->state;
    memcpy(a->last_text, g->text, sizeof(a->last_text));
    deliver_last(a);
}

static void on_answer(const struct response *r, void *arg)
{
    struct oauth_account *a = arg;
    struct oauth *o = a->oauth;
    struct oauth_grant_answer g;
    struct list *node;

    oauth_read_answer(r, &g);
    wipe(&a->request.body);
    settle(a, &g);
    oauth_answer_clear(&g);
    while (http_multi_room(o->http) > 0 && (node = list_pop(&o->queue)) != NULL)
        ask(LIST_ENTRY(node, struct oauth_account, queue));
}

/* --- asking --- */

static void fail_now(struct oauth_account *a, const struct err_text *e)
{
    a->state = ACCOUNT_IDLE;
    a->last_state = OAUTH_REFUSED;
    snprintf(a->last_text, sizeof(a->last_text), "%.*s", (int)sizeof(a->last_text) - 1, e->text);
    rest(a, 0);
    deliver_later(a);
}

/* The file is the truth: other workers share it. */
static void read_file(struct oauth_account *a)
{
    struct buf now = {0};

    if (a->spec.grant == OAUTH_REFRESH_TOKEN && a->file &&
        oauth_file_read(a->file, &now, NULL) == SQ_OK) {
        wipe(&a->refresh_token);
        buf_add(&a->refresh_token, now.data, now.len);
    }
    wipe(&now);
    buf_free(&now);
}

static void ask(struct oauth_account *a)
{
    struct oauth *o = a->oauth;
    struct err_text e = {.text = ""};
    enum sq_err err;

    if (http_multi_room(o->http) == 0) {
        a->state = ACCOUNT_QUEUED;
        list_add_tail(&o->queue, &a->queue);
        return;
    }
    a->state = ACCOUNT_ASKING;
    read_file(a);
    request_reset(&a->request);
    err = oauth_request(&a->spec, a->url, a->refresh_token.len ? buf_str(&a->refresh_token) : NULL,
                        loop_wall_ms(o->loop), &a->request, &e);
    if (!err)
        err = http_multi_start(o->http, &a->request, o->opts.timeout_ms, on_answer, a, &e);
    if (err)
        fail_now(a, &e);
}

/* --- for users --- */

const char *oauth_token(struct oauth_account *a)
{
    int64_t now = loop_now_us(a->oauth->loop);

    if (a->token.len == 0 || now >= a->good_until_us)
        return NULL;
    if (now >= a->renew_at_us && a->state == ACCOUNT_IDLE && now >= a->rest_until_us)
        ask(a);
    return buf_str(&a->token);
}

void oauth_wait(struct oauth_account *a, struct oauth_waiter *w)
{
    list_add_tail(&a->waiters, &w->node);
    a->oauth->waiting++;
    if (a->state != ACCOUNT_IDLE)
        return;
    if (loop_now_us(a->oauth->loop) < a->rest_until_us)
        deliver_later(a);
    else
        ask(a);
}

void oauth_drop(struct oauth_account *a, const char *token)
{
    if (a->token.len && text_eq(buf_str(&a->token), token))
        wipe(&a->token);
}

unsigned oauth_waiting(const struct oauth *o)
{
    return o->waiting;
}

/* --- accounts --- */

static void add_key_part(struct buf *b, const char *s)
{
    buf_addf(b, "%zu:", s ? strlen(s) : 0);
    buf_adds(b, s);
}

static void make_key(const struct provider_oauth *spec, const char *url, const char *file,
                     char ret[65])
{
    struct buf text = {0};
    uint8_t digest[32];

    buf_addf(&text, "%d ", (int)spec->grant);
    add_key_part(&text, url);
    add_key_part(&text, file);
    add_key_part(&text, spec->scope);
    add_key_part(&text, spec->client_id);
    add_key_part(&text, spec->client_secret);
    add_key_part(&text, spec->refresh_token);
    add_key_part(&text, spec->service_account);
    add_key_part(&text, spec->subject);
    crypto_sha256(text.data, text.len, digest);
    crypto_hex(digest, sizeof(digest), ret);
    wipe(&text);
    buf_free(&text);
}

static void account_free(struct oauth_account *a)
{
    map_del(&a->oauth->by_key, a->key);
    list_del(&a->node);
    list_del(&a->queue);
    a->oauth->count--;
    wipe(&a->token);
    wipe(&a->refresh_token);
    wipe(&a->request.body);
    buf_free(&a->token);
    buf_free(&a->refresh_token);
    request_free(&a->request);
    arena_free(&a->arena);
    free(a);
}

static void forget_oldest(struct oauth *o)
{
    for (struct list *node = o->all.prev; node != &o->all; node = node->prev) {
        struct oauth_account *a = LIST_ENTRY(node, struct oauth_account, node);

        if (a->state == ACCOUNT_IDLE && list_is_empty(&a->waiters)) {
            account_free(a);
            return;
        }
    }
}

static struct oauth_account *account_new(struct oauth *o, const struct provider_oauth *spec,
                                         const char *url, const char *file, const char *key)
{
    struct oauth_account *a = mem_zalloc(sizeof(*a));

    if (o->count >= ACCOUNTS_MAX)
        forget_oldest(o);
    a->oauth = o;
    memcpy(a->key, key, sizeof(a->key));
    a->spec = *spec;
    a->spec.scope = arena_strdup(&a->arena, spec->scope);
    a->spec.client_id = arena_strdup(&a->arena, spec->client_id);
    a->spec.client_secret = arena_strdup(&a->arena, spec->client_secret);
    a->spec.refresh_token = arena_strdup(&a->arena, spec->refresh_token);
    a->spec.service_account = arena_strdup(&a->arena, spec->service_account);
    a->spec.subject = arena_strdup(&a->arena, spec->subject);
    a->url = arena_strdup(&a->arena, url);
    a->file = arena_strdup(&a->arena, file);
    list_init(&a->waiters);
    list_init(&a->queue);
    list_add_head(&o->all, &a->node);
    map_set(&o->by_key, a->key, a);
    o->count++;
    return a;
}

struct oauth_account *oauth_account(struct oauth *o, const struct provider_oauth *spec,
                                    const char *url, const char *file)
{
    struct oauth_account *a;
    char key[65];

    make_key(spec, url, file, key);
    a = map_get(&o->by_key, key);
    if (!a)
        return account_new(o, spec, url, file, key);
    list_del(&a->node);
    list_add_head(&o->all, &a->node);
    return a;
}

/* --- life --- */

struct oauth *oauth_new(struct loop *loop, const struct oauth_opts *opts)
{
    struct oauth *o = mem_zalloc(sizeof(*o));

    o->loop = loop;
    o->opts = *opts;
    o->opts.http.max_in_flight = ASKING_MAX;
    o->http = http_multi_new(loop, &o->opts.http);
    o->after = after_new(loop, on_after, o);
    list_init(&o->all);
    list_init(&o->queue);
    list_init(&o->due);
    return o;
}

void oauth_free(struct oauth *o)
{
    static const struct oauth_answer ending = {.state = OAUTH_UNAVAILABLE, .text = "shutting down"};

    if (o == NULL)
        return;
    http_multi_free(o->http); /* their answers are "lost" */
    while (!list_is_empty(&o->all)) {
        struct oauth_account *a = LIST_ENTRY(o->all.next, struct oauth_account, node);

        deliver(a, &ending);
        account_free(a);
    }
    after_free(o->after);
    map_free(&o->by_key);
    free(o);
}

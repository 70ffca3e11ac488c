/* Fetch: attachments by URL or storage path, or in the text of a large job, become contents, one
 * after the other, a few messages at a time.
 *
 * Whatever a message attaches counts as held from before its first byte is fetched until its
 * outcome is recorded. What all hold together is bounded: a message that does not fit waits in the
 * order they came (`entering`); too many of those wait in Redis. Room is given for the whole
 * message at once, as much as it could need, so that two halves never wait for each other.
 *
 * A fetch takes longer than a send slot lasts, and a send that is late could break the cap's
 * promise. So a message of a capped sender whose slot has passed goes back to the head of its
 * queue, and what was fetched is kept here until it comes again. */
#include "fetch.h"

#include "attached.h"
#include "below.h"
#include "http_fetch.h"
#include "kept.h"
#include "stored.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCHES_MAX 8 /* at once */
#define VISITS_MAX 64 /* messages here: more would only take the other senders' room */
/* After which a message comes again that is put off: not all at once, and the larger its stored
 * form, the fewer, since each is read from Redis again. */
#define AGAIN_US 1000000
#define AGAIN_EACH_US 2000
#define AGAIN_BYTES_PER_US 50
#define CONNECT_TIMEOUT_MS 10000
/* How often who waits for memory is looked at, besides after each record of outcomes. */
#define LOOK_US 500000

/* One message being completed. */
struct visit {
    struct list node; /* in entering, waiting, running or ended */
    struct fetch_stage *stage;
    struct attempt *attempt;
    struct files *files;
    unsigned next;   /* attachment to look at next */
    size_t received; /* bytes of all */
    bool ok;
};

struct fetch_stage {
    struct loop *loop;
    struct store *store;
    struct attempts *attempts;
    struct http_fetcher *fetcher;
    struct after *after;
    struct timer *timer;
    struct list entering; /* visits without room for their attachments */
    struct list waiting, ended;
    struct list running; /* visits that fetch: to free them at the end */
    struct kept_files kept;
    unsigned visits, visits_max;
    int64_t again_us; /* when the last one that was put off comes again */
    char *ca_file;
    void (*done)(struct attempt *t, bool ok, void *arg);
    void *arg;
};

/* --- room --- */

/* What was fetched for it before, if it was. */
static void lend_kept(struct fetch_stage *s, struct attempt *t)
{
    t->files = kept_take(&s->kept, t->message.id);
    if (t->files != NULL)
        files_lend(t->files, &t->message);
}

size_t fetch_held(const struct fetch_stage *s)
{
    return s->attempts->weight + s->kept.bytes;
}

/* What is larger than all the room there is goes alone. */
static bool enter(struct fetch_stage *s, struct attempt *t)
{
    size_t held = fetch_held(s), weight = attached_bytes(t);

    if (held > 0 && held + weight > t->live->config->attachments_in_flight)
        return false;
    attempt_weigh(s->attempts, t, weight);
    return true;
}

void fetch_nudge(struct fetch_stage *s)
{
    if (!list_is_empty(&s->entering))
        after_request(s->after);
}

void fetch_keep(struct fetch_stage *s, struct attempt *t)
{
    attempt_weigh(s->attempts, t, 0);
    fetch_nudge(s);
    if (t->files == NULL)
        return;
    kept_add(&s->kept, t->message.id, t->files, loop_now_us(s->loop));
    t->files = NULL;
    kept_drop_old(&s->kept, !list_is_empty(&s->entering), loop_now_us(s->loop));
}

/* --- one message --- */

static void end(struct visit *v, bool ok)
{
    v->ok = ok;
    list_del(&v->node);
    list_add_tail(&v->stage->ended, &v->node);
    after_request(v->stage->after);
}

static void fail(struct visit *v, enum outcome_kind kind, enum error_code code, const char *source,
                 const char *why)
{
    struct attempt *t = v->attempt;

    t->refund = true;
    outcome_set(&t->outcome, kind, code, "attachments[%u].%s: %s", v->next, source, why);
    end(v, false);
}

/* When the next one that is put off may come again. */
static int64_t again_ms(struct fetch_stage *s, const struct attempt *t)
{
    int64_t now = loop_now_us(s->loop);

    if (s->again_us < now + AGAIN_US)
        s->again_us = now + AGAIN_US;
    s->again_us += AGAIN_EACH_US + (int64_t)t->packed.len / AGAIN_BYTES_PER_US;
    return (s->again_us - now) / 1000;
}

/* It waits, without having been tried. */
static void put_off(struct visit *v)
{
    struct attempt *t = v->attempt;

    t->refund = true;
    outcome_set(&t->outcome, OUTCOME_POSTPONED, CODE_NONE, "attachments");
    t->outcome.retry_after_ms = again_ms(v->stage, t);
    end(v, false);
}

static size_t room_for(const struct visit *v)
{
    const struct config *c = v->attempt->live->config;
    size_t left = (size_t)c->attachments_total - v->received;

    return left < c->attachments_max ? left : (size_t)c->attachments_max;
}

/* The content of the next attachment has come. False if that ended the visit. */
static bool take(struct visit *v, const char *source, const char *content, size_t len,
                 const char *type)
{
    struct err_text e;

    if (len == 0) {
        fail(v, OUTCOME_FAILED, CODE_VALIDATION_ERROR, source, "the file is empty");
        return false;
    }
    if (files_put(v->files, v->next, content, len, type, &e) != SQ_OK) {
        fail(v, OUTCOME_RETRY, CODE_PROVIDER_ERROR, source, e.text);
        return false;
    }
    v->received += len;
    v->next++;
    return true;
}

static void wait_turn(struct visit *v)
{
    list_del(&v->node);
    list_add_tail(&v->stage->waiting, &v->node);
    after_request(v->stage->after);
}

static void on_fetched(const struct http_fetched *f, void *arg)
{
    static const struct {
        enum outcome_kind kind;
        enum error_code code;
    } outcomes[] = {
        [HTTP_FETCH_FORBIDDEN] = {OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        [HTTP_FETCH_REFUSED] = {OUTCOME_FAILED, CODE_VALIDATION_ERROR},
        [HTTP_FETCH_TOO_LARGE] = {OUTCOME_FAILED, CODE_TOO_LARGE},
        [HTTP_FETCH_TROUBLE] = {OUTCOME_RETRY, CODE_PROVIDER_ERROR},
    };
    struct visit *v = arg;
    bool stored = v->attempt->message.attachments[v->next].url == NULL;
    const char *source = stored ? "storage_path" : "url";

    if (f->result != HTTP_FETCH_OK)
        fail(v, outcomes[f->result].kind, outcomes[f->result].code, source, f->error);
    else if (take(v, source, f->body, f->len, f->content_type))
        wait_turn(v);
}

static void fetch_url(struct visit *v, const char *url, const char *const *hosts, unsigned count)
{
    const struct http_fetch_terms terms = {
        .max_bytes = room_for(v),
        .timeout_ms = v->attempt->live->config->attachments_timeout_ms,
        .allow_hosts = hosts,
        .allow_count = count,
    };

    list_del(&v->node);
    list_add_tail(&v->stage->running, &v->node);
    http_fetch_start(v->stage->fetcher, url, &terms, on_fetched, v);
}

/* Under the operator's own base URL. The path is relative and has no dots (the formats see to
 * that, and so does the escaping). */
static void fetch_stored_url(struct visit *v, const char *path)
{
    const char *base = v->attempt->live->config->attachments_base_url;
    struct buf url = {.max = 4096};
    const char *start = strstr(base, "://"), *host = start != NULL ? start + 3 : base;
    char name[256];
    const char *hosts[] = {name};

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(host, "/?#"), host);
    buf_adds(&url, base);
    for (const char *s = path; *s != '\0';) {
        size_t n = strcspn(s, "/");
        char *segment = mem_strndup(s, n);

        buf_addc(&url, '/');
        text_add_urlencoded(&url, segment);
        free(segment);
        s += n + (s[n] == '/');
    }
    if (url.failed || strlen(name) == 255)
        fail(v, OUTCOME_FAILED, CODE_VALIDATION_ERROR, "storage_path", "the path is too long");
    else
        fetch_url(v, buf_str(&url), hosts, 1);
    buf_free(&url);
}

static void read_stored(struct visit *v, const char *path)
{
    const struct config *c = v->attempt->live->config;
    struct buf content = {.max = room_for(v) + 1};
    struct err_text e = {.text = ""};

    switch (below_read(c->attachments_root, path, room_for(v), &content, &e)) {
    case SQ_OK:
        if (take(v, "storage_path", buf_str(&content), content.len, ""))
            wait_turn(v);
        break;
    case SQ_ERR_IO:
        fail(v, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "storage_path", e.text);
        break;
    case SQ_ERR_TOO_LARGE:
        fail(v, OUTCOME_FAILED, CODE_TOO_LARGE, "storage_path", e.text);
        break;
    default:
        fail(v, OUTCOME_FAILED, CODE_VALIDATION_ERROR, "storage_path", e.text);
    }
    buf_free(&content);
}

static void get_stored(struct visit *v, const char *path)
{
    const struct config *c = v->attempt->live->config;

    if (!text_is_empty(c->attachments_root))
        read_stored(v, path);
    else if (!text_is_empty(c->attachments_base_url))
        fetch_stored_url(v, path);
    else
        fail(v, OUTCOME_FAILED, CODE_VALIDATION_ERROR, "storage_path",
             "neither attachments.root nor attachments.base_url is configured");
}

static void on_read(enum store_status st, bool whole, void *arg)
{
    struct visit *v = arg;

    if (st != STORE_OK) {
        put_off(v);
    } else if (!whole) {
        fail(v, OUTCOME_FAILED, CODE_VALIDATION_ERROR, "content_base64", "it is no longer kept");
    } else {
        v->next++;
        wait_turn(v);
    }
}

static void read_text(struct visit *v, const char *ref)
{
    struct buf *content = files_open(v->files, v->next, stored_size(ref));

    list_del(&v->node);
    list_add_tail(&v->stage->running, &v->node);
    if (content == NULL)
        fail(v, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "content_base64", "not enough memory for it");
    else if (stored_read(v->stage->store, v->attempt->message.id, ref, content, on_read, v) !=
             SQ_OK)
        on_read(STORE_LOST, false, v);
}

/* Gets the next attachment that is missing; one, so that a turn of the loop reads one file. */
static void step(struct visit *v)
{
    const struct attempt *t = v->attempt;
    const struct config *c = t->live->config;

    while (v->next < t->message.attachment_count &&
           !attached_is_missing(t, &t->message.attachments[v->next]))
        v->next++;
    if (v->next == t->message.attachment_count)
        end(v, true);
    else if (t->message.attachments[v->next].stored != NULL)
        read_text(v, t->message.attachments[v->next].stored);
    else if (t->message.attachments[v->next].url != NULL)
        fetch_url(v, t->message.attachments[v->next].url, c->attachments_hosts,
                  c->attachments_host_count);
    else
        get_stored(v, t->message.attachments[v->next].storage_path);
}

/* --- the turn's work --- */

static void deliver(struct fetch_stage *s)
{
    struct list *node;

    while ((node = list_pop(&s->ended)) != NULL) {
        struct visit *v = LIST_ENTRY(node, struct visit, node);
        struct attempt *t = v->attempt;
        bool ok = v->ok;

        if (ok && t->files == NULL) {
            t->files = v->files;
            files_lend(t->files, &t->message);
            attempt_weigh(s->attempts, t, attached_bytes(t));
        } else {
            files_free(v->files);
        }
        s->visits--;
        free(v);
        s->done(t, ok, s->arg);
    }
}

/* Those for whom there is room now, in the order they came. */
static void admit(struct fetch_stage *s)
{
    while (!list_is_empty(&s->entering)) {
        struct visit *v = LIST_ENTRY(s->entering.next, struct visit, node);

        if (!enter(s, v->attempt)) {
            timer_set_us(s->timer, LOOK_US);
            return;
        }
        if (attached_any_missing(v->attempt))
            wait_turn(v);
        else
            end(v, true);
    }
}

static void run(void *arg)
{
    struct fetch_stage *s = arg;
    struct list *node;

    kept_drop_old(&s->kept, !list_is_empty(&s->entering), loop_now_us(s->loop));
    admit(s);
    node = http_fetcher_room(s->fetcher) > 0 ? list_pop(&s->waiting) : NULL;
    if (node != NULL)
        step(LIST_ENTRY(node, struct visit, node));
    deliver(s);
    if (!list_is_empty(&s->waiting) && http_fetcher_room(s->fetcher) > 0)
        after_request(s->after);
}

static void visit(struct fetch_stage *s, struct attempt *t)
{
    struct visit *v = mem_zalloc(sizeof(*v));

    *v = (struct visit){.stage = s, .attempt = t};
    list_init(&v->node);
    s->visits++;
    if (s->visits > s->visits_max) {
        put_off(v);
        return;
    }
    v->files = files_new(t->message.attachment_count);
    list_add_tail(&s->entering, &v->node);
    after_request(s->after);
}

bool fetch_begin(struct fetch_stage *s, struct attempt *t)
{
    if (t->message.attachment_count == 0 || t->weight > 0 || attached_bytes(t) == 0)
        return false;
    lend_kept(s, t);
    if (!attached_any_missing(t) && (t->files != NULL || list_is_empty(&s->entering)) &&
        enter(s, t))
        return false;
    visit(s, t);
    return true;
}

/* --- life --- */

struct fetch_stage *fetch_new(struct loop *loop, struct store *store, struct attempts *attempts,
                              const struct config *c,
                              void (*done)(struct attempt *t, bool ok, void *arg), void *arg)
{
    struct fetch_stage *s = mem_zalloc(sizeof(*s));
    struct http_fetcher_opts opts = {
        .max_fetches = FETCHES_MAX,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .user_agent = "sendq/" SENDQ_VERSION,
    };

    s->ca_file = mem_strdup(c->tls_ca_file);
    opts.ca_file = s->ca_file;
    s->loop = loop;
    s->store = store;
    s->fetcher = http_fetcher_new(loop, &opts);
    s->after = after_new(loop, run, s);
    s->attempts = attempts;
    s->timer = timer_new(loop, run, s);
    s->visits_max = c->max_in_flight < 2 * VISITS_MAX ? (c->max_in_flight + 1) / 2 : VISITS_MAX;
    kept_init(&s->kept);
    list_init(&s->entering);
    list_init(&s->waiting);
    list_init(&s->ended);
    list_init(&s->running);
    s->done = done;
    s->arg = arg;
    return s;
}

static void free_visits(struct list *visits)
{
    struct list *node;

    while ((node = list_pop(visits)) != NULL) {
        struct visit *v = LIST_ENTRY(node, struct visit, node);

        files_free(v->files);
        free(v);
    }
}

void fetch_free(struct fetch_stage *s)
{
    if (s == NULL)
        return;
    http_fetcher_free(s->fetcher);
    free_visits(&s->entering);
    free_visits(&s->waiting);
    free_visits(&s->running);
    free_visits(&s->ended);
    kept_done(&s->kept);
    timer_free(s->timer);
    after_free(s->after);
    free(s->ca_file);
    free(s);
}

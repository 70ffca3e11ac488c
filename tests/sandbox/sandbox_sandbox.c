/* The sandbox's own API: a provider without credentials, in one step or in two.
 *   POST /sandbox/messages {id, recipient, ...}  202 {"id":"sb-<n>"}
 *   POST /sandbox/drafts   {id, recipient, ...}  201 {"draft":"d<n>"}
 *   GET  /sandbox/drafts/<d>                     200 {"draft","state":"draft"|"sent"[,"id"]}
 *   POST /sandbox/drafts/<d>/send                202 {"id":"sb-<n>"}; 409 when it was sent
 * A draft answers 409 to a second send, so a sender that lost the first answer can learn that
 * the message went out. Errors: {"error":{"code","message"}}. */
#include "dialect.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAFTS_MAX ((size_t)100000) /* the oldest is forgotten, as its number says */

struct draft {
    char *id, *recipient;
    uint64_t sent; /* number of the message it became, 0 = not yet */
};

struct drafts {
    struct draft *ring;
    uint64_t made;
};

static void *drafts_open(void)
{
    struct drafts *d = mem_zalloc(sizeof(*d));

    d->ring = mem_zalloc(DRAFTS_MAX * sizeof(*d->ring));
    return d;
}

static void draft_clear(struct draft *d)
{
    free(d->id);
    free(d->recipient);
    *d = (struct draft){0};
}

static void drafts_reset(void *state)
{
    struct drafts *d = state;
    uint64_t used = d->made < DRAFTS_MAX ? d->made : DRAFTS_MAX;

    for (uint64_t i = 0; i < used; i++)
        draft_clear(&d->ring[(d->made - i) % DRAFTS_MAX]);
    d->made = 0;
}

static void drafts_close(void *state)
{
    struct drafts *d = state;

    if (!d)
        return;
    drafts_reset(d);
    free(d->ring);
    free(d);
}

/* The draft that a path "/drafts/d7" + tail names, or NULL. */
static struct draft *draft_of_path(const struct exchange *x, const char *tail, uint64_t *ret_n)
{
    struct drafts *d = x->state;
    const char *s = x->path;
    char *end;
    uint64_t n;

    if (strncmp(s, "/drafts/d", 9) != 0 || s[9] < '1' || s[9] > '9')
        return NULL;
    n = strtoull(s + 9, &end, 10);
    if (strcmp(end, tail) != 0 || n > d->made || d->made - n >= DRAFTS_MAX)
        return NULL;
    *ret_n = n;
    return &d->ring[n % DRAFTS_MAX];
}

static void read_body(struct exchange *x)
{
    const cJSON *body = x->record->body_len > 0 ? exchange_json(x) : NULL;
    const char *to = json_str(body, "recipient");

    record_set_id(x->record, json_str(body, "id"));
    record_set_recipient(x->record, to ? to : json_str(body, "to"));
}

static void sandbox_read(struct exchange *x)
{
    uint64_t n;
    struct draft *d = draft_of_path(x, "/send", &n);

    x->delivers = d != NULL || strcmp(x->path, "/messages") == 0;
    if (d) {
        record_set_id(x->record, d->id);
        record_set_recipient(x->record, d->recipient);
        return;
    }
    read_body(x);
}

/* True if the body is a message; else the error is answered. */
static bool check_message(struct exchange *x)
{
    const cJSON *body = exchange_json(x);

    if (!exchange_has_type(x, "application/json"))
        exchange_error(x, 415, "unsupported_media_type", "Content-Type must be application/json");
    else if (!body)
        exchange_error(x, 400, "invalid_json", "%s", x->json_error.text);
    else if (!cJSON_IsObject(body))
        exchange_error(x, 400, "invalid_request", "the body must be an object");
    else if (json_get(body, "id") && text_is_empty(json_str(body, "id")))
        exchange_error(x, 422, "invalid_request", "id: must be a string, not empty");
    else if (!x->record->recipient)
        exchange_error(x, 422, "invalid_request", "recipient: is required");
    else
        return true;
    return false;
}

static void answer_id(struct exchange *x, int status, uint64_t n)
{
    char id[32];

    snprintf(id, sizeof(id), "sb-%llu", (unsigned long long)n);
    json_key_str(exchange_begin(x, status), "id", id);
    exchange_end(x);
}

static void create_draft(struct exchange *x)
{
    struct drafts *d = x->state;
    struct draft *draft = &d->ring[++d->made % DRAFTS_MAX];
    char name[32];

    draft_clear(draft);
    draft->id = mem_strdup(x->record->id);
    draft->recipient = mem_strdup(x->record->recipient);
    snprintf(name, sizeof(name), "d%llu", (unsigned long long)d->made);
    json_key_str(exchange_begin(x, 201), "draft", name);
    exchange_end(x);
}

static void send_draft(struct exchange *x, struct draft *d)
{
    if (d->sent) {
        exchange_error(x, 409, "already_sent", "this draft was sent as sb-%llu",
                       (unsigned long long)d->sent);
        return;
    }
    d->sent = exchange_serial(x);
    answer_id(x, 202, d->sent);
}

static void show_draft(struct exchange *x, const struct draft *d, uint64_t n)
{
    struct buf *out = exchange_begin(x, 200);
    char text[32];

    snprintf(text, sizeof(text), "d%llu", (unsigned long long)n);
    json_key_str(out, "draft", text);
    json_key_str(out, "state", d->sent ? "sent" : "draft");
    snprintf(text, sizeof(text), "sb-%llu", (unsigned long long)d->sent);
    json_opt_str(out, "id", d->sent ? text : NULL);
    exchange_end(x);
}

static void sandbox_post(struct exchange *x)
{
    uint64_t n;
    struct draft *d = draft_of_path(x, "/send", &n);

    if (d)
        send_draft(x, d);
    else if (strcmp(x->path, "/messages") != 0 && strcmp(x->path, "/drafts") != 0)
        exchange_error(x, 404, "not_found", "no such resource");
    else if (!check_message(x))
        return;
    else if (strcmp(x->path, "/drafts") == 0)
        create_draft(x);
    else
        answer_id(x, 202, exchange_serial(x));
}

static void sandbox_answer(struct exchange *x)
{
    struct draft *d;
    uint64_t n;

    if (exchange_is(x, "POST")) {
        sandbox_post(x);
        return;
    }
    d = exchange_is(x, "GET") ? draft_of_path(x, "", &n) : NULL;
    if (d)
        show_draft(x, d, n);
    else if (exchange_is(x, "GET"))
        exchange_error(x, 404, "not_found", "no such resource");
    else
        exchange_error(x, 405, "method_not_allowed", "use POST");
}

const struct dialect dialect_sandbox = {
    .name = "sandbox",
    .prefix = "/sandbox",
    .read = sandbox_read,
    .answer = sandbox_answer,
    .open = drafts_open,
    .close = drafts_close,
    .reset = drafts_reset,
};

/* Gmail's own ids: the mail to forward or to quote is read whole, of others what the headers of an
 * answer need. */
#include "gmail_lookup.h"

#include "gmail_original.h"
#include "mime.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

enum step {
    STEP_FIRST, /* the original, or the headers, or the send: what the message needs first */
    STEP_SEND,
    STEP_HEADERS /* where the original was not to be had */
};

bool gmail_is_id(const char *s)
{
    size_t n = s ? strspn(s, "0123456789abcdefABCDEF") : 0;

    return n >= 8 && n <= 32 && !s[n];
}

/* Which of its own ids the headers are to be looked up by; NULL = nothing to look up. */
static const char *lookup_id(const struct message *m, bool *ret_thread)
{
    const char *reply = m ? m->text[MSG_REPLY_ID] : NULL;
    const char *thread = m ? m->text[MSG_THREAD_ID] : NULL;

    *ret_thread = !gmail_is_id(reply);
    if (gmail_is_id(reply))
        return reply;
    return text_is_empty(reply) && gmail_is_id(thread) ? thread : NULL;
}

bool gmail_forward_id(const struct message *m, struct original_names *names, const char **ret)
{
    *ret = NULL;
    if (m->text[MSG_QUOTED] || !original_forwarded(m, names))
        return false;
    if (gmail_is_id(names->email_id))
        *ret = names->email_id;
    else if (gmail_is_id(names->message_id))
        *ret = names->message_id;
    return true;
}

/* The mail of the mailbox that belongs into this one's texts; NULL = none. */
static const char *original_id(const struct build_ctx *ctx, const struct message *m,
                               struct original_names *names)
{
    const char *id;

    if (!m || m->text[MSG_QUOTED])
        return NULL;
    if (gmail_forward_id(m, names, &id))
        return id;
    id = m->text[MSG_REPLY_ID];
    return gmail_is_id(id) && text_eq(sender_value(ctx->sender, "quote"), "true") ? id : NULL;
}

static bool reads_original(const struct build_ctx *ctx, const struct message *m)
{
    struct original_names names;

    return ctx->progress->step == STEP_FIRST && original_id(ctx, m, &names) != NULL;
}

static bool is_lookup(const struct build_ctx *ctx, const struct message *m)
{
    bool thread;

    return ctx->progress->step != STEP_SEND && lookup_id(m, &thread) != NULL;
}

static void build_original(const struct build_ctx *ctx, const struct message *m, struct request *r)
{
    struct original_names names;

    r->method = HTTP_GET;
    r->idempotent = true;
    r->max_answer = GMAIL_ANSWER_MAX;
    buf_addf(&r->url,
             "/gmail/v1/users/me/messages/%s?format=full&fields=threadId,internalDate,payload",
             original_id(ctx, m, &names));
}

static void build_lookup(const struct message *m, struct request *r)
{
    bool thread;
    const char *id = lookup_id(m, &thread);

    r->method = HTTP_GET;
    r->idempotent = true;
    buf_addf(&r->url,
             "/gmail/v1/users/me/%s/%s?format=metadata&metadataHeaders=Message-ID"
             "&metadataHeaders=References&fields=%s",
             thread ? "threads" : "messages", id,
             thread ? "id,messages/payload/headers" : "threadId,payload/headers");
}

/* The thread's ids with this one behind; the oldest go where there is no room for all. */
static void join_references(const char *references, const char *id, char *ret, size_t size)
{
    static const char blank[] = " \t\r\n";
    struct buf all = {.max = 1 << 17};
    const char *from = references ? references : "";

    for (size_t n; *(from += strspn(from, blank)); from += n) {
        char one[1024];

        n = strcspn(from, blank);
        snprintf(one, sizeof(one), "%.*s", (int)n, from);
        if (mime_is_message_id(one))
            buf_addf(&all, "%s ", one);
    }
    buf_adds(&all, id);
    from = buf_str(&all);
    while (strlen(from) >= size) /* ids are shorter than size, so there is a space */
        from = strchr(from, ' ') + 1;
    snprintf(ret, size, "%s", from);
    buf_free(&all);
}

static void keep_found(const cJSON *json, struct progress *p)
{
    const cJSON *list = json_get(json, "messages"), *message = json;
    const char *thread = json_str(json, "threadId"), *id;
    char references[PROGRESS_SIZE];

    if (cJSON_IsArray(list) && list->child)
        message = list->child->prev; /* cJSON: the last */
    if (!thread)
        thread = json_str(json, "id");
    if (gmail_is_id(thread))
        progress_set(p, FOUND_THREAD, thread);
    id = gmail_header(json_get(message, "payload"), "Message-ID");
    if (!mime_is_message_id(id))
        return;
    progress_set(p, FOUND_MESSAGE_ID, id);
    join_references(gmail_header(json_get(message, "payload"), "References"), id, references,
                    sizeof(references));
    progress_set(p, FOUND_REFERENCES, references);
}

static void fail_forward(const struct response *r, struct outcome *o)
{
    if (r->transport == TRANSPORT_TOO_BIG)
        outcome_set(o, OUTCOME_FAILED, CODE_TOO_LARGE, "forward: the mail is too large");
    else if (r->status == 404)
        outcome_set(o, OUTCOME_FAILED, CODE_VALIDATION_ERROR,
                    "forward: the mail is not in this mailbox");
    else if (r->status == 403)
        outcome_set(o, OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS,
                    "forward: reading the mail needs a scope as gmail.readonly");
    else
        outcome_set(o, OUTCOME_FAILED, CODE_VALIDATION_ERROR,
                    "forward: the mail has no text that can be forwarded");
}

/* Without its files a forward would not be what was asked for. */
static void judge_original(const cJSON *json, bool is_forward, const struct response *r,
                           struct outcome *o)
{
    struct gmail_original original = {.has_files = false};
    bool found = gmail_original_read(json, &original) == SQ_OK;

    if (is_forward && !found) {
        fail_forward(r, o);
    } else if (is_forward && original.has_files) {
        outcome_set(o, OUTCOME_FAILED, CODE_VALIDATION_ERROR,
                    "forward: the mail has files, which cannot be forwarded from here");
    } else {
        outcome_set(o, OUTCOME_NEXT, CODE_NONE, "%s", "");
        o->next.step = STEP_SEND;
        o->keeps_answer = found;
        if (!is_forward)
            keep_found(json, &o->next);
    }
    gmail_original_clear(&original);
}

/* A reply goes on without it. */
static void classify_original(const struct build_ctx *ctx, const struct response *r,
                              struct outcome *o)
{
    struct original_names names;
    const char *id;
    bool is_forward = gmail_forward_id(ctx->message, &names, &id);
    cJSON *json;

    if (o->kind == OUTCOME_AUTH || o->kind == OUTCOME_RETRY || o->kind == OUTCOME_THROTTLED)
        return;
    json = r->status == 200 ? provider_answer(r) : NULL;
    if (json) {
        judge_original(json, is_forward, r, o);
    } else if (is_forward) {
        fail_forward(r, o);
    } else {
        outcome_set(o, OUTCOME_NEXT, CODE_NONE, "%s", "");
        o->next.step = STEP_HEADERS;
    }
    json_free(json);
}

/* Found or not, the mail is sent: reading may not be allowed, or the answer too long. */
static void classify_lookup(const struct response *r, struct outcome *o)
{
    cJSON *json;

    if (o->kind == OUTCOME_AUTH || o->kind == OUTCOME_RETRY || o->kind == OUTCOME_THROTTLED)
        return;
    json = r->status == 200 ? provider_answer(r) : NULL;
    outcome_set(o, OUTCOME_NEXT, CODE_NONE, "%s", "");
    o->next.step = STEP_SEND;
    keep_found(json, &o->next);
    json_free(json);
}

bool gmail_lookup_build(const struct build_ctx *ctx, const struct message *m, struct request *r)
{
    if (reads_original(ctx, m))
        build_original(ctx, m, r);
    else if (is_lookup(ctx, m))
        build_lookup(m, r);
    else
        return false;
    return true;
}

bool gmail_lookup_classify(const struct build_ctx *ctx, const struct response *r, struct outcome *o)
{
    if (reads_original(ctx, ctx->message))
        classify_original(ctx, r, o);
    else if (is_lookup(ctx, ctx->message))
        classify_lookup(r, o);
    else
        return false;
    return true;
}

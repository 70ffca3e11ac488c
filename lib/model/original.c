/* Replies and forwards of our own mails. */
#include "original.h"

#include "mime.h"
#include "quote.h"
#include "refusal.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* --- names --- */

bool original_is_named(const struct message *m)
{
    return m->channel == CHANNEL_EMAIL &&
           (m->text[MSG_FORWARD] || m->text[MSG_REPLY_ID] || m->text[MSG_THREAD_ID]);
}

bool original_forwarded(const struct message *m, struct original_names *ret)
{
    static const struct json_limits limits = {.max_bytes = 0};
    const char *text = m->text[MSG_FORWARD], *id, *email_id;
    cJSON *json = NULL;
    bool found;

    if (text_is_empty(text) || json_parse(text, strlen(text), &limits, &json, NULL) != SQ_OK)
        return false;
    id = json_str(json, "messageId");
    email_id = json_str(json, "emailMessageId");
    found = !cJSON_IsFalse(json_get(json, "isForwarded")) &&
            (!text_is_empty(id) || !text_is_empty(email_id));
    if (found) {
        snprintf(ret->message_id, sizeof ret->message_id, "%s", id ? id : "");
        snprintf(ret->email_id, sizeof ret->email_id, "%s", email_id ? email_id : "");
    }
    json_free(json);
    return found;
}

/* The names that m has for its original. */
static void names_of(const struct message *m, struct original_names *ret)
{
    const char *reply = m->text[MSG_REPLY_ID];

    if (original_forwarded(m, ret))
        return;
    if (text_is_empty(reply))
        reply = m->text[MSG_THREAD_ID];
    snprintf(ret->message_id, sizeof ret->message_id, "%s", reply ? reply : "");
    ret->email_id[0] = '\0';
}

/* Our id in "id", "id@domain" or "<id@domain>". */
static bool id_of(const char *name, char ret[MESSAGE_ID_MAX + 1])
{
    size_t len;

    name += *name == '<';
    len = strcspn(name, "@>");
    if (len == 0 || len > MESSAGE_ID_MAX)
        return false;
    memcpy(ret, name, len);
    ret[len] = '\0';
    return true;
}

void original_ids(const struct message *m, struct original_ids *ret)
{
    struct original_names names;

    ret->count = 0;
    names_of(m, &names);
    ret->count += id_of(names.message_id, ret->id[ret->count]);
    ret->count += id_of(names.email_id, ret->id[ret->count]);
}

/* With or without its angle brackets. */
static bool is_same_id(const char *name, const char *message_id)
{
    size_t len = strlen(message_id);

    if (text_eq(name, message_id))
        return true;
    return len > 2 && message_id[0] == '<' && strlen(name) == len - 2 &&
           strncmp(name, message_id + 1, len - 2) == 0;
}

static bool is_name_of(const char *name, const struct original *o)
{
    struct buf composed = {0};
    bool same;

    if (!*name)
        return false;
    if (text_eq(name, o->message.id) ||
        (o->provider_message_id && is_same_id(name, o->provider_message_id)))
        return true;
    if (!o->from.addr)
        return false;
    mime_message_id(&o->message, o->from.addr, &composed);
    same = is_same_id(name, buf_str(&composed));
    buf_free(&composed);
    return same;
}

bool original_is_meant(const struct original *o, const struct message *m, const char *tenant)
{
    struct original_names names;

    names_of(m, &names);
    return o->message.channel == CHANNEL_EMAIL && text_eq(o->tenant, tenant) &&
           (is_name_of(names.message_id, o) || is_name_of(names.email_id, o));
}

/* --- texts --- */

static void put_subject(const struct original *o, bool is_forward, size_t max, struct message *m)
{
    const char *subject = o->message.text[MSG_SUBJECT];
    struct buf out = {0};

    if (!text_is_empty(m->text[MSG_SUBJECT]) || text_is_empty(subject))
        return;
    quote_subject(is_forward ? "Fwd:" : "Re:", subject, max, &out);
    message_set(m, MSG_SUBJECT, buf_str(&out));
    buf_free(&out);
}

static void put_texts(struct quote_body *body, struct message *m)
{
    message_set(m, MSG_CONTENT, body->text.len ? buf_str(&body->text) : NULL);
    message_set(m, MSG_HTML, body->html.len ? buf_str(&body->html) : NULL);
    quote_clear(body);
}

static struct quote_original quoted(const struct original *o)
{
    const char *const *text = o->message.text;

    return (struct quote_original){
        .from = o->from,
        .to = text_is_empty(text[MSG_TO]) ? text[MSG_RECIPIENT] : text[MSG_TO],
        .date_ms = o->date_ms,
        .subject = text[MSG_SUBJECT],
        .text = text[MSG_CONTENT],
        .html = text[MSG_HTML],
    };
}

/* --- forwards --- */

static void copy_attachment(const struct attachment *from, struct message *m)
{
    struct attachment *a = message_attachment_add(m);

    a->filename = arena_strdup(&m->arena, from->filename);
    a->mime_type = arena_strdup(&m->arena, from->mime_type);
    a->content_id = arena_strdup(&m->arena, from->content_id);
    a->content_base64 = arena_strdup(&m->arena, from->content_base64);
    a->url = arena_strdup(&m->arena, from->url);
    a->storage_path = arena_strdup(&m->arena, from->storage_path);
}

/* Contents in the text of the other job are as large as what is refused for its size, and may go
 * before this mail does. */
static bool has_stored(const struct message *m)
{
    for (unsigned i = 0; i < m->attachment_count; i++)
        if (m->attachments[i].stored)
            return true;
    return false;
}

static void put_forward(const struct original *o, const struct job_limits *limits,
                        struct message *m)
{
    const struct quote_original original = quoted(o);
    struct quote_body body;

    if (has_stored(&o->message)) {
        original_refuse_size(m);
        return;
    }
    if (quote_forward(&original, m->text[MSG_CONTENT], m->text[MSG_HTML], limits->max_content,
                      &body)) {
        refusal_set(m, CODE_TOO_LARGE, "forward: a text of the mail would have more than %zu bytes",
                    limits->max_content);
        return;
    }
    put_texts(&body, m);
    put_subject(o, true, limits->max_subject, m);
    for (unsigned i = 0; i < o->message.attachment_count; i++)
        copy_attachment(&o->message.attachments[i], m);
    message_set(m, MSG_QUOTED, o->message.id);
}

/* --- replies --- */

/* The id that In-Reply-To or the provider's own thread can be made of, where only the sender's
 * mailbox knows the provider's. */
static void put_reply_id(const struct original *o, struct message *m)
{
    const char *id = o->provider_message_id;

    if (!text_is_empty(id) && (o->same_sender || mime_is_message_id(id)))
        message_set(m, MSG_REPLY_ID, id);
}

static void put_reply(const struct original *o, const struct job_limits *limits, struct message *m)
{
    const struct quote_original original = quoted(o);
    struct quote_body body;

    put_reply_id(o, m);
    put_subject(o, false, limits->max_subject, m);
    if (quote_reply(&original, m->text[MSG_CONTENT], m->text[MSG_HTML], limits->max_content, &body))
        return;
    put_texts(&body, m);
    message_set(m, MSG_QUOTED, o->message.id);
}

void original_put(const struct original *o, const struct job_limits *limits, struct message *m)
{
    if (m->text[MSG_FORWARD])
        put_forward(o, limits, m);
    else
        put_reply(o, limits, m);
}

void original_refuse_size(struct message *m)
{
    if (m->text[MSG_FORWARD])
        refusal_set(m, CODE_TOO_LARGE, "forward: the mail to forward is too large with its files");
}

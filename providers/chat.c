/* Sends of several steps, and refusals, as all chats have them. */
#include "chat.h"

#include "provider_util.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* --- fields --- */

static const struct provider_refusal refusable[] = {
    {MSG_SUBJECT, "subject"},   {MSG_HTML, "html"},           {MSG_FROM_NAME, "sender_name"},
    {MSG_REPLY_TO, "reply_to"}, {MSG_THREAD_ID, "thread_id"}, {MSG_REPLY_ID, "reply_id"},
    {MSG_FORWARD, "forward"},
};

enum sq_err chat_refuse(const struct message *m, const struct build_ctx *ctx, uint32_t carried,
                        struct err_text *e)
{
    const char *name = ctx->sender->provider->name;
    const char *from = m->text[MSG_FROM];

    for (size_t i = 0; i < sizeof(refusable) / sizeof(refusable[0]); i++) {
        enum sq_err err = SQ_OK;

        if (!(carried & (1u << refusable[i].field)))
            err = provider_refuse(m, &refusable[i], 1, name, e);
        if (err)
            return err;
    }
    if (m->list[MSG_CC].count || m->list[MSG_BCC].count)
        return err_set_field(e, SQ_ERR_INVALID, m->list[MSG_CC].count ? "cc" : "bcc",
                             "%s cannot carry it", name);
    if (!(carried & (1u << MSG_FROM)) && !text_is_empty(from) &&
        !text_eq(from, ctx->sender->from_address))
        return err_set_field(e, SQ_ERR_INVALID, "from", "%s sends from its own account only", name);
    return SQ_OK;
}

enum sq_err chat_text_max(const char *text, size_t max, struct err_text *e)
{
    if (!text || text_chars(text) <= max)
        return SQ_OK;
    err_set_field(e, SQ_ERR_TOO_LARGE, "content", "at most %zu characters", max);
    if (e)
        snprintf(e->code, sizeof(e->code), "%s", error_code_name(CODE_TOO_LARGE));
    return SQ_ERR_TOO_LARGE;
}

enum sq_err chat_bearer(struct request *r, const char *token, struct err_text *e)
{
    struct buf value = {.max = 16384};
    enum sq_err err;

    buf_adds(&value, "Bearer ");
    buf_adds(&value, token);
    err = request_header(r, "Authorization", buf_str(&value), e);
    buf_free(&value);
    return err;
}

const cJSON *chat_template(const struct message *m, cJSON **ret_metadata)
{
    static const struct json_limits limits = {.max_bytes = 0};
    const char *text = m->text[MSG_METADATA];
    const cJSON *template;

    *ret_metadata = NULL;
    if (text_is_empty(text) || json_parse(text, strlen(text), &limits, ret_metadata, NULL))
        return NULL;
    template = json_get(*ret_metadata, "template");
    if (!text_is_empty(json_str(template, "name")))
        return template;
    json_free(*ret_metadata);
    *ret_metadata = NULL;
    return NULL;
}

/* --- steps --- */

static unsigned file_count(const struct message *m)
{
    return m->list[MSG_MEDIA].count + m->attachment_count;
}

/* The i-th file: media URLs first. */
static void file_at(const struct message *m, unsigned i, struct chat_step *s)
{
    const struct attachment *a;

    *s = (struct chat_step){.kind = CHAT_FILE};
    if (i < m->list[MSG_MEDIA].count) {
        s->url = m->list[MSG_MEDIA].items[i];
        s->media = media_kind_of(NULL, s->url);
        return;
    }
    a = &m->attachments[i - m->list[MSG_MEDIA].count];
    s->url = a->url;
    s->file = a->url ? NULL : a;
    s->name = text_is_empty(a->filename) ? NULL : a->filename;
    s->media = media_kind_of(a->mime_type, s->name ? s->name : a->url);
}

/* Whether the text goes with the first file. */
static bool is_caption(const struct chat_rule *rule, const struct message *m)
{
    struct chat_step first;

    if (!file_count(m) || text_is_empty(m->text[MSG_CONTENT]))
        return false;
    file_at(m, 0, &first);
    return (rule->caption_kinds & MEDIA_BIT(first.media)) &&
           text_chars(m->text[MSG_CONTENT]) <= rule->caption_max;
}

bool chat_step_at(const struct chat_rule *rule, const struct message *m, unsigned step,
                  struct chat_step *ret)
{
    const char *text = m->text[MSG_CONTENT];
    bool caption = is_caption(rule, m);

    if (!caption && !text_is_empty(text) && step-- == 0) {
        *ret = (struct chat_step){.kind = CHAT_TEXT, .text = text};
        return true;
    }
    for (unsigned i = 0; i < file_count(m); i++) {
        file_at(m, i, ret);
        ret->text = caption && i == 0 ? text : NULL;
        if (ret->file && step-- == 0) {
            ret->kind = CHAT_UPLOAD;
            return true;
        }
        if (step-- == 0)
            return true;
    }
    return false;
}

enum sq_err chat_check(const struct chat_rule *rule, const struct message *m,
                       const struct build_ctx *ctx, struct err_text *e)
{
    const char *name = ctx->sender->provider->name;

    if (text_is_empty(m->text[MSG_CONTENT]) && !file_count(m))
        return err_set_field(e, SQ_ERR_INVALID, "content", "text or a file is required");
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];

        if (a->storage_path)
            return err_set(e, SQ_ERR_INVALID, "attachments[%u]: %s cannot carry a stored file", i,
                           name);
        if (!a->url && !rule->uploads)
            return err_set(e, SQ_ERR_INVALID, "attachments[%u]: %s takes files by url only", i,
                           name);
    }
    return SQ_OK;
}

/* --- between the steps --- */

static void go_on(const struct build_ctx *ctx, bool uploaded, struct outcome *o)
{
    struct progress *next = &o->next;
    unsigned slot = uploaded ? CHAT_CARRY_UPLOAD : CHAT_CARRY_FIRST;

    *next = *ctx->progress;
    next->step++;
    next->delivered |= !uploaded;
    if (uploaded || !*progress_get(next, slot))
        progress_set(next, slot, o->provider_message_id);
    o->kind = OUTCOME_NEXT;
}

static void settle_success(const struct chat_rule *rule, const struct build_ctx *ctx,
                           struct outcome *o)
{
    struct chat_step now, later;
    bool known = chat_step_at(rule, ctx->message, ctx->progress->step, &now);

    if (known && now.kind == CHAT_UPLOAD && !o->provider_message_id[0])
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "the upload's answer holds no id");
    else if (chat_step_at(rule, ctx->message, ctx->progress->step + 1, &later))
        go_on(ctx, known && now.kind == CHAT_UPLOAD, o);
    else
        provider_set_id_text(o, progress_get(ctx->progress, CHAT_CARRY_FIRST));
}

void chat_settle(const struct chat_rule *rule, const struct build_ctx *ctx, struct outcome *o)
{
    if (ctx->message && o->kind == OUTCOME_SENT)
        settle_success(rule, ctx, o);
}

/* Meta's Graph API: what whatsapp, messenger and instagram have in common. */
#include "graph.h"

#include "provider_util.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const char *version_of(const struct sender *s)
{
    const char *version = sender_value(s, "version");

    return text_is_empty(version) ? GRAPH_VERSION : version;
}

enum sq_err graph_check(const struct sender *s, struct err_text *e)
{
    const char *version = version_of(s);
    size_t len = strlen(version);

    if (version[0] == 'v' && len > 1 && len <= 8 && strspn(version + 1, "0123456789.") == len - 1)
        return SQ_OK;
    return err_set_field(e, SQ_ERR_INVALID, "version", "expected a version like " GRAPH_VERSION);
}

enum sq_err graph_begin(const struct build_ctx *ctx, const char *id, const char *edge,
                        const char *content_type, struct request *r, struct err_text *e)
{
    enum sq_err err = provider_begin(ctx, "/", content_type, r, e);

    if (!err)
        err = chat_bearer(r, sender_value(ctx->sender, "token"), e);
    if (err)
        return err;
    text_add_urlencoded(&r->url, version_of(ctx->sender));
    buf_addc(&r->url, '/');
    text_add_urlencoded(&r->url, sender_value(ctx->sender, id));
    buf_addc(&r->url, '/');
    buf_adds(&r->url, edge);
    return SQ_OK;
}

/* --- errors --- */

static int int_member(const cJSON *obj, const char *name)
{
    const cJSON *item = json_get(obj, name);

    return cJSON_IsNumber(item) ? item->valueint : 0;
}

/* The name of the row that knows the error best; else the plain code. */
static void name_code(const cJSON *error, struct meaning_table t, char *ret, size_t size)
{
    int code = int_member(error, "code"), subcode = int_member(error, "error_subcode");

    snprintf(ret, size, "%d/%d", code, subcode);
    if (subcode && meaning_find(t, ret))
        return;
    snprintf(ret, size, "%d", code);
    if (code > 200 && code <= 299 && !meaning_find(t, ret))
        snprintf(ret, size, "200");
}

void graph_judge(const struct build_ctx *ctx, const struct response *r, const cJSON *answer,
                 struct meaning_table t, struct outcome *o)
{
    const cJSON *error = json_get(answer, "error");
    const char *details = json_str(json_get(error, "error_data"), "details");
    char code[32] = "";

    if (cJSON_IsNumber(json_get(error, "code")))
        name_code(error, t, code, sizeof(code));
    meaning_judge(ctx, r, t, code, json_str(error, "message"), o);
    provider_say(ctx, o, details);
}

/* --- direct messages --- */

static const char *media_word(enum media_kind kind)
{
    static const char *const words[] = {
        [MEDIA_IMAGE] = "image",
        [MEDIA_AUDIO] = "audio",
        [MEDIA_VIDEO] = "video",
        [MEDIA_FILE] = "file",
    };

    return words[kind];
}

static enum sq_err check_text(const struct graph_dm *dm, const char *text, struct err_text *e)
{
    if (!dm->text_in_bytes)
        return chat_text_max(text, dm->text_max, e);
    if (strlen(text) <= dm->text_max)
        return SQ_OK;
    err_set_field(e, SQ_ERR_TOO_LARGE, "content", "at most %zu bytes", dm->text_max);
    if (e)
        snprintf(e->code, sizeof(e->code), "%s", error_code_name(CODE_TOO_LARGE));
    return SQ_ERR_TOO_LARGE;
}

/* All of the message is checked before its first step: half of it must not be sent in vain. */
static enum sq_err check_message(const struct graph_dm *dm, const struct build_ctx *ctx,
                                 const struct message *m, struct err_text *e)
{
    struct chat_step s;
    enum sq_err err = chat_refuse(m, ctx, 0, e);

    if (!err)
        err = chat_check(&dm->rule, m, ctx, e);
    for (unsigned i = 0; !err && chat_step_at(&dm->rule, m, i, &s); i++) {
        if (s.kind == CHAT_TEXT)
            err = check_text(dm, s.text, e);
        else if (!(dm->kinds & MEDIA_BIT(s.media)))
            err = err_set_field(e, SQ_ERR_INVALID, "attachments", "%s cannot carry a file of %s",
                                ctx->sender->provider->name,
                                s.media == MEDIA_FILE ? "this type" : media_word(s.media));
    }
    return err;
}

/* A tag is for messages outside the window, where the account may use it. */
static void write_type(const struct build_ctx *ctx, struct buf *b)
{
    const char *tag = sender_value(ctx->sender, "tag");

    json_key_str(b, "messaging_type", text_is_empty(tag) ? "RESPONSE" : "MESSAGE_TAG");
    json_opt_str(b, "tag", tag);
}

static void write_step(const struct chat_step *s, struct buf *b)
{
    json_key(b, "message");
    json_open(b, '{');
    if (s->kind == CHAT_TEXT) {
        json_key_str(b, "text", s->text);
    } else {
        json_key(b, "attachment");
        json_open(b, '{');
        json_key_str(b, "type", media_word(s->media));
        json_key(b, "payload");
        json_open(b, '{');
        json_key_str(b, "url", s->url);
        json_key_bool(b, "is_reusable", false);
        json_close(b, '}');
        json_close(b, '}');
    }
    json_close(b, '}');
}

enum sq_err graph_dm_build(const struct graph_dm *dm, const struct build_ctx *ctx,
                           const struct message *m, struct request *r, struct err_text *e)
{
    struct buf *b = &r->body;
    struct chat_step s;
    enum sq_err err = check_message(dm, ctx, m, e);

    if (!err)
        err = graph_begin(ctx, dm->id, "messages", "application/json", r, e);
    if (err)
        return err;
    if (!chat_step_at(&dm->rule, m, ctx->progress->step, &s))
        return err_set(e, SQ_ERR_STATE, "no such step");
    json_open(b, '{');
    json_key(b, "recipient");
    json_open(b, '{');
    json_key_str(b, "id", m->text[MSG_RECIPIENT]);
    json_close(b, '}');
    if (dm->has_type)
        write_type(ctx, b);
    write_step(&s, b);
    json_close(b, '}');
    return provider_finish(r, e);
}

void graph_dm_classify(const struct graph_dm *dm, const struct build_ctx *ctx,
                       const struct response *r, struct outcome *o)
{
    cJSON *json = provider_answer(r);

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT && !json_get(json, "error"))
        provider_set_id(o, json_get(json, "message_id"));
    else
        graph_judge(ctx, r, json, dm->meanings, o);
    chat_settle(&dm->rule, ctx, o);
    json_free(json);
}

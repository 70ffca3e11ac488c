/* sandbox: a provider that needs no account, for demos, tests and measurements.
 *
 * A message is one POST of plain JSON. With `steps: 2` it is two, as with providers that want an
 * upload or a conversation first: a draft is created, then sent. The Idempotency-Key goes along
 * for counting duplicates, but the request is not called idempotent: the sandbox takes repeats. */
#include "provider_util.h"
#include "registry.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <string.h>

enum step { STEP_FIRST, STEP_SEND_DRAFT };
enum { CARRY_DRAFT }; /* what progress carries */

static const struct provider_setting settings[] = {
    {.name = "steps", .help = "1: send at once; 2: create a draft, then send it", .fallback = "1"},
    {.name = NULL},
};

static bool has_draft_step(const struct sender *s)
{
    return text_eq(sender_value(s, "steps"), "2");
}

static enum sq_err sandbox_check(const struct sender *s, struct err_text *e)
{
    const char *steps = sender_value(s, "steps");

    if (steps && strcmp(steps, "1") != 0 && strcmp(steps, "2") != 0)
        return err_set_field(e, SQ_ERR_INVALID, "steps", "expected 1 or 2");
    return SQ_OK;
}

static void write_message(const struct build_ctx *ctx, const struct message *m, struct buf *b)
{
    json_open(b, '{');
    json_key_str(b, "id", m->id);
    json_key_str(b, "channel", channel_name(m->channel));
    json_key_str(b, "recipient", m->text[MSG_RECIPIENT]);
    json_opt_str(b, "subject", m->text[MSG_SUBJECT]);
    json_opt_str(b, "content", m->text[MSG_CONTENT]);
    json_opt_str(b, "html_content", m->text[MSG_HTML]);
    json_opt_str(b, "from", provider_from(ctx, m));
    json_opt_str(b, "from_name", provider_from_name(ctx, m));
    if (m->text[MSG_METADATA]) {
        json_key(b, "metadata");
        json_val_raw(b, m->text[MSG_METADATA], strlen(m->text[MSG_METADATA]));
    }
    json_opt_str(b, "reply_to", m->text[MSG_REPLY_TO]);
    json_opt_str(b, "thread_id", m->text[MSG_THREAD_ID]);
    json_opt_str(b, "reply_id", m->text[MSG_REPLY_ID]);
    provider_json_list(b, "cc", &m->list[MSG_CC]);
    provider_json_list(b, "bcc", &m->list[MSG_BCC]);
    provider_json_list(b, "media_urls", &m->list[MSG_MEDIA]);
    if (m->attachment_count) {
        json_key(b, "attachments");
        provider_json_attachments(b, m);
    }
    json_close(b, '}');
}

static void write_draft_path(const struct build_ctx *ctx, struct request *r)
{
    buf_adds(&r->url, "/drafts/");
    text_add_urlencoded(&r->url, progress_get(ctx->progress, CARRY_DRAFT));
    buf_adds(&r->url, "/send");
    buf_adds(&r->body, "{}");
}

static enum sq_err sandbox_build(const struct build_ctx *ctx, const struct message *m,
                                 struct request *r, struct err_text *e)
{
    bool first = ctx->progress->step == STEP_FIRST;
    const char *path = !first ? "" : has_draft_step(ctx->sender) ? "/drafts" : "/messages";
    enum sq_err err = provider_begin(ctx, path, "application/json", r, e);

    if (!err)
        err = request_header(r, "Idempotency-Key", m->id, e);
    if (err)
        return err;
    if (first)
        write_message(ctx, m, &r->body);
    else
        write_draft_path(ctx, r);
    return provider_finish(r, e);
}

/* The draft is there: carry its name to the step that sends it. */
static void draft_created(const struct response *r, struct outcome *o)
{
    struct progress *next = &o->next;
    cJSON *json = provider_answer(r);
    const char *draft = json_str(json, "draft");

    if (text_is_empty(draft) || !progress_set(next, CARRY_DRAFT, draft)) {
        /* Nothing was sent yet, so that another try cannot send twice. */
        outcome_set(o, OUTCOME_RETRY, CODE_PROVIDER_ERROR, "HTTP %d: no draft in the answer",
                    r->status);
    } else {
        o->kind = OUTCOME_NEXT;
        next->step = STEP_SEND_DRAFT;
    }
    json_free(json);
}

/* A draft can be sent once. "Already sent" means that the answer to an earlier try was lost. */
static bool was_sent_before(const struct build_ctx *ctx, const struct response *r,
                            const cJSON *json)
{
    return ctx->progress->step == STEP_SEND_DRAFT && r->status == 409 &&
           text_eq(json_str(json_get(json, "error"), "code"), "already_sent");
}

static void sandbox_classify(const struct build_ctx *ctx, const struct response *r,
                             struct outcome *o)
{
    cJSON *json;

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT && ctx->progress->step == STEP_FIRST &&
        has_draft_step(ctx->sender)) {
        draft_created(r, o);
        return;
    }
    json = provider_answer(r);
    if (was_sent_before(ctx, r, json))
        outcome_set(o, OUTCOME_SENT, CODE_NONE, "HTTP %d", r->status);
    if (o->kind == OUTCOME_SENT)
        provider_set_id(o, json_get(json, "id"));
    if (r->status >= 300)
        provider_say(ctx, o, provider_error_words(json));
    json_free(json);
}

const struct provider provider_sandbox = {
    .name = "sandbox",
    .base_url = "http://127.0.0.1:8081/sandbox",
    .channels = CHANNEL_ALL & ~CHANNEL_BIT(CHANNEL_GMB),
    .settings = settings,
    .check = sandbox_check,
    .build = sandbox_build,
    .classify = sandbox_classify,
    .attachments = ATTACHMENTS_URL,
};

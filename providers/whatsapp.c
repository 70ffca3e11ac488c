/* whatsapp: WhatsApp by Meta's Cloud API.
 *
 * Free text goes out within 24 hours of the customer's last message; beyond that only a template,
 * which the message's metadata names: {"template": {"name", "language", "parameters" or
 * "components"}}. A template takes the place of the text. A file goes by URL, or is uploaded in a
 * step of its own; one text may be the first file's caption. Meta says to judge errors by code. */
#include "graph.h"
#include "provider_util.h"
#include "registry.h"

#include "text.h"
#include <cjson/cJSON.h>
#include <string.h>

#define TEXT_MAX 4096
#define CAPTION_MAX 1024
#define PAIR_WAIT_MS 6000 /* one message every six seconds to the same person */

static const struct provider_setting settings[] = {
    {.name = "phone_number_id",
     .help = "id of the business phone number",
     .required = true,
     .secret = true},
    {.name = "token", .help = "system user's access token", .required = true, .secret = true},
    {.name = "template_language",
     .help = "language of templates that name none",
     .fallback = "en_US"},
    GRAPH_VERSION_SETTING,
    {.name = NULL},
};

static const struct provider_limits limits = {
    .rate = "80/s",
    .recipient = "10/min burst 10",
    .source =
        "https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput",
    .date = "2026-11",
};

static const struct chat_rule rule = {
    .caption_max = CAPTION_MAX,
    .caption_kinds = MEDIA_BIT(MEDIA_IMAGE) | MEDIA_BIT(MEDIA_VIDEO) | MEDIA_BIT(MEDIA_FILE),
    .uploads = true,
};

/* --- templates --- */

/* Whether the message is a template: by metadata, or by an id alone. A text beside an id is that
 * template already filled in. */
static bool is_template(const struct message *m)
{
    cJSON *metadata;
    bool found = chat_template(m, &metadata) != NULL;

    json_free(metadata);
    return found ||
           (!text_is_empty(m->text[MSG_TEMPLATE_ID]) && text_is_empty(m->text[MSG_CONTENT]) &&
            !m->list[MSG_MEDIA].count && !m->attachment_count);
}

static const char *language_of(const struct build_ctx *ctx, const cJSON *t)
{
    const char *code = json_str(t, "language");

    if (!code)
        code = json_str(json_get(t, "language"), "code");
    if (!code)
        code = sender_value(ctx->sender, "template_language");
    return text_is_empty(code) ? "en_US" : code;
}

/* A number becomes text: the API takes nothing else. */
static void write_text_value(const cJSON *item, struct buf *b)
{
    struct buf text = {.max = 256};

    if (!cJSON_IsString(item))
        json_print(item, &text);
    json_val_str(b, cJSON_IsString(item) ? item->valuestring : buf_str(&text));
    b->failed |= text.failed;
    buf_free(&text);
}

/* Parameters alone are the texts of the body. */
static void write_parameters(const cJSON *list, struct buf *b)
{
    const cJSON *item;

    json_key(b, "components");
    json_open(b, '[');
    json_open(b, '{');
    json_key_str(b, "type", "body");
    json_key(b, "parameters");
    json_open(b, '[');
    cJSON_ArrayForEach(item, list)
    {
        json_open(b, '{');
        json_key_str(b, "type", "text");
        json_key(b, "text");
        write_text_value(item, b);
        json_close(b, '}');
    }
    json_close(b, ']');
    json_close(b, '}');
    json_close(b, ']');
}

static void write_template(const struct build_ctx *ctx, const struct message *m, struct buf *b)
{
    cJSON *metadata;
    const cJSON *t = chat_template(m, &metadata);
    struct buf raw = {.max = b->max};

    json_key(b, "template");
    json_open(b, '{');
    json_key_str(b, "name", t ? json_str(t, "name") : m->text[MSG_TEMPLATE_ID]);
    json_key(b, "language");
    json_open(b, '{');
    json_key_str(b, "code", language_of(ctx, t));
    json_close(b, '}');
    if (json_get(t, "components")) {
        json_print(json_get(t, "components"), &raw);
        json_key(b, "components");
        json_val_raw(b, buf_str(&raw), raw.len);
    } else if (cJSON_GetArraySize(json_get(t, "parameters")) > 0) {
        write_parameters(json_get(t, "parameters"), b);
    }
    json_close(b, '}');
    b->failed |= raw.failed;
    buf_free(&raw);
    json_free(metadata);
}

/* --- request --- */

static const char *media_word(enum media_kind kind)
{
    static const char *const words[] = {
        [MEDIA_IMAGE] = "image",
        [MEDIA_AUDIO] = "audio",
        [MEDIA_VIDEO] = "video",
        [MEDIA_FILE] = "document",
    };

    return words[kind];
}

static void write_file(const struct build_ctx *ctx, const struct chat_step *s, struct buf *b)
{
    json_key(b, media_word(s->media));
    json_open(b, '{');
    if (s->url)
        json_key_str(b, "link", s->url);
    else
        json_key_str(b, "id", progress_get(ctx->progress, CHAT_CARRY_UPLOAD));
    json_opt_str(b, "caption", s->text);
    if (s->media == MEDIA_FILE)
        json_opt_str(b, "filename", s->name);
    json_close(b, '}');
}

static void write_text(const char *text, struct buf *b)
{
    json_key(b, "text");
    json_open(b, '{');
    json_key_str(b, "body", text);
    json_key_bool(b, "preview_url", false);
    json_close(b, '}');
}

static void write_message(const struct build_ctx *ctx, const struct message *m,
                          const struct chat_step *s, struct buf *b)
{
    const char *type = !s ? "template" : s->kind == CHAT_TEXT ? "text" : media_word(s->media);

    json_open(b, '{');
    json_key_str(b, "messaging_product", "whatsapp");
    json_key_str(b, "recipient_type", "individual");
    json_key_str(b, "to", m->text[MSG_RECIPIENT]);
    json_key_str(b, "biz_opaque_callback_data", m->id);
    if (!text_is_empty(m->text[MSG_REPLY_ID])) {
        json_key(b, "context");
        json_open(b, '{');
        json_key_str(b, "message_id", m->text[MSG_REPLY_ID]);
        json_close(b, '}');
    }
    json_key_str(b, "type", type);
    if (!s)
        write_template(ctx, m, b);
    else if (s->kind == CHAT_TEXT)
        write_text(s->text, b);
    else
        write_file(ctx, s, b);
    json_close(b, '}');
}

static enum sq_err build_upload(const struct build_ctx *ctx, const struct message *m,
                                const struct attachment *a, struct request *r, struct err_text *e)
{
    struct form_data f;
    enum sq_err err;

    form_data_begin(&f, m, &r->body);
    err = graph_begin(ctx, "phone_number_id", "media", f.content_type, r, e);
    if (err)
        return err;
    form_data_text(&f, "messaging_product", "whatsapp");
    form_data_text(&f, "type", media_type_of(a->mime_type, a->filename));
    err = form_data_file(&f, "file", a, e);
    form_data_end(&f);
    return err ? err : provider_finish(r, e);
}

static enum sq_err check_message(const struct build_ctx *ctx, const struct message *m,
                                 struct err_text *e)
{
    enum sq_err err = chat_refuse(m, ctx, 1u << MSG_REPLY_ID, e);

    if (err)
        return err;
    if (is_template(m)) {
        if (m->list[MSG_MEDIA].count || m->attachment_count)
            return err_set_field(e, SQ_ERR_INVALID, "attachments",
                                 "a template has its files among its components");
        return SQ_OK;
    }
    err = chat_text_max(m->text[MSG_CONTENT], TEXT_MAX, e);
    return err ? err : chat_check(&rule, m, ctx, e);
}

static enum sq_err whatsapp_build(const struct build_ctx *ctx, const struct message *m,
                                  struct request *r, struct err_text *e)
{
    struct chat_step s = {.kind = CHAT_TEXT}, *step = is_template(m) ? NULL : &s;
    enum sq_err err = check_message(ctx, m, e);

    if (err)
        return err;
    if (step && !chat_step_at(&rule, m, ctx->progress->step, step))
        return err_set(e, SQ_ERR_STATE, "no such step");
    if (step && step->kind == CHAT_UPLOAD)
        return build_upload(ctx, m, step->file, r, e);
    err = graph_begin(ctx, "phone_number_id", "messages", "application/json", r, e);
    if (err)
        return err;
    write_message(ctx, m, step, &r->body);
    return provider_finish(r, e);
}

/* --- answer --- */

static const struct meaning meanings[] = {
    {"0", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"1", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0}, /* unknown, perhaps a wrong request */
    {"2", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0}, /* downtime or overload */
    {"3", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"4", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0}, /* the app's calls */
    {"10", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"33", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* the number is gone */
    {"100", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},
    {"190", OUTCOME_AUTH, CODE_INVALID_KEY, 0, 0},
    {"200", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* 200 to 299 */
    {"368", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* blocked for policy */
    {"80007", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},        /* the business account's */
    {"130429", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 0, 0},       /* the number's throughput */
    {"130472", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0, 0},        /* part of an experiment */
    {"131000", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},
    {"131005", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},
    {"131008", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* parameter missing */
    {"131009", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* parameter's value */
    {"131016", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},    /* unavailable */
    {"131021", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0}, /* recipient is the sender */
    {"131026", OUTCOME_FAILED, CODE_RECIPIENT_NOT_FOUND, 0, 0},
    {"131030", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* not on the test list */
    {"131031", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* account locked */
    {"131042", OUTCOME_AUTH, CODE_INSUFFICIENT_PERMISSIONS, 0, 0},   /* payment: all must wait */
    {"131047", OUTCOME_FAILED, CODE_CONVERSATION_REQUIRED, 0, 0},    /* outside the 24 hours */
    {"131048", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0, 0},           /* spam limit */
    {"131049", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0, 0},           /* marketing limit */
    {"131050", OUTCOME_FAILED, CODE_SUPPRESSED, 0, 0},               /* stopped marketing */
    {"131051", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* message type */
    {"131052", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* media download */
    {"131053", OUTCOME_FAILED, CODE_VALIDATION_ERROR, 0, 0},         /* media upload */
    {"131056", OUTCOME_THROTTLED, CODE_RATE_LIMITED, THROTTLE_RECIPIENT, PAIR_WAIT_MS},
    {"131057", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},            /* maintenance */
    {"132000", OUTCOME_FAILED, CODE_TEMPLATE_ERROR, 0, 0},           /* number of parameters */
    {"132001", OUTCOME_FAILED, CODE_TEMPLATE_ERROR, 0, 0},           /* no such template */
    {"132005", OUTCOME_FAILED, CODE_TEMPLATE_ERROR, 0, 0},           /* text too long */
    {"132007", OUTCOME_FAILED, CODE_TEMPLATE_ERROR, 0, 0},           /* policy */
    {"132012", OUTCOME_FAILED, CODE_TEMPLATE_ERROR, 0, 0},           /* format of a parameter */
    {"132015", OUTCOME_FAILED, CODE_TEMPLATE_ERROR, 0, 0},           /* paused */
    {"132016", OUTCOME_FAILED, CODE_TEMPLATE_ERROR, 0, 0},           /* disabled */
    {"133004", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0, 0},            /* server unavailable */
    {"133010", OUTCOME_FAILED, CODE_INSUFFICIENT_PERMISSIONS, 0, 0}, /* number not registered */
};

static void whatsapp_classify(const struct build_ctx *ctx, const struct response *r,
                              struct outcome *o)
{
    cJSON *json = provider_answer(r);
    const cJSON *message = cJSON_GetArrayItem(json_get(json, "messages"), 0);

    provider_classify_status(r, o);
    if (o->kind == OUTCOME_SENT && !json_get(json, "error")) /* an upload has its id in "id" */
        provider_set_id(o, message ? json_get(message, "id") : json_get(json, "id"));
    else
        graph_judge(ctx, r, json, MEANING_TABLE(meanings), o);
    if (ctx->message && !is_template(ctx->message))
        chat_settle(&rule, ctx, o);
    json_free(json);
}

const struct provider provider_whatsapp = {
    .name = "whatsapp",
    .base_url = GRAPH_BASE_URL,
    .channels = CHANNEL_BIT(CHANNEL_WHATSAPP),
    .settings = settings,
    .limits = &limits,
    .check = graph_check,
    .build = whatsapp_build,
    .classify = whatsapp_classify,
};

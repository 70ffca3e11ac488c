/* Jobs: raw bytes to a validated message, and the way back to an answer.
 *
 * A job is parsed as JSON, recognised as a bare body or an envelope, and its body given to the
 * format that knows it; the envelope is then laid over what the body said. */
#include "job.h"

#include "crypto.h"
#include "envelope.h"
#include "format.h"
#include "text.h"
#include "timefmt.h"
#include <cjson/cJSON.h>
#include <string.h>

/* The most specific first: a body that looks like two is the first one's. */
static const struct format *const formats[] = {
    &format_messaging,
    &format_channel,
    &format_email,
    &format_conversation,
};

#define FORMAT_COUNT (sizeof formats / sizeof formats[0])

static const struct format *format_find(const char *name)
{
    for (unsigned i = 0; name && i < FORMAT_COUNT; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

static const struct format *format_detect(const cJSON *body)
{
    for (unsigned i = 0; i < FORMAT_COUNT; i++)
        if (formats[i]->detect(body))
            return formats[i];
    return NULL;
}

/* The format of a body that lacks what it is told by. An envelope holds none of the hints, but it
 * may be taken for a body when its own is elsewhere: so not where there is one. */
static const struct format *format_guess(const cJSON *body)
{
    for (unsigned i = 0; i < FORMAT_COUNT && !json_get(body, "body"); i++)
        for (const char *const *hint = formats[i]->hints; hint && *hint; hint++)
            if (json_get(body, *hint))
                return formats[i];
    return NULL;
}

/* --- parsing --- */

static struct job_limits limits_filled(const struct job_limits *l)
{
    struct job_limits full = l ? *l : (struct job_limits){0};

    if (!full.max_bytes)
        full.max_bytes = (size_t)1 << 20;
    if (!full.max_bulk_bytes)
        full.max_bulk_bytes = (size_t)16 << 20;
    if (!full.max_depth)
        full.max_depth = 48;
    if (!full.max_subject)
        full.max_subject = 998;
    if (!full.max_content)
        full.max_content = (size_t)1 << 20;
    if (!full.max_list)
        full.max_list = 100;
    if (!full.max_attachment)
        full.max_attachment = (size_t)25 << 20;
    if (full.max_list > MESSAGE_LIST_MAX)
        full.max_list = MESSAGE_LIST_MAX;
    return full;
}

/* Everything that the steps of parsing share. */
struct parse {
    const cJSON *root;
    const char *raw;
    char *kept; /* the same, if Redis keeps it; else NULL */
    size_t len;
    struct job_limits limits;
    const struct format *format;
    struct envelope envelope;
    struct job *job;
    struct err_text *e, unwanted;
};

/* Notes format and reply queue before anything is checked, so that a refusal can be answered. */
static void note_origin(struct parse *p)
{
    struct message *m = &p->job->message;
    const cJSON *body = json_get(p->root, "body");

    p->format = format_detect(p->root);
    if (!p->format)
        p->format = format_guess(p->root);
    p->envelope.body = p->root;
    if (!p->format) {
        p->envelope.body = NULL;
        message_set(m, MSG_REPLY_QUEUE, envelope_reply_to(p->root));
        p->format = format_find(json_str(p->root, "format"));
        if (!p->format && cJSON_IsObject(body))
            p->format = format_detect(body);
        if (!p->format && cJSON_IsObject(body))
            p->format = format_guess(body);
    }
    message_set(m, MSG_FORMAT, p->format ? p->format->name : NULL);
}

static enum sq_err fail_format(const struct parse *p)
{
    struct buf names = {.max = 256};
    enum sq_err err;

    for (unsigned i = 0; i < FORMAT_COUNT; i++)
        buf_addf(&names, "%s%s", i ? ", " : "", formats[i]->name);
    err = p->envelope.format
              ? err_set_field(p->e, SQ_ERR_INVALID, "format", "must be one of: %s", buf_str(&names))
              : err_set_field(p->e, SQ_ERR_INVALID, "body", "is not of a known format (%s)",
                              buf_str(&names));
    buf_free(&names);
    return err;
}

/* Reads the envelope, if there is one, and settles the format. */
static enum sq_err open_envelope(struct parse *p)
{
    enum sq_err err;

    if (p->envelope.body) /* bare */
        return SQ_OK;
    if (!json_get(p->root, "body"))
        return err_set_field(p->e, SQ_ERR_INVALID, "body",
                             "is missing, and the job is not a known body itself");
    err = envelope_read(p->root, &p->limits, &p->envelope, p->e);
    if (err)
        return err;
    if (p->envelope.format)
        p->format = format_find(p->envelope.format);
    return p->format ? SQ_OK : fail_format(p);
}

static enum sq_err check_size(const struct parse *p)
{
    size_t max = p->job->is_bulk ? p->limits.max_bulk_bytes : p->limits.max_bytes;

    if (p->len > max)
        return err_set(p->e, SQ_ERR_TOO_LARGE, "the job is %zu bytes long, at most %zu are allowed",
                       p->len, max);
    return SQ_OK;
}

/* Long strings count by their hash, so that the canonical form is not another copy of them. */
static void shorten(const cJSON *parent, struct arena *a)
{
    for (cJSON *j = parent->child; j; j = j->next) {
        size_t len = cJSON_IsString(j) ? strlen(j->valuestring) : 0;
        uint8_t digest[20];
        char hex[41];

        if (j->child)
            shorten(j, a);
        if (len < JSON_LONG)
            continue;
        crypto_sha1(j->valuestring, len, digest);
        crypto_hex(digest, sizeof digest, hex);
        j->valuestring = arena_printf(a, "sha1 %s", hex);
    }
}

/* The hash that tells a repeated job from a different one under the same key. The last to look at
 * the body. */
static enum sq_err hash_body(const struct parse *p)
{
    struct buf text = {.max = 0};
    uint8_t digest[20];
    enum sq_err err = SQ_OK;

    if (!p->job->explicit_id && !p->job->idempotency_key[0])
        return SQ_OK;
    shorten(p->envelope.body, &p->job->message.arena);
    json_canonical(p->envelope.body, &text);
    buf_addc(&text, 0);
    buf_adds(&text, p->format->name);
    buf_addc(&text, 0);
    buf_adds(&text, p->job->message.text[MSG_SENDER]);
    if (text.failed) {
        err = err_set(p->e, SQ_ERR_NOMEM, "not enough memory for the body");
    } else {
        crypto_sha1(text.data, text.len, digest);
        crypto_hex(digest, sizeof digest, p->job->body_hash);
    }
    buf_free(&text);
    return err;
}

static enum sq_err parse_root(struct parse *p)
{
    const char *bulk;
    enum sq_err err;

    if (!cJSON_IsObject(p->root))
        return err_set(p->e, SQ_ERR_INVALID, "a job must be a JSON object");
    note_origin(p);
    err = open_envelope(p);
    if (err)
        return err;
    bulk = p->format->bulk_member;
    p->job->is_bulk =
        bulk && json_get(p->envelope.body, bulk) && !cJSON_IsNull(json_get(p->envelope.body, bulk));
    err = check_size(p);
    if (!err)
        err = p->format->parse(p->envelope.body, &p->limits, p->job, p->e);
    if (!err)
        err = envelope_apply(&p->envelope, &p->limits, p->job, p->e);
    if (!err)
        err = hash_body(p);
    return err;
}

/* The readers leave contents where they were parsed. */
static void keep_contents(const struct parse *p)
{
    struct message *m = &p->job->message;

    for (unsigned i = 0; i < m->attachment_count; i++) {
        struct attachment *a = &m->attachments[i];
        uintptr_t offset = (uintptr_t)a->content_base64 - (uintptr_t)p->kept;

        if (a->content_base64 && p->kept && offset < p->len) {
            a->stored =
                arena_printf(&m->arena, "%zu %zu", (size_t)offset, strlen(a->content_base64));
            a->content_base64 = NULL;
        } else {
            a->content_base64 = arena_strdup(&m->arena, a->content_base64);
        }
    }
}

static enum sq_err parse_raw(struct parse *p)
{
    struct json_limits caps = {.max_bytes = p->limits.max_bytes, .max_depth = p->limits.max_depth};
    cJSON *root = NULL;
    enum sq_err err;

    if (caps.max_bytes < p->limits.max_bulk_bytes)
        caps.max_bytes = p->limits.max_bulk_bytes;
    err = p->kept ? json_parse_in_place(p->kept, p->len, &caps, &root, p->e)
                  : json_parse(p->raw, p->len, &caps, &root, p->e);
    if (err)
        return err;
    p->root = root;
    err = parse_root(p);
    keep_contents(p);
    json_free(root);
    return err;
}

static enum sq_err parse_job(struct parse *p, enum priority list_priority, int64_t now_ms)
{
    struct message *m = &p->job->message;
    enum sq_err err;

    if (!p->e)
        p->e = &p->unwanted;
    memset(p->job, 0, sizeof *p->job);
    m->priority = list_priority;
    m->queued_at = now_ms;
    m->units = 1;
    uuid_v7(now_ms, m->id);
    err = parse_raw(p);
    if (err && !p->e->code[0]) {
        enum error_code code = err == SQ_ERR_TOO_LARGE ? CODE_TOO_LARGE : CODE_VALIDATION_ERROR;

        memcpy(p->e->code, error_code_name(code), strlen(error_code_name(code)) + 1);
    }
    return err;
}

enum sq_err job_parse(const char *raw, size_t len, enum priority list_priority, int64_t now_ms,
                      const struct job_limits *limits, struct job *ret, struct err_text *e)
{
    struct parse p = {.raw = raw, .len = len, .limits = limits_filled(limits), .job = ret, .e = e};

    return parse_job(&p, list_priority, now_ms);
}

enum sq_err job_parse_kept(char *text, size_t len, enum priority list_priority, int64_t now_ms,
                           const struct job_limits *limits, struct job *ret, struct err_text *e)
{
    struct parse p = {
        .kept = text, .len = len, .limits = limits_filled(limits), .job = ret, .e = e};

    return parse_job(&p, list_priority, now_ms);
}

void job_clear(struct job *j)
{
    if (!j)
        return;
    message_clear(&j->message);
    memset(j, 0, sizeof *j);
}

/* --- answers --- */

const char *answer_text(const struct answer_in *in)
{
    size_t n;

    if (!in->error || !in->error->text[0])
        return in->outcome ? in->outcome->text : "";
    n = strlen(in->error->field);
    if (n && strncmp(in->error->text, in->error->field, n) == 0 &&
        strncmp(in->error->text + n, ": ", 2) == 0)
        return in->error->text + n + 2;
    return in->error->text;
}

void answer_error(const struct answer_in *in, struct buf *out)
{
    bool refused = in->error && in->error->text[0];

    json_open(out, '{');
    json_key(out, "error");
    json_open(out, '{');
    json_key_str(out, "code", error_code_name(in->code));
    json_key_str(out, "message", refused ? in->error->text : answer_text(in));
    json_opt_str(out, "field", in->error ? in->error->field : NULL);
    json_close(out, '}');
    json_key_int(out, "status_code", error_code_status(in->code));
    json_close(out, '}');
}

/* The answer of a job whose format could not be told. */
static void answer_plain(const struct answer_in *in, struct buf *out)
{
    char at[TIME_TEXT];

    if (in->code != CODE_NONE) {
        answer_error(in, out);
        return;
    }
    time_format_seconds(in->now_ms, at);
    json_open(out, '{');
    json_opt_str(out, "id", in->message ? in->message->id : NULL);
    json_key_str(out, "status", "sent");
    json_key_str(out, "sent_at", at);
    json_close(out, '}');
}

/* Beside what the document's answer has; its own place is in HTTP headers. */
static void add_limit(const struct answer_limit *l, struct buf *out)
{
    if (l->limit == 0 || out->failed || out->len < 2 || out->data[out->len - 1] != '}')
        return;
    out->len--;
    buf_addf(out, ",\"rate_limit\":{\"limit\":%lld,\"remaining\":%lld,\"reset\":%lld}}",
             (long long)l->limit, (long long)l->remaining, (long long)l->reset_s);
}

void job_answer(const char *format, const struct answer_in *in, struct buf *out)
{
    const struct format *f = format_find(format);

    if (f)
        f->answer(in, out);
    else
        answer_plain(in, out);
    add_limit(&in->limit, out);
}

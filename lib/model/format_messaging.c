/* The `messaging` format: POST /api/messaging/send, single messages and bulks.
 *
 * sender_type names the channel. Without one, an email address as recipient means email and an
 * E.164 number means SMS, as in the document's own examples; any other recipient needs it. */
#include "address.h"
#include "field.h"
#include "format.h"
#include "recipient.h"
#include "selection.h"
#include "text.h"
#include "timefmt.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const char *const root_members[] = {
    "message_data",      "bulk_settings", "message_type",    "priority",
    "sender_identifier", "sender_type",   "send_identifier", NULL,
};

static const char *const data_members[] = {
    "recipient",  "content",   "subject",    "html_content", "sender",   "sender_name",
    "media_urls", "image_url", "contact_id", "deal_id",      "metadata", NULL,
};

/* What tells a body that lacks its message_data. */
static const char *const hints[] = {
    "bulk_settings", "sender_type", "sender_identifier", "send_identifier", "message_type", NULL,
};

static const struct field_text recipient_text = {"recipient", 0, FIELD_LINE, 512};

static const struct field_text data_texts[] = {
    {"subject", MSG_SUBJECT, FIELD_SUBJECT, 0},
    {"content", MSG_CONTENT, FIELD_REQUIRED | FIELD_CONTENT, 0},
    {"html_content", MSG_HTML, FIELD_CONTENT, 0},
    {"sender", MSG_FROM, FIELD_LINE, 254},
    {"sender_name", MSG_FROM_NAME, FIELD_LINE, 256},
    {"contact_id", MSG_CONTACT_ID, FIELD_IDENT, FIELD_ID_MAX},
    {"deal_id", MSG_DEAL_ID, FIELD_IDENT, FIELD_ID_MAX},
};

static const struct field_text sender_texts[] = {
    {"sender_identifier", MSG_SENDER, FIELD_IDENT, 64},
    {"send_identifier", MSG_SENDER, FIELD_IDENT, 64}, /* the document's other name for it */
};

/* What message_data calls the fields that not every channel has. */
static const struct field_name names[] = {
    {"subject", MSG_SUBJECT, 0},
    {"html_content", MSG_HTML, 0},
    {"sender_name", MSG_FROM_NAME, 0},
};

static const struct field_text media_urls = {"media_urls", 0, FIELD_URL, FIELD_URL_MAX};
static const struct field_text image_url = {"image_url", 0, FIELD_URL, FIELD_URL_MAX};

static bool detect(const cJSON *body)
{
    return json_get(body, "message_data") != NULL;
}

/* --- parse --- */

static enum sq_err read_sender(const struct field_at *at, struct message *m)
{
    const char *id[2];

    for (unsigned i = 0; i < 2; i++) {
        enum sq_err err = field_str(at, &sender_texts[i], &id[i]);

        if (err)
            return err;
    }
    if (id[0] && id[1] && strcmp(id[0], id[1]) != 0)
        return field_fail(at, SQ_ERR_INVALID, "send_identifier",
                          "differs from sender_identifier: give one of them");
    message_set(m, MSG_SENDER, id[0] ? id[0] : id[1]);
    return SQ_OK;
}

static enum sq_err read_media(const struct field_at *at, struct message *m)
{
    const char *url;
    enum sq_err err = field_str(at, &image_url, &url);

    if (err)
        return err;
    if (url)
        message_list_add(m, MSG_MEDIA, url);
    return field_list(at, &media_urls, m, MSG_MEDIA);
}

static enum sq_err read_data(const struct field_at *at, struct message *m)
{
    enum sq_err err = field_texts(at, data_texts, COUNT(data_texts), m);

    if (!err)
        err = read_media(at, m);
    if (!err)
        err = field_json(at, "metadata", m, MSG_METADATA);
    return err;
}

/* The channel by sender_type, or by the recipient's looks. */
static enum sq_err read_channel(const struct field_at *root, const struct field_at *data,
                                const char *recipient, struct message *m)
{
    static const struct field_text f = {"sender_type", 0, FIELD_LINE, 64};
    const char *type;
    enum sq_err err = field_str(root, &f, &type);

    if (err)
        return err;
    if (type && !channel_parse(type, &m->channel))
        return field_fail(root, SQ_ERR_INVALID, "sender_type", "is not a known channel");
    if (type && m->channel == CHANNEL_GMB)
        return field_fail(root, SQ_ERR_INVALID, "sender_type",
                          "names a channel that was shut down in 2024");
    if (type)
        return SQ_OK;
    if (!recipient)
        return field_fail(root, SQ_ERR_INVALID, "sender_type", "is required without a recipient");
    if (address_is_email(recipient))
        m->channel = CHANNEL_EMAIL;
    else if (address_is_e164(recipient))
        m->channel = CHANNEL_SMS;
    else
        return field_fail(data, SQ_ERR_INVALID, "recipient",
                          "is neither an email address nor an E.164 number: give sender_type");
    return SQ_OK;
}

/* A bulk's recipient is a placeholder: it says no more than which channel is meant. */
static enum sq_err read_recipient(const struct field_at *root, const struct field_at *data,
                                  struct job *job)
{
    struct message *m = &job->message;
    struct field_text f = recipient_text;
    struct err_text why;
    const char *recipient;
    enum sq_err err;

    f.flags |= job->is_bulk ? 0 : FIELD_REQUIRED;
    err = field_str(data, &f, &recipient);
    if (!err)
        err = read_channel(root, data, recipient, m);
    if (err || job->is_bulk)
        return err;
    if (address_check(m->channel, recipient, &why) || recipient_set(m, recipient, 1, &why))
        return field_fail(data, SQ_ERR_INVALID, "recipient", "%s", why.text);
    return SQ_OK;
}

static enum sq_err check_sender(const struct field_at *data, const struct message *m)
{
    const char *from = m->text[MSG_FROM];
    bool phone = m->channel == CHANNEL_SMS || m->channel == CHANNEL_RCS;

    if (from && m->channel == CHANNEL_EMAIL && !address_is_email(from))
        return field_fail(data, SQ_ERR_INVALID, "sender", "must be an email address");
    if (from && phone && !address_is_text_sender(from))
        return field_fail(data, SQ_ERR_INVALID, "sender",
                          "must be a number, a short code or a name of at most 11 characters");
    return SQ_OK;
}

static enum sq_err read_message(const struct field_at *root, struct job *job)
{
    struct message *m = &job->message;
    struct field_at data = {NULL, "message_data", root->limits, root->e};
    enum sq_err err = field_object(root, "message_data", true, &data.obj);

    if (!err)
        err = field_check_known(&data, data_members);
    if (!err)
        err = read_recipient(root, &data, job);
    if (!err)
        err = read_data(&data, m);
    if (!err)
        err = field_check_channel(&data, m, names, COUNT(names));
    if (!err && m->channel == CHANNEL_EMAIL && !m->text[MSG_SUBJECT])
        err = field_fail(&data, SQ_ERR_INVALID, "subject", "is required for email");
    return err ? err : check_sender(&data, m);
}

static enum sq_err read_bulk(const struct field_at *root, struct job *job)
{
    struct field_at at = {NULL, "bulk_settings", root->limits, root->e};
    enum sq_err err;

    if (!job->is_bulk)
        return SQ_OK;
    err = field_object(root, "bulk_settings", true, &at.obj);
    if (err)
        return err;
    job->selection = arena_alloc(&job->message.arena, sizeof *job->selection);
    memset(job->selection, 0, sizeof *job->selection);
    return selection_read(&at, &job->message.arena, job->selection);
}

static enum sq_err parse(const cJSON *body, const struct job_limits *limits, struct job *job,
                         struct err_text *e)
{
    struct field_at at = {body, "", limits, e};
    struct message *m = &job->message;
    enum sq_err err = field_check_known(&at, root_members);

    if (!err)
        err = read_bulk(&at, job);
    if (!err)
        err = read_message(&at, job);
    if (!err)
        err = field_type(&at, "message_type", &m->type);
    if (!err)
        err = field_priority(&at, "priority", &m->priority);
    if (!err)
        err = read_sender(&at, m);
    return err;
}

/* --- answer --- */

/* A provider's cost is passed on digit by digit, if it is a JSON number at all. */
static bool is_json_number(const char *s)
{
    size_t n;

    s += *s == '-';
    n = strspn(s, "0123456789");
    if (!n || (n > 1 && s[0] == '0'))
        return false;
    s += n;
    if (*s == '.') {
        n = strspn(s + 1, "0123456789");
        s += n + 1;
        if (!n)
            return false;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        n = strspn(s, "0123456789");
        s += n;
        if (!n)
            return false;
    }
    return !*s;
}

static void add_cost(struct buf *out, const struct outcome *o)
{
    json_key(out, "cost");
    if (o && is_json_number(o->cost))
        json_val_raw(out, o->cost, strlen(o->cost));
    else
        json_val_null(out);
}

static void add_head(struct buf *out, const struct answer_in *in, bool success)
{
    json_key_bool(out, "success", success);
    json_key_str(out, "message_id", in->message ? in->message->id : NULL);
    json_key_str(out, "channel_used",
                 in->message ? channel_name_upper(in->message->channel) : NULL);
    json_key_str(out, "provider_used", in->provider);
}

static void answer_sent(const struct answer_in *in, struct buf *out)
{
    const struct outcome *o = in->outcome;
    char at[TIME_TEXT];

    time_format_seconds(in->now_ms, at);
    json_open(out, '{');
    add_head(out, in, true);
    json_key_str(out, "provider_message_id",
                 o && o->provider_message_id[0] ? o->provider_message_id : NULL);
    json_key_str(out, "status", "SENT");
    add_cost(out, o);
    json_key_str(out, "sent_at", at);
    json_close(out, '}');
}

/* ["body","message_data","media_urls",2] of "message_data.media_urls[2]". */
static void add_location(struct buf *out, const char *field)
{
    json_key(out, "loc");
    json_open(out, '[');
    json_val_str(out, "body");
    while (*field) {
        size_t n = strcspn(field, ".[");
        char *end;

        if (n)
            json_val_strn(out, field, n);
        field += n;
        if (*field == '[') {
            json_val_int(out, strtol(field + 1, &end, 10));
            field = *end == ']' ? end + 1 : end;
        } else if (*field) {
            field++;
        }
    }
    json_close(out, ']');
}

/* The document's 422: a list of faults, of which we name the first. */
static void answer_invalid(const struct answer_in *in, struct buf *out)
{
    json_open(out, '{');
    json_key_int(out, "status_code", 422);
    json_key(out, "detail");
    json_open(out, '[');
    json_open(out, '{');
    add_location(out, in->error ? in->error->field : "");
    json_key_str(out, "msg", answer_text(in));
    json_key_str(out, "type", "value_error");
    json_close(out, '}');
    json_close(out, ']');
    json_close(out, '}');
}

static void answer_failed(const struct answer_in *in, struct buf *out)
{
    char at[TIME_TEXT];

    time_format_seconds(in->now_ms, at);
    json_open(out, '{');
    add_head(out, in, false);
    json_key_str(out, "status", "FAILED");
    json_key_str(out, "error_code", error_code_name(in->code));
    json_key_str(out, "error_message", answer_text(in));
    json_key_str(out, "failed_at", at);
    json_key_int(out, "status_code", error_code_status(in->code));
    json_close(out, '}');
}

static void answer(const struct answer_in *in, struct buf *out)
{
    if (in->code == CODE_NONE)
        answer_sent(in, out);
    else if (in->code == CODE_VALIDATION_ERROR)
        answer_invalid(in, out);
    else
        answer_failed(in, out);
}

const struct format format_messaging = {
    .name = "messaging",
    .bulk_member = "bulk_settings",
    .detect = detect,
    .parse = parse,
    .answer = answer,
    .hints = hints,
};

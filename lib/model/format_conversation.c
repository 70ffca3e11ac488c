/* The `conversation` format: POST /conversations/messages, in both versions of its document.
 *
 * What the document leaves open, and how it is read here:
 * - The recipient is the contact's address in the directory, unless emailTo or toNumber gives one.
 *   toNumber and fromNumber mean something on the channels that have numbers; beside an Email,
 * where the document's own example has them, they are kept in the metadata.
 * - forward.toEmail is a recipient of the forwarded mail, besides emailTo if that is given too.
 * - status is what the CRM wants to record, not a wish about sending: kept in the metadata.
 * - usesNativeSchedulingAi moves the mail by a part of optimizationPeriod that the contact's id
 *   alone decides: see spread(). */
#include "format_conversation.h"
#include "crypto.h"
#include "field.h"
#include "format.h"
#include "recipient.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define HOUR_MS INT64_C(3600000)

/* clang-format off */
static const char *const members[] = {
    "type", "subType", "contactId", "appointmentId", "attachments", "emailFrom", "emailCc",
    "emailBcc", "html", "message", "subject", "replyMessageId", "templateId", "threadId",
    "scheduledTimestamp", "conversationProviderId", "emailTo", "customSubtypeId",
    "emailReplyMode", "fromNumber", "toNumber", "forward", "status", "usesNativeSchedulingAi",
    "optimizationPeriod", NULL,
};
/* clang-format on */

static const char *const hints[] = {"contactId", "type", NULL};

static const struct {
    const char *name;
    enum channel channel;
} types[] = {
    {"SMS", CHANNEL_SMS},       {"RCS", CHANNEL_RCS},
    {"Email", CHANNEL_EMAIL},   {"WhatsApp", CHANNEL_WHATSAPP},
    {"IG", CHANNEL_INSTAGRAM},  {"FB", CHANNEL_FACEBOOK},
    {"Custom", CHANNEL_CUSTOM}, {"Live_Chat", CHANNEL_LIVE_CHAT},
    {"TIKTOK", CHANNEL_TIKTOK},
};

static const struct field_text texts[] = {
    {"contactId", MSG_CONTACT_ID, FIELD_REQUIRED | FIELD_IDENT, FIELD_ID_MAX},
    {"appointmentId", MSG_APPOINTMENT_ID, FIELD_IDENT, FIELD_ID_MAX},
    {"html", MSG_HTML, FIELD_CONTENT, 0},
    {"message", MSG_CONTENT, FIELD_CONTENT, 0},
    {"subject", MSG_SUBJECT, FIELD_SUBJECT, 0},
    {"replyMessageId", MSG_REPLY_ID, FIELD_ASCII, 512},
    {"templateId", MSG_TEMPLATE_ID, FIELD_IDENT, FIELD_ID_MAX},
    {"threadId", MSG_THREAD_ID, FIELD_ASCII, 512},
    {"conversationProviderId", MSG_SENDER, FIELD_IDENT, 64},
    {"customSubtypeId", MSG_SUBTYPE_ID, FIELD_IDENT, FIELD_ID_MAX},
    {"emailReplyMode", MSG_REPLY_MODE, FIELD_LINE, 16},
};

/* What the body calls the fields that not every channel has. */
static const struct field_name names[] = {
    {"html", MSG_HTML, 0},
    {"subject", MSG_SUBJECT, 0},
    {"replyMessageId", MSG_REPLY_ID, 0},
    {"customSubtypeId", MSG_SUBTYPE_ID, 0},
    {"emailReplyMode", MSG_REPLY_MODE, 0},
    {"forward", MSG_FORWARD, 0},
    {"emailCc", MSG_TEXT_COUNT, MSG_CC},
    {"emailBcc", MSG_TEXT_COUNT, MSG_BCC},
};

static bool detect(const cJSON *body)
{
    return json_get(body, "type") && json_get(body, "contactId");
}

static bool has_numbers(enum channel c)
{
    return c == CHANNEL_SMS || c == CHANNEL_RCS || c == CHANNEL_WHATSAPP || c == CHANNEL_CUSTOM;
}

static bool has_mail(enum channel c)
{
    return c == CHANNEL_EMAIL || c == CHANNEL_CUSTOM;
}

/* --- type and status --- */

static enum sq_err read_type(const struct field_at *at, struct message *m)
{
    static const struct field_text f = {"type", 0, FIELD_REQUIRED | FIELD_LINE, 64};
    const char *type;
    enum sq_err err = field_str(at, &f, &type);

    if (err)
        return err;
    for (unsigned i = 0; i < COUNT(types); i++) {
        if (text_ieq(type, types[i].name)) {
            m->channel = types[i].channel;
            return SQ_OK;
        }
    }
    if (text_ieq(type, "GMB"))
        return field_fail(at, SQ_ERR_INVALID, "type",
                          "GMB cannot be sent: Google shut Business Messages down in 2024");
    return field_fail(
        at, SQ_ERR_INVALID, "type",
        "must be one of SMS, RCS, Email, WhatsApp, IG, FB, Custom, Live_Chat, TIKTOK");
}

/* A text that is one of a few; NULL if absent. */
static enum sq_err read_choice(const struct field_at *at, const char *name,
                               const char *const *choices, const char *expected, const char **ret)
{
    const cJSON *j = field_get(at, name);
    const char *s = cJSON_IsString(j) ? j->valuestring : NULL;

    for (; j && *choices; choices++)
        if (text_eq(s, *choices))
            break;
    if (j && !*choices)
        return field_fail(at, SQ_ERR_INVALID, name, "must be %s", expected);
    *ret = s;
    return SQ_OK;
}

/* A string or an object, in the document's two spellings. */
static enum sq_err read_subtype(const struct field_at *at, struct buf *metadata)
{
    static const struct field_text f = {"subType", 0, FIELD_LINE, 64};
    const cJSON *j = field_get(at, "subType");
    const char *s = NULL;
    enum sq_err err = SQ_OK;

    if (cJSON_IsObject(j)) {
        json_key(metadata, "sub_type");
        json_print(j, metadata);
        return SQ_OK;
    }
    if (j && !cJSON_IsString(j))
        return field_fail(at, SQ_ERR_INVALID, "subType", "must be a string or an object");
    if (j)
        err = field_str(at, &f, &s);
    if (!err)
        json_opt_str(metadata, "sub_type", s);
    return err;
}

static enum sq_err read_status(const struct field_at *at, struct buf *metadata)
{
    static const char *const choices[] = {"delivered", "failed", "pending", "read", NULL};
    const char *status;
    enum sq_err err =
        read_choice(at, "status", choices, "one of delivered, failed, pending, read", &status);

    if (!err)
        json_opt_str(metadata, "requested_status", status);
    return err;
}

static enum sq_err read_reply_mode(const struct field_at *at)
{
    static const char *const choices[] = {"reply", "reply_all", NULL};
    const char *mode;

    return read_choice(at, "emailReplyMode", choices, "reply or reply_all", &mode);
}

/* --- addresses --- */

static enum sq_err read_number(const struct field_at *at, const char *name, const char **ret)
{
    const struct field_text f = {name, 0, FIELD_LINE, 32};
    enum sq_err err = field_str(at, &f, ret);

    if (!err && *ret && !address_is_e164(*ret))
        err = field_fail(at, SQ_ERR_INVALID, name, "must be an E.164 number like +14155550100");
    return err;
}

static enum sq_err refuse_for_channel(const struct field_at *at, const char *name,
                                      const struct message *m)
{
    return field_fail(at, SQ_ERR_INVALID, name, "cannot be sent over %s", channel_name(m->channel));
}

static enum sq_err read_numbers(const struct field_at *at, struct message *m, struct buf *metadata)
{
    const char *to, *from;
    enum sq_err err = read_number(at, "toNumber", &to);

    if (!err)
        err = read_number(at, "fromNumber", &from);
    if (err)
        return err;
    if (m->channel == CHANNEL_EMAIL) {
        json_opt_str(metadata, "to_number", to);
        json_opt_str(metadata, "from_number", from);
        return SQ_OK;
    }
    if ((to || from) && !has_numbers(m->channel))
        return refuse_for_channel(at, to ? "toNumber" : "fromNumber", m);
    message_set(m, MSG_RECIPIENT, to);
    message_set(m, MSG_FROM, from);
    return SQ_OK;
}

/* Several senders of one message are a contradiction, and so are two ways to name its recipient. */
static enum sq_err keep_mail(const struct field_at *at, struct message *m, const struct address *to,
                             const struct address *from)
{
    struct address box;

    if ((to->addr || from->addr) && !has_mail(m->channel))
        return refuse_for_channel(at, to->addr ? "emailTo" : "emailFrom", m);
    if (to->addr && m->text[MSG_RECIPIENT])
        return field_fail(at, SQ_ERR_INVALID, "toNumber", "and emailTo cannot both be given");
    if (from->addr && m->text[MSG_FROM])
        return field_fail(at, SQ_ERR_INVALID, "fromNumber", "and emailFrom cannot both be given");
    if (to->addr) {
        box = *to;
        recipient_set_list(m, &(struct address_list){&box, 1});
    }
    if (from->addr) {
        m->text[MSG_FROM] = from->addr;
        m->text[MSG_FROM_NAME] = from->name;
    }
    return SQ_OK;
}

static enum sq_err read_mail(const struct field_at *at, struct message *m)
{
    struct address to, from;
    enum sq_err err = field_mailbox(at, "emailTo", m, &to);

    if (!err)
        err = field_mailbox(at, "emailFrom", m, &from);
    if (!err)
        err = keep_mail(at, m, &to, &from);
    if (!err)
        err = field_copies(at, "emailCc", m, MSG_CC);
    if (!err)
        err = field_copies(at, "emailBcc", m, MSG_BCC);
    return err;
}

/* --- forward --- */

static const struct field_text forward_texts[] = {
    {"messageId", 0, FIELD_ASCII, 512},
    {"emailMessageId", 0, FIELD_ASCII, 512},
    {"recipientContactId", 0, FIELD_IDENT, FIELD_ID_MAX},
};

static const char *const forward_members[] = {
    "isForwarded", "forwardWholeThread", "messageId", "emailMessageId",
    "toEmail",     "recipientContactId", NULL,
};

/* toEmail joins emailTo; without either, the recipient is recipientContactId's address. */
static enum sq_err add_forward_recipient(const struct field_at *at, struct job *job,
                                         const char *contact)
{
    struct message *m = &job->message;
    struct address_list list = {.count = 0};
    struct address box;
    const char *before = m->text[MSG_TO] ? m->text[MSG_TO] : m->text[MSG_RECIPIENT];
    struct buf both = {.max = 0};
    enum sq_err err = field_mailbox(at, "toEmail", m, &box);

    if (err || !box.addr) {
        if (!err && contact && !m->text[MSG_RECIPIENT])
            job->recipient_contact = arena_strdup(&m->arena, contact);
        return err;
    }
    buf_adds(&both, before);
    buf_adds(&both, before ? ", " : "");
    address_print(&box, &both);
    err = address_parse_list(buf_str(&both), 2, &m->arena, &list, at->e);
    buf_free(&both);
    if (err)
        return err;
    recipient_set_list(m, &list);
    return SQ_OK;
}

static enum sq_err read_forward_fields(const struct field_at *at, bool *is_forwarded,
                                       const char *ids[COUNT(forward_texts)])
{
    bool whole_thread;
    enum sq_err err = field_check_known(at, forward_members);

    if (!err)
        err = field_bool(at, "isForwarded", is_forwarded);
    if (!err)
        err = field_bool(at, "forwardWholeThread", &whole_thread);
    for (unsigned i = 0; i < COUNT(forward_texts) && !err; i++)
        err = field_str(at, &forward_texts[i], &ids[i]);
    return err;
}

static enum sq_err read_forward(const struct field_at *at, struct job *job)
{
    struct field_at in = {NULL, "forward", at->limits, at->e};
    const char *ids[COUNT(forward_texts)] = {NULL};
    bool is_forwarded = true;
    enum sq_err err = field_object(at, "forward", false, &in.obj);

    if (err || !in.obj)
        return err;
    err = read_forward_fields(&in, &is_forwarded, ids);
    if (err || !is_forwarded)
        return err;
    if (!has_mail(job->message.channel))
        return refuse_for_channel(at, "forward", &job->message);
    if (!ids[0] && !ids[1])
        return field_fail(&in, SQ_ERR_INVALID, "messageId", "or emailMessageId is required");
    err = field_json(at, "forward", &job->message, MSG_FORWARD);
    return err ? err : add_forward_recipient(&in, job, ids[2]);
}

/* --- content --- */

/* The last segment of the URL's path, if it is a plain name: what the file is called. */
static const char *name_of_url(struct message *m, const char *url)
{
    const char *host = strstr(url, "://") + 3, *name;
    size_t end = strcspn(host, "?#"), start = end, len;

    while (start && host[start - 1] != '/')
        start--;
    name = host + start;
    len = end - start;
    if (!start || !len || len > 255 || memchr(name, '%', len) || strncmp(name, ".", len) == 0 ||
        strncmp(name, "..", len) == 0)
        return NULL;
    return arena_strndup(&m->arena, name, len);
}

/* URLs: files of a mail, media of anything else. */
static enum sq_err read_attachments(const struct field_at *at, struct message *m)
{
    static const struct field_text f = {"attachments", 0, FIELD_URL, FIELD_URL_MAX};
    struct str_list *media = &m->list[MSG_MEDIA];
    enum sq_err err = field_list(at, &f, m, MSG_MEDIA);

    if (err || m->channel != CHANNEL_EMAIL)
        return err;
    for (unsigned i = 0; i < media->count; i++) {
        struct attachment *a = message_attachment_add(m);

        a->url = media->items[i];
        a->filename = name_of_url(m, a->url);
    }
    *media = (struct str_list){NULL, 0};
    return SQ_OK;
}

static enum sq_err check_content(const struct field_at *at, const struct message *m)
{
    if (m->text[MSG_CONTENT] || m->text[MSG_HTML] || m->text[MSG_TEMPLATE_ID] ||
        m->text[MSG_FORWARD] || m->list[MSG_MEDIA].count || m->attachment_count)
        return SQ_OK;
    return field_fail(at, SQ_ERR_INVALID, "message",
                      has_mail(m->channel)
                          ? "is required, or html, attachments, templateId or forward"
                          : "is required, or attachments or templateId");
}

/* --- time --- */

/* Where in the period a contact's mails go: the first 8 bytes of the SHA-1 of the contact's id, as
 * a big-endian number, modulo the period in milliseconds. The same contact always gets the same
 * part of the period, and contacts are spread evenly over it. */
static int64_t spread(const char *contact, int64_t period_ms)
{
    uint8_t digest[20];
    uint64_t n = 0;

    crypto_sha1(contact, strlen(contact), digest);
    for (unsigned i = 0; i < 8; i++)
        n = n << 8 | digest[i];
    return (int64_t)(n % (uint64_t)period_ms);
}

/* The period starts at scheduledTimestamp, or now. */
static enum sq_err read_times(const struct field_at *at, struct message *m)
{
    static const char *const choices[] = {"24h", "48h", "72h", NULL};
    int64_t start = m->queued_at, period;
    const char *hours;
    bool optimize = false;
    enum sq_err err = field_time(at, "scheduledTimestamp", &m->scheduled_at);

    if (!err)
        err = field_bool(at, "usesNativeSchedulingAi", &optimize);
    if (!err)
        err = read_choice(at, "optimizationPeriod", choices, "24h, 48h or 72h", &hours);
    if (err || !optimize)
        return err;
    if (!has_mail(m->channel))
        return refuse_for_channel(at, "usesNativeSchedulingAi", m);
    if (m->scheduled_at > start)
        start = m->scheduled_at;
    period = hours ? (hours[0] - '0') * 10 + (hours[1] - '0') : 24;
    m->scheduled_at = start + spread(m->text[MSG_CONTACT_ID], period * HOUR_MS);
    return SQ_OK;
}

/* --- parse --- */

static enum sq_err read_body(const struct field_at *at, struct job *job, struct buf *metadata)
{
    struct message *m = &job->message;
    enum sq_err err = read_type(at, m);

    if (!err)
        err = read_subtype(at, metadata);
    if (!err)
        err = read_status(at, metadata);
    if (!err)
        err = read_reply_mode(at);
    if (!err)
        err = field_texts(at, texts, COUNT(texts), m);
    if (!err)
        err = read_numbers(at, m, metadata);
    if (!err)
        err = read_mail(at, m);
    if (!err)
        err = read_forward(at, job);
    if (!err)
        err = read_attachments(at, m);
    if (!err)
        err = field_check_channel(at, m, names, COUNT(names));
    if (!err)
        err = check_content(at, m);
    if (!err)
        err = read_times(at, m);
    return err;
}

static enum sq_err keep_metadata(const struct field_at *at, struct buf *metadata, struct message *m)
{
    if (metadata->failed)
        return field_fail(at, SQ_ERR_INVALID, "subType", "must be at most %zu bytes",
                          FIELD_METADATA_MAX);
    if (metadata->len > 2) /* more than {} */
        message_set(m, MSG_METADATA, buf_str(metadata));
    return SQ_OK;
}

static enum sq_err parse(const cJSON *body, const struct job_limits *limits, struct job *job,
                         struct err_text *e)
{
    struct field_at at = {body, "", limits, e};
    struct message *m = &job->message;
    struct buf metadata = {.max = FIELD_METADATA_MAX};
    enum sq_err err = field_check_known(&at, members);

    json_open(&metadata, '{');
    if (!err)
        err = read_body(&at, job, &metadata);
    json_close(&metadata, '}');
    if (!err)
        err = keep_metadata(&at, &metadata, m);
    buf_free(&metadata);
    if (err)
        return err;
    if (!m->text[MSG_RECIPIENT] && !job->recipient_contact)
        job->recipient_contact = m->text[MSG_CONTACT_ID];
    job->needs_contact =
        job->recipient_contact || m->text[MSG_TEMPLATE_ID] || m->text[MSG_SUBTYPE_ID];
    return SQ_OK;
}

const struct format format_conversation = {
    .name = "conversation",
    .detect = detect,
    .parse = parse,
    .answer = conversation_answer,
    .hints = hints,
};

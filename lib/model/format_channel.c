/* The `channel` format: POST /v1/channels/send, one message over slack, teams, whatsapp, telegram
 * or email.
 *
 * The document prints its errors as a table of status and code without a shape; we answer
 * {"error":{"code","message","field"?},"status_code"}. */
#include "field.h"
#include "format.h"
#include "recipient.h"
#include "text.h"
#include "timefmt.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define MESSAGE_MAX 4096 /* characters */

static const char *const members[] = {
    "channel", "recipient", "message", "subject", "contact_id", "deal_id", "attachments", NULL,
};

static const char *const hints[] = {"channel", "recipient", NULL};

static const struct field_text channel_text = {"channel", 0, FIELD_REQUIRED | FIELD_LINE, 64};
static const struct field_text recipient_text = {"recipient", 0, FIELD_REQUIRED | FIELD_LINE, 512};

static const struct field_text texts[] = {
    {"message", MSG_CONTENT, FIELD_REQUIRED, MESSAGE_MAX},
    {"subject", MSG_SUBJECT, FIELD_SUBJECT, 0},
    {"contact_id", MSG_CONTACT_ID, FIELD_IDENT, FIELD_ID_MAX},
    {"deal_id", MSG_DEAL_ID, FIELD_IDENT, FIELD_ID_MAX},
};

static const struct field_name names[] = {{"subject", MSG_SUBJECT, 0}};

static const enum channel channels[] = {
    CHANNEL_SLACK, CHANNEL_TEAMS, CHANNEL_WHATSAPP, CHANNEL_TELEGRAM, CHANNEL_EMAIL,
};

static bool detect(const cJSON *body)
{
    return json_get(body, "channel") && json_get(body, "recipient");
}

/* --- parse --- */

static enum sq_err read_channel(const struct field_at *at, struct message *m)
{
    const char *name;
    enum sq_err err = field_str(at, &channel_text, &name);

    if (err)
        return err;
    for (unsigned i = 0; i < COUNT(channels); i++) {
        if (text_ieq(name, channel_name(channels[i]))) {
            m->channel = channels[i];
            return SQ_OK;
        }
    }
    return field_fail(at, SQ_ERR_INVALID, "channel",
                      "must be one of slack, teams, whatsapp, telegram, email");
}

static enum sq_err read_recipient(const struct field_at *at, struct message *m)
{
    struct err_text why;
    const char *s;
    enum sq_err err = field_str(at, &recipient_text, &s);

    if (err)
        return err;
    /* An address, not a mailbox: this document knows no display names. */
    if (address_check(m->channel, s, &why) || recipient_set(m, s, 1, &why))
        return field_fail(at, SQ_ERR_INVALID, "recipient", "%s", why.text);
    return SQ_OK;
}

static enum sq_err parse(const cJSON *body, const struct job_limits *limits, struct job *job,
                         struct err_text *e)
{
    struct field_at at = {body, "", limits, e};
    struct message *m = &job->message;
    enum sq_err err = field_check_known(&at, members);

    if (!err)
        err = read_channel(&at, m);
    if (!err)
        err = read_recipient(&at, m);
    if (!err)
        err = field_texts(&at, texts, COUNT(texts), m);
    if (!err)
        err = field_check_channel(&at, m, names, COUNT(names));
    if (!err && m->channel == CHANNEL_EMAIL && !m->text[MSG_SUBJECT])
        err = field_fail(&at, SQ_ERR_INVALID, "subject", "is required for email");
    if (!err)
        err = field_attachments(&at, "attachments", "url", m);
    return err;
}

/* --- answer --- */

static void answer_sent(const struct answer_in *in, struct buf *out)
{
    const struct message *m = in->message;
    const char *id = in->outcome ? in->outcome->provider_message_id : NULL;
    char at[TIME_TEXT];

    time_format_seconds(in->now_ms, at);
    json_open(out, '{');
    json_key(out, "data");
    json_open(out, '{');
    json_key_str(out, "id", text_is_empty(id) && m ? m->id : id);
    json_key_str(out, "channel", m ? channel_name(m->channel) : NULL);
    json_key_str(out, "status", "sent");
    json_key_str(out, "sent_at", at);
    json_close(out, '}');
    json_close(out, '}');
}

static void answer(const struct answer_in *in, struct buf *out)
{
    if (in->code == CODE_NONE)
        answer_sent(in, out);
    else
        answer_error(in, out);
}

const struct format format_channel = {
    .name = "channel",
    .detect = detect,
    .parse = parse,
    .answer = answer,
    .hints = hints,
};

/* The `email` format: POST /v1/email/send, one mail to one or several recipients.
 *
 * Several addresses in `to` are one mail that all of them see, counted once per recipient (cc and
 * bcc included) by the limits. */
#include "field.h"
#include "format.h"
#include "text.h"
#include "timefmt.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const char *const members[] = {
    "to",       "subject",    "body_html", "body_text", "cc",          "bcc",
    "reply_to", "contact_id", "deal_id",   "thread_id", "attachments", NULL,
};

static const char *const hints[] = {"body_html", "body_text", NULL};

static const struct field_text texts[] = {
    {"subject", MSG_SUBJECT, FIELD_REQUIRED | FIELD_SUBJECT, 0},
    {"body_html", MSG_HTML, FIELD_CONTENT, 0},
    {"body_text", MSG_CONTENT, FIELD_CONTENT, 0},
    {"contact_id", MSG_CONTACT_ID, FIELD_IDENT, FIELD_ID_MAX},
    {"deal_id", MSG_DEAL_ID, FIELD_IDENT, FIELD_ID_MAX},
    {"thread_id", MSG_THREAD_ID, FIELD_ASCII, 512},
};

static bool detect(const cJSON *body)
{
    return json_get(body, "to") != NULL;
}

/* --- parse --- */

static enum sq_err read_reply_to(const struct field_at *at, struct message *m)
{
    struct buf text = {.max = 0};
    struct address box;
    enum sq_err err = field_mailbox(at, "reply_to", m, &box);

    if (err || !box.addr)
        return err;
    address_print(&box, &text);
    message_set(m, MSG_REPLY_TO, buf_str(&text));
    buf_free(&text);
    return SQ_OK;
}

static enum sq_err read_addresses(const struct field_at *at, struct message *m)
{
    enum sq_err err = field_recipients(at, "to", m);

    if (!err)
        err = field_copies(at, "cc", m, MSG_CC);
    if (!err)
        err = field_copies(at, "bcc", m, MSG_BCC);
    if (!err)
        err = read_reply_to(at, m);
    return err;
}

static enum sq_err parse(const cJSON *body, const struct job_limits *limits, struct job *job,
                         struct err_text *e)
{
    struct field_at at = {body, "", limits, e};
    struct message *m = &job->message;
    enum sq_err err = field_check_known(&at, members);

    m->channel = CHANNEL_EMAIL;
    if (!err)
        err = read_addresses(&at, m);
    if (!err)
        err = field_texts(&at, texts, COUNT(texts), m);
    if (!err && !m->text[MSG_HTML] && !m->text[MSG_CONTENT])
        err = field_fail(&at, SQ_ERR_INVALID, "body_html", "or body_text is required");
    if (!err)
        err = field_attachments(&at, "attachments", "storage_path", m);
    return err;
}

/* --- answer --- */

/* The first of two texts that says something. */
static const char *either(const char *a, const char *b)
{
    return text_is_empty(a) ? b : a;
}

/* A provider that knows no threads begins one with each mail that names none. */
static void answer_sent(const struct answer_in *in, struct buf *out)
{
    const struct message *m = in->message;
    const struct outcome *o = in->outcome;
    const char *id = either(o ? o->provider_message_id : NULL, m ? m->id : NULL);
    const char *thread = either(o ? o->thread_id : NULL, m ? m->text[MSG_THREAD_ID] : NULL);
    char at[TIME_TEXT];

    time_format_seconds(in->now_ms, at);
    json_open(out, '{');
    json_key(out, "data");
    json_open(out, '{');
    json_key_str(out, "id", id);
    json_key_str(out, "thread_id", either(thread, id));
    json_key_str(out, "provider", in->provider);
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

const struct format format_email = {
    .name = "email",
    .detect = detect,
    .parse = parse,
    .answer = answer,
    .hints = hints,
};

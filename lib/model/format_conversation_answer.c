/* The `conversation` format's answers.
 *
 * messageId is the message's own id, emailMessageId the one that the mail provider gave (for
 * replies), conversationId the contact's: a conversation is all that is said with one contact. A
 * channel that sends several messages for one gives their ids with commas between them, and
 * messageIds lists them. `status` is "delivered", the document's word for a message that went out.
 */
#include "format_conversation.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <string.h>

static void copy_member(struct buf *out, const cJSON *from, const char *name, const char *as)
{
    const cJSON *j = json_get(from, name);

    if (!j || cJSON_IsNull(j))
        return;
    json_key(out, as);
    json_print(j, out);
}

/* The request's forward object in the words of the answer. */
static void add_forward(struct buf *out, const char *forward)
{
    struct json_limits caps = {.max_bytes = (size_t)1 << 20};
    cJSON *j = NULL;

    if (!forward || json_parse(forward, strlen(forward), &caps, &j, NULL))
        return;
    json_key(out, "forwardData");
    json_open(out, '{');
    copy_member(out, j, "forwardWholeThread", "forwardWholeThread");
    copy_member(out, j, "messageId", "messageId");
    copy_member(out, j, "emailMessageId", "emailMessageId");
    copy_member(out, j, "toEmail", "forwardToEmail");
    copy_member(out, j, "recipientContactId", "recipientContactId");
    json_close(out, '}');
    json_free(j);
}

static void add_ids(struct buf *out, const char *ids)
{
    json_key(out, "messageIds");
    json_open(out, '[');
    while (*ids) {
        size_t n = strcspn(ids, ",");

        if (n)
            json_val_strn(out, ids, n);
        ids += n + (ids[n] == ',');
    }
    json_close(out, ']');
}

static void answer_sent(const struct answer_in *in, struct buf *out)
{
    const struct message *m = in->message;
    const char *id = in->outcome ? in->outcome->provider_message_id : "";
    bool email = m && m->channel == CHANNEL_EMAIL;

    json_open(out, '{');
    json_key_str(out, "conversationId", m ? m->text[MSG_CONTACT_ID] : NULL);
    if (email)
        json_key_str(out, "emailMessageId", *id ? id : m->id);
    json_key_str(out, "messageId", m ? m->id : NULL);
    if (!email && strchr(id, ','))
        add_ids(out, id);
    json_key_str(out, "msg", "Message queued successfully.");
    add_forward(out, m ? m->text[MSG_FORWARD] : NULL);
    json_key_str(out, "status", "delivered");
    json_close(out, '}');
}

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {409, "Conflict"},
        {413, "Payload Too Large"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
    };

    for (unsigned i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Bad Gateway";
}

/* A body that breaks a field's rule is 422 with a list of messages; all else has one message. */
static void answer_failed(const struct answer_in *in, struct buf *out)
{
    bool refused = in->error && in->error->text[0];
    bool field = in->code == CODE_VALIDATION_ERROR && refused && in->error->field[0];
    int status = field ? 422 : error_code_status(in->code);
    const char *text = refused ? in->error->text : answer_text(in);

    json_open(out, '{');
    json_key_int(out, "statusCode", status);
    json_key(out, "message");
    if (field)
        json_open(out, '[');
    json_val_str(out, text);
    if (field)
        json_close(out, ']');
    json_key_str(out, "error", reason_phrase(status));
    json_key_int(out, "status_code", status);
    json_close(out, '}');
}

void conversation_answer(const struct answer_in *in, struct buf *out)
{
    if (in->code == CODE_NONE)
        answer_sent(in, out);
    else
        answer_failed(in, out);
}

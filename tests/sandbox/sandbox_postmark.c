/* Postmark: POST /postmark/email as its swagger document has it: recipients are texts, errors are
 * {"ErrorCode","Message"} with 422. A recipient that holds "inactive" is suppressed (406). */
#include "dialect.h"
#include "shape.h"

#include "crypto.h"
#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define RECIPIENTS_MAX 50

static void postmark_error(struct exchange *x, int status, int code, const char *message)
{
    struct buf *out = exchange_begin(x, status);

    json_key_int(out, "ErrorCode", code);
    json_key_str(out, "Message", message);
    exchange_end(x);
}

/* How many addresses a list holds; commas within quotes are none. */
static unsigned count_addresses(const char *list)
{
    bool quoted = false;
    unsigned n = 0;

    for (const char *p = list; p && *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (*p == '@' && !quoted)
            n++;
    }
    return n;
}

static bool attachments_are_good(const cJSON *list)
{
    static const char *const members[] = {"Name", "Content", "ContentType", "ContentID", NULL};
    const cJSON *a;
    size_t bytes;

    cJSON_ArrayForEach(a, list)
    {
        const char *content = json_str(a, "Content");

        if (shape_unknown(a, members) || !content || text_is_empty(json_str(a, "Name")) ||
            text_is_empty(json_str(a, "ContentType")) ||
            !base64_check(content, strlen(content), &bytes))
            return false;
    }
    return true;
}

static bool headers_are_good(const cJSON *list)
{
    const cJSON *h;

    cJSON_ArrayForEach(h, list)
    {
        if (text_is_empty(json_str(h, "Name")) || text_has_crlf(json_str(h, "Name")) ||
            !json_str(h, "Value") || text_has_crlf(json_str(h, "Value")))
            return false;
    }
    return true;
}

static const char *mail_fault(const cJSON *mail)
{
    static const char *const members[] = {
        "From",        "To",      "Cc",  "Bcc",        "Subject",    "TextBody", "HtmlBody",
        "ReplyTo",     "Headers", "Tag", "TrackOpens", "TrackLinks", "Metadata", "MessageStream",
        "Attachments", NULL};
    unsigned n = count_addresses(json_str(mail, "To")) + count_addresses(json_str(mail, "Cc")) +
                 count_addresses(json_str(mail, "Bcc"));

    if (shape_unknown(mail, members))
        return shape_unknown(mail, members);
    if (count_addresses(json_str(mail, "From")) != 1)
        return "Invalid 'From' address.";
    if (n == 0 || n > RECIPIENTS_MAX)
        return "Zero recipients specified, or more than 50.";
    if (!json_str(mail, "TextBody") && !json_str(mail, "HtmlBody"))
        return "Provide either email TextBody or HtmlBody or both.";
    if (!headers_are_good(json_get(mail, "Headers")))
        return "Invalid 'Headers'.";
    return attachments_are_good(json_get(mail, "Attachments")) ? NULL : "Invalid 'Attachments'.";
}

static void answer_mail(struct exchange *x, const cJSON *mail)
{
    struct buf *out;
    char id[64];

    if (strstr(json_str(mail, "To"), "inactive")) {
        postmark_error(x, 422, 406,
                       "You tried to send to a recipient that has been marked as "
                       "inactive.");
        return;
    }
    out = exchange_begin(x, 200);
    snprintf(id, sizeof(id), "b7bc2f4a-e38e-4336-af7d-%012llx",
             (unsigned long long)exchange_serial(x));
    json_key_str(out, "To", json_str(mail, "To"));
    json_key_str(out, "SubmittedAt", "2014-02-17T07:25:01.4178645-05:00");
    json_key_str(out, "MessageID", id);
    json_key_int(out, "ErrorCode", 0);
    json_key_str(out, "Message", "OK");
    exchange_end(x);
}

static void postmark_read(struct exchange *x)
{
    const cJSON *mail = exchange_json(x);
    const char *to = json_str(mail, "To"), *angle = to ? strchr(to, '<') : NULL;
    char address[512];

    record_set_id(x->record, json_str(json_get(mail, "Metadata"), "sendq_id"));
    snprintf(address, sizeof(address), "%s", angle ? angle + 1 : to ? to : "");
    address[strcspn(address, ">,")] = '\0';
    record_set_recipient(x->record, address);
}

static void postmark_answer(struct exchange *x)
{
    const cJSON *mail = exchange_json(x);

    if (strcmp(x->path, "/email") != 0 || !exchange_is(x, "POST"))
        postmark_error(x, 404, 0, "not found");
    else if (!credential_is_good(record_header(x->record, "x-postmark-server-token")))
        postmark_error(x, 401, 10,
                       "The Server Token you provided in the X-Postmark-Server-Token "
                       "request header was invalid.");
    else if (!text_eq(record_header(x->record, "accept"), "application/json") ||
             !exchange_has_type(x, "application/json"))
        postmark_error(x, 422, 409, "The 'Accept' or 'Content-Type' header is not set properly.");
    else if (!cJSON_IsObject(mail))
        postmark_error(x, 422, 402, "Invalid JSON.");
    else if (mail_fault(mail))
        postmark_error(x, 422, 300, mail_fault(mail));
    else
        answer_mail(x, mail);
}

const struct dialect dialect_postmark = {
    .name = "postmark",
    .prefix = "/postmark",
    .read = postmark_read,
    .answer = postmark_answer,
};

/* Amazon SES v2: POST /ses/v2/email/outbound-emails as its API reference has it; errors are named
 * in the header x-amzn-ErrorType. The signature's form is checked, its value by the test. */
#include "dialect.h"
#include "shape.h"

#include "crypto.h"
#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define RECIPIENTS_MAX 50

static void ses_error(struct exchange *x, int status, const char *type, const char *message)
{
    struct buf *out = exchange_begin(x, status);

    exchange_header(x, "x-amzn-ErrorType", type);
    json_key_str(out, "message", message);
    exchange_end(x);
}

static bool is_signed(const struct exchange *x)
{
    const char *value = record_header(x->record, "authorization");
    const char *names = value ? strstr(value, "SignedHeaders=") : NULL;
    const char *signature = value ? strstr(value, "Signature=") : NULL;

    if (!value || !text_starts(value, "AWS4-HMAC-SHA256 Credential=") || !names || !signature)
        return false;
    if (!strstr(value, "/ses/aws4_request,") || !strstr(names, "host;x-amz-date"))
        return false;
    return strspn(signature + 10, "0123456789abcdef") == 64 && credential_is_good(value) &&
           record_header(x->record, "x-amz-date") != NULL;
}

static unsigned count_boxes(const cJSON *list, bool *good)
{
    const cJSON *item;
    unsigned n = 0;

    cJSON_ArrayForEach(item, list)
    {
        const char *s = cJSON_IsString(item) ? item->valuestring : "";

        for (const char *p = s; *p; p++)
            *good = *good && (unsigned char)*p < 0x80;
        *good = *good && strchr(s, '@') && !text_has_crlf(s);
        n++;
    }
    return n;
}

static bool attachments_are_good(const cJSON *list)
{
    static const char *const members[] = {
        "FileName",  "RawContent",  "ContentDescription",      "ContentDisposition",
        "ContentId", "ContentType", "ContentTransferEncoding", NULL};
    const cJSON *a;
    size_t bytes;

    cJSON_ArrayForEach(a, list)
    {
        const char *content = json_str(a, "RawContent");
        const char *disposition = json_str(a, "ContentDisposition");

        if (shape_unknown(a, members) || !content || text_is_empty(json_str(a, "FileName")) ||
            strlen(json_str(a, "FileName")) > 255 ||
            !base64_check(content, strlen(content), &bytes))
            return false;
        if (disposition && strcmp(disposition, "ATTACHMENT") != 0 &&
            strcmp(disposition, "INLINE") != 0)
            return false;
    }
    return true;
}

static const char *content_fault(const cJSON *simple)
{
    static const char *const members[] = {"Subject", "Body", "Headers", "Attachments", NULL};
    const cJSON *body = json_get(simple, "Body");

    if (!cJSON_IsObject(simple) || shape_unknown(simple, members))
        return "Content";
    if (!json_str(json_get(simple, "Subject"), "Data"))
        return "Subject";
    if (!json_str(json_get(body, "Text"), "Data") && !json_str(json_get(body, "Html"), "Data"))
        return "Body";
    return attachments_are_good(json_get(simple, "Attachments")) ? NULL : "Attachments";
}

static const char *mail_fault(const cJSON *mail)
{
    static const char *const members[] = {
        "FromEmailAddress",     "Destination", "ReplyToAddresses", "Content", "EmailTags",
        "ConfigurationSetName", NULL};
    const cJSON *to = json_get(mail, "Destination");
    bool good = true;
    unsigned n = count_boxes(json_get(to, "ToAddresses"), &good) +
                 count_boxes(json_get(to, "CcAddresses"), &good) +
                 count_boxes(json_get(to, "BccAddresses"), &good);

    if (shape_unknown(mail, members))
        return shape_unknown(mail, members);
    if (text_is_empty(json_str(mail, "FromEmailAddress")))
        return "FromEmailAddress";
    if (!good || n == 0 || n > RECIPIENTS_MAX)
        return "Destination";
    return content_fault(json_get(json_get(mail, "Content"), "Simple"));
}

static void ses_read(struct exchange *x)
{
    const cJSON *mail = exchange_json(x), *tag;
    const cJSON *to = cJSON_GetArrayItem(json_get(json_get(mail, "Destination"), "ToAddresses"), 0);
    const char *angle;
    char address[512];

    cJSON_ArrayForEach(tag, json_get(mail, "EmailTags"))
    {
        if (text_eq(json_str(tag, "Name"), "sendq_id"))
            record_set_id(x->record, json_str(tag, "Value"));
    }
    if (!cJSON_IsString(to))
        return;
    angle = strrchr(to->valuestring, '<');
    snprintf(address, sizeof(address), "%s", angle ? angle + 1 : to->valuestring);
    address[strcspn(address, ">")] = '\0';
    record_set_recipient(x->record, address);
}

static void ses_answer(struct exchange *x)
{
    const cJSON *mail = exchange_json(x);
    struct buf *out;
    char id[64];

    if (strcmp(x->path, "/v2/email/outbound-emails") != 0 || !exchange_is(x, "POST"))
        ses_error(x, 404, "UnknownOperationException", "");
    else if (!is_signed(x))
        ses_error(x, 403, "InvalidSignatureException:http://internal.amazon.com/coral/",
                  "The request signature we calculated does not match.");
    else if (!cJSON_IsObject(mail))
        ses_error(x, 400, "SerializationException", "no JSON");
    else if (mail_fault(mail))
        ses_error(x, 400, "BadRequestException", mail_fault(mail));
    else {
        out = exchange_begin(x, 200);
        snprintf(id, sizeof(id), "010001872e4c-%08llx-000000",
                 (unsigned long long)exchange_serial(x));
        json_key_str(out, "MessageId", id);
        exchange_end(x);
    }
}

const struct dialect dialect_ses = {
    .name = "ses",
    .prefix = "/ses",
    .read = ses_read,
    .answer = ses_answer,
};

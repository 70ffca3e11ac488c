/* Twilio Messages: POST /twilio/2010-04-01/Accounts/{sid}/Messages.json with Basic credentials
 * and a form; 201 with the message resource, errors as {"code","message","more_info","status"}.
 * The numbers that Twilio's test credentials give a meaning have it here too. */
#include "dialect.h"

#include "json.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BODY_MAX 1600 /* characters */
#define MEDIA_MAX 10
#define SID_LEN 34

struct magic {
    const char *number;
    int status, code;
    const char *message;
};

/* From "Test Credentials" of Twilio's documentation. */
static const struct magic magic_to[] = {
    {"+15005550001", 400, 21211, "The 'To' number is not a valid phone number."},
    {"+15005550002", 400, 21612, "The 'To' number is not currently reachable."},
    {"+15005550003", 400, 21408, "Permission to send to this region is not enabled."},
    {"+15005550004", 400, 21610, "Attempt to send to an unsubscribed recipient."},
    {"+15005550009", 400, 21614, "The 'To' number is not a valid mobile number."},
};
static const struct magic magic_from[] = {
    {"+15005550001", 400, 21212, "The 'From' number is not a valid phone number."},
    {"+15005550007", 400, 21606, "The 'From' number is not owned by this account."},
    {"+15005550008", 429, 21611, "The 'From' number's message queue is full."},
};

static void twilio_error(struct exchange *x, int status, int code, const char *message)
{
    struct buf *out = exchange_begin(x, status);
    char url[64];

    snprintf(url, sizeof(url), "https://www.twilio.com/docs/errors/%d", code);
    json_key_int(out, "code", code);
    json_key_str(out, "message", message);
    json_key_str(out, "more_info", url);
    json_key_int(out, "status", status);
    exchange_end(x);
}

static bool is_sid(const char *s, const char *prefix)
{
    if (strlen(s) != SID_LEN || !text_starts(s, prefix))
        return false;
    return strspn(s + 2, "0123456789abcdefABCDEF") == SID_LEN - 2;
}

static bool is_e164(const char *s)
{
    size_t digits = s[0] == '+' ? strspn(s + 1, "0123456789") : 0;

    return digits >= 2 && digits <= 15 && s[1] != '0' && s[1 + digits] == '\0';
}

/* "whatsapp:" of "whatsapp:+15552229999": how many bytes; 0 for a plain number. */
static size_t channel_len(const char *address)
{
    static const char *const channels[] = {"whatsapp:", "rcs:", "messenger:"};

    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
        if (text_starts(address, channels[i]))
            return strlen(channels[i]);
    }
    return 0;
}

static bool is_to(const char *s)
{
    size_t channel = channel_len(s);

    if (text_starts(s, "messenger:"))
        return s[channel] != '\0';
    return is_e164(s + channel);
}

/* A sender is a number, a channel address, a short code, or up to 11 letters and digits. */
static bool is_from(const char *s)
{
    size_t channel = channel_len(s), len = strlen(s), digits = strspn(s, "0123456789"), i;

    if (channel > 0)
        return s[channel] != '\0';
    if (is_e164(s))
        return true;
    if (digits == len)
        return len == 5 || len == 6;
    for (i = 0; i < len && (isalnum((unsigned char)s[i]) || strchr(" +-_&", s[i])); i++)
        ;
    return len <= 11 && i == len && s[0] != '+';
}

static bool is_url(const char *s)
{
    return (text_starts(s, "http://") || text_starts(s, "https://")) && !strpbrk(s, " \r\n\t");
}

static bool hit_magic(struct exchange *x, const struct magic *m, size_t count, const char *number)
{
    for (size_t i = 0; number && i < count; i++) {
        if (strcmp(number, m[i].number) == 0) {
            twilio_error(x, m[i].status, m[i].code, m[i].message);
            return true;
        }
    }
    return false;
}

static const char *field(const struct form *f, const char *name)
{
    const char *value = f ? form_get(f, name) : NULL;

    return value && value[0] != '\0' ? value : NULL;
}

/* The account's sid in "/2010-04-01/Accounts/{sid}/Messages.json"; false if it is another path. */
static bool read_path(const struct exchange *x, char sid[SID_LEN + 1])
{
    static const char head[] = "/2010-04-01/Accounts/";
    const char *s = x->path;

    if (!text_starts(s, head) || strcspn(s + sizeof(head) - 1, "/") != SID_LEN)
        return false;
    snprintf(sid, SID_LEN + 1, "%s", s + sizeof(head) - 1);
    return is_sid(sid, "AC") && strcmp(s + sizeof(head) - 1 + SID_LEN, "/Messages.json") == 0;
}

/* The account's own token, or an API key (SK...) of it. */
static bool is_authentic(const struct exchange *x, const char *sid)
{
    struct buf user = {.max = 4096};
    const char *password;
    bool good = exchange_basic(x, &user, &password) &&
                (strcmp(user.data, sid) == 0 || is_sid(user.data, "SK")) &&
                credential_is_good(password);

    buf_free(&user);
    return good;
}

static bool check_to(struct exchange *x, const struct form *f)
{
    const char *to = field(f, "To");

    if (!to)
        twilio_error(x, 400, 21604, "A 'To' phone number is required.");
    else if (hit_magic(x, magic_to, sizeof(magic_to) / sizeof(magic_to[0]), to))
        return false;
    else if (!is_to(to))
        twilio_error(x, 400, 21211, "The 'To' number is not a valid phone number.");
    else
        return true;
    return false;
}

static bool check_from(struct exchange *x, const struct form *f)
{
    const char *from = field(f, "From"), *service = field(f, "MessagingServiceSid");
    const char *to = field(f, "To");

    if (!from && !service)
        twilio_error(x, 400, 21603, "A 'From' phone number is required.");
    else if (service && !is_sid(service, "MG"))
        twilio_error(x, 400, 21705, "The Messaging Service Sid is invalid.");
    else if (hit_magic(x, magic_from, sizeof(magic_from) / sizeof(magic_from[0]), from))
        return false;
    else if (from && !is_from(from))
        twilio_error(x, 400, 21212, "The 'From' number is not a valid phone number.");
    else if (from && (channel_len(from) != channel_len(to)) &&
             (text_starts(from, "whatsapp:") || text_starts(to, "whatsapp:")))
        twilio_error(x, 400, 21910, "'From' and 'To' must be of the same channel.");
    else
        return true;
    return false;
}

static bool has_bad_media(const struct form *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->fields[i].name, "MediaUrl") == 0 && !is_url(f->fields[i].value))
            return true;
    }
    return false;
}

static bool is_json_object(const char *s)
{
    struct err_text e;
    cJSON *j = NULL;
    bool good = !json_parse(s, strlen(s), NULL, &j, &e) && cJSON_IsObject(j);

    json_free(j);
    return good;
}

static bool check_content(struct exchange *x, const struct form *f)
{
    const char *body = field(f, "Body"), *content = field(f, "ContentSid");
    const char *variables = field(f, "ContentVariables");

    if (!body && !content && form_count(f, "MediaUrl") == 0)
        twilio_error(x, 400, 21602, "Message body is required.");
    else if (body && !text_is_utf8(body, strlen(body)))
        twilio_error(x, 400, 21602, "Message body is not UTF-8.");
    else if (body && text_chars(body) > BODY_MAX)
        twilio_error(x, 400, 21617, "The message body exceeds the 1600 character limit.");
    else if (form_count(f, "MediaUrl") > MEDIA_MAX)
        twilio_error(x, 400, 21623, "The number of media files exceeds the limit of 10.");
    else if (has_bad_media(f))
        twilio_error(x, 400, 21620, "Invalid media URL(s).");
    else if (content && !is_sid(content, "HX"))
        twilio_error(x, 400, 21655, "The ContentSid is invalid.");
    else if (variables && (!content || !is_json_object(variables)))
        twilio_error(x, 400, 21656, "The ContentVariables parameter is invalid.");
    else
        return true;
    return false;
}

/* Parameters whose rules the document states without naming a code: 20001 stands for all. */
static bool check_options(struct exchange *x, const struct form *f)
{
    const char *validity = field(f, "ValidityPeriod"), *type = field(f, "ScheduleType");
    const char *service = field(f, "MessagingServiceSid");
    int64_t seconds = 1;

    if (validity && (text_to_i64(validity, &seconds) || seconds < 1 || seconds > 36000))
        twilio_error(x, 400, 20001, "ValidityPeriod must be an integer from 1 to 36000.");
    else if (type && strcmp(type, "fixed") != 0)
        twilio_error(x, 400, 20001, "ScheduleType must be fixed.");
    else if (!type != !field(f, "SendAt"))
        twilio_error(x, 400, 20001, "ScheduleType and SendAt go together.");
    else if (type && !service)
        twilio_error(x, 400, 20001, "Scheduling needs a MessagingServiceSid.");
    else if (field(f, "FallbackFrom") && !service)
        twilio_error(x, 400, 21664, "FallbackFrom needs a MessagingServiceSid.");
    else if (field(f, "StatusCallback") && !is_url(field(f, "StatusCallback")))
        twilio_error(x, 400, 21609, "The 'StatusCallback' URL is not valid.");
    else
        return true;
    return false;
}

/* Segments by the rule of the Body parameter. The GSM alphabet is taken to be ASCII: a test
 * double need not know its few letters beyond that. */
static unsigned segments(const char *body)
{
    size_t chars = text_chars(body), single = 160, part = 153;

    for (const char *s = body; *s; s++) {
        if ((unsigned char)*s >= 0x80) {
            single = 70;
            part = 67;
        }
    }
    return chars <= single ? 1 : (unsigned)((chars + part - 1) / part);
}

static void print_dates(struct buf *out, int64_t wall_us)
{
    time_t now = (time_t)(wall_us / 1000000);
    struct tm tm;
    char text[64];

    gmtime_r(&now, &tm);
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    json_key_str(out, "date_created", text);
    json_key_str(out, "date_sent", NULL);
    json_key_str(out, "date_updated", text);
}

static void print_uris(struct buf *out, const char *sid, const char *message)
{
    char uri[160];

    snprintf(uri, sizeof(uri), "/2010-04-01/Accounts/%s/Messages/%s.json", sid, message);
    json_key_str(out, "uri", uri);
    snprintf(uri, sizeof(uri), "/2010-04-01/Accounts/%s/Messages/%s/Media.json", sid, message);
    json_key(out, "subresource_uris");
    json_open(out, '{');
    json_key_str(out, "media", uri);
    json_close(out, '}');
}

static void print_counts(struct buf *out, const struct form *f, bool pooled)
{
    const char *body = field(f, "Body");
    char text[16];

    snprintf(text, sizeof(text), "%zu", form_count(f, "MediaUrl"));
    json_key_str(out, "num_media", text);
    /* With a messaging service no sender is assigned yet, hence no segments. */
    snprintf(text, sizeof(text), "%u", pooled ? 0 : segments(body ? body : ""));
    json_key_str(out, "num_segments", text);
}

static void answer_message(struct exchange *x, const struct form *f, const char *sid)
{
    const char *from = field(f, "From"), *service = field(f, "MessagingServiceSid");
    const char *body = field(f, "Body");
    bool media = form_count(f, "MediaUrl") > 0, pooled = service && !from;
    struct buf *out = exchange_begin(x, 201);
    char message[SID_LEN + 1];

    snprintf(message, sizeof(message), "%s%032llx", media ? "MM" : "SM",
             (unsigned long long)exchange_serial(x));
    json_key_str(out, "account_sid", sid);
    json_key_str(out, "api_version", "2010-04-01");
    json_key_str(out, "body", body ? body : "");
    print_dates(out, x->record->wall_us);
    json_key_str(out, "direction", "outbound-api");
    json_key_str(out, "error_code", NULL);
    json_key_str(out, "error_message", NULL);
    json_key_str(out, "from", from);
    json_key_str(out, "messaging_service_sid", service);
    print_counts(out, f, pooled);
    json_key_str(out, "price", NULL);
    json_key_str(out, "price_unit", NULL);
    json_key_str(out, "sid", message);
    json_key_str(out, "status", field(f, "SendAt") ? "scheduled" : pooled ? "accepted" : "queued");
    json_key_str(out, "to", field(f, "To"));
    print_uris(out, sid, message);
    exchange_end(x);
}

static void twilio_read(struct exchange *x)
{
    /* The API carries no identity of the client's: the recipient stands for it. */
    record_set_recipient(x->record, field(exchange_form(x), "To"));
}

static void twilio_answer(struct exchange *x)
{
    static const struct form empty = {0};
    const struct form *f = exchange_form(x);
    char sid[SID_LEN + 1];

    if (!f || !exchange_has_type(x, "application/x-www-form-urlencoded"))
        f = &empty; /* as if no parameter was given */
    if (!read_path(x, sid))
        twilio_error(x, 404, 20404, "The requested resource was not found");
    else if (!exchange_is(x, "POST"))
        twilio_error(x, 405, 20004, "Method not allowed");
    else if (!is_authentic(x, sid))
        twilio_error(x, 401, 20003, "Authenticate");
    else if (check_to(x, f) && check_from(x, f) && check_content(x, f) && check_options(x, f))
        answer_message(x, f, sid);
}

const struct dialect dialect_twilio = {
    .name = "twilio",
    .prefix = "/twilio",
    .read = twilio_read,
    .answer = twilio_answer,
};

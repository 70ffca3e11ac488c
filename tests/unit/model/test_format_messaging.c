/* The messaging format: the document's examples, and every rule of a body. */
#include "model_test.h"

#include "job.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795252211123)
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X256 X64 X64 X64 X64
#define IDENT "must hold only letters, digits and . _ : -"
#define CONTROL "must not hold control characters"
#define URL "must be an http or https URL"
#define PRIORITIES "must be HIGH, NORMAL or LOW, or 1, 2 or 3"
#define E164 "must be an E.164 number like +14155550100"

/* Bodies in short: what stands in message_data, and what beside it. */
#define DATA(data) "{\"message_data\":{" data "}}"
#define MAIL(data) DATA("\"recipient\":\"a@example.com\",\"subject\":\"S\",\"content\":\"C\"" data)
#define ROOT(root)                                                                                 \
    "{\"message_data\":{\"recipient\":\"a@example.com\",\"subject\":\"S\",\"content\":\"C\"}"      \
    "," root "}"
#define TO(type, recipient)                                                                        \
    "{\"sender_type\":\"" type "\",\"message_data\":{\"recipient\":\"" recipient                   \
    "\",\"content\":\"C\"}}"

static enum sq_err parse(const char *raw, struct job *j, struct err_text *e)
{
    return job_parse(raw, strlen(raw), PRIORITY_NORMAL, NOW, NULL, j, e);
}

static void parse_ok(const char *raw, struct job *j)
{
    struct err_text e = {.text = ""};

    if (parse(raw, j, &e) != SQ_OK)
        fail_msg("%s: %s", raw, e.text);
}

static void read_data(const char *name, char *ret, size_t size)
{
    char path[1024];
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", TEST_DATA_DIR, name);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(ret, 1, size - 1, f);
    ret[n] = 0;
    fclose(f);
}

/* --- the document's examples, as they stand --- */

static void test_email_example(void **state)
{
    char raw[4096];
    struct job j;

    (void)state;
    read_data("messaging_email.json", raw, sizeof raw);
    parse_ok(raw, &j);
    assert_int_equal(j.message.channel, CHANNEL_EMAIL);
    assert_int_equal(j.message.type, TYPE_TRANSACTIONAL);
    assert_int_equal(j.message.priority, PRIORITY_HIGH);
    assert_string_equal(j.message.text[MSG_RECIPIENT], "customer@example.com");
    assert_string_equal(j.message.text[MSG_SUBJECT], "Welcome to our service!");
    assert_string_equal(j.message.text[MSG_CONTENT], "Thank you for signing up.");
    assert_string_equal(j.message.text[MSG_HTML],
                        "<h1>Welcome!</h1><p>Thank you for signing up.</p>");
    assert_string_equal(j.message.text[MSG_FROM_NAME], "Acme Support Team");
    assert_null(j.message.text[MSG_FROM]);
    assert_null(j.message.text[MSG_SENDER]);
    job_clear(&j);
}

static void test_sms_example(void **state)
{
    char raw[4096];
    struct job j;

    (void)state;
    read_data("messaging_sms.json", raw, sizeof raw);
    parse_ok(raw, &j);
    assert_int_equal(j.message.channel, CHANNEL_SMS);
    assert_int_equal(j.message.type, TYPE_TRANSACTIONAL);
    assert_int_equal(j.message.priority, PRIORITY_NORMAL);
    assert_string_equal(j.message.text[MSG_RECIPIENT], "+1234567890");
    assert_string_equal(j.message.text[MSG_SENDER], "825b8057-c85f-44a9-9e9f-6e7d7389ecfc");
    assert_string_equal(j.message.text[MSG_CONTACT_ID], "11111111-0001-0001-0001-000000000001");
    assert_string_equal(j.message.text[MSG_METADATA],
                        "{\"campaign_id\":\"spring_promo\",\"sent_by\":\"SMS Test\"}");
    job_clear(&j);
}

static void test_instagram_example(void **state)
{
    char raw[4096];
    struct job j;

    (void)state;
    read_data("messaging_instagram.json", raw, sizeof raw);
    parse_ok(raw, &j);
    assert_int_equal(j.message.channel, CHANNEL_INSTAGRAM);
    assert_string_equal(j.message.text[MSG_RECIPIENT], "1234567890123456");
    assert_int_equal(j.message.list[MSG_MEDIA].count, 1);
    assert_string_equal(j.message.list[MSG_MEDIA].items[0], "https://example.com/promo.jpg");
    job_clear(&j);
}

static void test_bulk_example_is_told_apart(void **state)
{
    char raw[4096];
    struct err_text e;
    struct job j;

    (void)state;
    read_data("messaging_bulk_ids.json", raw, sizeof raw);
    assert_int_equal(parse(raw, &j, &e), SQ_OK);
    assert_true(j.is_bulk);
    assert_non_null(j.selection);
    assert_null(j.message.text[MSG_RECIPIENT]);
    job_clear(&j);
}

/* --- what goes right --- */

static const struct {
    const char *raw;
    enum channel channel;
} channel_cases[] = {
    {MAIL(""), CHANNEL_EMAIL},
    {DATA("\"recipient\":\"+14155550100\",\"content\":\"C\""), CHANNEL_SMS},
    {TO("whatsapp", "+14155550100"), CHANNEL_WHATSAPP},
    {TO("RCS", "+14155550100"), CHANNEL_RCS},
    {TO("slack", "C01234567"), CHANNEL_SLACK},
    {TO("teams", "19:abc@thread.tacv2"), CHANNEL_TEAMS},
    {TO("telegram", "123456789"), CHANNEL_TELEGRAM},
    {TO("FB", "1234567890"), CHANNEL_FACEBOOK},
    {TO("tiktok", "conv1"), CHANNEL_TIKTOK},
    {TO("Live_Chat", "visitor:1"), CHANNEL_LIVE_CHAT},
    {TO("custom", "whoever is there"), CHANNEL_CUSTOM},
    {TO("custom", "a@example.com"), CHANNEL_CUSTOM}, /* sender_type over the looks */
};

static void test_channels(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(channel_cases); i++) {
        struct job j;

        parse_ok(channel_cases[i].raw, &j);
        assert_int_equal(j.message.channel, channel_cases[i].channel);
        job_clear(&j);
    }
}

static void test_all_fields(void **state)
{
    struct job j;

    (void)state;
    parse_ok("{\"message_data\":{\"recipient\":\"a@example.com\",\"subject\":\"S \xe2\x82\xac\","
             "\"content\":\"line 1\\r\\nline 2\\t.\",\"html_content\":\"<p>\","
             "\"sender\":\"me@example.com\",\"sender_name\":\"J\xc3\xb6rg\","
             "\"media_urls\":[\"https://example.com/1\",\"HTTP://example.com/2?a=b#c\"],"
             "\"image_url\":\"https://example.com/0\",\"contact_id\":\"c:1\",\"deal_id\":\"d.1\","
             "\"metadata\":{}},\"message_type\":\"marketing\",\"priority\":3,"
             "\"sender_type\":\"email\",\"sender_identifier\":\"s1\",\"send_identifier\":\"s1\","
             "\"bulk_settings\":null}",
             &j);
    assert_string_equal(j.message.text[MSG_CONTENT], "line 1\r\nline 2\t.");
    assert_string_equal(j.message.text[MSG_FROM], "me@example.com");
    assert_string_equal(j.message.text[MSG_FROM_NAME], "J\xc3\xb6rg");
    assert_int_equal(j.message.list[MSG_MEDIA].count, 3);
    assert_string_equal(j.message.list[MSG_MEDIA].items[0], "https://example.com/0");
    assert_string_equal(j.message.list[MSG_MEDIA].items[2], "HTTP://example.com/2?a=b#c");
    assert_string_equal(j.message.text[MSG_CONTACT_ID], "c:1");
    assert_string_equal(j.message.text[MSG_DEAL_ID], "d.1");
    assert_string_equal(j.message.text[MSG_METADATA], "{}");
    assert_int_equal(j.message.type, TYPE_MARKETING);
    assert_int_equal(j.message.priority, PRIORITY_LOW);
    assert_string_equal(j.message.text[MSG_SENDER], "s1");
    assert_false(j.is_bulk);
    job_clear(&j);
}

static void test_nulls_and_empties_are_absent(void **state)
{
    struct job j;

    (void)state;
    parse_ok("{\"message_data\":{\"recipient\":\"+14155550100\",\"subject\":\"\",\"content\":\"C\","
             "\"html_content\":null,\"sender\":\"\",\"sender_name\":null,\"media_urls\":null,"
             "\"image_url\":\"\",\"contact_id\":null,\"deal_id\":\"\",\"metadata\":null},"
             "\"message_type\":null,\"priority\":null,\"sender_type\":null,"
             "\"sender_identifier\":null,\"send_identifier\":\"\"}",
             &j);
    for (unsigned f = 0; f < MSG_TEXT_COUNT; f++)
        if (f != MSG_RECIPIENT && f != MSG_CONTENT && f != MSG_FORMAT)
            assert_null(j.message.text[f]);
    assert_int_equal(j.message.list[MSG_MEDIA].count, 0);
    assert_int_equal(j.message.type, TYPE_TRANSACTIONAL);
    assert_int_equal(j.message.priority, PRIORITY_NORMAL);
    job_clear(&j);
}

/* --- what goes wrong --- */

static const struct {
    const char *raw, *field, *text;
} bad_cases[] = {
    {"{\"message_data\":null}", "message_data", "is required"},
    {"{\"message_data\":[]}", "message_data", "must be an object"},
    {"{\"message_data\":\"x\"}", "message_data", "must be an object"},
    {"{\"message_data\":{}}", "message_data.recipient", "is required"},
    {ROOT("\"colour\":1"), "colour", "is not a known member"},
    {ROOT("\"Message_type\":\"MARKETING\""), "Message_type", "is not a known member"},
    {ROOT("\"body\":{}"), "body", "is not a known member"},
    {ROOT("\"bulk_settings\":{}"), "bulk_settings",
     "must hold lead_ids, filters, search_keyword or assignees"},
    {ROOT("\"bulk_settings\":7"), "bulk_settings", "must be an object"},
    {MAIL(",\"colour\":1"), "message_data.colour", "is not a known member"},
    {MAIL(",\"cc\":[]"), "message_data.cc", "is not a known member"},

    {DATA("\"recipient\":null,\"content\":\"C\""), "message_data.recipient", "is required"},
    {DATA("\"recipient\":\"\",\"content\":\"C\""), "message_data.recipient", "must not be empty"},
    {DATA("\"recipient\":5,\"content\":\"C\""), "message_data.recipient", "must be a string"},
    {DATA("\"recipient\":[\"a@b.c\"],\"content\":\"C\""), "message_data.recipient",
     "must be a string"},
    {DATA("\"recipient\":\"a@b.c\\r\\nBcc: x@y.z\",\"content\":\"C\""), "message_data.recipient",
     CONTROL},
    {DATA("\"recipient\":\"a@b.c\\u0085\",\"content\":\"C\""), "message_data.recipient", CONTROL},
    {DATA("\"recipient\":\"" X256 X256 "x\",\"content\":\"C\""), "message_data.recipient",
     "must be at most 512 characters"},
    {DATA("\"recipient\":\"somebody\",\"content\":\"C\""), "message_data.recipient",
     "is neither an email address nor an E.164 number: give sender_type"},
    {DATA("\"recipient\":\"a@b..c\",\"content\":\"C\""), "message_data.recipient",
     "is neither an email address nor an E.164 number: give sender_type"},
    {DATA("\"recipient\":\"12345678901\",\"content\":\"C\""), "message_data.recipient",
     "is neither an email address nor an E.164 number: give sender_type"},
    {TO("email", "+14155550100"), "message_data.recipient", "must be an email address"},
    {TO("email", "Jane <jane@example.com>"), "message_data.recipient", "must be an email address"},
    {TO("sms", "a@example.com"), "message_data.recipient", E164},
    {TO("sms", "+1 415 555 0100"), "message_data.recipient", E164},
    {TO("sms", "4155550100"), "message_data.recipient", E164},
    {TO("rcs", "x"), "message_data.recipient", E164},
    {TO("whatsapp", "x"), "message_data.recipient", E164},
    {TO("slack", "#general"), "message_data.recipient",
     "must be a Slack channel or user id like C01234567"},
    {TO("teams", "a b"), "message_data.recipient", "must be a Teams conversation id"},
    {TO("telegram", "0"), "message_data.recipient",
     "must be a numeric Telegram chat id or a @channel"},
    {TO("ig", "somebody"), "message_data.recipient", "must be a numeric Instagram id"},
    {TO("fb", "somebody"), "message_data.recipient", "must be a numeric Facebook id"},
    {TO("tiktok", "a b"), "message_data.recipient", "must be a TikTok conversation id"},
    {TO("live_chat", "a b"), "message_data.recipient", "must be a live chat conversation id"},

    {DATA("\"recipient\":\"a@b.c\",\"subject\":\"S\""), "message_data.content", "is required"},
    {DATA("\"recipient\":\"a@b.c\",\"content\":\"\""), "message_data.content", "must not be empty"},
    {DATA("\"recipient\":\"a@b.c\",\"content\":7"), "message_data.content", "must be a string"},
    {DATA("\"recipient\":\"a@b.c\",\"content\":{}"), "message_data.content", "must be a string"},
    {DATA("\"recipient\":\"a@b.c\",\"content\":\"C\""), "message_data.subject",
     "is required for email"},
    {DATA("\"recipient\":\"a@b.c\",\"subject\":\"\",\"content\":\"C\""), "message_data.subject",
     "is required for email"},
    {DATA("\"recipient\":\"a@b.c\",\"subject\":null,\"content\":\"C\""), "message_data.subject",
     "is required for email"},
    {DATA("\"recipient\":\"a@b.c\",\"subject\":1,\"content\":\"C\""), "message_data.subject",
     "must be a string"},
    {DATA("\"recipient\":\"a@b.c\",\"subject\":\"a\\r\\nBcc: x\",\"content\":\"C\""),
     "message_data.subject", CONTROL},
    {DATA("\"recipient\":\"a@b.c\",\"subject\":\"a\\nb\",\"content\":\"C\""),
     "message_data.subject", CONTROL},
    {DATA("\"recipient\":\"a@b.c\",\"subject\":\"a\\tb\",\"content\":\"C\""),
     "message_data.subject", CONTROL},
    {DATA("\"recipient\":\"a@b.c\",\"subject\":\"a\\u007f\",\"content\":\"C\""),
     "message_data.subject", CONTROL},
    {DATA("\"recipient\":\"+14155550100\",\"subject\":\"a\\nb\",\"content\":\"C\""),
     "message_data.subject", CONTROL},
    {MAIL(",\"html_content\":5"), "message_data.html_content", "must be a string"},
    {MAIL(",\"html_content\":[]"), "message_data.html_content", "must be a string"},

    {MAIL(",\"sender\":5"), "message_data.sender", "must be a string"},
    {MAIL(",\"sender\":\"Acme\""), "message_data.sender", "must be an email address"},
    {MAIL(",\"sender\":\"a@b.c\\r\\nX: y\""), "message_data.sender", CONTROL},
    {MAIL(",\"sender\":\"" X256 "\""), "message_data.sender", "must be at most 254 characters"},
    {MAIL(",\"sender_name\":false"), "message_data.sender_name", "must be a string"},
    {MAIL(",\"sender_name\":\"a\\r\\nX: y\""), "message_data.sender_name", CONTROL},
    {MAIL(",\"sender_name\":\"" X256 "x\""), "message_data.sender_name",
     "must be at most 256 characters"},

    {DATA("\"recipient\":\"+14155550100\",\"content\":\"C\",\"subject\":\"S\""),
     "message_data.subject", "cannot be sent over sms"},
    {DATA("\"recipient\":\"+14155550100\",\"content\":\"C\",\"html_content\":\"<p>\""),
     "message_data.html_content", "cannot be sent over sms"},
    {DATA("\"recipient\":\"+14155550100\",\"content\":\"C\",\"sender_name\":\"A\""),
     "message_data.sender_name", "cannot be sent over sms"},
    {DATA("\"recipient\":\"+14155550100\",\"content\":\"C\",\"sender\":\"AcmeLimited1\""),
     "message_data.sender", "must be a number, a short code or a name of at most 11 characters"},

    {MAIL(",\"media_urls\":\"https://a/b\""), "message_data.media_urls",
     "must be a list of strings"},
    {MAIL(",\"media_urls\":{}"), "message_data.media_urls", "must be a list of strings"},
    {MAIL(",\"media_urls\":[5]"), "message_data.media_urls[0]", "must be a string"},
    {MAIL(",\"media_urls\":[\"https://a/b\",null]"), "message_data.media_urls[1]",
     "must be a string"},
    {MAIL(",\"media_urls\":[\"https://a/b\",\"\"]"), "message_data.media_urls[1]", URL},
    {MAIL(",\"media_urls\":[\"ftp://a/b\"]"), "message_data.media_urls[0]", URL},
    {MAIL(",\"media_urls\":[\"file:///etc/passwd\"]"), "message_data.media_urls[0]", URL},
    {MAIL(",\"media_urls\":[\"/etc/passwd\"]"), "message_data.media_urls[0]", URL},
    {MAIL(",\"media_urls\":[\"https://\"]"), "message_data.media_urls[0]", URL},
    {MAIL(",\"media_urls\":[\"https:///x\"]"), "message_data.media_urls[0]", URL},
    {MAIL(",\"media_urls\":[\"https://a b\"]"), "message_data.media_urls[0]", URL},
    {MAIL(",\"media_urls\":[\"https://a/\\r\\nb\"]"), "message_data.media_urls[0]", CONTROL},
    {MAIL(",\"image_url\":[]"), "message_data.image_url", "must be a string"},
    {MAIL(",\"image_url\":\"javascript:alert(1)\""), "message_data.image_url", URL},

    {MAIL(",\"contact_id\":5"), "message_data.contact_id", "must be a string"},
    {MAIL(",\"contact_id\":\"a b\""), "message_data.contact_id", IDENT},
    {MAIL(",\"contact_id\":\"{x}\""), "message_data.contact_id", IDENT},
    {MAIL(",\"contact_id\":\"x" X64 X64 "\""), "message_data.contact_id",
     "must be at most 128 characters"},
    {MAIL(",\"deal_id\":true"), "message_data.deal_id", "must be a string"},
    {MAIL(",\"deal_id\":\"a/b\""), "message_data.deal_id", IDENT},
    {MAIL(",\"metadata\":\"x\""), "message_data.metadata", "must be an object"},
    {MAIL(",\"metadata\":[1]"), "message_data.metadata", "must be an object"},

    {ROOT("\"message_type\":\"SPAM\""), "message_type",
     "must be TRANSACTIONAL, MARKETING or NOTIFICATION"},
    {ROOT("\"message_type\":\"\""), "message_type",
     "must be TRANSACTIONAL, MARKETING or NOTIFICATION"},
    {ROOT("\"message_type\":1"), "message_type",
     "must be TRANSACTIONAL, MARKETING or NOTIFICATION"},
    {ROOT("\"priority\":\"URGENT\""), "priority", PRIORITIES},
    {ROOT("\"priority\":\"\""), "priority", PRIORITIES},
    {ROOT("\"priority\":0"), "priority", PRIORITIES},
    {ROOT("\"priority\":2.5"), "priority", PRIORITIES},
    {ROOT("\"priority\":\"4\""), "priority", PRIORITIES},
    {ROOT("\"priority\":{}"), "priority", PRIORITIES},
    {ROOT("\"sender_type\":\"fax\""), "sender_type", "is not a known channel"},
    {ROOT("\"sender_type\":5"), "sender_type", "must be a string"},
    {ROOT("\"sender_type\":\"a\\nb\""), "sender_type", CONTROL},
    {ROOT("\"sender_type\":\"gmb\""), "sender_type", "names a channel that was shut down in 2024"},
    {ROOT("\"sender_identifier\":5"), "sender_identifier", "must be a string"},
    {ROOT("\"sender_identifier\":\"a b\""), "sender_identifier", IDENT},
    {ROOT("\"sender_identifier\":\"x" X64 "\""), "sender_identifier",
     "must be at most 64 characters"},
    {ROOT("\"send_identifier\":\"a\\u0001\""), "send_identifier", IDENT},
    {ROOT("\"send_identifier\":\"a\",\"sender_identifier\":\"b\""), "send_identifier",
     "differs from sender_identifier: give one of them"},
};

static void test_bad(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(bad_cases); i++) {
        char expected[400];
        struct err_text e = {.text = ""};
        struct job j;

        snprintf(expected, sizeof expected, "%s: %s", bad_cases[i].field, bad_cases[i].text);
        if (parse(bad_cases[i].raw, &j, &e) != SQ_ERR_INVALID)
            fail_msg("accepted: %s", bad_cases[i].raw);
        assert_string_equal(e.text, expected);
        assert_string_equal(e.field, bad_cases[i].field);
        assert_string_equal(e.code, "validation_error");
        assert_string_equal(j.message.text[MSG_FORMAT], "messaging");
        job_clear(&j);
    }
}

/* --- caps --- */

/* A body whose member is n times the text. */
static char *sized(const char *member, const char *unit, size_t n)
{
    struct buf b = {.max = 0};

    buf_addf(&b, "{\"sender_type\":\"email\",\"message_data\":{\"recipient\":\"a@b.c\",\"%s\":\"",
             member);
    while (n--)
        buf_adds(&b, unit);
    buf_adds(&b, "\"");
    if (strcmp(member, "subject") != 0)
        buf_adds(&b, ",\"subject\":\"S\"");
    if (strcmp(member, "content") != 0)
        buf_adds(&b, ",\"content\":\"C\"");
    buf_adds(&b, "}}");
    return b.data;
}

static const struct {
    const char *member, *unit;
    size_t n;
    const char *text; /* NULL: accepted */
    enum sq_err err;
} cap_cases[] = {
    {"subject", "x", 998, NULL, SQ_OK},
    {"subject", "\xc3\xa9", 998, NULL, SQ_OK}, /* characters, not bytes */
    {"subject", "x", 999, "message_data.subject: must be at most 998 characters", SQ_ERR_INVALID},
    {"content", "x", 5000, NULL, SQ_OK},
    {"content", "x", 5001, "message_data.content: must be at most 5000 bytes", SQ_ERR_TOO_LARGE},
    {"content", "\xc3\xa9", 2501, "message_data.content: must be at most 5000 bytes",
     SQ_ERR_TOO_LARGE},
    {"html_content", "x", 5001, "message_data.html_content: must be at most 5000 bytes",
     SQ_ERR_TOO_LARGE},
};

static void test_caps(void **state)
{
    struct job_limits limits = {.max_content = 5000};

    (void)state;
    for (unsigned i = 0; i < COUNT(cap_cases); i++) {
        char *raw = sized(cap_cases[i].member, cap_cases[i].unit, cap_cases[i].n);
        struct err_text e = {.text = ""};
        struct job j;

        assert_int_equal(job_parse(raw, strlen(raw), PRIORITY_LOW, NOW, &limits, &j, &e),
                         cap_cases[i].err);
        assert_string_equal(e.text, cap_cases[i].text ? cap_cases[i].text : "");
        if (cap_cases[i].err)
            assert_string_equal(e.code, cap_cases[i].err == SQ_ERR_TOO_LARGE ? "too_large"
                                                                             : "validation_error");
        job_clear(&j);
        free(raw);
    }
}

static void test_list_cap(void **state)
{
    struct job_limits limits = {.max_list = 2};
    static const char *const three =
        MAIL(",\"media_urls\":[\"http://a\",\"http://b\",\"http://c\"]");
    struct err_text e;
    struct job j;

    (void)state;
    assert_int_equal(job_parse(three, strlen(three), PRIORITY_LOW, NOW, &limits, &j, &e),
                     SQ_ERR_INVALID);
    assert_string_equal(e.text, "message_data.media_urls: must hold at most 2 items");
    job_clear(&j);
    limits.max_list = 3;
    assert_int_equal(job_parse(three, strlen(three), PRIORITY_LOW, NOW, &limits, &j, &e), SQ_OK);
    job_clear(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_email_example),
        cmocka_unit_test(test_sms_example),
        cmocka_unit_test(test_instagram_example),
        cmocka_unit_test(test_bulk_example_is_told_apart),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_nulls_and_empties_are_absent),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_list_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The channel format: the document's examples, every rule of a body, and the answers. */
#include "format_test.h"

#define SLACK(more) "{'channel':'slack','recipient':'C01234567','message':'M'" more "}"
#define MAIL(more) "{'channel':'email','recipient':'a@example.com','message':'M'" more "}"
#define SUBJECT MAIL(",'subject':'S'")
#define TO(channel, recipient) "{'channel':'" channel "','recipient':" recipient ",'message':'M'}"
#define SAYS(message) "{'channel':'slack','recipient':'C01234567','message':" message "}"
#define FILES(list) SLACK(",'attachments':" list)
#define ONE_FILE(members) FILES("[{" members "}]")
#define CHANNELS "must be one of slack, teams, whatsapp, telegram, email"
#define SLACK_ID "must be a Slack channel or user id like C01234567"
#define TELEGRAM_ID "must be a numeric Telegram chat id or a @channel"

/* --- the document's examples --- */

static void test_slack_example(void **state)
{
    struct job j;

    (void)state;
    parse_file_ok("channel_slack.json", &j);
    assert_int_equal(j.message.channel, CHANNEL_SLACK);
    check_text(&j, MSG_FORMAT, "channel");
    check_text(&j, MSG_RECIPIENT, "C01234567");
    check_text(&j, MSG_CONTENT, "New deal just closed - congrats team!");
    assert_int_equal(j.message.type, TYPE_TRANSACTIONAL);
    assert_false(j.needs_contact);
    job_clear(&j);
}

static void test_whatsapp_example(void **state)
{
    struct job j;

    (void)state;
    parse_file_ok("channel_whatsapp.json", &j);
    assert_int_equal(j.message.channel, CHANNEL_WHATSAPP);
    check_text(&j, MSG_RECIPIENT, "+14155550100");
    check_text(&j, MSG_CONTACT_ID, "123e4567-e89b-12d3-a456-426614174000");
    job_clear(&j);
}

static void test_telegram_example(void **state)
{
    struct job j;

    (void)state;
    parse_file_ok("channel_telegram.json", &j);
    assert_int_equal(j.message.channel, CHANNEL_TELEGRAM);
    check_text(&j, MSG_RECIPIENT, "123456789");
    job_clear(&j);
}

/* --- what goes right --- */

static const struct {
    const char *raw;
    enum channel channel;
    const char *recipient;
} good_cases[] = {
    {TO("slack", "'U01234567'"), CHANNEL_SLACK, "U01234567"},
    {TO("slack", "'D01234567'"), CHANNEL_SLACK, "D01234567"},
    {TO("slack", "'G01234567'"), CHANNEL_SLACK, "G01234567"},
    {TO("Slack", "'C01234567'"), CHANNEL_SLACK, "C01234567"},
    {TO("teams", "'19:abc123@thread.tacv2'"), CHANNEL_TEAMS, "19:abc123@thread.tacv2"},
    {TO("teams", "'a:1xYz-_'"), CHANNEL_TEAMS, "a:1xYz-_"},
    {TO("whatsapp", "'+1415555'"), CHANNEL_WHATSAPP, "+1415555"},
    {TO("whatsapp", "'+141555501001234'"), CHANNEL_WHATSAPP, "+141555501001234"},
    {TO("telegram", "'-1001234567890'"), CHANNEL_TELEGRAM, "-1001234567890"},
    {TO("telegram", "'1'"), CHANNEL_TELEGRAM, "1"},
    {SUBJECT, CHANNEL_EMAIL, "a@example.com"},
    {"{'channel':'email','recipient':'J\xc3\xb6@B\xc3\x9c\x63her.EXAMPLE','message':'M',"
     "'subject':'S'}",
     CHANNEL_EMAIL, "J\xc3\xb6@xn--bcher-kva.example"},
    {SAYS("'<<4096:x>>'"), CHANNEL_SLACK, "C01234567"},
    {SAYS("'<<4096:\xf0\x9f\x98\x80>>'"), CHANNEL_SLACK, "C01234567"}, /* characters, not bytes */
    {SAYS("'line\\nline\\t\\u0007'"), CHANNEL_SLACK, "C01234567"},
    {MAIL(",'subject':'<<998:\xc3\xa9>>'"), CHANNEL_EMAIL, "a@example.com"},
    {SLACK(",'subject':'','contact_id':null,'deal_id':'','attachments':null"), CHANNEL_SLACK,
     "C01234567"},
    {SLACK(",'contact_id':'<<128:x>>'"), CHANNEL_SLACK, "C01234567"},
    {FILES("[]"), CHANNEL_SLACK, "C01234567"},
    {"{'format':'channel','body':" SLACK("") "}", CHANNEL_SLACK, "C01234567"},
};

static void test_good(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(good_cases); i++) {
        struct job j;

        parse_ok(good_cases[i].raw, &j);
        assert_int_equal(j.message.channel, good_cases[i].channel);
        check_text(&j, MSG_RECIPIENT, good_cases[i].recipient);
        check_text(&j, MSG_FORMAT, "channel");
        job_clear(&j);
    }
}

static void test_all_fields(void **state)
{
    struct job j;
    const struct attachment *a;

    (void)state;
    parse_ok(
        "{'channel':'email','recipient':'a@example.com','message':'M','subject':'S \xe2\x82\xac',"
        "'contact_id':'c-1','deal_id':'d.2','attachments':["
        "{'filename':'a b.pdf','mime_type':'application/pdf','content_base64':'QUJD'},"
        "{'url':'https://example.com/x?y=1'},"
        "{'filename':null,'mime_type':'text/plain; charset=utf-8','content_base64':null,"
        "'url':'http://example.com'}]}",
        &j);
    a = j.message.attachments;
    check_text(&j, MSG_SUBJECT, "S \xe2\x82\xac");
    check_text(&j, MSG_CONTENT, "M");
    check_text(&j, MSG_HTML, NULL);
    check_text(&j, MSG_CONTACT_ID, "c-1");
    check_text(&j, MSG_DEAL_ID, "d.2");
    assert_int_equal(j.message.attachment_count, 3);
    assert_string_equal(a[0].filename, "a b.pdf");
    assert_string_equal(a[0].mime_type, "application/pdf");
    assert_string_equal(a[0].content_base64, "QUJD");
    assert_null(a[0].url);
    assert_string_equal(a[1].url, "https://example.com/x?y=1");
    assert_null(a[1].filename);
    assert_null(a[1].content_base64);
    assert_string_equal(a[2].mime_type, "text/plain; charset=utf-8");
    job_clear(&j);
}

/* --- what goes wrong --- */

static const struct bad_case bad_cases[] = {
    /* the body */
    {SLACK(",'colour':1"), "colour", UNKNOWN},
    {SLACK(",'Channel':'x'"), "Channel", UNKNOWN},
    {SLACK(",'body_text':'x'"), "body_text", UNKNOWN},
    {SLACK(",'media_urls':[]"), "media_urls", UNKNOWN},
    {SLACK(",'metadata':{}"), "metadata", UNKNOWN},
    /* channel */
    {"{'channel':null,'recipient':'C01234567','message':'M'}", "channel", REQUIRED},
    {"{'recipient':'C01234567','message':'M'}", "channel", REQUIRED},
    {TO("", "'C01234567'"), "channel", EMPTY},
    {TO("sms", "'+14155550100'"), "channel", CHANNELS},
    {TO("fax", "'1'"), "channel", CHANNELS},
    {TO("instagram", "'1'"), "channel", CHANNELS},
    {TO("gmb", "'1'"), "channel", CHANNELS},
    {TO("slack ", "'C01234567'"), "channel", CHANNELS},
    {TO("sl\xc3\xa4\x63k", "'C01234567'"), "channel", CHANNELS},
    {TO("slack\\u0007", "'C01234567'"), "channel", CONTROL},
    {TO("<<65:x>>", "'C01234567'"), "channel", "must be at most 64 characters"},
    {"{'channel':5,'recipient':'C01234567','message':'M'}", "channel", STRING},
    {"{'channel':['slack'],'recipient':'C01234567','message':'M'}", "channel", STRING},
    /* recipient */
    {"{'channel':'slack','message':'M'}", "recipient", REQUIRED},
    {TO("slack", "null"), "recipient", REQUIRED},
    {TO("slack", "''"), "recipient", EMPTY},
    {TO("slack", "17"), "recipient", STRING},
    {TO("telegram", "123456789"), "recipient", STRING},
    {TO("slack", "['C01234567']"), "recipient", STRING},
    {TO("slack", "{}"), "recipient", STRING},
    {TO("slack", "true"), "recipient", STRING},
    {TO("slack", "'#general'"), "recipient", SLACK_ID},
    {TO("slack", "'c01234567'"), "recipient", SLACK_ID},
    {TO("slack", "'X01234567'"), "recipient", SLACK_ID},
    {TO("slack", "'C0'"), "recipient", SLACK_ID},
    {TO("slack", "'C<<32:0>>'"), "recipient", SLACK_ID},
    {TO("slack", "'C0123 4567'"), "recipient", SLACK_ID},
    {TO("slack", "'\xd0\xa1\x30\x31\x32\x33\x34'"), "recipient", SLACK_ID}, /* Cyrillic Es */
    {TO("slack", "'C01234567\\n'"), "recipient", CONTROL},
    {TO("slack", "'<<513:C>>'"), "recipient", "must be at most 512 characters"},
    {TO("teams", "'a b'"), "recipient", "must be a Teams conversation id"},
    {TO("teams", "' '"), "recipient", "must be a Teams conversation id"},
    {TO("whatsapp", "'14155550100'"), "recipient", E164},
    {TO("whatsapp", "'+04155550100'"), "recipient", E164},
    {TO("whatsapp", "'+141555'"), "recipient", E164},
    {TO("whatsapp", "'+1415555010012345'"), "recipient", E164},
    {TO("whatsapp", "'+1 415 555 0100'"), "recipient", E164},
    {TO("whatsapp", "'+1(415)5550100'"), "recipient", E164},
    {TO("whatsapp", "'+\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6\xd9\xa7'"), "recipient",
     E164}, /* Arabic digits */
    {TO("whatsapp", "'a@example.com'"), "recipient", E164},
    {TO("telegram", "'0'"), "recipient", TELEGRAM_ID},
    {TO("telegram", "'-'"), "recipient", TELEGRAM_ID},
    {TO("telegram", "'--5'"), "recipient", TELEGRAM_ID},
    {TO("telegram", "'12.5'"), "recipient", TELEGRAM_ID},
    {TO("telegram", "'<<20:1>>'"), "recipient", TELEGRAM_ID},
    {TO("telegram", "'john'"), "recipient", TELEGRAM_ID},
    {TO("email", "'nobody'"), "recipient", "must be an email address"},
    {TO("email", "'a@b@c.example'"), "recipient", "must be an email address"},
    {TO("email", "'a@example..com'"), "recipient", "must be an email address"},
    {TO("email", "'Jane <jane@example.com>'"), "recipient", "must be an email address"},
    {TO("email", "'a@example.com,b@example.com'"), "recipient", "must be an email address"},
    {TO("email", "'a@example.com\\r\\nBcc: b@example.com'"), "recipient", CONTROL},
    {TO("email", "'<<65:a>>@example.com'"), "recipient", "must be an email address"},
    /* message */
    {"{'channel':'slack','recipient':'C01234567'}", "message", REQUIRED},
    {SAYS("null"), "message", REQUIRED},
    {SAYS("''"), "message", EMPTY},
    {SAYS("5"), "message", STRING},
    {SAYS("{}"), "message", STRING},
    {SAYS("[]"), "message", STRING},
    {SAYS("false"), "message", STRING},
    {SAYS("'<<4097:x>>'"), "message", "must be at most 4096 characters"},
    {SAYS("'<<4097:\xc3\xa9>>'"), "message", "must be at most 4096 characters"},
    {SAYS("'<<4096:\xf0\x9f\x98\x80>>x'"), "message", "must be at most 4096 characters"},
    /* subject */
    {MAIL(""), "subject", "is required for email"},
    {MAIL(",'subject':null"), "subject", "is required for email"},
    {MAIL(",'subject':''"), "subject", "is required for email"},
    {MAIL(",'subject':5"), "subject", STRING},
    {MAIL(",'subject':['S']"), "subject", STRING},
    {MAIL(",'subject':'<<999:x>>'"), "subject", "must be at most 998 characters"},
    {MAIL(",'subject':'a\\r\\nBcc: x@example.com'"), "subject", CONTROL},
    {MAIL(",'subject':'a\\tb'"), "subject", CONTROL},
    {MAIL(",'subject':'a\\u0085b'"), "subject", CONTROL},
    {SLACK(",'subject':'S'"), "subject", "cannot be sent over slack"},
    {"{'channel':'telegram','recipient':'5','message':'M','subject':'S'}", "subject",
     "cannot be sent over telegram"},
    {"{'channel':'teams','recipient':'19:x','message':'M','subject':'S'}", "subject",
     "cannot be sent over teams"},
    {"{'channel':'whatsapp','recipient':'+14155550100','message':'M','subject':'S'}", "subject",
     "cannot be sent over whatsapp"},
    /* contact_id, deal_id */
    {SLACK(",'contact_id':5"), "contact_id", STRING},
    {SLACK(",'contact_id':'a b'"), "contact_id", IDENT},
    {SLACK(",'contact_id':'\xc3\xbc'"), "contact_id", IDENT},
    {SLACK(",'contact_id':'{x}'"), "contact_id", IDENT},
    {SLACK(",'contact_id':'<<129:x>>'"), "contact_id", "must be at most 128 characters"},
    {SLACK(",'deal_id':{}"), "deal_id", STRING},
    {SLACK(",'deal_id':'a/b'"), "deal_id", IDENT},
    {SLACK(",'deal_id':'a\\nb'"), "deal_id", IDENT},
    {SLACK(",'deal_id':'<<129:x>>'"), "deal_id", "must be at most 128 characters"},
    /* attachments */
    {FILES("{}"), "attachments", "must be a list of objects"},
    {FILES("'x'"), "attachments", "must be a list of objects"},
    {FILES("5"), "attachments", "must be a list of objects"},
    {FILES("['https://example.com/a']"), "attachments[0]", "must be an object"},
    {FILES("[null]"), "attachments[0]", "must be an object"},
    {FILES("[{'url':'https://a'},5]"), "attachments[1]", "must be an object"},
    {FILES("[<<100:{'url':'https://a'},>>{'url':'https://a'}]"), "attachments",
     "must hold at most 100 items"},
    {ONE_FILE(""), "attachments[0].content_base64", "either content_base64 or url is required"},
    {ONE_FILE("'filename':'a'"), "attachments[0].content_base64",
     "either content_base64 or url is required"},
    {ONE_FILE("'url':''"), "attachments[0].content_base64",
     "either content_base64 or url is required"},
    {ONE_FILE("'url':'https://a','content_base64':'QUJD'"), "attachments[0].url",
     "either content_base64 or url is required, not both"},
    {ONE_FILE("'storage_path':'a'"), "attachments[0].storage_path", UNKNOWN},
    {ONE_FILE("'url':'https://a','size':5"), "attachments[0].size", UNKNOWN},
    {ONE_FILE("'url':5"), "attachments[0].url", STRING},
    {ONE_FILE("'url':'ftp://a/b'"), "attachments[0].url", URL},
    {ONE_FILE("'url':'file:///etc/passwd'"), "attachments[0].url", URL},
    {ONE_FILE("'url':'//a/b'"), "attachments[0].url", URL},
    {ONE_FILE("'url':'https://'"), "attachments[0].url", URL},
    {ONE_FILE("'url':'https://a/b c'"), "attachments[0].url", URL},
    {ONE_FILE("'url':'https://a/\\nb'"), "attachments[0].url", CONTROL},
    {ONE_FILE("'url':'https://a/<<2040:x>>'"), "attachments[0].url",
     "must be at most 2048 characters"},
    {ONE_FILE("'content_base64':5"), "attachments[0].content_base64", STRING},
    {ONE_FILE("'content_base64':''"), "attachments[0].content_base64", EMPTY},
    {ONE_FILE("'content_base64':'QUJ'"), "attachments[0].content_base64", "must be base64"},
    {ONE_FILE("'content_base64':'QUJD\\n'"), "attachments[0].content_base64", "must be base64"},
    {ONE_FILE("'content_base64':'QU-_'"), "attachments[0].content_base64", "must be base64"},
    {ONE_FILE("'content_base64':'data:text/plain;base64,QUJD'"), "attachments[0].content_base64",
     "must be base64"},
    {ONE_FILE("'url':'https://a','filename':5"), "attachments[0].filename", STRING},
    {ONE_FILE("'url':'https://a','filename':'a/b'"), "attachments[0].filename",
     "must be a file's name, not a path"},
    {ONE_FILE("'url':'https://a','filename':'a\\\\b'"), "attachments[0].filename",
     "must be a file's name, not a path"},
    {ONE_FILE("'url':'https://a','filename':'..'"), "attachments[0].filename",
     "must be a file's name, not a path"},
    {ONE_FILE("'url':'https://a','filename':'a\\r\\nb'"), "attachments[0].filename", CONTROL},
    {ONE_FILE("'url':'https://a','filename':'<<256:x>>'"), "attachments[0].filename",
     "must be at most 255 characters"},
    {ONE_FILE("'url':'https://a','mime_type':'pdf'"), "attachments[0].mime_type",
     "must be like application/pdf"},
    {ONE_FILE("'url':'https://a','mime_type':'/pdf'"), "attachments[0].mime_type",
     "must be like application/pdf"},
    {ONE_FILE("'url':'https://a','mime_type':'a/'"), "attachments[0].mime_type",
     "must be like application/pdf"},
    {ONE_FILE("'url':'https://a','mime_type':'a/b c'"), "attachments[0].mime_type",
     "must be like application/pdf"},
    {ONE_FILE("'url':'https://a','mime_type':'a/b\\r\\nX: y'"), "attachments[0].mime_type", ASCII},
    {ONE_FILE("'url':'https://a','mime_type':7"), "attachments[0].mime_type", STRING},
};

static void test_bad(void **state)
{
    (void)state;
    check_bad(bad_cases, COUNT(bad_cases), "channel");
}

static void test_attachment_cap(void **state)
{
    struct job_limits limits = {.max_attachment = 3, .max_list = 1};
    struct err_text e;
    struct job j;

    (void)state;
    assert_int_equal(parse_short(ONE_FILE("'content_base64':'QUJD'"), &limits, &j, &e), SQ_OK);
    job_clear(&j);
    assert_int_equal(parse_short(ONE_FILE("'content_base64':'QUJDRA=='"), &limits, &j, &e),
                     SQ_ERR_TOO_LARGE);
    assert_string_equal(e.text, "attachments[0].content_base64: must be at most 3 bytes");
    assert_string_equal(e.code, "too_large");
    job_clear(&j);
}

/* --- answers --- */

static void test_answer_sent(void **state)
{
    struct outcome o = {.provider_message_id = "1713351031.001200"};
    struct message m = {.id = "m1", .channel = CHANNEL_SLACK};
    struct answer_in in = {
        .message = &m, .provider = "slack", .outcome = &o, .now_ms = INT64_C(1776421831999)};

    (void)state;
    check_answer("channel", &in,
                 "{'data':{'id':'1713351031.001200','channel':'slack','status':'sent',"
                 "'sent_at':'2026-04-17T10:30:31Z'}}");
    o.provider_message_id[0] = 0; /* none given: ours */
    check_answer("channel", &in,
                 "{'data':{'id':'m1','channel':'slack','status':'sent',"
                 "'sent_at':'2026-04-17T10:30:31Z'}}");
    in.message = NULL;
    in.outcome = NULL;
    check_answer("channel", &in,
                 "{'data':{'id':null,'channel':null,'status':'sent',"
                 "'sent_at':'2026-04-17T10:30:31Z'}}");
}

static const struct {
    enum error_code code;
    const char *name;
    int status;
} answer_cases[] = {
    {CODE_VALIDATION_ERROR, "validation_error", 400},
    {CODE_INVALID_KEY, "invalid_key", 401},
    {CODE_INSUFFICIENT_PERMISSIONS, "insufficient_permissions", 403},
    {CODE_CONVERSATION_REQUIRED, "conversation_required", 404},
    {CODE_IDEMPOTENCY_CONFLICT, "idempotency_conflict", 409},
    {CODE_RATE_LIMITED, "rate_limited", 429},
    {CODE_PROVIDER_ERROR, "provider_error", 502},
};

/* Every row of the document's table of errors. */
static void test_answer_errors(void **state)
{
    struct outcome o = {.text = "it said \"no\""};
    struct answer_in in = {.outcome = &o};

    (void)state;
    for (unsigned i = 0; i < COUNT(answer_cases); i++) {
        struct buf out = {.max = 0};
        char expected[256];

        in.code = answer_cases[i].code;
        snprintf(expected, sizeof expected,
                 "{\"error\":{\"code\":\"%s\",\"message\":\"it said \\\"no\\\"\"},"
                 "\"status_code\":%d}",
                 answer_cases[i].name, answer_cases[i].status);
        job_answer("channel", &in, &out);
        assert_string_equal(buf_str(&out), expected);
        buf_free(&out);
    }
}

static void test_answer_refused(void **state)
{
    struct err_text e;
    struct answer_in in = {.error = &e, .code = CODE_VALIDATION_ERROR};
    struct job j;

    (void)state;
    assert_int_equal(parse_short("{'channel':'slack','message':'M'}", NULL, &j, &e),
                     SQ_ERR_INVALID);
    check_answer(j.message.text[MSG_FORMAT], &in,
                 "{'error':{'code':'validation_error','message':'recipient: is required',"
                 "'field':'recipient'},'status_code':400}");
    job_clear(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slack_example),    cmocka_unit_test(test_whatsapp_example),
        cmocka_unit_test(test_telegram_example), cmocka_unit_test(test_good),
        cmocka_unit_test(test_all_fields),       cmocka_unit_test(test_bad),
        cmocka_unit_test(test_attachment_cap),   cmocka_unit_test(test_answer_sent),
        cmocka_unit_test(test_answer_errors),    cmocka_unit_test(test_answer_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The conversation format: both documents' examples, and what a body becomes. */
#include "format_test.h"

#include "recipient.h"

#define SMS(more) "{'type':'SMS','contactId':'c1','message':'M'" more "}"
#define MAIL(more) "{'type':'Email','contactId':'c1','message':'M'" more "}"
#define TYPE(type, more) "{'type':" type ",'contactId':'c1','message':'M'" more "}"
#define CONTACT(contact) "{'type':'SMS','contactId':" contact ",'message':'M'}"
#define FORWARD(members) MAIL(",'forward':{" members "}")

/* --- the documents' examples --- */

static void check_example(const struct job *j)
{
    const struct message *m = &j->message;

    assert_int_equal(m->channel, CHANNEL_EMAIL);
    check_text(j, MSG_FORMAT, "conversation");
    check_text(j, MSG_CONTACT_ID, "abc123def456");
    check_text(j, MSG_APPOINTMENT_ID, "appt123");
    check_text(j, MSG_FROM, "sender@company.com");
    check_text(j, MSG_HTML, "<p>Hello World</p>");
    check_text(j, MSG_CONTENT, "Hello, how can I help you today?");
    check_text(j, MSG_SUBJECT, "Important Update");
    check_text(j, MSG_REPLY_ID, "msg123");
    check_text(j, MSG_TEMPLATE_ID, "template123");
    check_text(j, MSG_THREAD_ID, "thread123");
    check_text(j, MSG_SENDER, "provider123");
    check_text(j, MSG_REPLY_MODE, "reply_all");
    assert_true(m->scheduled_at == INT64_C(1669287863000));
    assert_int_equal(m->attachment_count, 2);
    assert_string_equal(m->attachments[0].url, "https://storage.com/file1.pdf");
    assert_string_equal(m->attachments[0].filename, "file1.pdf");
    assert_string_equal(m->attachments[1].filename, "file2.jpg");
    assert_int_equal(m->list[MSG_MEDIA].count, 0);
    assert_int_equal(m->list[MSG_CC].count, 2);
    assert_string_equal(m->list[MSG_CC].items[1], "cc2@company.com");
    assert_string_equal(m->list[MSG_BCC].items[0], "bcc1@company.com");
    assert_true(j->needs_contact); /* for the template */
    assert_null(j->recipient_contact);
}

static void test_example(void **state)
{
    struct job j;

    (void)state;
    parse_file_ok("conversation_email.json", &j);
    check_example(&j);
    check_text(&j, MSG_RECIPIENT, "recipient@company.com,forward@example.com");
    check_text(&j, MSG_SUBTYPE_ID, "507f1f77bcf86cd799439011");
    check_text(&j, MSG_FORWARD,
               "{\"isForwarded\":true,\"forwardWholeThread\":false,"
               "\"messageId\":\"t22c6DQcTDf3MjRhwf77\",\"emailMessageId\":\"rnGyqh2F6uBrIkfhFo9A\","
               "\"toEmail\":\"forward@example.com\",\"recipientContactId\":"
               "\"DEF56h2F6uBrIkfXYacd\"}");
    check_text(&j, MSG_METADATA,
               "{\"sub_type\":\"Email\",\"requested_status\":\"delivered\","
               "\"to_number\":\"+1439499299\",\"from_number\":\"+1499499299\"}");
    assert_int_equal(j.message.units, 6);
    job_clear(&j);
}

static void test_example_2021(void **state)
{
    struct job j;

    (void)state;
    parse_file_ok("conversation_2021.json", &j);
    check_example(&j);
    check_text(&j, MSG_RECIPIENT, "recipient@company.com");
    check_text(&j, MSG_FORWARD, NULL);
    check_text(&j, MSG_METADATA, "{\"to_number\":\"+1439499299\",\"from_number\":\"+1499499299\"}");
    assert_int_equal(j.message.units, 5);
    job_clear(&j);
}

/* --- what goes right --- */

static const struct {
    const char *raw;
    enum channel channel;
    const char *recipient, *contact; /* whose address is wanted */
} good_cases[] = {
    {SMS(""), CHANNEL_SMS, NULL, "c1"},
    {SMS(",'toNumber':'+14155550100'"), CHANNEL_SMS, "+14155550100", NULL},
    {TYPE("'sms'", ""), CHANNEL_SMS, NULL, "c1"},
    {TYPE("'RCS'", ",'toNumber':'+14155550100'"), CHANNEL_RCS, "+14155550100", NULL},
    {TYPE("'WhatsApp'", ",'fromNumber':'+14155550100'"), CHANNEL_WHATSAPP, NULL, "c1"},
    {TYPE("'IG'", ""), CHANNEL_INSTAGRAM, NULL, "c1"},
    {TYPE("'FB'", ",'replyMessageId':'m'"), CHANNEL_FACEBOOK, NULL, "c1"},
    {TYPE("'Live_Chat'", ""), CHANNEL_LIVE_CHAT, NULL, "c1"},
    {TYPE("'TIKTOK'", ",'threadId':'t'"), CHANNEL_TIKTOK, NULL, "c1"},
    {TYPE("'Custom'", ",'emailTo':'a@example.com','subject':'S','html':'<p>'"), CHANNEL_CUSTOM,
     "a@example.com", NULL},
    {TYPE("'Custom'", ",'toNumber':'+14155550100'"), CHANNEL_CUSTOM, "+14155550100", NULL},
    {MAIL(""), CHANNEL_EMAIL, NULL, "c1"},
    {MAIL(",'emailTo':'Jane <jane@EXAMPLE.com>'"), CHANNEL_EMAIL, "jane@example.com", NULL},
    {"{'type':'Email','contactId':'c1','html':'<p>'}", CHANNEL_EMAIL, NULL, "c1"},
    {"{'type':'Email','contactId':'c1','attachments':['https://a/b']}", CHANNEL_EMAIL, NULL, "c1"},
    {"{'type':'SMS','contactId':'c1','attachments':['https://a/b']}", CHANNEL_SMS, NULL, "c1"},
    {"{'type':'SMS','contactId':'c1','templateId':'t'}", CHANNEL_SMS, NULL, "c1"},
    {"{'type':'Email','contactId':'c1','forward':{'messageId':'m','toEmail':'f@example.com'}}",
     CHANNEL_EMAIL, "f@example.com", NULL},
    {FORWARD("'emailMessageId':'m','recipientContactId':'c2'"), CHANNEL_EMAIL, NULL, "c2"},
    {MAIL(",'emailTo':'a@example.com','forward':{'messageId':'m','toEmail':'a@example.com'}"),
     CHANNEL_EMAIL, "a@example.com", NULL},
    {MAIL(",'emailTo':'a@example.com','forward':{'messageId':'m','recipientContactId':'c2'}"),
     CHANNEL_EMAIL, "a@example.com", NULL},
    {SMS(",'forward':{'isForwarded':false}"), CHANNEL_SMS, NULL, "c1"},
    {FORWARD("'isForwarded':false,'toEmail':'f@example.com'"), CHANNEL_EMAIL, NULL, "c1"},
    {SMS(",'subType':'','appointmentId':null,'attachments':[],'emailFrom':'','emailCc':null,"
         "'html':'','subject':'','emailReplyMode':null,'status':null,'forward':null,"
         "'usesNativeSchedulingAi':null,'optimizationPeriod':null,'scheduledTimestamp':null"),
     CHANNEL_SMS, NULL, "c1"},
    {SMS(",'usesNativeSchedulingAi':false,'optimizationPeriod':'72h'"), CHANNEL_SMS, NULL, "c1"},
    {CONTACT("'<<128:x>>'"), CHANNEL_SMS, NULL, "<<128:x>>"},
    {"{'format':'conversation','body':" SMS("") "}", CHANNEL_SMS, NULL, "c1"},
};

static void test_good(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(good_cases); i++) {
        struct job j;

        parse_ok(good_cases[i].raw, &j);
        assert_int_equal(j.message.channel, good_cases[i].channel);
        check_text(&j, MSG_RECIPIENT, good_cases[i].recipient);
        if (!good_cases[i].contact) {
            assert_null(j.recipient_contact);
        } else {
            char *contact = spelled_out(good_cases[i].contact);

            assert_string_equal(j.recipient_contact, contact);
            assert_true(j.needs_contact);
            free(contact);
        }
        job_clear(&j);
    }
}

/* A mail's addresses beside its contact's. */
static void test_mail_fields(void **state)
{
    struct job j;

    (void)state;
    parse_ok(MAIL(",'emailTo':'Jane Doe <jane@example.com>','emailFrom':'Me & Co <me@example.com>',"
                  "'emailCc':['C <c@example.com>'],'subType':{'a':[1]},'status':'read'"),
             &j);
    check_text(&j, MSG_TO, "Jane Doe <jane@example.com>");
    check_text(&j, MSG_FROM, "me@example.com");
    check_text(&j, MSG_FROM_NAME, "Me & Co");
    check_text(&j, MSG_METADATA, "{\"sub_type\":{\"a\":[1]},\"requested_status\":\"read\"}");
    assert_string_equal(j.message.list[MSG_CC].items[0], "C <c@example.com>");
    assert_int_equal(j.message.units, 2);
    assert_false(j.needs_contact);
    job_clear(&j);
}

/* What the looked-up contact's address does to a message that waits for it. */
static void test_recipient_found_later(void **state)
{
    struct err_text e;
    struct job j;

    (void)state;
    parse_ok(MAIL(",'emailCc':['c@example.com']"), &j);
    assert_int_equal(recipient_set(&j.message, "nobody", 1, &e), SQ_ERR_INVALID);
    check_text(&j, MSG_RECIPIENT, NULL);
    assert_int_equal(recipient_set(&j.message, "Jane <jane@example.com>", 1, &e), SQ_OK);
    check_text(&j, MSG_RECIPIENT, "jane@example.com");
    check_text(&j, MSG_TO, "Jane <jane@example.com>");
    assert_int_equal(j.message.units, 2);
    job_clear(&j);
}

static void test_numbers(void **state)
{
    struct job j;

    (void)state;
    parse_ok(SMS(",'fromNumber':'+14155550100','attachments':['https://a/b.png']"), &j);
    check_text(&j, MSG_FROM, "+14155550100");
    check_text(&j, MSG_METADATA, NULL);
    assert_int_equal(j.message.list[MSG_MEDIA].count, 1);
    assert_int_equal(j.message.attachment_count, 0);
    job_clear(&j);
}

/* The envelope's sender goes before conversationProviderId, its metadata beside the body's. */
static void test_envelope(void **state)
{
    struct job j;

    (void)state;
    parse_ok("{'sender':'s1','scheduled_at':1795300000,'metadata':{'x':1},'body':" SMS(
                 ",'conversationProviderId':'p','scheduledTimestamp':1795200000,"
                 "'status':'pending'") "}",
             &j);
    check_text(&j, MSG_SENDER, "s1");
    check_text(&j, MSG_METADATA, "{\"requested_status\":\"pending\",\"x\":1}");
    assert_true(j.message.scheduled_at == INT64_C(1795300000000));
    job_clear(&j);
}

static const struct {
    const char *url, *filename;
} url_cases[] = {
    {"https://storage.com/a/file1.pdf", "file1.pdf"},
    {"https://storage.com/a/file1.pdf?token=x/y#z", "file1.pdf"},
    {"https://storage.com/", NULL},
    {"https://storage.com", NULL},
    {"https://storage.com?x=/y", NULL},
    {"https://storage.com/a/", NULL},
    {"https://storage.com/a/..", NULL},
    {"https://storage.com/a%2Fb", NULL},
    {"https://storage.com/#/a", NULL},
};

static void test_names_of_files(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(url_cases); i++) {
        char raw[256];
        struct job j;

        snprintf(raw, sizeof raw, MAIL(",'attachments':['%s']"), url_cases[i].url);
        parse_ok(raw, &j);
        assert_string_equal(j.message.attachments[0].url, url_cases[i].url);
        if (url_cases[i].filename)
            assert_string_equal(j.message.attachments[0].filename, url_cases[i].filename);
        else
            assert_null(j.message.attachments[0].filename);
        job_clear(&j);
    }
}

/* --- the spread over optimizationPeriod --- */

static int64_t scheduled(const char *raw)
{
    struct job j;
    int64_t at;

    parse_ok(raw, &j);
    at = j.message.scheduled_at;
    job_clear(&j);
    return at;
}

/* Each contact has its place in the day, whatever day that is and however long the period. */
static void test_spread(void **state)
{
    static const int64_t day = 86400000;
    int64_t a = scheduled(MAIL(",'usesNativeSchedulingAi':true"));
    int64_t b = scheduled("{'type':'Email','contactId':'c2','message':'M',"
                          "'usesNativeSchedulingAi':true}");
    int64_t later = scheduled(MAIL(",'usesNativeSchedulingAi':true,"
                                   "'scheduledTimestamp':1795300000,'optimizationPeriod':'24h'"));
    int64_t past = scheduled(MAIL(",'usesNativeSchedulingAi':true,'scheduledTimestamp':1000"));
    int64_t three = scheduled(MAIL(",'usesNativeSchedulingAi':true,'optimizationPeriod':'72h'"));
    int64_t two = scheduled(MAIL(",'usesNativeSchedulingAi':true,'optimizationPeriod':'48h'"));

    (void)state;
    assert_true(a >= NOW && a < NOW + day);
    assert_true(b >= NOW && b < NOW + day);
    assert_true(a != b);
    assert_true(later == INT64_C(1795300000000) + (a - NOW));
    assert_true(past == a);
    assert_true(two >= NOW && two < NOW + 2 * day && (two - a) % day == 0);
    assert_true(three >= NOW && three < NOW + 3 * day && (three - a) % day == 0);
    assert_true(scheduled(MAIL(",'usesNativeSchedulingAi':false")) == 0);
}

/* A thousand contacts fill every quarter of the day about equally. */
static void test_spread_is_even(void **state)
{
    unsigned quarter[4] = {0};

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char raw[200];

        snprintf(raw, sizeof raw,
                 "{'type':'Email','contactId':'%u','message':'M','usesNativeSchedulingAi':true}",
                 i);
        quarter[(scheduled(raw) - NOW) / 21600000]++;
    }
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(quarter[i], 200, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_example_2021),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_mail_fields),
        cmocka_unit_test(test_recipient_found_later),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_names_of_files),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_spread_is_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

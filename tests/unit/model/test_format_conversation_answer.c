/* The conversation format's answers, and who answers a body that looks like two formats. */
#include "format_test.h"

static void test_sent_mail(void **state)
{
    struct outcome o = {.provider_message_id = "rnGyqh2F6uBrIkfhFo9A"};
    struct message m = {.id = "m1", .channel = CHANNEL_EMAIL};
    struct answer_in in = {.message = &m, .provider = "sendgrid", .outcome = &o};

    (void)state;
    m.text[MSG_CONTACT_ID] = "ABC12h2F6uBrIkfXYazb";
    check_answer("conversation", &in,
                 "{'conversationId':'ABC12h2F6uBrIkfXYazb','emailMessageId':'rnGyqh2F6uBrIkfhFo9A',"
                 "'messageId':'m1','msg':'Message queued successfully.','status':'delivered'}");
    o.provider_message_id[0] = 0;
    m.text[MSG_FORWARD] =
        "{\"isForwarded\":true,\"forwardWholeThread\":false,\"messageId\":\"a\","
        "\"emailMessageId\":\"b\",\"toEmail\":\"f@x.y\",\"recipientContactId\":\"d\"}";
    check_answer("conversation", &in,
                 "{'conversationId':'ABC12h2F6uBrIkfXYazb','emailMessageId':'m1',"
                 "'messageId':'m1','msg':'Message queued successfully.','forwardData':{"
                 "'forwardWholeThread':false,'messageId':'a','emailMessageId':'b',"
                 "'forwardToEmail':'f@x.y','recipientContactId':'d'},'status':'delivered'}");
    m.text[MSG_FORWARD] = "{\"messageId\":\"a\",\"toEmail\":null}";
    check_answer("conversation", &in,
                 "{'conversationId':'ABC12h2F6uBrIkfXYazb','emailMessageId':'m1',"
                 "'messageId':'m1','msg':'Message queued successfully.','forwardData':{"
                 "'messageId':'a'},'status':'delivered'}");
}

static void test_sent_text(void **state)
{
    struct outcome o = {.provider_message_id = "SM1"};
    struct message m = {.id = "m1", .channel = CHANNEL_SMS};
    struct answer_in in = {.message = &m, .provider = "twilio", .outcome = &o};

    (void)state;
    m.text[MSG_CONTACT_ID] = "c1";
    check_answer("conversation", &in,
                 "{'conversationId':'c1','messageId':'m1','msg':'Message queued successfully.',"
                 "'status':'delivered'}");
    snprintf(o.provider_message_id, sizeof o.provider_message_id, "a1,a2,,a3,");
    check_answer("conversation", &in,
                 "{'conversationId':'c1','messageId':'m1','messageIds':['a1','a2','a3'],"
                 "'msg':'Message queued successfully.','status':'delivered'}");
    in = (struct answer_in){.code = CODE_NONE};
    check_answer("conversation", &in,
                 "{'conversationId':null,'messageId':null,'msg':'Message queued successfully.',"
                 "'status':'delivered'}");
}

static const struct {
    enum error_code code;
    const char *expected;
} cases[] = {
    {CODE_VALIDATION_ERROR,
     "{'statusCode':400,'message':'no','error':'Bad Request','status_code':400}"},
    {CODE_INVALID_KEY,
     "{'statusCode':401,'message':'no','error':'Unauthorized','status_code':401}"},
    {CODE_INSUFFICIENT_PERMISSIONS,
     "{'statusCode':403,'message':'no','error':'Forbidden','status_code':403}"},
    {CODE_RECIPIENT_NOT_FOUND,
     "{'statusCode':404,'message':'no','error':'Not Found','status_code':404}"},
    {CODE_IDEMPOTENCY_CONFLICT,
     "{'statusCode':409,'message':'no','error':'Conflict','status_code':409}"},
    {CODE_TOO_LARGE,
     "{'statusCode':413,'message':'no','error':'Payload Too Large','status_code':413}"},
    {CODE_RATE_LIMITED,
     "{'statusCode':429,'message':'no','error':'Too Many Requests','status_code':429}"},
    {CODE_PROVIDER_ERROR,
     "{'statusCode':502,'message':'no','error':'Bad Gateway','status_code':502}"},
    {CODE_EXPIRED, "{'statusCode':502,'message':'no','error':'Bad Gateway','status_code':502}"},
};

static void test_errors(void **state)
{
    struct outcome o = {.text = "no"};
    struct answer_in in = {.outcome = &o};

    (void)state;
    for (unsigned i = 0; i < COUNT(cases); i++) {
        in.code = cases[i].code;
        check_answer("conversation", &in, cases[i].expected);
    }
}

/* What the document calls Unprocessable Entity: a list of messages. */
static void test_refused(void **state)
{
    struct err_text e;
    struct answer_in in = {.error = &e, .code = CODE_VALIDATION_ERROR};

    (void)state;
    err_set_field(&e, SQ_ERR_INVALID, "contactId", "is required");
    check_answer("conversation", &in,
                 "{'statusCode':422,'message':['contactId: is required'],"
                 "'error':'Unprocessable Entity','status_code':422}");
    err_set_field(&e, SQ_ERR_TOO_LARGE, "message", "must be at most 5 bytes");
    in.code = CODE_TOO_LARGE;
    check_answer("conversation", &in,
                 "{'statusCode':413,'message':'message: must be at most 5 bytes',"
                 "'error':'Payload Too Large','status_code':413}");
}

/* --- bodies that look like two --- */

#define CHANNEL "'channel':'slack','recipient':'C01234567','message':'M'"

static const struct {
    const char *raw, *format;
} shape_cases[] = {
    {"{'message_data':{},'channel':'slack','recipient':'C1','to':'a','type':'SMS','contactId':'c'}",
     "messaging"},
    {"{'channel':'slack','recipient':'C1','to':'a','type':'SMS','contactId':'c'}", "channel"},
    {"{'to':'a','type':'SMS','contactId':'c','channel':'slack'}", "email"},
    {"{'type':'SMS','contactId':'c','channel':'slack'}", "conversation"},
    {"{'type':'SMS'}", "conversation"},
    {"{'contactId':'SMS'}", "conversation"},
    {"{'channel':'SMS'}", "channel"},
    {"{'recipient':'SMS'}", "channel"},
    {"{'body_text':'SMS'}", "email"},
    {"{'body_html':'SMS','channel':'x'}", "channel"},
    {"{'bulk_settings':{}}", "messaging"},
    {"{'sender_type':'sms'}", "messaging"},
    /* the envelope decides */
    {"{'format':'email','body':{" CHANNEL "}}", "email"},
    {"{'format':'conversation','body':{'to':'a'}}", "conversation"},
    {"{'format':'channel','body':{}}", "channel"},
    {"{'body':{'channel':'x'}}", "channel"},
    {"{'body':{'type':'x'}}", "conversation"},
};

static void test_shapes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(shape_cases); i++) {
        struct err_text e;
        struct job j;

        if (parse_short(shape_cases[i].raw, NULL, &j, &e) == SQ_OK)
            fail_msg("accepted: %s", shape_cases[i].raw);
        check_text(&j, MSG_FORMAT, shape_cases[i].format);
        job_clear(&j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent_mail), cmocka_unit_test(test_sent_text),
        cmocka_unit_test(test_errors),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

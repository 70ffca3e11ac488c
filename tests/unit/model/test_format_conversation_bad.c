/* The conversation format: every rule of a body, broken. */
#include "format_test.h"

#define SMS(more) "{'type':'SMS','contactId':'c1','message':'M'" more "}"
#define MAIL(more) "{'type':'Email','contactId':'c1','message':'M'" more "}"
#define TYPE(type, more) "{'type':" type ",'contactId':'c1','message':'M'" more "}"
#define CONTACT(contact) "{'type':'SMS','contactId':" contact ",'message':'M'}"
#define FORWARD(members) MAIL(",'forward':{" members "}")
#define TYPES "must be one of SMS, RCS, Email, WhatsApp, IG, FB, Custom, Live_Chat, TIKTOK"
#define STATUSES "must be one of delivered, failed, pending, read"
#define MODES "must be reply or reply_all"
#define PERIODS "must be 24h, 48h or 72h"
#define TIMES "must be an RFC 3339 time or Unix seconds"
#define OVER(channel) "cannot be sent over " channel
#define BOOL "must be true or false"
#define CONTENT "is required, or attachments or templateId"
#define MAIL_CONTENT "is required, or html, attachments, templateId or forward"

static const struct bad_case bad_cases[] = {
    /* the body */
    {SMS(",'colour':1"), "colour", UNKNOWN},
    {SMS(",'body':'x'"), "body", UNKNOWN},
    {SMS(",'contactid':'x'"), "contactid", UNKNOWN},
    {SMS(",'metadata':{}"), "metadata", UNKNOWN},
    /* type */
    {"{'contactId':'c1','message':'M'}", "type", REQUIRED},
    {TYPE("null", ""), "type", REQUIRED},
    {TYPE("''", ""), "type", EMPTY},
    {TYPE("5", ""), "type", STRING},
    {TYPE("['SMS']", ""), "type", STRING},
    {TYPE("{}", ""), "type", STRING},
    {TYPE("'Slack'", ""), "type", TYPES},
    {TYPE("'Fax'", ""), "type", TYPES},
    {TYPE("'Mail'", ""), "type", TYPES},
    {TYPE("'Live Chat'", ""), "type", TYPES},
    {TYPE("'SMS '", ""), "type", TYPES},
    {TYPE("'\xef\xbc\xb3MS'", ""), "type", TYPES}, /* a fullwidth S */
    {TYPE("'SMS\\n'", ""), "type", CONTROL},
    {TYPE("'<<65:S>>'", ""), "type", "must be at most 64 characters"},
    {TYPE("'GMB'", ""), "type", "GMB cannot be sent: Google shut Business Messages down in 2024"},
    {TYPE("'gmb'", ""), "type", "GMB cannot be sent: Google shut Business Messages down in 2024"},
    /* subType, status */
    {SMS(",'subType':5"), "subType", "must be a string or an object"},
    {SMS(",'subType':['Email']"), "subType", "must be a string or an object"},
    {SMS(",'subType':true"), "subType", "must be a string or an object"},
    {SMS(",'subType':'a\\nb'"), "subType", CONTROL},
    {SMS(",'subType':'<<65:x>>'"), "subType", "must be at most 64 characters"},
    {SMS(",'subType':{'a':'<<16400:x>>'}"), "subType", "must be at most 16384 bytes"},
    {SMS(",'status':'sent'"), "status", STATUSES},
    {SMS(",'status':'Delivered'"), "status", STATUSES},
    {SMS(",'status':''"), "status", STATUSES},
    {SMS(",'status':1"), "status", STATUSES},
    {SMS(",'status':['read']"), "status", STATUSES},
    /* contactId */
    {"{'type':'SMS','message':'M'}", "contactId", REQUIRED},
    {"{'type':'SMS','message':'M','toNumber':'+14155550100'}", "contactId", REQUIRED},
    {CONTACT("null"), "contactId", REQUIRED},
    {CONTACT("''"), "contactId", EMPTY},
    {CONTACT("5"), "contactId", STRING},
    {CONTACT("['c1']"), "contactId", STRING},
    {CONTACT("'a b'"), "contactId", IDENT},
    {CONTACT("'a{b}'"), "contactId", IDENT},
    {CONTACT("'\xc3\xa9'"), "contactId", IDENT},
    {CONTACT("'a\\u0001'"), "contactId", IDENT},
    {CONTACT("'<<129:x>>'"), "contactId", "must be at most 128 characters"},
    /* the other ids */
    {SMS(",'appointmentId':5"), "appointmentId", STRING},
    {SMS(",'appointmentId':'a b'"), "appointmentId", IDENT},
    {SMS(",'appointmentId':'<<129:x>>'"), "appointmentId", "must be at most 128 characters"},
    {MAIL(",'replyMessageId':5"), "replyMessageId", STRING},
    {MAIL(",'replyMessageId':'a\\nb'"), "replyMessageId", ASCII},
    {MAIL(",'replyMessageId':'<<513:x>>'"), "replyMessageId", "must be at most 512 characters"},
    {SMS(",'replyMessageId':'m'"), "replyMessageId", OVER("sms")},
    {TYPE("'RCS'", ",'replyMessageId':'m'"), "replyMessageId", OVER("rcs")},
    {SMS(",'templateId':{}"), "templateId", STRING},
    {SMS(",'templateId':'a/b'"), "templateId", IDENT},
    {SMS(",'templateId':'<<129:x>>'"), "templateId", "must be at most 128 characters"},
    {SMS(",'threadId':7"), "threadId", STRING},
    {SMS(",'threadId':'\xe2\x82\xac'"), "threadId", ASCII},
    {SMS(",'threadId':'<<513:x>>'"), "threadId", "must be at most 512 characters"},
    {SMS(",'conversationProviderId':1"), "conversationProviderId", STRING},
    {SMS(",'conversationProviderId':'a b'"), "conversationProviderId", IDENT},
    {SMS(",'conversationProviderId':'<<65:x>>'"), "conversationProviderId",
     "must be at most 64 characters"},
    {MAIL(",'customSubtypeId':5"), "customSubtypeId", STRING},
    {MAIL(",'customSubtypeId':'a b'"), "customSubtypeId", IDENT},
    {SMS(",'customSubtypeId':'507f1f77bcf86cd799439011'"), "customSubtypeId", OVER("sms")},
    {TYPE("'IG'", ",'customSubtypeId':'x'"), "customSubtypeId", OVER("instagram")},
    /* content */
    {"{'type':'SMS','contactId':'c1'}", "message", CONTENT},
    {"{'type':'SMS','contactId':'c1','message':''}", "message", CONTENT},
    {"{'type':'SMS','contactId':'c1','message':null,'attachments':[]}", "message", CONTENT},
    {"{'type':'Email','contactId':'c1','subject':'S'}", "message", MAIL_CONTENT},
    {"{'type':'Email','contactId':'c1','html':''}", "message", MAIL_CONTENT},
    {"{'type':'SMS','contactId':'c1','message':5}", "message", STRING},
    {"{'type':'SMS','contactId':'c1','message':{}}", "message", STRING},
    {MAIL(",'html':5"), "html", STRING},
    {MAIL(",'html':['<p>']"), "html", STRING},
    {SMS(",'html':'<p>'"), "html", OVER("sms")},
    {TYPE("'WhatsApp'", ",'html':'<p>'"), "html", OVER("whatsapp")},
    {MAIL(",'subject':5"), "subject", STRING},
    {MAIL(",'subject':'a\\r\\nBcc: x'"), "subject", CONTROL},
    {MAIL(",'subject':'<<999:x>>'"), "subject", "must be at most 998 characters"},
    {SMS(",'subject':'S'"), "subject", OVER("sms")},
    {TYPE("'FB'", ",'subject':'S'"), "subject", OVER("facebook")},
    {TYPE("'Live_Chat'", ",'subject':'S'"), "subject", OVER("live_chat")},
    {TYPE("'TIKTOK'", ",'subject':'S'"), "subject", OVER("tiktok")},
    {SMS(",'attachments':'https://a/b'"), "attachments", STRINGS},
    {SMS(",'attachments':{}"), "attachments", STRINGS},
    {SMS(",'attachments':[5]"), "attachments[0]", STRING},
    {SMS(",'attachments':[{'url':'https://a/b'}]"), "attachments[0]", STRING},
    {SMS(",'attachments':['']"), "attachments[0]", URL},
    {SMS(",'attachments':['https://a/b','ftp://a/b']"), "attachments[1]", URL},
    {SMS(",'attachments':['file:///etc/passwd']"), "attachments[0]", URL},
    {SMS(",'attachments':['https://a/\\nb']"), "attachments[0]", CONTROL},
    {SMS(",'attachments':['https://a/<<2040:x>>']"), "attachments[0]",
     "must be at most 2048 characters"},
    {SMS(",'attachments':[<<100:'https://a',>>'https://a']"), "attachments",
     "must hold at most 100 items"},
    /* mail addresses */
    {MAIL(",'emailTo':5"), "emailTo", STRING},
    {MAIL(",'emailTo':['a@example.com']"), "emailTo", STRING},
    {MAIL(",'emailTo':'nobody'"), "emailTo", NO_AT " (at byte 6)"},
    {MAIL(",'emailTo':'a@example.com,b@example.com'"), "emailTo",
     "must be one address (at byte 27)"},
    {MAIL(",'emailTo':'a@example.com\\r\\n'"), "emailTo", CONTROL},
    {SMS(",'emailTo':'a@example.com'"), "emailTo", OVER("sms")},
    {TYPE("'Live_Chat'", ",'emailTo':'a@example.com'"), "emailTo", OVER("live_chat")},
    {MAIL(",'emailFrom':5"), "emailFrom", STRING},
    {MAIL(",'emailFrom':'Acme'"), "emailFrom", NO_AT " (at byte 4)"},
    {MAIL(",'emailFrom':'a@b@c'"), "emailFrom",
     "holds a character that is not allowed there (at byte 3)"},
    {SMS(",'emailFrom':'a@example.com'"), "emailFrom", OVER("sms")},
    {MAIL(",'emailCc':'a@example.com'"), "emailCc", STRINGS},
    {MAIL(",'emailCc':[5]"), "emailCc[0]", STRING},
    {MAIL(",'emailCc':['a@example.com','b']"), "emailCc[1]", NO_AT " (at byte 1)"},
    {SMS(",'emailCc':['a@example.com']"), "emailCc", OVER("sms")},
    {MAIL(",'emailBcc':{}"), "emailBcc", STRINGS},
    {MAIL(",'emailBcc':['']"), "emailBcc[0]", EMPTY},
    {TYPE("'IG'", ",'emailBcc':['a@example.com']"), "emailBcc", OVER("instagram")},
    {MAIL(",'emailReplyMode':'all'"), "emailReplyMode", MODES},
    {MAIL(",'emailReplyMode':''"), "emailReplyMode", MODES},
    {MAIL(",'emailReplyMode':'Reply'"), "emailReplyMode", MODES},
    {MAIL(",'emailReplyMode':1"), "emailReplyMode", MODES},
    {SMS(",'emailReplyMode':'reply'"), "emailReplyMode", OVER("sms")},
    /* numbers */
    {SMS(",'toNumber':14155550100"), "toNumber", STRING},
    {SMS(",'toNumber':['+14155550100']"), "toNumber", STRING},
    {SMS(",'toNumber':'14155550100'"), "toNumber", E164},
    {SMS(",'toNumber':'+1 415 555 0100'"), "toNumber", E164},
    {SMS(",'toNumber':'+123456'"), "toNumber", E164},
    {SMS(",'toNumber':'+1234567890123456'"), "toNumber", E164},
    {SMS(",'toNumber':'+14155550100\\n'"), "toNumber", CONTROL},
    {SMS(",'toNumber':'<<33:1>>'"), "toNumber", "must be at most 32 characters"},
    {MAIL(",'toNumber':'5'"), "toNumber", E164},
    {TYPE("'IG'", ",'toNumber':'+14155550100'"), "toNumber", OVER("instagram")},
    {TYPE("'TIKTOK'", ",'fromNumber':'+14155550100'"), "fromNumber", OVER("tiktok")},
    {SMS(",'fromNumber':5"), "fromNumber", STRING},
    {SMS(",'fromNumber':'Acme'"), "fromNumber", E164},
    {MAIL(",'fromNumber':'Acme'"), "fromNumber", E164},
    {TYPE("'Custom'", ",'toNumber':'+14155550100','emailTo':'a@example.com'"), "toNumber",
     "and emailTo cannot both be given"},
    {TYPE("'Custom'", ",'fromNumber':'+14155550100','emailFrom':'a@example.com'"), "fromNumber",
     "and emailFrom cannot both be given"},
    /* forward */
    {MAIL(",'forward':true"), "forward", "must be an object"},
    {MAIL(",'forward':[]"), "forward", "must be an object"},
    {MAIL(",'forward':'m'"), "forward", "must be an object"},
    {FORWARD(""), "forward.messageId", "or emailMessageId is required"},
    {FORWARD("'isForwarded':true"), "forward.messageId", "or emailMessageId is required"},
    {FORWARD("'messageId':'m','colour':1"), "forward.colour", UNKNOWN},
    {FORWARD("'messageId':'m','isForwarded':'true'"), "forward.isForwarded", BOOL},
    {FORWARD("'messageId':'m','forwardWholeThread':0"), "forward.forwardWholeThread", BOOL},
    {FORWARD("'messageId':5"), "forward.messageId", STRING},
    {FORWARD("'messageId':'a\\nb'"), "forward.messageId", ASCII},
    {FORWARD("'emailMessageId':{}"), "forward.emailMessageId", STRING},
    {FORWARD("'messageId':'m','toEmail':5"), "forward.toEmail", STRING},
    {FORWARD("'messageId':'m','toEmail':'nobody'"), "forward.toEmail", NO_AT " (at byte 6)"},
    {FORWARD("'messageId':'m','recipientContactId':'a b'"), "forward.recipientContactId", IDENT},
    {SMS(",'forward':{'messageId':'m'}"), "forward", OVER("sms")},
    /* times */
    {SMS(",'scheduledTimestamp':'tomorrow'"), "scheduledTimestamp", TIMES},
    {SMS(",'scheduledTimestamp':''"), "scheduledTimestamp", TIMES},
    {SMS(",'scheduledTimestamp':true"), "scheduledTimestamp", TIMES},
    {SMS(",'scheduledTimestamp':[]"), "scheduledTimestamp", TIMES},
    {SMS(",'scheduledTimestamp':0"), "scheduledTimestamp", "must be after 1970"},
    {SMS(",'scheduledTimestamp':-1669287863"), "scheduledTimestamp", "must be after 1970"},
    {SMS(",'scheduledTimestamp':1669287863000"), "scheduledTimestamp",
     "is beyond the year 9999: seconds are expected, not milliseconds"},
    {MAIL(",'usesNativeSchedulingAi':'true'"), "usesNativeSchedulingAi", BOOL},
    {MAIL(",'usesNativeSchedulingAi':1"), "usesNativeSchedulingAi", BOOL},
    {SMS(",'usesNativeSchedulingAi':true"), "usesNativeSchedulingAi", OVER("sms")},
    {MAIL(",'optimizationPeriod':'12h'"), "optimizationPeriod", PERIODS},
    {MAIL(",'optimizationPeriod':24"), "optimizationPeriod", PERIODS},
    {MAIL(",'optimizationPeriod':''"), "optimizationPeriod", PERIODS},
    {MAIL(",'optimizationPeriod':'24H'"), "optimizationPeriod", PERIODS},
};

static void test_bad(void **state)
{
    (void)state;
    check_bad(bad_cases, COUNT(bad_cases), "conversation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

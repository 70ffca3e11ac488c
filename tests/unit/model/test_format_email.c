/* The email format: the document's example, every rule of a body, and the answers. */
#include "format_test.h"

#define MAIL(more) "{'to':'a@example.com','subject':'S','body_text':'T'" more "}"
#define TO(to) "{'to':" to ",'subject':'S','body_text':'T'}"
#define SUBJECT(subject) "{'to':'a@example.com','subject':" subject ",'body_text':'T'}"
#define ONE_FILE(members) MAIL(",'attachments':[{" members "}]")
#define PATH(path) ONE_FILE("'storage_path':'" path "'")
#define BAD_PATH "must be a relative path without . and .. in it"
#define SOURCE "either content_base64 or storage_path is required"
#define NOT_VALID "holds an address that is not valid"
#define NOT_THERE "holds a character that is not allowed there"

static void test_example(void **state)
{
    struct job j;

    (void)state;
    parse_file_ok("email_send.json", &j);
    assert_int_equal(j.message.channel, CHANNEL_EMAIL);
    check_text(&j, MSG_FORMAT, "email");
    check_text(&j, MSG_RECIPIENT, "jane@example.com");
    check_text(&j, MSG_TO, NULL);
    check_text(&j, MSG_SUBJECT, "Follow-up on our meeting");
    check_text(&j, MSG_HTML, "<p>Hi Jane, thanks for meeting with us today.</p>");
    check_text(&j, MSG_CONTENT, NULL);
    check_text(&j, MSG_CONTACT_ID, "123e4567-e89b-12d3-a456-426614174000");
    assert_int_equal(j.message.units, 1);
    job_clear(&j);
}

/* The document's own words for an address with a name. */
static const struct {
    const char *raw, *recipient, *to;
    unsigned units;
} to_cases[] = {
    {TO("'Jane Doe <jane@example.com>'"), "jane@example.com", "Jane Doe <jane@example.com>", 1},
    {TO("['a@example.com','b@example.com']"), "a@example.com,b@example.com", NULL, 2},
    {TO("['a@example.com']"), "a@example.com", NULL, 1},
    {TO("'a@example.com, B <b@example.com>'"), "a@example.com,b@example.com",
     "a@example.com, B <b@example.com>", 2},
    {TO("['a@example.com','a@EXAMPLE.com','a@example.com, b@example.com']"),
     "a@example.com,b@example.com", NULL, 2},
    {TO("'Team: a@example.com, B B <b@example.com>;'"), "a@example.com,b@example.com",
     "a@example.com, B B <b@example.com>", 2},
    {TO("'J\xc3\xb6rg <j\xc3\xb6rg@b\xc3\xbc\x63her.example>'"),
     "j\xc3\xb6rg@xn--bcher-kva.example", "J\xc3\xb6rg <j\xc3\xb6rg@xn--bcher-kva.example>", 1},
    {TO("'jane@example.com (Jane)'"), "jane@example.com", NULL, 1},
    {MAIL(",'cc':['c@example.com','D <d@example.com>'],'bcc':['e@example.com, f@example.com']"),
     "a@example.com", NULL, 5},
    {TO("['<<100:a@example.com, >>b@example.com']"), "a@example.com,b@example.com", NULL, 2},
};

static void test_to(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(to_cases); i++) {
        struct job j;

        parse_ok(to_cases[i].raw, &j);
        check_text(&j, MSG_RECIPIENT, to_cases[i].recipient);
        check_text(&j, MSG_TO, to_cases[i].to);
        assert_int_equal(j.message.units, to_cases[i].units);
        job_clear(&j);
    }
}

static void test_all_fields(void **state)
{
    const struct str_list *cc, *bcc;
    struct job j;

    (void)state;
    parse_ok("{'to':['a@example.com'],'subject':'S','body_html':'<b>','body_text':'T',"
             "'cc':['C C <c@example.com>','D: d@example.com;'],'bcc':['e@example.com'],"
             "'reply_to':'R R <r@example.com>','contact_id':'c','deal_id':'d',"
             "'thread_id':'<x@example.com>','attachments':["
             "{'filename':'a.pdf','mime_type':'application/pdf','content_base64':'QUJD',"
             "'content_id':'a@x'},"
             "{'storage_path':'2026/04/b c.pdf'}]}",
             &j);
    cc = &j.message.list[MSG_CC];
    bcc = &j.message.list[MSG_BCC];
    check_text(&j, MSG_HTML, "<b>");
    check_text(&j, MSG_CONTENT, "T");
    check_text(&j, MSG_REPLY_TO, "R R <r@example.com>");
    check_text(&j, MSG_DEAL_ID, "d");
    check_text(&j, MSG_THREAD_ID, "<x@example.com>");
    assert_int_equal(cc->count, 2);
    assert_string_equal(cc->items[0], "C C <c@example.com>");
    assert_string_equal(cc->items[1], "d@example.com");
    assert_int_equal(bcc->count, 1);
    assert_string_equal(bcc->items[0], "e@example.com");
    assert_int_equal(j.message.units, 4);
    assert_int_equal(j.message.attachment_count, 2);
    assert_string_equal(j.message.attachments[0].content_base64, "QUJD");
    assert_string_equal(j.message.attachments[0].content_id, "a@x");
    assert_string_equal(j.message.attachments[1].storage_path, "2026/04/b c.pdf");
    assert_null(j.message.attachments[1].content_id);
    assert_null(j.message.attachments[1].content_base64);
    job_clear(&j);
}

static const char *const good_cases[] = {
    MAIL(""),
    MAIL(",'cc':[],'bcc':null,'reply_to':'','thread_id':null,'attachments':[],'deal_id':''"),
    "{'to':'a@example.com','subject':'S','body_html':'<p>','body_text':''}",
    "{'to':'a@example.com','subject':'S','body_html':null,'body_text':'T'}",
    SUBJECT("'<<998:x>>'"),
    SUBJECT("'<<998:\xe2\x82\xac>>'"),
    TO("'<<64:a>>@example.com'"),
    TO("'a@<<61:bcd.>>examples'"),
    MAIL(",'thread_id':'<<512:x>>'"),
    MAIL(",'cc':[<<99:'a@example.com',>>'a@example.com']"),
    PATH("a"),
    PATH("a/b.c/..d/.e/f.."),
    PATH("a../b"),
    PATH("<<1024:x>>"),
    ONE_FILE("'filename':'<<255:\xc3\xa9>>','content_base64':'QQ=='"),
    "{'format':'email','body':" MAIL("") "}",
    "{'body':" MAIL("") "}",
};

static void test_good(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(good_cases); i++) {
        struct job j;

        parse_ok(good_cases[i], &j);
        check_text(&j, MSG_FORMAT, "email");
        job_clear(&j);
    }
}

static const struct bad_case bad_cases[] = {
    /* the body */
    {MAIL(",'colour':1"), "colour", UNKNOWN},
    {MAIL(",'from':'b@example.com'"), "from", UNKNOWN},
    {MAIL(",'message':'x'"), "message", UNKNOWN},
    {MAIL(",'TO':'x'"), "TO", UNKNOWN},
    {MAIL(",'html':'x'"), "html", UNKNOWN},
    /* to */
    {"{'subject':'S','body_text':'T'}", "to", REQUIRED},
    {"{'subject':'S','body_html':'T'}", "to", REQUIRED},
    {TO("null"), "to", REQUIRED},
    {TO("''"), "to", EMPTY},
    {TO("[]"), "to", EMPTY},
    {TO("5"), "to", "must be a string or a list of strings"},
    {TO("true"), "to", "must be a string or a list of strings"},
    {TO("{}"), "to", "must be a string or a list of strings"},
    {TO("{'email':'a@example.com'}"), "to", "must be a string or a list of strings"},
    {TO("[5]"), "to[0]", STRING},
    {TO("['a@example.com',null]"), "to[1]", STRING},
    {TO("['a@example.com',['b@example.com']]"), "to[1]", STRING},
    {TO("['a@example.com','']"), "to[1]", EMPTY},
    {TO("' '"), "to", "holds an empty address (at byte 1)"},
    {TO("'nobody'"), "to", NO_AT " (at byte 6)"},
    {TO("'Jane Doe'"), "to", NO_AT " (at byte 8)"},
    {TO("'@example.com'"), "to", "holds an address without a name before @"},
    {TO("'a@'"), "to", NOT_VALID " (at byte 2)"},
    {TO("'a@ '"), "to", NOT_VALID " (at byte 3)"},
    {TO("'a@b@c.example'"), "to", NOT_THERE " (at byte 3)"},
    {TO("'a@example..com'"), "to", NOT_VALID " (at byte 14)"},
    {TO("'a@-example.com'"), "to", NOT_VALID " (at byte 14)"},
    {TO("'a@exa_mple.com'"), "to", NOT_VALID " (at byte 14)"},
    {TO("'a..b@example.com'"), "to", NOT_VALID " (at byte 16)"},
    {TO("'.a@example.com'"), "to", NOT_VALID " (at byte 14)"},
    {TO("'<<65:a>>@example.com'"), "to", NOT_VALID " (at byte 77)"},
    {TO("'a@<<64:b>>.example'"), "to", NOT_VALID " (at byte 74)"},
    {TO("'a@<<61:bcd.>>examplesx'"), "to", NOT_VALID " (at byte 255)"},
    {TO("'a@[127.0.0.1]'"), "to", "holds an address literal, which is not supported (at byte 2)"},
    {TO("'Jane Doe jane@example.com'"), "to",
     "holds words before an address that is not in <> (at byte 13)"},
    {TO("'Jane <jane@example.com'"), "to", "holds a < without its > (at byte 22)"},
    {TO("'Jane <jane>'"), "to", NO_AT " (at byte 10)"},
    {TO("'Jane <>'"), "to", NO_AT " (at byte 6)"},
    {TO("'Jane <a@example.com> x'"), "to", NOT_THERE " (at byte 21)"},
    {TO("'Jane <a@example.com>>'"), "to", NOT_THERE " (at byte 20)"},
    {TO("'<a@example.com> <b@example.com>'"), "to", NOT_THERE " (at byte 16)"},
    {TO("'<@relay.example:a@example.com>'"), "to",
     "holds an address without a name before @ (at byte 1)"},
    {TO("'\\u0022Jane <a@example.com>'"), "to", "holds an unclosed quote (at byte 21)"},
    {TO("'a@example.com (Jane'"), "to", "holds an unclosed comment (at byte 19)"},
    {TO("'<<17:(>>x<<17:)>> a@example.com'"), "to", "holds comments nested too deep (at byte 16)"},
    {TO("'Team: a@example.com'"), "to", "holds a group without its ; (at byte 19)"},
    {TO("'Team: ;'"), "to", "names no address"},
    {TO("'A: B: a@example.com;;'"), "to", NOT_THERE " (at byte 4)"},
    {TO("'a@example.com,'"), "to", "holds an empty address (at byte 14)"},
    {TO("',a@example.com'"), "to", EMPTY},
    {TO("'a@example.com,,b@example.com'"), "to", "holds an empty address (at byte 14)"},
    {TO("'a@example.com;b@example.com'"), "to", NOT_THERE " (at byte 13)"},
    {TO("'a@example.com b@example.com'"), "to", NOT_THERE " (at byte 14)"},
    {TO("'a@example.com\\r\\nBcc: b@example.com'"), "to", CONTROL},
    {TO("'Jane\\n <a@example.com>'"), "to", CONTROL},
    {TO("'a\\u0085@example.com'"), "to", CONTROL},
    {TO("'a\\u007f@example.com'"), "to", CONTROL},
    {TO("['a@example.com\\t']"), "to[0]", CONTROL},
    {TO("'a@e\xcc\x88xample.com'"), "to", NOT_VALID " (at byte 15)"}, /* not composed */
    {TO("'a@exa\xe2\x80\xaempl.com'"), "to",
     NOT_VALID " (at byte 15)"}, /* RIGHT-TO-LEFT OVERRIDE */
    {TO("'a@example\xe3\x80\x82\x63om'"), "to", NOT_VALID " (at byte 15)"}, /* another full stop */
    {TO("'<<600:x>> <a@example.com>'"), "to", "holds a name that is too long (at byte 602)"},
    {TO("'<<65537:x>>'"), "to", "must be at most 65536 bytes"},
    {TO("[<<100:'a@example.com',>>'a@example.com']"), "to", "must hold at most 100 items"},
    /* subject */
    {"{'to':'a@example.com','body_text':'T'}", "subject", REQUIRED},
    {SUBJECT("null"), "subject", REQUIRED},
    {SUBJECT("''"), "subject", EMPTY},
    {SUBJECT("5"), "subject", STRING},
    {SUBJECT("{}"), "subject", STRING},
    {SUBJECT("['S']"), "subject", STRING},
    {SUBJECT("'<<999:x>>'"), "subject", "must be at most 998 characters"},
    {SUBJECT("'<<999:\xe2\x82\xac>>'"), "subject", "must be at most 998 characters"},
    {SUBJECT("'a\\nb'"), "subject", CONTROL},
    {SUBJECT("'a\\rb'"), "subject", CONTROL},
    {SUBJECT("'\\u001b[0m'"), "subject", CONTROL},
    /* the body's two forms */
    {"{'to':'a@example.com','subject':'S'}", "body_html", "or body_text is required"},
    {"{'to':'a@example.com','subject':'S','body_html':'','body_text':''}", "body_html",
     "or body_text is required"},
    {"{'to':'a@example.com','subject':'S','body_html':null}", "body_html",
     "or body_text is required"},
    {MAIL(",'body_html':5"), "body_html", STRING},
    {MAIL(",'body_html':{}"), "body_html", STRING},
    {"{'to':'a@example.com','subject':'S','body_text':[]}", "body_text", STRING},
    {"{'to':'a@example.com','subject':'S','body_text':true}", "body_text", STRING},
    /* cc, bcc */
    {MAIL(",'cc':'b@example.com'"), "cc", STRINGS},
    {MAIL(",'cc':{}"), "cc", STRINGS},
    {MAIL(",'cc':[5]"), "cc[0]", STRING},
    {MAIL(",'cc':['']"), "cc[0]", EMPTY},
    {MAIL(",'cc':['b@example.com','nobody']"), "cc[1]", NO_AT " (at byte 6)"},
    {MAIL(",'cc':['b@example.com\\r\\nX: y']"), "cc[0]", CONTROL},
    {MAIL(",'cc':[<<100:'b@example.com',>>'b@example.com']"), "cc", "must hold at most 100 items"},
    {MAIL(",'bcc':'b@example.com'"), "bcc", STRINGS},
    {MAIL(",'bcc':5"), "bcc", STRINGS},
    {MAIL(",'bcc':[null]"), "bcc[0]", STRING},
    {MAIL(",'bcc':['b@']"), "bcc[0]", NOT_VALID " (at byte 2)"},
    /* reply_to */
    {MAIL(",'reply_to':5"), "reply_to", STRING},
    {MAIL(",'reply_to':['b@example.com']"), "reply_to", STRING},
    {MAIL(",'reply_to':'nobody'"), "reply_to", NO_AT " (at byte 6)"},
    {MAIL(",'reply_to':'b@example.com, c@example.com'"), "reply_to",
     "must be one address (at byte 28)"},
    {MAIL(",'reply_to':'b@example.com\\n'"), "reply_to", CONTROL},
    /* ids */
    {MAIL(",'contact_id':5"), "contact_id", STRING},
    {MAIL(",'contact_id':'a b'"), "contact_id", IDENT},
    {MAIL(",'contact_id':'<<129:x>>'"), "contact_id", "must be at most 128 characters"},
    {MAIL(",'deal_id':[]"), "deal_id", STRING},
    {MAIL(",'deal_id':'\xe2\x82\xac'"), "deal_id", IDENT},
    {MAIL(",'thread_id':5"), "thread_id", STRING},
    {MAIL(",'thread_id':'a\\nb'"), "thread_id", ASCII},
    {MAIL(",'thread_id':'\xc3\xa9'"), "thread_id", ASCII},
    {MAIL(",'thread_id':'<<513:x>>'"), "thread_id", "must be at most 512 characters"},
    /* attachments */
    {MAIL(",'attachments':{}"), "attachments", "must be a list of objects"},
    {MAIL(",'attachments':['a.pdf']"), "attachments[0]", "must be an object"},
    {ONE_FILE(""), "attachments[0].content_base64", SOURCE},
    {ONE_FILE("'filename':'a','mime_type':'a/b'"), "attachments[0].content_base64", SOURCE},
    {ONE_FILE("'storage_path':'a','content_base64':'QUJD'"), "attachments[0].storage_path",
     SOURCE ", not both"},
    {ONE_FILE("'url':'https://a'"), "attachments[0].url", UNKNOWN},
    {ONE_FILE("'content_base64':'?'"), "attachments[0].content_base64", "must be base64"},
    {ONE_FILE("'content_base64':'Q'"), "attachments[0].content_base64", "must be base64"},
    {ONE_FILE("'storage_path':'a','content_id':'<a>'"), "attachments[0].content_id",
     "must have no blanks, quotes and brackets"},
    {ONE_FILE("'storage_path':'a','content_id':'a\\nb'"), "attachments[0].content_id", ASCII},
    {ONE_FILE("'storage_path':5"), "attachments[0].storage_path", STRING},
    {PATH("/etc/passwd"), "attachments[0].storage_path", BAD_PATH},
    {PATH("../a"), "attachments[0].storage_path", BAD_PATH},
    {PATH("a/../b"), "attachments[0].storage_path", BAD_PATH},
    {PATH("a/.."), "attachments[0].storage_path", BAD_PATH},
    {PATH(".."), "attachments[0].storage_path", BAD_PATH},
    {PATH("."), "attachments[0].storage_path", BAD_PATH},
    {PATH("./a"), "attachments[0].storage_path", BAD_PATH},
    {PATH("a//b"), "attachments[0].storage_path", BAD_PATH},
    {PATH("a/"), "attachments[0].storage_path", BAD_PATH},
    {PATH("a\\\\b"), "attachments[0].storage_path", BAD_PATH},
    {PATH("..\\\\a"), "attachments[0].storage_path", BAD_PATH},
    {PATH("a\\nb"), "attachments[0].storage_path", CONTROL},
    {PATH("<<1025:x>>"), "attachments[0].storage_path", "must be at most 1024 characters"},
};

static void test_bad(void **state)
{
    (void)state;
    check_bad(bad_cases, COUNT(bad_cases), "email");
}

static void test_content_cap(void **state)
{
    struct job_limits limits = {.max_content = 3};
    struct err_text e;
    struct job j;

    (void)state;
    assert_int_equal(
        parse_short("{'to':'a@b.c','subject':'S','body_html':'\xe2\x82\xac'}", &limits, &j, &e),
        SQ_OK);
    job_clear(&j);
    assert_int_equal(
        parse_short("{'to':'a@b.c','subject':'S','body_html':'1234'}", &limits, &j, &e),
        SQ_ERR_TOO_LARGE);
    assert_string_equal(e.text, "body_html: must be at most 3 bytes");
    job_clear(&j);
}

/* --- answers --- */

static void test_answer_sent(void **state)
{
    struct outcome o = {.provider_message_id = "18c9a4b2e7ff21aa", .thread_id = "t1"};
    struct message m = {.id = "m1", .channel = CHANNEL_EMAIL};
    struct answer_in in = {
        .message = &m, .provider = "gmail", .outcome = &o, .now_ms = INT64_C(1776421331000)};

    (void)state;
    check_answer("email", &in,
                 "{'data':{'id':'18c9a4b2e7ff21aa','thread_id':'t1','provider':'gmail',"
                 "'status':'sent','sent_at':'2026-04-17T10:22:11Z'}}");
    o.thread_id[0] = 0;
    check_answer("email", &in,
                 "{'data':{'id':'18c9a4b2e7ff21aa','thread_id':'18c9a4b2e7ff21aa',"
                 "'provider':'gmail','status':'sent','sent_at':'2026-04-17T10:22:11Z'}}");
    m.text[MSG_THREAD_ID] = "asked";
    o.provider_message_id[0] = 0;
    check_answer("email", &in,
                 "{'data':{'id':'m1','thread_id':'asked','provider':'gmail',"
                 "'status':'sent','sent_at':'2026-04-17T10:22:11Z'}}");
}

static const struct {
    enum error_code code;
    const char *expected;
} answer_cases[] = {
    {CODE_VALIDATION_ERROR,
     "{'error':{'code':'validation_error','message':'no'},'status_code':400}"},
    {CODE_INVALID_KEY, "{'error':{'code':'invalid_key','message':'no'},'status_code':401}"},
    {CODE_INSUFFICIENT_PERMISSIONS,
     "{'error':{'code':'insufficient_permissions','message':'no'},'status_code':403}"},
    {CODE_IDEMPOTENCY_CONFLICT,
     "{'error':{'code':'idempotency_conflict','message':'no'},'status_code':409}"},
    {CODE_RATE_LIMITED, "{'error':{'code':'rate_limited','message':'no'},'status_code':429}"},
    {CODE_PROVIDER_ERROR, "{'error':{'code':'provider_error','message':'no'},'status_code':502}"},
    {CODE_TOO_LARGE, "{'error':{'code':'too_large','message':'no'},'status_code':413}"},
};

static void test_answer_errors(void **state)
{
    struct outcome o = {.text = "no"};
    struct answer_in in = {.outcome = &o};

    (void)state;
    for (unsigned i = 0; i < COUNT(answer_cases); i++) {
        in.code = answer_cases[i].code;
        check_answer("email", &in, answer_cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),     cmocka_unit_test(test_to),
        cmocka_unit_test(test_all_fields),  cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),         cmocka_unit_test(test_content_cap),
        cmocka_unit_test(test_answer_sent), cmocka_unit_test(test_answer_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

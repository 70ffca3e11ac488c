/* Mails as bytes: their structure, what headers hold, and what cannot stand in one. How a mail
 * reader understands them is tested end to end. */
#include "model_test.h"

#include "crypto.h"
#include "mime.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATE_MS INT64_C(1700000000000)

struct fixture {
    struct message m;
    struct mime_in in;
    struct address to[4];
    struct mime_header headers[2];
    struct buf out;
    struct err_text e;
};

static void init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    strcpy(f->m.id, "m-1");
    f->m.text[MSG_SUBJECT] = "Hi";
    f->m.text[MSG_CONTENT] = "Text";
    f->to[0] = (struct address){NULL, "a@x.example"};
    f->in = (struct mime_in){
        .message = &f->m, .from = {"Acme", "s@acme.example"}, .to = {f->to, 1}, .date_ms = DATE_MS};
}

static void done(struct fixture *f)
{
    buf_free(&f->out);
    message_clear(&f->m);
}

static const char *compose(struct fixture *f)
{
    buf_free(&f->out);
    if (mime_compose(&f->in, &f->out, &f->e) != SQ_OK)
        fail_msg("%s", f->e.text);
    assert_int_equal(strlen(buf_str(&f->out)), f->out.len);
    return buf_str(&f->out);
}

static void refuse(struct fixture *f, const char *field)
{
    buf_free(&f->out);
    assert_int_equal(mime_compose(&f->in, &f->out, &f->e), SQ_ERR_INVALID);
    assert_string_equal(f->e.field, field);
    assert_int_equal(f->out.len, 0);
}

static struct attachment *attach(struct fixture *f, const char *name, const char *base64)
{
    struct attachment *a = message_attachment_add(&f->m);

    a->filename = name;
    a->content_base64 = base64;
    return a;
}

static unsigned count(const char *in, const char *what)
{
    unsigned n = 0;

    for (; (in = strstr(in, what)) != NULL; in++)
        n++;
    return n;
}

static void test_smallest(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    assert_string_equal(compose(&f), "From: Acme <s@acme.example>\r\n"
                                     "To: a@x.example\r\n"
                                     "Subject: Hi\r\n"
                                     "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                                     "Message-Id: <m-1@acme.example>\r\n"
                                     "MIME-Version: 1.0\r\n"
                                     "Content-Type: text/plain; charset=utf-8\r\n"
                                     "Content-Transfer-Encoding: 7bit\r\n"
                                     "\r\n"
                                     "Text\r\n");
    done(&f);
}

static void test_same_bytes_again(void **state)
{
    struct fixture f;
    char *first;

    (void)state;
    init(&f);
    f.m.text[MSG_HTML] = "<p>";
    attach(&f, "a.txt", "AAAA");
    first = strdup(compose(&f));
    assert_string_equal(compose(&f), first);
    free(first);
    done(&f);
}

static void test_tree(void **state)
{
    struct fixture f;
    const char *mail, *alternative, *related, *html, *image, *file;

    (void)state;
    init(&f);
    f.m.text[MSG_HTML] = "<img src=cid:logo>";
    attach(&f, "a.pdf", "JVBERg==")->mime_type = "application/pdf";
    attach(&f, "l.png", "AAAA")->content_id = "logo";
    mail = compose(&f);
    alternative = strstr(mail, "multipart/alternative");
    related = strstr(mail, "multipart/related");
    html = strstr(mail, "text/html");
    image = strstr(mail, "Content-Id: <logo>");
    file = strstr(mail, "application/pdf");
    assert_non_null(strstr(mail, "multipart/mixed"));
    assert_true(alternative && related && html && image && file);
    assert_true(alternative < related && related < html && html < image && image < file);
    assert_int_equal(count(mail, "Content-Disposition: inline"), 1);
    assert_int_equal(count(mail, "Content-Disposition: attachment"), 1);
    done(&f);
}

static void test_image_without_html_is_attached(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    attach(&f, "l.png", "AAAA")->content_id = "logo";
    assert_non_null(strstr(compose(&f), "Content-Disposition: attachment"));
    assert_null(strstr(buf_str(&f.out), "related"));
    done(&f);
}

static void test_empty_text(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.m.text[MSG_CONTENT] = NULL;
    f.m.text[MSG_SUBJECT] = NULL;
    assert_non_null(strstr(compose(&f), "text/plain"));
    assert_null(strstr(buf_str(&f.out), "Subject"));
    done(&f);
}

static const char *encoding_of(struct fixture *f, const char *text)
{
    const char *at;

    f->m.text[MSG_CONTENT] = text;
    at = strstr(compose(f), "Content-Transfer-Encoding: ");
    assert_non_null(at);
    return at + strlen("Content-Transfer-Encoding: ");
}

static void test_encodings(void **state)
{
    struct fixture f;
    char line[2000];

    (void)state;
    init(&f);
    memset(line, 'a', sizeof(line));
    line[1999] = '\0';
    assert_true(
        text_starts(encoding_of(&f, "plain\r\n.\r\nFrom x\n"), "7bit\r\n\r\nplain\r\n.\r\n"));
    assert_true(text_starts(encoding_of(&f, "a lone\rCR"), "quoted-printable"));
    assert_true(text_starts(encoding_of(&f, "blank \nend"), "quoted-printable"));
    assert_true(text_starts(encoding_of(&f, "a text that is ASCII but for one \xc3\xbc"),
                            "quoted-printable"));
    assert_true(text_starts(encoding_of(&f, line), "quoted-printable"));
    assert_true(text_starts(encoding_of(&f, "\xe6\x97\xa5\xe6\x9c\xac"), "base64"));
    done(&f);
}

/* Whoever writes the text may know the id and so the boundary. */
static void test_a_text_cannot_end_its_part(void **state)
{
    struct fixture f;
    char text[200], *boundary;
    const char *mail;

    (void)state;
    init(&f);
    attach(&f, "a.txt", "AAAA");
    mail = compose(&f);
    boundary = strdup(strstr(mail, "\r\n--=_"));
    boundary[strcspn(boundary + 2, "\r") + 2] = '\0';
    snprintf(text, sizeof(text), "x%s\r\nContent-Type: text/html\r\n\r\n<b>", boundary);
    f.m.text[MSG_CONTENT] = text;
    assert_int_equal(count(compose(&f), boundary), 3);
    free(boundary);
    done(&f);
}

static void test_no_line_is_too_long(void **state)
{
    struct fixture f;
    char *text = malloc(100001), subject[999], name[250];
    size_t line = 0;

    (void)state;
    init(&f);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    memset(subject, 's', 998);
    subject[998] = '\0';
    memset(name, 'n', 249);
    name[249] = '\0';
    f.m.text[MSG_CONTENT] = text;
    f.m.text[MSG_HTML] = text;
    f.m.text[MSG_SUBJECT] = subject;
    f.to[0].name = name;
    attach(&f, subject, "AAAA");
    for (const char *p = compose(&f); *p; p++) {
        line = *p == '\n' ? 0 : line + 1;
        assert_true(line <= 999);
        assert_true(*p != '\n' || p[-1] == '\r');
        assert_true(*p != '\r' || p[1] == '\n');
        assert_true((unsigned char)*p < 0x80);
    }
    free(text);
    done(&f);
}

static void test_thread_headers(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.in.in_reply_to = "<2@x.example>";
    assert_non_null(strstr(compose(&f), "\r\nIn-Reply-To: <2@x.example>\r\n"));
    assert_non_null(strstr(buf_str(&f.out), "\r\nReferences: <2@x.example>\r\n"));
    f.in.references = "<1@x.example> <2@x.example>";
    assert_non_null(strstr(compose(&f), "\r\nReferences: <1@x.example> <2@x.example>\r\n"));
    f.in.in_reply_to = "2@x.example";
    refuse(&f, "in_reply_to");
    f.in.in_reply_to = NULL;
    f.in.references = "<1@x.example>\r\nX: y <2@x.example>";
    refuse(&f, "references");
    done(&f);
}

static void test_more_headers(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.headers[0] = (struct mime_header){"List-Unsubscribe",
                                        "<https://acme.example/u?a=b>, <mailto:u@acme.example>"};
    f.headers[1] = (struct mime_header){"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"};
    f.in.headers = f.headers;
    f.in.header_count = 2;
    assert_non_null(strstr(compose(&f), "\r\nList-Unsubscribe: <https://acme.example/u?a=b>,\r\n"
                                        " <mailto:u@acme.example>\r\n"
                                        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    f.headers[0].value = "<https://x>\r\nBcc: v@x.example";
    refuse(&f, "headers");
    f.headers[0] = (struct mime_header){"X\r\nBcc", "v"};
    refuse(&f, "headers");
    done(&f);
}

static void test_recipients(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.to[1] = (struct address){"Doe, J.", "j@B\xc3\xbc"
                                          "cher.example"};
    f.in.to.count = 2;
    f.in.cc = (struct address_list){f.to, 1};
    f.in.reply_to = (struct address_list){f.to, 1};
    assert_non_null(strstr(compose(&f), "To: a@x.example, \"Doe, J.\" <j@xn--bcher-kva.example>"));
    assert_non_null(strstr(buf_str(&f.out), "\r\nCc: a@x.example\r\n"));
    assert_non_null(strstr(buf_str(&f.out), "\r\nReply-To: a@x.example\r\n"));
    assert_null(strstr(buf_str(&f.out), "Bcc"));
    f.in.bcc = (struct address_list){f.to, 1};
    assert_non_null(strstr(compose(&f), "\r\nBcc: a@x.example\r\n"));
    done(&f);
}

static void test_nothing_can_start_a_header(void **state)
{
    static const char *const bad[] = {"x\r\nBcc: v@x.example",
                                      "x\nBcc: v",
                                      "x\rBcc: v",
                                      "x\xc2\x85"
                                      "Bcc: v",
                                      "x\x7f",
                                      "x\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fixture f;

        init(&f);
        f.m.text[MSG_SUBJECT] = bad[i];
        refuse(&f, "subject");
        f.m.text[MSG_SUBJECT] = "x";
        f.in.from.name = bad[i];
        refuse(&f, "from");
        f.in.from.name = NULL;
        f.to[0].name = bad[i];
        refuse(&f, "recipient");
        f.to[0] = (struct address){NULL, bad[i]};
        refuse(&f, "recipient");
        f.to[0].addr = "a@x.example";
        attach(&f, bad[i], "AAAA");
        refuse(&f, "attachments[0].filename");
        f.m.attachments[0].filename = "x";
        f.m.attachments[0].mime_type = bad[i];
        refuse(&f, "attachments[0].mime_type");
        f.m.attachments[0].mime_type = NULL;
        f.m.attachments[0].content_id = bad[i];
        refuse(&f, "attachments[0].content_id");
        f.m.attachments[0].content_id = NULL;
        f.m.attachments[0].content_base64 = "AAAA\r\n--x";
        refuse(&f, "attachments[0].content_base64");
        done(&f);
    }
}

static void test_message_ids(void **state)
{
    struct fixture f;
    struct buf id = {0};

    (void)state;
    init(&f);
    strcpy(f.m.id, ".a..b:c.");
    mime_message_id(&f.m, "s@acme.example", &id);
    assert_string_equal(buf_str(&id), "<=2Ea=2E=2Eb=3Ac=2E@acme.example>");
    assert_true(mime_is_message_id(buf_str(&id)));
    buf_free(&id);
    assert_false(mime_is_message_id("<a@>"));
    assert_false(mime_is_message_id("<@b>"));
    assert_false(mime_is_message_id("a@b"));
    assert_false(mime_is_message_id("<a b@c>"));
    assert_false(mime_is_message_id("<a@b>\r\n"));
    assert_false(mime_is_message_id(NULL));
    done(&f);
}

static void test_large_attachment_is_not_copied(void **state)
{
    struct fixture f;
    size_t len = 4 << 20;
    char *base64 = malloc(len + 1);

    (void)state;
    init(&f);
    memset(base64, 'A', len);
    base64[len] = '\0';
    attach(&f, "big", base64);
    compose(&f);
    assert_true(f.out.len > len && f.out.len < len + len / 30);
    f.out.max = 1 << 20;
    buf_free(&f.out);
    assert_int_equal(mime_compose(&f.in, &f.out, &f.e), SQ_ERR_TOO_LARGE);
    assert_string_equal(f.e.code, "too_large");
    free(base64);
    done(&f);
}

static void test_message_files_are_not_opened_up(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    attach(&f, "a.eml", "AAAA")->mime_type = "message/rfc822";
    assert_non_null(strstr(compose(&f), "Content-Type: application/octet-stream; name=a.eml"));
    done(&f);
}

static void test_smtputf8(void **state)
{
    (void)state;
    assert_true(mime_needs_smtputf8("j\xc3\xbc@x.example"));
    assert_false(mime_needs_smtputf8("j@b\xc3\xbc.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_same_bytes_again),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_image_without_html_is_attached),
        cmocka_unit_test(test_empty_text),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_a_text_cannot_end_its_part),
        cmocka_unit_test(test_no_line_is_too_long),
        cmocka_unit_test(test_thread_headers),
        cmocka_unit_test(test_more_headers),
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_nothing_can_start_a_header),
        cmocka_unit_test(test_message_ids),
        cmocka_unit_test(test_large_attachment_is_not_copied),
        cmocka_unit_test(test_message_files_are_not_opened_up),
        cmocka_unit_test(test_smtputf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

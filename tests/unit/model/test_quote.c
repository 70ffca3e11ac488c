/* Quoted replies and forwarded mails, and foreign html inside of them. */
#include "model_test.h"

#include "quote.h"
#include "quote_html.h"
#include <string.h>

#define MAX 100000
#define DATE_MS 1795252211123 /* 2026-11-21T09:10:11.123Z */

static struct quote_original original(const char *text, const char *html)
{
    return (struct quote_original){.from = {"Jane \"J\" Doe", "jane@x.example"},
                                   .to = "Bob <bob@y.example>",
                                   .date_ms = DATE_MS,
                                   .subject = "Offer <1>",
                                   .text = text,
                                   .html = html};
}

static void expect(struct quote_body *b, const char *text, const char *html)
{
    assert_string_equal(buf_str(&b->text), text);
    assert_string_equal(buf_str(&b->html), html);
    quote_clear(b);
}

/* --- replies --- */

static void test_a_text_reply(void **state)
{
    struct quote_original o = original("Hello\r\n> before\n\nBye\n", NULL);
    struct quote_body b;

    (void)state;
    assert_int_equal(quote_reply(&o, "Thanks", NULL, MAX, &b), SQ_OK);
    expect(&b,
           "Thanks\n\nOn Sat, 21 Nov 2026 09:10 +0000, Jane \"J\" Doe wrote:\n"
           "> Hello\n>> before\n> \n> Bye\n",
           "");
}

#define CITE                                                                                       \
    "<blockquote type=\"cite\" style=\"margin:0 0 0 .8ex;border-left:1px solid #ccc;"              \
    "padding-left:1ex\">"
#define WROTE "On Sat, 21 Nov 2026 09:10 +0000, Jane &quot;J&quot; Doe wrote:<br>\n"

static void test_an_html_reply(void **state)
{
    struct quote_original o = original("A < B\nC", NULL);
    struct quote_body b;

    (void)state;
    assert_int_equal(quote_reply(&o, NULL, "<p>Thanks</p>", MAX, &b), SQ_OK);
    expect(&b, "",
           "<p>Thanks</p><br>\n<div>" WROTE "</div>\n" CITE "A &lt; B<br>\nC</blockquote>\n");
}

static void test_a_document_ends_behind_the_quotation(void **state)
{
    struct quote_original o = original(NULL, "<html><body><b>Hi</body></html>");
    struct quote_body b;

    (void)state;
    assert_int_equal(quote_reply(&o, NULL, "<body>New</BODY></html>", MAX, &b), SQ_OK);
    expect(&b, "",
           "<body>New<br>\n<div>" WROTE "</div>\n" CITE "<b>Hi</b></blockquote>\n</BODY></html>");
}

/* A part is left out where it could not hold both. */
static void test_each_part_holds_both(void **state)
{
    static const struct {
        const char *text, *html, *old_text, *old_html;
        bool has_text, has_html;
    } cases[] = {
        {"new", NULL, "old", NULL, true, false},  {"new", NULL, NULL, "old", false, true},
        {"new", NULL, "old", "old", true, true},  {NULL, "new", "old", NULL, false, true},
        {NULL, "new", NULL, "old", false, true},  {NULL, "new", "old", "old", false, true},
        {"new", "new", "old", NULL, true, true},  {"new", "new", NULL, "old", false, true},
        {"new", "new", "old", "old", true, true}, {NULL, NULL, "old", NULL, true, false},
        {NULL, NULL, NULL, "old", false, true},   {NULL, NULL, "old", "old", true, true},
        {"new", NULL, NULL, NULL, true, false},   {"", "new", "", "old", false, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        struct quote_original o = original(cases[i / 2].old_text, cases[i / 2].old_html);
        const char *text = cases[i / 2].text, *html = cases[i / 2].html;
        struct quote_body b;

        assert_int_equal((i & 1 ? quote_reply : quote_forward)(&o, text, html, MAX, &b), SQ_OK);
        assert_int_equal(b.text.len > 0, cases[i / 2].has_text);
        assert_int_equal(b.html.len > 0, cases[i / 2].has_html);
        for (int part = 0; part < 2; part++) {
            const struct buf *out = part ? &b.html : &b.text;

            if (out->len && (text || html))
                assert_non_null(strstr(buf_str(out), "new"));
            if (out->len && (o.text || o.html))
                assert_non_null(strstr(buf_str(out), "old"));
        }
        quote_clear(&b);
    }
}

/* --- forwards --- */

static void test_a_text_forward(void **state)
{
    struct quote_original o = original("Hello\n", NULL);
    struct quote_body b;

    (void)state;
    assert_int_equal(quote_forward(&o, "See below", NULL, MAX, &b), SQ_OK);
    expect(&b,
           "See below\n\n---------- Forwarded message ---------\n"
           "From: \"Jane \\\"J\\\" Doe\" <jane@x.example>\n"
           "Date: Sat, 21 Nov 2026 09:10 +0000\nSubject: Offer <1>\nTo: Bob <bob@y.example>\n"
           "\nHello\n",
           "");
}

static void test_an_html_forward(void **state)
{
    struct quote_original o = original("Hello", "<p>Hello</p>");
    struct quote_body b;

    (void)state;
    o.from.name = NULL;
    assert_int_equal(quote_forward(&o, "A & B", NULL, MAX, &b), SQ_OK);
    expect(&b,
           "A & B\n\n---------- Forwarded message ---------\nFrom: jane@x.example\n"
           "Date: Sat, 21 Nov 2026 09:10 +0000\nSubject: Offer <1>\nTo: Bob <bob@y.example>\n"
           "\nHello",
           "<div>A &amp; B</div>\n<br>\n<div>---------- Forwarded message ---------<br>\n"
           "From: jane@x.example<br>\nDate: Sat, 21 Nov 2026 09:10 +0000<br>\n"
           "Subject: Offer &lt;1&gt;<br>\nTo: Bob &lt;bob@y.example&gt;<br>\n</div>\n<br>\n"
           "<div><p>Hello</p></div>\n");
}

static void test_what_is_not_known_is_left_out(void **state)
{
    struct quote_original o = {.text = "Hello", .date_ms = DATE_MS};
    struct quote_body b;

    (void)state;
    assert_int_equal(quote_reply(&o, NULL, NULL, MAX, &b), SQ_OK);
    expect(&b, "On Sat, 21 Nov 2026 09:10 +0000:\n> Hello\n", "");
    assert_int_equal(quote_forward(&o, NULL, NULL, MAX, &b), SQ_OK);
    expect(&b,
           "---------- Forwarded message ---------\nDate: Sat, 21 Nov 2026 09:10 +0000\n\nHello",
           "");
}

/* --- nothing is forged --- */

static void test_no_line_is_forged(void **state)
{
    struct quote_original o = original("x", NULL);
    struct quote_body b;

    (void)state;
    o.from.name = "Eve\r\nTo: all";
    o.subject = "Hi\nFrom: boss\xc2\x85"
                "a\xe2\x80\xa8z";
    o.to = "a@x.example\n\n<b>";
    assert_int_equal(quote_forward(&o, NULL, "<p>", MAX, &b), SQ_OK);
    assert_non_null(strstr(buf_str(&b.html), "From: &quot;Eve  To: all&quot; &lt;"));
    assert_non_null(strstr(buf_str(&b.html), "Subject: Hi From: boss a z<br>\n"
                                             "To: a@x.example  &lt;b&gt;<br>\n</div>"));
    quote_clear(&b);
    assert_int_equal(quote_reply(&o, "x", NULL, MAX, &b), SQ_OK);
    expect(&b, "x\n\nOn Sat, 21 Nov 2026 09:10 +0000, Eve  To: all wrote:\n> x\n", "");
}

static void test_html(void **state)
{
    static const char *const cases[][2] = {
        {"a &amp; b", "a &amp; b"},
        {"a < b > c", "a &lt; b &gt; c"},
        {"<P CLASS=x>a</p>", "<p>a</p>"},
        {"<b>a<i>b</b>c</i>", "<b>a<i>b</i></b>c"},
        {"</blockquote></div>a", "a"},
        {"<table><tr><td>a", "<table><tr><td>a</td></tr></table>"},
        {"<br><br/><hr></br>", "<br><br><hr>"},
        {"<html><head><title>T</title><style>p{}</style></head><body>a</body>", "a"},
        {"a<script>alert('</b>')</script>b", "ab"},
        {"a<SCRIPT>x", "a"},
        {"a<script/>x</script >b", "ab"},
        {"a<!-- <b> -->b<!DOCTYPE x>c<?xml ?>d", "abcd"},
        {"a<!-- b", "a"},
        {"<form action=x><input name=y>a</form>", "a"},
        {"<svg><a href='https://x'>b</a></svg>c", "c"},
        {"<a href=\"https://x.example/?a=1&amp;b=2\" onclick=\"x()\">y</a>",
         "<a href=\"https://x.example/?a=1&amp;b=2\">y</a>"},
        {"<a href='mailto:a@x'>y</a>", "<a href=\"mailto:a@x\">y</a>"},
        {"<a href=javascript:x>y</a>", "<a>y</a>"},
        {"<a href='java&#115;cript:x'>y</a>", "<a>y</a>"},
        {"<a href=' javascript:x'>y</a>", "<a>y</a>"},
        {"<img src=data:x alt='\"><b>'>", "<img alt=\"&quot;&gt;&lt;b&gt;\">"},
        {"<img src=https://x.example/a.png width=1>",
         "<img src=\"https://x.example/a.png\" width=\"1\">"},
        {"<a title='a>b' href=https://x.example>y",
         "<a title=\"a&gt;b\" href=\"https://x.example\">y</a>"},
        {"<p style='color:rgb(1,2,3)'>a</p>", "<p style=\"color:rgb(1,2,3)\">a</p>"},
        {"<p style='POSITION:fixed'>a</p>", "<p>a</p>"},
        {"<p style='background:u\\72l(x)'>a</p>", "<p>a</p>"},
        {"<p style='p&#111;sition:fixed'>a</p>", "<p>a</p>"},
        {"<p", "<p></p>"},
        {"<p a", "<p></p>"},
        {"<a href='https://x", "<a href=\"https://x\"></a>"},
        {"<", "&lt;"},
        {"</", "&lt;/"},
        {"<=>", "&lt;=&gt;"},
        {"<b =x>a", "<b>a</b>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};

        quote_html_add(cases[i][0], true, &out);
        assert_string_equal(buf_str(&out), cases[i][1]);
        buf_free(&out);
    }
}

static void test_inline_images(void **state)
{
    struct buf out = {0};

    (void)state;
    quote_html_add("<img src=cid:logo>", false, &out);
    quote_html_add("<img src=cid:logo>", true, &out);
    assert_string_equal(buf_str(&out), "<img src=\"cid:logo\"><img>");
    buf_free(&out);
}

static void test_depth_is_bounded(void **state)
{
    struct buf in = {0}, out = {0};
    unsigned opened = 0, closed = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_adds(&in, "<div>");
    quote_html_add(buf_str(&in), false, &out);
    for (const char *s = buf_str(&out); (s = strchr(s, '<')) != NULL; s++)
        s[1] == '/' ? closed++ : opened++;
    assert_in_range(opened, 1, 200);
    assert_int_equal(opened, closed);
    buf_free(&in);
    buf_free(&out);
}

/* --- sizes and subjects --- */

static void test_the_size_is_capped(void **state)
{
    struct quote_original o = original("12345", NULL);
    struct quote_body b;
    size_t len;

    (void)state;
    assert_int_equal(quote_reply(&o, "x", NULL, MAX, &b), SQ_OK);
    len = b.text.len;
    quote_clear(&b);
    assert_int_equal(quote_reply(&o, "x", NULL, len, &b), SQ_OK);
    quote_clear(&b);
    assert_int_equal(quote_reply(&o, "x", NULL, len - 1, &b), SQ_ERR_TOO_LARGE);
    assert_int_equal(quote_reply(&o, "x", NULL, 10, &b), SQ_ERR_TOO_LARGE);
    assert_null(b.text.data);
}

static void test_subjects(void **state)
{
    static const char *const cases[][3] = {
        {"Re:", "Offer", "Re: Offer"},
        {"Re:", "RE: Offer", "RE: Offer"},
        {"Fwd:", "Re: Offer", "Fwd: Re: Offer"},
        {"Fwd:", "a\nb", "Fwd: a b"},
        {"Fwd:", "0123456789abcdef\xc3\xa9", "Fwd: 0123456789abcdef"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};

        quote_subject(cases[i][0], cases[i][1], 22, &out);
        assert_string_equal(buf_str(&out), cases[i][2]);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_reply),
        cmocka_unit_test(test_an_html_reply),
        cmocka_unit_test(test_a_document_ends_behind_the_quotation),
        cmocka_unit_test(test_each_part_holds_both),
        cmocka_unit_test(test_a_text_forward),
        cmocka_unit_test(test_an_html_forward),
        cmocka_unit_test(test_what_is_not_known_is_left_out),
        cmocka_unit_test(test_no_line_is_forged),
        cmocka_unit_test(test_html),
        cmocka_unit_test(test_inline_images),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_the_size_is_capped),
        cmocka_unit_test(test_subjects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

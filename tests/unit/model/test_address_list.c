/* RFC 5322 address lists: names, groups, comments, IDN; and recipients of a message. */
#include "model_test.h"

#include "address.h"
#include "idn.h"
#include "recipient.h"
#include <string.h>

#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

/* What the list is, printed again: one mailbox, "; ", the next. */
static const struct {
    const char *text, *printed;
} good_cases[] = {
    {"a@example.com", "a@example.com"},
    {"  a@example.com  ", "a@example.com"},
    {"<a@example.com>", "a@example.com"},
    {" < a@example.com > ", "a@example.com"},
    {"A.B@Example.COM", "A.B@example.com"},
    {"Jane Doe <jane@example.com>", "Jane Doe <jane@example.com>"},
    {"Jane  Doe<jane@example.com>", "Jane Doe <jane@example.com>"},
    {"John Q. Public <john@example.com>", "\"John Q. Public\" <john@example.com>"},
    {"\"Doe, Jane\" <jane@example.com>", "\"Doe, Jane\" <jane@example.com>"},
    {"\"Jane\" <jane@example.com>", "Jane <jane@example.com>"},
    {"\"Jane\" Doe <jane@example.com>", "Jane Doe <jane@example.com>"},
    {"\"a \\\"b\\\" \\\\c\" <j@example.com>", "\"a \\\"b\\\" \\\\c\" <j@example.com>"},
    {"\"\" <j@example.com>", "j@example.com"},
    {"\"<x@y>\" <j@example.com>", "\"<x@y>\" <j@example.com>"},
    {"J\xc3\xb6rg M\xc3\xbcller <j@example.com>", "J\xc3\xb6rg M\xc3\xbcller <j@example.com>"},
    {"j\xc3\xb6rg@example.com", "j\xc3\xb6rg@example.com"},
    {"o'brien+tag@example.com", "o'brien+tag@example.com"},
    {"\"john\"@example.com", "john@example.com"}, /* quotes that are not needed */
    {"\"john doe\"@example.com", "\"john doe\"@example.com"},
    {"\"a\\@b\"@example.com", "\"a@b\"@example.com"},
    {"\"a\\\"b\"@example.com", "\"a\\\"b\"@example.com"},
    {"\"a..b\"@example.com", "\"a..b\"@example.com"},
    {"Pete(A nice \\) chap) <pete(his account)@silly.example(his host)>",
     "Pete <pete@silly.example>"},
    {"(start) a@example.com (end)", "a@example.com"},
    {"((nested) comment) a@example.com", "a@example.com"},
    {"a@example.com, b@example.com", "a@example.com; b@example.com"},
    {"a@example.com,b@example.com", "a@example.com; b@example.com"},
    {"A <a@example.com>, \"B, C\" <b@example.com>", "A <a@example.com>; \"B, C\" <b@example.com>"},
    {"Team: a@example.com, B <b@example.com>;", "a@example.com; B <b@example.com>"},
    {"Team:a@example.com;, c@example.com", "a@example.com; c@example.com"},
    {"\"The Team\": a@example.com;", "a@example.com"},
    {"Nobody:;, a@example.com", "a@example.com"},
    {"A: a@example.com; (c), B: b@example.com;", "a@example.com; b@example.com"},
    {"a@example.com, a@EXAMPLE.com, A <a@example.com>", "a@example.com"}, /* once */
    {"a@B\xc3\x9c\x43HER.example", "a@xn--bcher-kva.example"},
    {"a@xn--BCHER-kva.example", "a@xn--bcher-kva.example"},
    {"=?UTF-8?Q?J=C3=B6rg?= <j@example.com>", "=?UTF-8?Q?J=C3=B6rg?= <j@example.com>"},
};

static void test_good(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(good_cases); i++) {
        struct address_list list = {.count = 0};
        struct arena arena = {.head = NULL};
        struct buf out = {.max = 0};
        struct err_text e;

        if (address_parse_list(good_cases[i].text, 10, &arena, &list, &e))
            fail_msg("%s: %s", good_cases[i].text, e.text);
        for (unsigned k = 0; k < list.count; k++) {
            buf_adds(&out, k ? "; " : "");
            address_print(&list.items[k], &out);
        }
        assert_string_equal(buf_str(&out), good_cases[i].printed);
        buf_free(&out);
        arena_free(&arena);
    }
}

static const char *const bad_cases[] = {
    "",
    " ",
    ",",
    "a",
    "@",
    "a@",
    "@a.example",
    "a b@example.com",
    "a.@example.com",
    ".a@example.com",
    "a..b@example.com",
    "\"\"@example.com",
    "\"a\"b@example.com",
    "\"a\".\"b\"@example.com",
    "a@b@c",
    "a@exa mple.com",
    "a@example.com b",
    "a@example.com,",
    "a@example.com;",
    "a@[1.2.3.4]",
    "a@exa_mple.com",
    "a@" L63 "g.example",
    "a@example.com.",
    "<a@example.com",
    "a@example.com>",
    "<<a@example.com>>",
    "<>",
    "A <a>",
    "A <@x:a@example.com>",
    "A <a@example.com> B <b@example.com>",
    "A <a@example.com> (c",
    "\"A <a@example.com>",
    "A\\B <a@example.com>",
    "A] <a@example.com>",
    ": a@example.com;",
    "A: a@example.com",
    "A: B: a@example.com;;",
    "A:;",
    "(a@example.com)",
    "a@example.com\n",
    "a\t@example.com",
    "a\xc2\x85@example.com",
    "a\xff@example.com",
};

static void test_bad(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(bad_cases); i++) {
        struct address_list list = {.count = 0};
        struct arena arena = {.head = NULL};
        struct err_text e = {.text = ""};

        if (address_parse_list(bad_cases[i], 10, &arena, &list, &e) != SQ_ERR_INVALID)
            fail_msg("accepted: %s", bad_cases[i]);
        assert_true(e.text[0]);
        arena_free(&arena);
    }
}

static void test_max(void **state)
{
    struct address_list list = {.count = 0};
    struct arena arena = {.head = NULL};
    struct err_text e;

    (void)state;
    assert_int_equal(address_parse_list("a@x.y, b@x.y", 2, &arena, &list, &e), SQ_OK);
    assert_int_equal(address_parse_list("a@x.y", 2, &arena, &list, &e), SQ_OK); /* in it already */
    assert_int_equal(address_parse_list("c@x.y", 2, &arena, &list, &e), SQ_ERR_INVALID);
    assert_string_equal(e.text, "names too many addresses (at byte 5)");
    assert_int_equal(list.count, 2);
    arena_free(&arena);
}

/* --- domains --- */

/* Label samples of RFC 3492 section 7.1, without the capitals that a domain loses. */
static const struct {
    const char *domain, *ascii;
} idn_cases[] = {
    {"example.com", "example.com"},
    {"EXAMPLE.Com", "example.com"},
    {"a", "a"},
    {"1.2-3.x", "1.2-3.x"},
    {"\xc3\xbc", "xn--tda"},
    {"b\xc3\xbc\x63her.example", "xn--bcher-kva.example"},
    {"fa\xc3\x9f.example", "xn--fa-hia.example"}, /* IDNA2008: not "fass" */
    {"\xe4\xbb\x96\xe4\xbb\xac\xe4\xb8\xba\xe4\xbb\x80\xe4\xb9\x88\xe4\xb8\x8d\xe8\xaf\xb4"
     "\xe4\xb8\xad\xe6\x96\x87",
     "xn--ihqwcrb4cv8a8dqg056pqjye"},
    {"3\xe5\xb9\xb4\x62\xe7\xb5\x84\xe9\x87\x91\xe5\x85\xab\xe5\x85\x88\xe7\x94\x9f",
     "xn--3b-ww4c5e180e575a65lsy2b"},
    {"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.\xd1\x80\xd1\x84", "xn--e1afmkfd.xn--p1ai"},
    {"\xd0\x9f\xd0\xa0\xd0\x98\xd0\x9c\xd0\x95\xd0\xa0.\xd0\xa0\xd0\xa4", "xn--e1afmkfd.xn--p1ai"},
    {L63 ".x", L63 ".x"},
    {"", NULL},
    {".", NULL},
    {"a.", NULL},
    {".a", NULL},
    {"a..b", NULL},
    {"-a", NULL},
    {"a-", NULL},
    {"a_b", NULL},
    {"a b", NULL},
    {"a/b", NULL},
    {"a\xff", NULL},
    {"e\xcc\x88", NULL},                /* must come composed */
    {"a\xe3\x80\x82\x62", NULL},        /* IDEOGRAPHIC FULL STOP */
    {"a\xe2\x80\xae\x62", NULL},        /* RIGHT-TO-LEFT OVERRIDE */
    {"a\xef\xbc\x8e\x62", NULL},        /* FULLWIDTH FULL STOP */
    {"\xf0\x9f\x98\x80.example", NULL}, /* an emoji */
    {"g" L63, NULL},
    {"\xc3\xbc" L63, NULL},
    {"\xc3\xbc\xc3\xa4" L63, NULL},
};

static void test_idn(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(idn_cases); i++) {
        struct buf out = {.max = 0};
        const char *d = idn_cases[i].domain;

        buf_adds(&out, "<");
        if (idn_to_ascii(d, strlen(d), &out) != (idn_cases[i].ascii != NULL))
            fail_msg("%s", d);
        assert_string_equal(buf_str(&out) + 1, idn_cases[i].ascii ? idn_cases[i].ascii : "");
        buf_free(&out);
    }
}

/* --- recipients of a message --- */

static void test_recipient(void **state)
{
    struct message m = {.channel = CHANNEL_EMAIL};
    char one[RECIPIENT_TEXT];
    const char *cursor;
    struct err_text e;

    (void)state;
    message_list_add(&m, MSG_CC, "c@example.com");
    assert_int_equal(recipient_set(&m, "J <j@X.example>, \"a,\\\"b\"@x.example", 5, &e), SQ_OK);
    assert_string_equal(m.text[MSG_RECIPIENT], "j@x.example,\"a,\\\"b\"@x.example");
    assert_string_equal(m.text[MSG_TO], "J <j@x.example>, \"a,\\\"b\"@x.example");
    assert_int_equal(m.units, 3);
    cursor = m.text[MSG_RECIPIENT];
    assert_true(recipient_next(m.channel, &cursor, one));
    assert_string_equal(one, "j@x.example");
    assert_true(recipient_next(m.channel, &cursor, one));
    assert_string_equal(one, "\"a,\\\"b\"@x.example");
    assert_false(recipient_next(m.channel, &cursor, one));
    assert_int_equal(recipient_set(&m, "k@x.example", 1, &e), SQ_OK);
    assert_null(m.text[MSG_TO]);
    message_clear(&m);

    m.channel = CHANNEL_CUSTOM;
    assert_int_equal(recipient_set(&m, "a,b", 1, &e), SQ_OK);
    cursor = m.text[MSG_RECIPIENT];
    assert_true(recipient_next(m.channel, &cursor, one));
    assert_string_equal(one, "a,b");
    assert_false(recipient_next(m.channel, &cursor, one));
    message_clear(&m);

    m.channel = CHANNEL_SMS;
    assert_int_equal(recipient_set(&m, "5", 1, &e), SQ_ERR_INVALID);
    assert_string_equal(e.text, "must be an E.164 number like +14155550100");
    assert_null(m.text[MSG_RECIPIENT]);
    cursor = NULL;
    assert_false(recipient_next(m.channel, &cursor, one));
    message_clear(&m);
}

static const struct {
    const char *s;
    bool ok;
} sender_cases[] = {
    {"+14155550100", true}, {"12345", true},      {"123", true},         {"12345678", true},
    {"Acme", true},         {"Acme Ltd", true},   {"AcmeLimited", true}, {"4you", true},
    {"12", false},          {"123456789", false}, {"", false},           {"AcmeLimited1", false},
    {"Acm\xc3\xa9", false}, {"a@b", false},       {" ", false},
};

/* What is called plain must be what the parser makes of it, byte for byte. */
static void test_plain(void **state)
{
    static const char *const plain[] = {"a@b", "jane.doe+x@mail.example.com", "a@1-2.example",
                                        "o'neil@x--y.example", "A.B@xn--bcher-kva.example"};
    static const char *const others[] = {
        "",          "@b",      "a@",           "a@B.example",  "a..b@c",  ".a@c",       "a@-b.c",
        "a@b-.c",    "a@b..c",  "a@.b",         "a@b.",         "a b@c",   "\"a\"@b.c",  "a@b@c",
        "J <a@b.c>", "a@b,c@d", "\xc3\xa9@b.c", "a@\xc3\xa9.c", "a@b_c.d", "a@[1.2.3.4]"};
    struct arena a = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        struct address_list list = {0};
        struct err_text e;

        assert_true(address_is_plain(plain[i]));
        assert_int_equal(address_parse_list(plain[i], 1, &a, &list, &e), SQ_OK);
        assert_string_equal(list.items[0].addr, plain[i]);
        assert_null(list.items[0].name);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(address_is_plain(others[i]));
    arena_free(&a);
}

static void test_text_sender(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(sender_cases); i++)
        if (address_is_text_sender(sender_cases[i].s) != sender_cases[i].ok)
            fail_msg("%s", sender_cases[i].s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),       cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),         cmocka_unit_test(test_max),
        cmocka_unit_test(test_idn),         cmocka_unit_test(test_recipient),
        cmocka_unit_test(test_text_sender),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

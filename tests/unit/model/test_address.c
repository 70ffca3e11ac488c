/* Recipients of every channel, good and bad. */
#include "model_test.h"

#include "address.h"
#include <string.h>

#define L64 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"
#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static const struct {
    enum channel channel;
    const char *recipient;
    bool ok;
} cases[] = {
    {CHANNEL_EMAIL, "customer@example.com", true},
    {CHANNEL_EMAIL, "a@b", true},
    {CHANNEL_EMAIL, "first.last+tag@sub.example.co.uk", true},
    {CHANNEL_EMAIL, "o'brien@example.com", true},
    {CHANNEL_EMAIL, "!#$%&'*+-/=?^_`{|}~@example.com", true},
    {CHANNEL_EMAIL, "\"quoted local\"@example.com", true},
    {CHANNEL_EMAIL, "\"a\\\"b@c\"@example.com", true},
    {CHANNEL_EMAIL, "j\xc3\xbcrgen@b\xc3\xbc\x63her.example", true},
    {CHANNEL_EMAIL, L64 "@example.com", true},
    {CHANNEL_EMAIL, "a@" L63 ".com", true},
    {CHANNEL_EMAIL, "x" L64 "@example.com", false},
    {CHANNEL_EMAIL, "a@" L64 ".com", false},
    {CHANNEL_EMAIL, "a@" L63 "." L63 "." L63 "." L63, false},
    {CHANNEL_EMAIL, NULL, false},
    {CHANNEL_EMAIL, "", false},
    {CHANNEL_EMAIL, "@", false},
    {CHANNEL_EMAIL, "a@", false},
    {CHANNEL_EMAIL, "@example.com", false},
    {CHANNEL_EMAIL, "example.com", false},
    {CHANNEL_EMAIL, "a@@example.com", false},
    {CHANNEL_EMAIL, "a@b@example.com", false},
    {CHANNEL_EMAIL, ".a@example.com", false},
    {CHANNEL_EMAIL, "a.@example.com", false},
    {CHANNEL_EMAIL, "a..b@example.com", false},
    {CHANNEL_EMAIL, "a@.example.com", false},
    {CHANNEL_EMAIL, "a@example.com.", false},
    {CHANNEL_EMAIL, "a@example..com", false},
    {CHANNEL_EMAIL, "a@-example.com", false},
    {CHANNEL_EMAIL, "a@example-.com", false},
    {CHANNEL_EMAIL, "a@exa_mple.com", false},
    {CHANNEL_EMAIL, "a@[127.0.0.1]", false},
    {CHANNEL_EMAIL, "a b@example.com", false},
    {CHANNEL_EMAIL, "a@exam ple.com", false},
    {CHANNEL_EMAIL, " a@example.com", false},
    {CHANNEL_EMAIL, "a@example.com ", false},
    {CHANNEL_EMAIL, "a@example.com,b@example.com", false},
    {CHANNEL_EMAIL, "Jane <jane@example.com>", false},
    {CHANNEL_EMAIL, "a@example.com\r\nBcc: b@example.com", false},
    {CHANNEL_EMAIL, "\"a\r\nBcc: x\"@example.com", false},
    {CHANNEL_EMAIL, "\"a\"b\"@example.com", false},
    {CHANNEL_EMAIL, "\"a\\\"@example.com", false},
    {CHANNEL_EMAIL, "\"\"@example.com", false},
    {CHANNEL_EMAIL, "a\xff@example.com", false},
    {CHANNEL_EMAIL, "a\xc2\x85@example.com", false},
    {CHANNEL_SMS, "+14155550100", true},
    {CHANNEL_SMS, "+1234567", true},
    {CHANNEL_SMS, "+123456789012345", true},
    {CHANNEL_SMS, "+123456", false},
    {CHANNEL_SMS, "+1234567890123456", false},
    {CHANNEL_SMS, "+04155550100", false},
    {CHANNEL_SMS, "14155550199", false},
    {CHANNEL_SMS, "+1 415 555 0100", false},
    {CHANNEL_SMS, "+1415555010a", false},
    {CHANNEL_SMS, "+", false},
    {CHANNEL_SMS, "", false},
    {CHANNEL_SMS, NULL, false},
    {CHANNEL_RCS, "+14155550100", true},
    {CHANNEL_RCS, "agent", false},
    {CHANNEL_WHATSAPP, "+14155550100", true},
    {CHANNEL_WHATSAPP, "14155550199", false},
    {CHANNEL_SLACK, "C01234567", true},
    {CHANNEL_SLACK, "U01234567", true},
    {CHANNEL_SLACK, "c01234567", false},
    {CHANNEL_SLACK, "#general", false},
    {CHANNEL_SLACK, "C0123/../x", false},
    {CHANNEL_SLACK, "X01234567", false},
    {CHANNEL_SLACK, "", false},
    {CHANNEL_TEAMS, "19:abc@thread.tacv2", true},
    {CHANNEL_TEAMS, "a b", false},
    {CHANNEL_TEAMS, "", false},
    {CHANNEL_TELEGRAM, "123456789", true},
    {CHANNEL_TELEGRAM, "-1001234567890", true},
    {CHANNEL_TELEGRAM, "@some_channel", true},
    {CHANNEL_TELEGRAM, "@abc", false},
    {CHANNEL_TELEGRAM, "@1abcd", false},
    {CHANNEL_TELEGRAM, "@some-channel", false},
    {CHANNEL_TELEGRAM, "0123", false},
    {CHANNEL_TELEGRAM, "-", false},
    {CHANNEL_TELEGRAM, "--5", false},
    {CHANNEL_TELEGRAM, "12345678901234567890", false},
    {CHANNEL_INSTAGRAM, "1234567890123456", true},
    {CHANNEL_INSTAGRAM, "somebody", false},
    {CHANNEL_FACEBOOK, "1234567890123456", true},
    {CHANNEL_FACEBOOK, "", false},
    {CHANNEL_TIKTOK, "conv-1", true},
    {CHANNEL_TIKTOK, "conv 1", false},
    {CHANNEL_LIVE_CHAT, "session:1", true},
    {CHANNEL_LIVE_CHAT, "a\nb", false},
    {CHANNEL_CUSTOM, "anything at all", true},
    {CHANNEL_CUSTOM, "", false},
    {CHANNEL_CUSTOM, "a\r\nb", false},
    {CHANNEL_GMB, "x", false},
};

static void test_check(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(cases); i++) {
        struct err_text e = {.text = ""};
        enum sq_err err = address_check(cases[i].channel, cases[i].recipient, &e);

        if ((err == SQ_OK) != cases[i].ok)
            fail_msg("%s: %s", channel_name(cases[i].channel), cases[i].recipient);
        assert_int_equal(e.text[0] != 0, !cases[i].ok);
        /* What was given is a person's address: errors do not repeat it. */
        if (err && cases[i].recipient && strlen(cases[i].recipient) > 10)
            assert_null(strstr(e.text, cases[i].recipient));
    }
}

static void test_too_long(void **state)
{
    char s[600];

    (void)state;
    memset(s, 'a', sizeof s);
    s[513] = 0;
    assert_int_equal(address_check(CHANNEL_CUSTOM, s, NULL), SQ_ERR_INVALID);
    assert_int_equal(address_check(CHANNEL_TEAMS, s, NULL), SQ_ERR_INVALID);
    s[512] = 0;
    assert_int_equal(address_check(CHANNEL_CUSTOM, s, NULL), SQ_OK);
    assert_int_equal(address_check(CHANNEL_TEAMS, s, NULL), SQ_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Spellings of channels, types and priorities. */
#include "model_test.h"

#include "channel.h"

static const struct {
    const char *spelling;
    int channel; /* -1: not a channel */
} channel_cases[] = {
    {"email", CHANNEL_EMAIL},
    {"Email", CHANNEL_EMAIL},
    {"EMAIL", CHANNEL_EMAIL},
    {"mail", CHANNEL_EMAIL},
    {"SMS", CHANNEL_SMS},
    {"rcs", CHANNEL_RCS},
    {"WhatsApp", CHANNEL_WHATSAPP},
    {"slack", CHANNEL_SLACK},
    {"teams", CHANNEL_TEAMS},
    {"microsoft_teams", CHANNEL_TEAMS},
    {"telegram", CHANNEL_TELEGRAM},
    {"instagram", CHANNEL_INSTAGRAM},
    {"instagram_dm", CHANNEL_INSTAGRAM},
    {"Instagram-DM", CHANNEL_INSTAGRAM},
    {"IG", CHANNEL_INSTAGRAM},
    {"FB", CHANNEL_FACEBOOK},
    {"messenger", CHANNEL_FACEBOOK},
    {"TIKTOK", CHANNEL_TIKTOK},
    {"Live_Chat", CHANNEL_LIVE_CHAT},
    {"live-chat", CHANNEL_LIVE_CHAT},
    {"livechat", CHANNEL_LIVE_CHAT},
    {"GMB", CHANNEL_GMB},
    {"Custom", CHANNEL_CUSTOM},
    {"", -1},
    {"emails", -1},
    {"emai", -1},
    {"sms ", -1},
    {" sms", -1},
    {"fax", -1},
    {"_", -1},
};

static void test_channel_parse(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(channel_cases); i++) {
        enum channel c = CHANNEL_COUNT;
        bool known = channel_parse(channel_cases[i].spelling, &c);

        assert_int_equal(known, channel_cases[i].channel >= 0);
        assert_int_equal(c, known ? channel_cases[i].channel : CHANNEL_COUNT);
    }
    assert_false(channel_parse(NULL, &(enum channel){0}));
}

static void test_every_name_parses_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
        enum channel c = CHANNEL_COUNT;

        assert_true(channel_parse(channel_name(i), &c));
        assert_int_equal(c, i);
        assert_true(channel_parse(channel_name_upper(i), &c));
        assert_int_equal(c, i);
    }
    assert_string_equal(channel_name(CHANNEL_COUNT), "");
    assert_string_equal(channel_name_upper(CHANNEL_EMAIL), "EMAIL");
}

static void test_message_type(void **state)
{
    enum message_type t = TYPE_COUNT;

    (void)state;
    assert_true(message_type_parse("marketing", &t));
    assert_int_equal(t, TYPE_MARKETING);
    assert_true(message_type_parse("NOTIFICATION", &t));
    assert_int_equal(t, TYPE_NOTIFICATION);
    assert_false(message_type_parse("MARKETINGS", &t));
    assert_false(message_type_parse("", &t));
    assert_false(message_type_parse(NULL, &t));
    assert_string_equal(message_type_name(TYPE_TRANSACTIONAL), "TRANSACTIONAL");
}

static const struct {
    const char *spelling;
    int priority;
} priority_cases[] = {
    {"HIGH", PRIORITY_HIGH},
    {"normal", PRIORITY_NORMAL},
    {"Low", PRIORITY_LOW},
    {"1", PRIORITY_HIGH},
    {"2", PRIORITY_NORMAL},
    {"3", PRIORITY_LOW},
    {"0", -1},
    {"4", -1},
    {"11", -1},
    {"", -1},
    {"HIGHER", -1},
    {"1 ", -1},
};

static void test_priority(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(priority_cases); i++) {
        enum priority p = PRIORITY_COUNT;

        assert_int_equal(priority_parse(priority_cases[i].spelling, &p),
                         priority_cases[i].priority >= 0);
        if (priority_cases[i].priority >= 0)
            assert_int_equal(p, priority_cases[i].priority);
    }
    assert_string_equal(priority_name(PRIORITY_LOW), "LOW");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_parse),
        cmocka_unit_test(test_every_name_parses_back),
        cmocka_unit_test(test_message_type),
        cmocka_unit_test(test_priority),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

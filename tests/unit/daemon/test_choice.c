/* Which sender carries a message, and who tries next. */
#include "config_test.h"

#include "choice.h"

static const char senders[] =
    "senders:\n"
    "- {id: a, provider: sandbox, channels: [sms, email], fallback: [b, c, d]}\n"
    "- {id: b, provider: sandbox, channels: [sms, email], fallback: [a]}\n"
    "- {id: c, provider: sandbox, channels: [sms]}\n"
    "- {id: d, provider: sandbox, channels: [email], limits: {day: 3/day}}\n";

static const char *next(const struct config *c, const char *sender, const char *origin,
                        enum channel channel)
{
    struct message m = {.channel = channel};
    const struct sender *s;

    message_set(&m, MSG_SENDER, sender);
    message_set(&m, MSG_ORIGIN, origin);
    s = choice_fallback(c, &m);
    message_clear(&m);
    return s != NULL ? s->id : "";
}

/* The origin's list, whatever lists its fallbacks have: no message goes round in circles. */
static void test_fallback(void **state)
{
    struct config *c = load_good(senders, NULL);

    (void)state;
    assert_string_equal(next(c, "a", NULL, CHANNEL_EMAIL), "b");
    assert_string_equal(next(c, "b", "a", CHANNEL_EMAIL), "d"); /* c has no e-mail */
    assert_string_equal(next(c, "b", "a", CHANNEL_SMS), "c");
    assert_string_equal(next(c, "d", "a", CHANNEL_EMAIL), "");
    assert_string_equal(next(c, "b", NULL, CHANNEL_EMAIL), "a");
    assert_string_equal(next(c, "c", NULL, CHANNEL_SMS), "");
    /* By a reload: the origin, or the one in hand, is no longer there. */
    assert_string_equal(next(c, "b", "gone", CHANNEL_EMAIL), "");
    assert_string_equal(next(c, "gone", "a", CHANNEL_EMAIL), "");
    config_free(c);
}

static void test_count(void **state)
{
    struct config *c =
        load_good("senders:\n"
                  "- {id: a, provider: ses, channels: [email], limits: {day: 3/day},"
                  " credentials: {access_key_id: k, secret_access_key: s, region: r},"
                  " from: {address: a@b.example}}\n",
                  NULL);
    struct message m = {.channel = CHANNEL_EMAIL};
    struct err_text e = {0};

    (void)state;
    message_set(&m, MSG_RECIPIENT, "a@x,b@x,c@x");
    assert_int_equal(choice_count(&c->senders[0], &m, &e), SQ_OK);
    assert_int_equal(m.units, 3);
    message_list_add(&m, MSG_CC, "d@x");
    assert_int_not_equal(choice_count(&c->senders[0], &m, &e), SQ_OK);
    assert_string_equal(e.code, "rate_limited");
    message_clear(&m);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

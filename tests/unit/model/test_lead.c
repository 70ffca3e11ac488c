/* Leads: fields, lists, addresses per channel, opt-outs. */
#include "model_test.h"

#include "lead.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

static struct lead make(const char *const *pairs)
{
    struct lead l = {.id = NULL};
    struct err_text e;

    lead_begin(&l, "lead-1");
    for (; *pairs; pairs += 2)
        assert_int_equal(lead_add(&l, pairs[0], pairs[1], &e), SQ_OK);
    return l;
}

#define LEAD(...) make((const char *const[]){__VA_ARGS__, NULL})

static void a_field_is_found_by_its_name(void **state)
{
    struct lead l = LEAD("first_name", "Ana", "last_name", "", "plan name", "Gold");

    (void)state;
    assert_string_equal(lead_field(&l, "first_name"), "Ana");
    assert_string_equal(lead_field(&l, "plan name"), "Gold");
    assert_null(lead_field(&l, "last_name"));
    assert_null(lead_field(&l, "First_Name"));
    assert_string_equal(lead_field(&l, "id"), "lead-1");
    lead_free(&l);
}

static void beginning_again_forgets_the_last_lead(void **state)
{
    struct lead l = LEAD("email", "a@x.example");
    struct err_text e;

    (void)state;
    lead_begin(&l, "lead-2");
    assert_null(lead_field(&l, "email"));
    assert_string_equal(lead_field(&l, "id"), "lead-2");
    assert_int_equal(lead_add(&l, "email", "b@x.example", &e), SQ_OK);
    assert_string_equal(lead_field(&l, "email"), "b@x.example");
    lead_free(&l);
}

static void what_is_too_much_is_refused(void **state)
{
    struct lead l = {.id = NULL};
    struct err_text e;
    char *big = malloc(LEAD_BYTES_MAX + 2);
    char name[LEAD_NAME_MAX + 2];

    (void)state;
    memset(big, 'x', LEAD_BYTES_MAX + 1);
    big[LEAD_BYTES_MAX + 1] = 0;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    lead_begin(&l, "lead-1");
    assert_int_equal(lead_add(&l, "a", big, &e), SQ_ERR_TOO_LARGE);
    assert_int_equal(lead_add(&l, name, "v", &e), SQ_ERR_INVALID);
    name[LEAD_NAME_MAX] = 0;
    assert_int_equal(lead_add(&l, name, "v", &e), SQ_OK);
    assert_int_equal(lead_add(&l, "", "v", &e), SQ_ERR_INVALID);
    assert_int_equal(lead_add(&l, "a", "\xff", &e), SQ_ERR_INVALID);
    for (unsigned i = 1; i < LEAD_FIELDS_MAX; i++)
        assert_int_equal(lead_add(&l, "a", "v", &e), SQ_OK);
    assert_int_equal(lead_add(&l, "a", "v", &e), SQ_ERR_TOO_LARGE);
    free(big);
    lead_free(&l);
}

static const struct {
    const char *name, *value;
    int count; /* -1: not a list */
    const char *items[4];
} list_cases[] = {
    {"tags", "[\"vip\",\"gold\"]", 2, {"vip", "gold"}},
    {"tags", " [ \"a, b\" ] ", 1, {"a, b"}},
    {"tags", "[]", 0, {NULL}},
    {"tags", "", 0, {NULL}},
    {"tags", "vip, gold member ,,x", 3, {"vip", "gold member", "x"}},
    {"tags", "vip", 1, {"vip"}},
    {"tags", "[\"vip\",\"gold\"", 2, {"vip", "gold"}},
    {"tags", "[1, 2.50]", 2, {"1", "2.50"}},
    {"opted_out", "email;sms", 2, {"email", "sms"}},
    {"products", "[\"x\"]", 1, {"x"}},
    {"products", "x, y", -1, {NULL}},
    {"products", "[x]", -1, {NULL}},
    {"products", "[[\"x\"]]", -1, {NULL}},
    {"products", "[null]", -1, {NULL}},
};

static void lists_are_read(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(list_cases); i++) {
        struct lead l = LEAD(list_cases[i].name, list_cases[i].value);
        struct filter_lead view = lead_view(&l);

        for (int again = 0; again < 2; again++) {
            struct filter_field got = {.text = "untouched"};

            view.get(view.ctx, list_cases[i].name, &got);
            assert_int_equal(got.is_list, list_cases[i].count >= 0);
            if (!got.is_list) {
                assert_string_equal(got.text, list_cases[i].value);
                continue;
            }
            assert_int_equal(got.count, list_cases[i].count);
            for (unsigned k = 0; k < got.count; k++)
                assert_string_equal(got.items[k], list_cases[i].items[k]);
        }
        lead_free(&l);
    }
}

static void many_words_are_kept(void **state)
{
    struct buf text = {.max = 0};
    struct filter_field got;
    struct lead l;

    (void)state;
    for (int i = 0; i < 500; i++)
        buf_addf(&text, "t%d,", i);
    l = LEAD("tags", buf_str(&text));
    lead_get(&l, "tags", &got);
    assert_int_equal(got.count, 500);
    assert_string_equal(got.items[0], "t0");
    assert_string_equal(got.items[499], "t499");
    buf_free(&text);
    lead_free(&l);
}

static const struct {
    enum channel channel;
    const char *name, *value;
    const char *address;
} address_cases[] = {
    {CHANNEL_EMAIL, "email", "a@x.example", "a@x.example"},
    {CHANNEL_EMAIL, "phone", "+14155550100", NULL},
    {CHANNEL_SMS, "phone", "+1 (415) 555-01.00", "+14155550100"},
    {CHANNEL_SMS, "phone", " - ", NULL},
    {CHANNEL_SMS, "sms", "+14155550100", NULL},
    {CHANNEL_RCS, "phone", "+14155550100", "+14155550100"},
    {CHANNEL_WHATSAPP, "whatsapp", "+34 600 000 000", "+34600000000"},
    {CHANNEL_WHATSAPP, "phone", "+14155550100", "+14155550100"},
    {CHANNEL_SLACK, "slack", "U01234567", "U01234567"},
    {CHANNEL_TEAMS, "teams", "19:x@thread.v2", "19:x@thread.v2"},
    {CHANNEL_TELEGRAM, "telegram", "12345", "12345"},
    {CHANNEL_INSTAGRAM, "instagram", "178414", "178414"},
    {CHANNEL_FACEBOOK, "facebook", "99", "99"},
    {CHANNEL_TIKTOK, "tiktok", "t-1", "t-1"},
    {CHANNEL_LIVE_CHAT, "live_chat", "c-1", "c-1"},
    {CHANNEL_LIVE_CHAT, "email", "a@x.example", "lead-1"},
    {CHANNEL_CUSTOM, "custom", "who", "who"},
    {CHANNEL_CUSTOM, "email", "a@x.example", "lead-1"},
    {CHANNEL_GMB, "gmb", "1", NULL},
};

static void each_channel_has_its_address(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(address_cases); i++) {
        struct lead l = LEAD(address_cases[i].name, address_cases[i].value);
        const char *got = lead_address(&l, address_cases[i].channel);

        assert_true(text_eq(got, address_cases[i].address));
        lead_free(&l);
    }
}

static const struct {
    const char *opted_out;
    enum channel channel;
    const char *subtype;
    bool out;
} opt_cases[] = {
    {"[\"email\"]", CHANNEL_EMAIL, NULL, true},
    {"[\"email\"]", CHANNEL_SMS, NULL, false},
    {"[\"EMAIL\"]", CHANNEL_EMAIL, NULL, true},
    {"[\"instagram_dm\"]", CHANNEL_INSTAGRAM, NULL, true},
    {"[\"news-1\"]", CHANNEL_EMAIL, "news-1", true},
    {"[\"news-1\"]", CHANNEL_EMAIL, "news-2", false},
    {"[\"news-1\"]", CHANNEL_EMAIL, NULL, false},
    {"[\"sms\", \"news-1\"]", CHANNEL_SMS, NULL, true},
    {"email", CHANNEL_EMAIL, NULL, true},
    {"sms, email", CHANNEL_EMAIL, NULL, true},
    {"[\"email\"", CHANNEL_EMAIL, NULL, true},
    {"[\"all\"]", CHANNEL_TELEGRAM, NULL, true},
    {"[]", CHANNEL_EMAIL, "news-1", false},
    {"", CHANNEL_EMAIL, "news-1", false},
};

static void opt_outs_are_honoured(void **state)
{
    struct lead none = LEAD("email", "a@x.example");

    (void)state;
    assert_false(lead_opted_out(&none, CHANNEL_EMAIL, "news-1"));
    lead_free(&none);
    for (unsigned i = 0; i < COUNT(opt_cases); i++) {
        struct lead l = LEAD("opted_out", opt_cases[i].opted_out);

        assert_int_equal(lead_opted_out(&l, opt_cases[i].channel, opt_cases[i].subtype),
                         opt_cases[i].out);
        lead_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_found_by_its_name),
        cmocka_unit_test(beginning_again_forgets_the_last_lead),
        cmocka_unit_test(what_is_too_much_is_refused),
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(many_words_are_kept),
        cmocka_unit_test(each_channel_has_its_address),
        cmocka_unit_test(opt_outs_are_honoured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

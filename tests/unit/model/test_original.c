/* Replies and forwards of our own mails: which one is meant, and what becomes of the new one. */
#include "model_test.h"

#include "original.h"
#include "refusal.h"
#include <string.h>

static const struct job_limits limits = {.max_content = 1000, .max_subject = 998};

static struct message new_mail(const char *reply, const char *thread, const char *forward)
{
    struct message m = {.channel = CHANNEL_EMAIL};

    message_set(&m, MSG_CONTENT, "New");
    message_set(&m, MSG_REPLY_ID, reply);
    message_set(&m, MSG_THREAD_ID, thread);
    message_set(&m, MSG_FORWARD, forward);
    return m;
}

static struct original old_mail(void)
{
    struct original o = {.message = {.id = "m-1", .channel = CHANNEL_EMAIL},
                         .from = {"Acme", "a@acme.example"},
                         .date_ms = 1795252211123,
                         .provider_message_id = "<p-1@provider.example>"};

    message_set(&o.message, MSG_CONTENT, "Old");
    message_set(&o.message, MSG_SUBJECT, "Offer");
    message_set(&o.message, MSG_RECIPIENT, "b@x.example");
    return o;
}

/* --- names --- */

static const struct {
    const char *reply, *thread, *forward;
    const char *ids[2]; /* to look up */
    bool is_meant;
} names[] = {
    {"m-1", NULL, NULL, {"m-1"}, true},
    {"<m-1@acme.example>", NULL, NULL, {"m-1"}, true},
    {"m-1@acme.example", NULL, NULL, {"m-1"}, true},
    {"<m-1@other.example>", NULL, NULL, {"m-1"}, false},
    {"p-1@provider.example", NULL, NULL, {"p-1"}, true},
    {"<p-1@provider.example>", NULL, NULL, {"p-1"}, true},
    {"m-2", "m-1", NULL, {"m-2"}, false},
    {NULL, "m-1", NULL, {"m-1"}, true},
    {"", "m-1", NULL, {"m-1"}, true},
    {"<>", NULL, NULL, {NULL}, false},
    {"@acme.example", NULL, NULL, {NULL}, false},
    {"12345678901234567890123456789012345678901234567890123456789012345",
     NULL,
     NULL,
     {NULL},
     false},
    {NULL, NULL, "{\"messageId\":\"m-1\"}", {"m-1"}, true},
    {NULL, NULL, "{\"messageId\":\"x\",\"emailMessageId\":\"m-1\"}", {"x", "m-1"}, true},
    {NULL, NULL, "{\"emailMessageId\":\"<m-1@acme.example>\"}", {"m-1"}, true},
    {"m-1", NULL, "{\"messageId\":\"m-2\"}", {"m-2"}, false},
    {NULL, NULL, "{\"messageId\":\"m-1\",\"isForwarded\":false}", {NULL}, false},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct message m = new_mail(names[i].reply, names[i].thread, names[i].forward);
        struct original o = old_mail();
        struct original_ids ids;

        assert_true(original_is_named(&m));
        original_ids(&m, &ids);
        assert_int_equal(ids.count, (names[i].ids[0] != NULL) + (names[i].ids[1] != NULL));
        for (unsigned k = 0; k < ids.count; k++)
            assert_string_equal(ids.id[k], names[i].ids[k]);
        assert_int_equal(original_is_meant(&o, &m, NULL), names[i].is_meant);
        message_clear(&m);
        message_clear(&o.message);
    }
}

static void test_what_answers_nothing(void **state)
{
    struct message m = new_mail(NULL, NULL, NULL), chat = new_mail("m-1", NULL, NULL);

    (void)state;
    chat.channel = CHANNEL_SLACK;
    assert_false(original_is_named(&m));
    assert_false(original_is_named(&chat));
    message_clear(&m);
    message_clear(&chat);
}

static void test_who_may_see_it(void **state)
{
    struct message m = new_mail("m-1", NULL, NULL);
    struct original o = old_mail();

    (void)state;
    assert_false(original_is_meant(&o, &m, "one"));
    o.tenant = "one";
    assert_true(original_is_meant(&o, &m, "one"));
    assert_false(original_is_meant(&o, &m, "two"));
    assert_false(original_is_meant(&o, &m, NULL));
    o.message.channel = CHANNEL_CUSTOM;
    assert_false(original_is_meant(&o, &m, "one"));
    message_clear(&m);
    message_clear(&o.message);
}

/* --- what becomes of it --- */

static void test_a_reply(void **state)
{
    struct message m = new_mail("m-1", NULL, NULL);
    struct original o = old_mail();

    (void)state;
    message_attachment_add(&o.message)->url = "https://x.example/a";
    original_put(&o, &limits, &m);
    assert_string_equal(m.text[MSG_CONTENT],
                        "New\n\nOn Sat, 21 Nov 2026 09:10 +0000, Acme wrote:\n> Old\n");
    assert_null(m.text[MSG_HTML]);
    assert_string_equal(m.text[MSG_SUBJECT], "Re: Offer");
    assert_string_equal(m.text[MSG_QUOTED], "m-1");
    assert_string_equal(m.text[MSG_REPLY_ID], "<p-1@provider.example>");
    assert_int_equal(m.attachment_count, 0);
    message_clear(&m);
    message_clear(&o.message);
}

/* A provider's own id means something to the sender that got it, and to no other. */
static void test_the_id_of_a_reply(void **state)
{
    static const struct {
        const char *id;
        bool same_sender;
        const char *expected;
    } cases[] = {
        {NULL, true, "m-1"},        {"", true, "m-1"},         {"18bbbb", false, "m-1"},
        {"18bbbb", true, "18bbbb"}, {"<a@b>", false, "<a@b>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message m = new_mail("m-1", NULL, NULL);
        struct original o = old_mail();

        o.provider_message_id = cases[i].id;
        o.same_sender = cases[i].same_sender;
        original_put(&o, &limits, &m);
        assert_string_equal(m.text[MSG_REPLY_ID], cases[i].expected);
        message_clear(&m);
        message_clear(&o.message);
    }
}

static void test_a_forward(void **state)
{
    struct message m = new_mail(NULL, NULL, "{\"messageId\":\"m-1\"}");
    struct original o = old_mail();

    (void)state;
    message_set(&o.message, MSG_HTML, "<b>Old");
    *message_attachment_add(&o.message) = (struct attachment){
        .filename = "f", .mime_type = "t/x", .content_id = "c", .content_base64 = "eA=="};
    original_put(&o, &limits, &m);
    message_clear(&o.message); /* nothing of it is borrowed */
    assert_string_equal(m.text[MSG_CONTENT],
                        "New\n\n---------- Forwarded message ---------\n"
                        "From: Acme <a@acme.example>\nDate: Sat, 21 Nov 2026 09:10 +0000\n"
                        "Subject: Offer\nTo: b@x.example\n\nOld");
    assert_non_null(strstr(m.text[MSG_HTML], "<b>Old</b>"));
    assert_string_equal(m.text[MSG_SUBJECT], "Fwd: Offer");
    assert_string_equal(m.text[MSG_QUOTED], "m-1");
    assert_int_equal(m.attachment_count, 1);
    assert_string_equal(m.attachments[0].filename, "f");
    assert_string_equal(m.attachments[0].mime_type, "t/x");
    assert_string_equal(m.attachments[0].content_id, "c");
    assert_string_equal(m.attachments[0].content_base64, "eA==");
    message_clear(&m);
}

static void test_what_is_too_large(void **state)
{
    static const struct job_limits small = {.max_content = 30, .max_subject = 998};
    struct message reply = new_mail("m-1", NULL, NULL);
    struct message forward = new_mail(NULL, NULL, "{\"messageId\":\"m-1\"}");
    struct original o = old_mail();
    const char *why;

    (void)state;
    original_put(&o, &small, &reply);
    assert_string_equal(reply.text[MSG_CONTENT], "New");
    assert_null(reply.text[MSG_QUOTED]);
    assert_int_equal(refusal_get(&reply, &why), CODE_NONE);
    original_put(&o, &small, &forward);
    assert_string_equal(forward.text[MSG_CONTENT], "New");
    assert_int_equal(refusal_get(&forward, &why), CODE_TOO_LARGE);
    assert_string_equal(why, "forward: a text of the mail would have more than 30 bytes");
    message_clear(&reply);
    message_clear(&forward);
    message_clear(&o.message);
}

static void test_an_original_that_was_not_read(void **state)
{
    struct message reply = new_mail("m-1", NULL, NULL);
    struct message forward = new_mail(NULL, NULL, "{\"messageId\":\"m-1\"}");
    const char *why;

    (void)state;
    original_refuse_size(&reply);
    assert_int_equal(refusal_get(&reply, &why), CODE_NONE);
    original_refuse_size(&forward);
    assert_int_equal(refusal_get(&forward, &why), CODE_TOO_LARGE);
    message_clear(&reply);
    message_clear(&forward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_answers_nothing),
        cmocka_unit_test(test_who_may_see_it),
        cmocka_unit_test(test_a_reply),
        cmocka_unit_test(test_the_id_of_a_reply),
        cmocka_unit_test(test_a_forward),
        cmocka_unit_test(test_what_is_too_large),
        cmocka_unit_test(test_an_original_that_was_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

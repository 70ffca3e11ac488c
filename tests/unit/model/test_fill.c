/* Completing jobs: recipient, opt-outs, texts, and every refusal. */
#include "model_test.h"

#include "fill.h"
#include "refusal.h"
#include "text.h"
#include <string.h>

/* What a case is made of; NULL = not there. */
struct given {
    enum channel channel;
    enum message_type type;
    const char *recipient, *recipient_contact, *contact, *subtype;
    const char *lead[8]; /* fields of the one lead; NULL name = there is no lead */
    const char *problem;
    const char *template;  /* id */
    const char *stored[3]; /* subject, text, html; all NULL = no such template */
    const char *content;
    enum template_missing missing;
};

struct expected {
    enum error_code code;
    const char *text; /* of the refusal */
    const char *recipient, *subject, *content, *html;
};

static const struct {
    struct given given;
    struct expected expected;
} cases[] = {
    /* recipient */
    {{.recipient_contact = "c1", .contact = "c1", .lead = {"email", "A@X.example"}},
     {.recipient = "A@x.example"}},
    {{.channel = CHANNEL_SMS, .recipient_contact = "c1", .lead = {"phone", "+1 415 5550100"}},
     {.recipient = "+14155550100"}},
    {{.recipient = "set@x.example", .recipient_contact = "c1", .lead = {"email", "a@x.example"}},
     {.recipient = "set@x.example"}},
    {{.recipient_contact = "c1"},
     {.code = CODE_RECIPIENT_NOT_FOUND, .text = "contact c1 is not in the directory"}},
    {{.recipient_contact = "c1", .lead = {"phone", "+14155550100"}},
     {.code = CODE_RECIPIENT_NOT_FOUND, .text = "contact c1 has no address for email"}},
    {{.recipient_contact = "c1", .lead = {"email", "nonsense"}},
     {.code = CODE_RECIPIENT_NOT_FOUND}},
    {{.recipient_contact = "c1", .lead = {"email", "a@x.example, b@x.example"}},
     {.code = CODE_RECIPIENT_NOT_FOUND}},
    {{.recipient_contact = "c1", .problem = "too big"},
     {.code = CODE_RECIPIENT_NOT_FOUND, .text = "contact c1 cannot be used: too big"}},
    /* opt-outs */
    {{.recipient = "a@x.example", .contact = "c1", .lead = {"opted_out", "[\"email\"]"}},
     {.recipient = "a@x.example"}},
    {{.type = TYPE_MARKETING,
      .recipient = "a@x.example",
      .contact = "c1",
      .lead = {"opted_out", "[\"email\"]"}},
     {.code = CODE_SUPPRESSED,
      .text = "contact c1 opted out of email",
      .recipient = "a@x.example"}},
    {{.type = TYPE_NOTIFICATION,
      .recipient = "a@x.example",
      .contact = "c1",
      .lead = {"opted_out", "[\"email\"]"}},
     {.code = CODE_SUPPRESSED,
      .text = "contact c1 opted out of email",
      .recipient = "a@x.example"}},
    {{.type = TYPE_MARKETING,
      .recipient = "a@x.example",
      .contact = "c1",
      .lead = {"opted_out", "[\"sms\"]"}},
     {.recipient = "a@x.example"}},
    {{.type = TYPE_MARKETING, .recipient = "a@x.example", .contact = "c1"},
     {.recipient = "a@x.example"}},
    {{.type = TYPE_MARKETING, .recipient = "a@x.example", .contact = "c1", .problem = "too big"},
     {.code = CODE_RECIPIENT_NOT_FOUND,
      .text = "contact c1 cannot be used: too big",
      .recipient = "a@x.example"}},
    {{.recipient = "a@x.example",
      .contact = "c1",
      .subtype = "news",
      .lead = {"opted_out", "[\"news\"]"}},
     {.code = CODE_SUPPRESSED,
      .text = "contact c1 opted out of subtype news",
      .recipient = "a@x.example"}},
    {{.recipient = "a@x.example",
      .contact = "c1",
      .subtype = "news",
      .lead = {"opted_out", "[\"other\"]"}},
     {.recipient = "a@x.example"}},
    {{.type = TYPE_MARKETING,
      .recipient_contact = "c2",
      .lead = {"email", "a@x.example", "opted_out", "[\"email\"]"}},
     {.code = CODE_SUPPRESSED,
      .text = "contact c2 opted out of email",
      .recipient = "a@x.example"}},
    /* texts */
    {{.recipient = "a@x.example",
      .contact = "c1",
      .lead = {"first_name", "A&B"},
      .template = "t1",
      .stored = {"Re {{first_name}}", "Hi {{first_name}}", "<p>{{first_name}}</p>"}},
     {.code = CODE_NONE,
      .recipient = "a@x.example",
      .subject = "Re A&B",
      .content = "Hi A&B",
      .html = "<p>A&amp;B</p>"}},
    {{.recipient = "a@x.example",
      .contact = "c1",
      .lead = {"first_name", "Ana"},
      .template = "t1",
      .content = "own {{first_name}}",
      .stored = {"S", "Hi", NULL}},
     {.code = CODE_NONE,
      .recipient = "a@x.example",
      .subject = "S",
      .content = "own {{first_name}}"}},
    {{.channel = CHANNEL_SMS,
      .recipient = "+14155550100",
      .template = "t1",
      .stored = {"S", "Hi {{first_name|you}}", "<p>"}},
     {.code = CODE_NONE, .recipient = "+14155550100", .content = "Hi you"}},
    {{.channel = CHANNEL_SMS,
      .recipient = "+14155550100",
      .template = "t1",
      .stored = {"S", NULL, "<p>"}},
     {.code = CODE_TEMPLATE_ERROR,
      .text = "template t1 has no text for sms",
      .recipient = "+14155550100"}},
    {{.recipient = "a@x.example", .template = "t1"},
     {.code = CODE_TEMPLATE_ERROR, .text = "there is no template t1", .recipient = "a@x.example"}},
    {{.recipient = "a@x.example", .template = "t1", .stored = {"S", "{{x"}},
     {.code = CODE_TEMPLATE_ERROR,
      .text = "template t1: text: the {{ at character 1 is not closed by }}",
      .recipient = "a@x.example"}},
    {{.recipient = "a@x.example",
      .template = "t1",
      .stored = {"S", "{{x}}"},
      .missing = TEMPLATE_FAIL},
     {.code = CODE_TEMPLATE_ERROR,
      .text = "template t1: text: {{x}} at character 1 has neither value nor default",
      .recipient = "a@x.example"}},
    {{.recipient = "a@x.example", .template = "t1", .stored = {"S", "{{x}}"}},
     {.code = CODE_TEMPLATE_ERROR,
      .text = "template t1 has no text for email",
      .recipient = "a@x.example",
      .subject = "S"}},
    {{.recipient = "a@x.example", .template = "t1", .stored = {"1234567890", "T"}},
     {.code = CODE_NONE, .recipient = "a@x.example", .subject = "1234567890", .content = "T"}},
    {{.recipient = "a@x.example", .template = "t1", .stored = {"12345678901", "T"}},
     {.code = CODE_TOO_LARGE,
      .text = "template t1: subject: longer than 10 characters when filled",
      .recipient = "a@x.example",
      .subject = "12345678901",
      .content = "T"}},
    {{.recipient = "a@x.example",
      .template = "t1",
      .stored = {NULL, "12345678901234567890123456789012345678901"}},
     {.code = CODE_TOO_LARGE, .recipient = "a@x.example"}},
};

static void make_job(const struct given *g, struct job *j)
{
    struct message *m = &j->message;

    *j = (struct job){.message = {.id = "m1", .channel = g->channel, .type = g->type}};
    message_set(m, MSG_RECIPIENT, g->recipient);
    message_set(m, MSG_CONTACT_ID, g->contact);
    message_set(m, MSG_SUBTYPE_ID, g->subtype);
    message_set(m, MSG_TEMPLATE_ID, g->template);
    message_set(m, MSG_CONTENT, g->content);
    j->recipient_contact = g->recipient_contact;
}

static void run(const struct given *g, struct job *j)
{
    static const struct job_limits limits = {.max_subject = 10, .max_content = 40};
    struct lead lead = {.id = NULL};
    struct arena a = {.used = 0};
    struct letter letter;
    struct err_text e = {.text = ""};
    struct fill_in in = {.missing = g->missing, .limits = &limits};

    make_job(g, j);
    lead_begin(&lead, "c1");
    for (unsigned i = 0; g->lead[i]; i += 2)
        assert_int_equal(lead_add(&lead, g->lead[i], g->lead[i + 1], &e), SQ_OK);
    in.contact = (struct fill_contact){g->lead[0] ? &lead : NULL, g->problem};
    in.recipient = in.contact;
    if (g->stored[0] || g->stored[1] || g->stored[2]) {
        if (letter_compile(g->stored[0], g->stored[1], g->stored[2], &a, &letter, &e))
            in.letter_problem = e.text;
        else
            in.letter = &letter;
    }
    fill_job(j, &in);
    arena_free(&a);
    lead_free(&lead);
}

static void jobs_are_completed_or_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(cases); i++) {
        const struct expected *x = &cases[i].expected;
        struct job j;
        const char *text = NULL;
        enum error_code code;

        run(&cases[i].given, &j);
        code = refusal_get(&j.message, &text);
        if (code != x->code)
            fail_msg("case %u: %s: %s", i, error_code_name(code), text ? text : "");
        if (x->text)
            assert_string_equal(text, x->text);
        if (!text_eq(j.message.text[MSG_RECIPIENT], x->recipient) ||
            !text_eq(j.message.text[MSG_SUBJECT], x->subject) ||
            !text_eq(j.message.text[MSG_HTML], x->html) ||
            (!text_eq(j.message.text[MSG_CONTENT], x->content) && !cases[i].given.content))
            fail_msg("case %u: %s, %s, %s, %s", i, j.message.text[MSG_RECIPIENT],
                     j.message.text[MSG_SUBJECT], j.message.text[MSG_CONTENT],
                     j.message.text[MSG_HTML]);
        job_clear(&j);
    }
}

static const struct {
    struct given given;
    bool contact, template;
} needs[] = {
    {{.recipient = "a@x.example"}, false, false},
    {{.recipient = "a@x.example", .contact = "c1"}, false, false},
    {{.recipient = "a@x.example", .contact = "c1", .type = TYPE_MARKETING}, true, false},
    {{.recipient = "a@x.example", .type = TYPE_MARKETING}, false, false},
    {{.recipient = "a@x.example", .contact = "c1", .subtype = "s"}, true, false},
    {{.recipient = "a@x.example", .contact = "c1", .template = "t"}, true, true},
    {{.recipient = "a@x.example", .template = "t"}, false, true},
    {{.recipient_contact = "c1"}, true, false},
};

static void only_what_needs_it_is_looked_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(needs); i++) {
        struct job j;

        make_job(&needs[i].given, &j);
        assert_int_equal(fill_needs_contact(&j), needs[i].contact);
        assert_int_equal(fill_needs_template(&j), needs[i].template);
        job_clear(&j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_completed_or_refused),
        cmocka_unit_test(only_what_needs_it_is_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the tests of mail providers share: a mail with everything in it, and one with the least. */
#ifndef SENDQ_TESTS_MAIL_TEST_H
#define SENDQ_TESTS_MAIL_TEST_H

#include "provider_test.h"

#include "json.h"

#define MAIL_ID "0190a5b0-0000-7000-8000-000000000001"

static inline void mail_init(struct fixture *f, const char *provider, const char *endpoint)
{
    fixture_init(f, provider, endpoint);
    f->sender.from_address = "s@acme.example";
    f->sender.from_name = "Acme";
    f->m.channel = CHANNEL_EMAIL;
    f->m.text[MSG_RECIPIENT] = "a@x.example";
    f->m.text[MSG_SUBJECT] = "Hi";
    f->m.text[MSG_CONTENT] = "text";
}

static inline void mail_fill(struct fixture *f)
{
    struct attachment *a;

    f->m.text[MSG_RECIPIENT] = "Ann <a@x.example>, \"B, \\\"C\\\"\" <b@x.example>";
    f->m.text[MSG_REPLY_TO] = "Desk <desk@acme.example>";
    f->m.text[MSG_HTML] = "<p>\"html\"</p>";
    f->m.text[MSG_REPLY_ID] = "<m1@mail.example>";
    f->m.text[MSG_METADATA] = "{\"campaign\":\"spring\",\"n\":3}";
    f->m.type = TYPE_MARKETING;
    set_value(f, "unsubscribe_url", "https://acme.example/u?m={id}&r={recipient}");
    set_value(f, "unsubscribe_address", "u@acme.example");
    message_list_add(&f->m, MSG_CC, "c@x.example");
    message_list_add(&f->m, MSG_CC, "Again <A@x.example>");
    message_list_add(&f->m, MSG_BCC, "e@x.example");
    a = message_attachment_add(&f->m);
    a->filename = "a.pdf";
    a->mime_type = "application/pdf";
    a->content_base64 = "JVBERg==";
    a = message_attachment_add(&f->m);
    a->content_id = "logo";
    a->content_base64 = "AAAA";
}

#define MAIL_UNSUBSCRIBE                                                                           \
    "<https://acme.example/u?m=" MAIL_ID "&r=a%40x.example>, <mailto:u@acme.example>"

/* The body is what is expected, and JSON. */
static inline void expect_json(struct fixture *f, const char *body)
{
    static const struct json_limits limits = {.max_bytes = 0};
    cJSON *json = NULL;

    build_ok(f);
    assert_string_equal(buf_str(&f->r.body), body);
    assert_int_equal(json_parse(buf_str(&f->r.body), f->r.body.len, &limits, &json, NULL), SQ_OK);
    json_free(json);
}

static inline void expect_header(const struct fixture *f, const char *line)
{
    for (unsigned i = 0; i < f->r.header_count; i++)
        if (strcmp(request_header_at(&f->r, i), line) == 0)
            return;
    fail_msg("no header %s", line);
}

/* One line of a provider's error table, as the answer would be. */
struct refusal {
    int status;
    const char *head, *body;
    enum outcome_kind kind;
    enum error_code code;
    int64_t wait_ms;
};

static inline void expect_refusals(struct fixture *f, const struct refusal *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct outcome o = judge(f, all[i].status, all[i].head ? all[i].head : "", all[i].body);

        if (o.kind != all[i].kind || o.code != all[i].code || o.retry_after_ms != all[i].wait_ms)
            fail_msg("%d %s: %s %s %lld \"%s\"", all[i].status, all[i].body,
                     outcome_kind_name(o.kind), error_code_name(o.code),
                     (long long)o.retry_after_ms, o.text);
    }
}

#define EXPECT_REFUSALS(f, all) expect_refusals(f, all, sizeof(all) / sizeof((all)[0]))

#endif

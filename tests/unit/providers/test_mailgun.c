/* mailgun: what is sent, and what its answers mean. */
#include "mail_test.h"

#include <stdlib.h>

static void init(struct fixture *f)
{
    mail_init(f, "mailgun", "https://api.mailgun.net");
    set_value(f, "api_key", "key-1");
    set_value(f, "domain", "mg.acme.example");
}

/* The body with its boundary as B and CR LF as LF. */
static char *plain_body(struct fixture *f)
{
    const char *type = request_header_at(&f->r, 0);
    const char *boundary = strstr(type, "boundary=") + 9;
    char *out = calloc(1, f->r.body.len + 1), *to = out;
    size_t len = strlen(boundary);

    for (const char *p = buf_str(&f->r.body); p < f->r.body.data + f->r.body.len; p++) {
        if (strncmp(p, boundary, len) == 0) {
            *to++ = 'B';
            p += len - 1;
        } else if (*p != '\r') {
            *to++ = *p ? *p : '0';
        }
    }
    return out;
}

static void expect_body(struct fixture *f, const char *body)
{
    char *plain;

    build_ok(f);
    plain = plain_body(f);
    assert_string_equal(plain, body);
    free(plain);
}

#define FIELD(name, value) "--B\nContent-Disposition: form-data; name=\"" name "\"\n\n" value "\n"
#define FROM FIELD("from", "\"Acme\" <s@acme.example>")

static void test_smallest_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    expect_body(&f, FROM FIELD("to", "a@x.example") FIELD("subject", "Hi") FIELD("text", "text")
                        FIELD("v:sendq_id", MAIL_ID) "--B--\n");
    assert_string_equal(buf_str(&f.r.url), "https://api.mailgun.net/v3/mg.acme.example/messages");
    assert_string_equal(buf_str(&f.r.userpwd), "api:key-1");
    fixture_free(&f);
}

static void test_full_mail(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    mail_fill(&f);
    set_value(&f, "tag", "crm");
    set_value(&f, "test_mode", "true");
    expect_body(
        &f,
        FROM FIELD("to", "\"Ann\" <a@x.example>") FIELD("to", "\"B, \\\"C\\\"\" <b@x.example>")
            FIELD("cc", "c@x.example") FIELD("bcc", "e@x.example") FIELD("subject", "Hi")
                FIELD("text", "text") FIELD("html", "<p>\"html\"</p>") FIELD(
                    "h:In-Reply-To", "<m1@mail.example>") FIELD("h:References", "<m1@mail.example>")
                    FIELD("h:List-Unsubscribe", MAIL_UNSUBSCRIBE) FIELD(
                        "h:List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
                        FIELD("h:Reply-To", "\"Desk\" <desk@acme.example>") FIELD(
                            "o:tag", "crm") FIELD("o:testmode", "yes") FIELD("v:campaign", "spring")
                            FIELD("v:n", "3") FIELD(
                                "v:sendq_id",
                                MAIL_ID) "--B\nContent-Disposition: form-data; "
                                         "name=\"attachment\"; filename=\"a.pdf\"\n"
                                         "Content-Type: application/pdf\n\n%PDF\n"
                                         "--B\nContent-Disposition: form-data; name=\"inline\"; "
                                         "filename=\"logo\"\n"
                                         "Content-Type: application/octet-stream\n\n000\n--B--\n");
    fixture_free(&f);
}

static void test_a_file_name_stays_in_its_quotes(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    mail_fill(&f);
    f.m.attachments[0].filename = "a\"; name=\"to.pdf";
    build_ok(&f);
    assert_non_null(memmem(f.r.body.data, f.r.body.len, "filename=\"a%22; name=%22to.pdf\"", 31));
    f.m.attachments[0].filename = "a\r\nX: y";
    build_fails(&f, "attachments[0].filename: must be one line");
    fixture_free(&f);
}

/* Whoever writes a file knows the message's id, but not the key. */
static void test_the_boundary_depends_on_the_key(void **state)
{
    struct fixture f;
    char first[200];

    (void)state;
    init(&f);
    build_ok(&f);
    snprintf(first, sizeof(first), "%s", request_header_at(&f.r, 0));
    set_value(&f, "api_key", "key-2");
    build_ok(&f);
    assert_string_not_equal(request_header_at(&f.r, 0), first);
    fixture_free(&f);
}

static void test_accepted(void **state)
{
    struct fixture f;
    struct outcome o;

    (void)state;
    init(&f);
    o = judge(&f, 200, "", "{\"id\":\"<2021.1@mg.acme.example>\",\"message\":\"Queued.\"}");
    expect_outcome(o, OUTCOME_SENT, CODE_NONE);
    assert_string_equal(o.provider_message_id, "<2021.1@mg.acme.example>");
    fixture_free(&f);
}

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        {400, NULL, "{\"message\":\"to is missing\"}", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {401, NULL, "Forbidden", OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {403, NULL, "{\"message\":\"no\"}", OUTCOME_AUTH, CODE_INVALID_KEY, 0},
        {402, NULL, "{}", OUTCOME_THROTTLED, CODE_RATE_LIMITED, 3600000},
        {404, NULL, "{\"message\":\"Domain not found\"}", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
        {404, NULL, "not found", OUTCOME_FAILED, CODE_PROVIDER_ERROR, 0},
        {413, NULL, "{}", OUTCOME_FAILED, CODE_TOO_LARGE, 0},
        {429, NULL, "{\"message\":\"limit exceeded, try again after 120 seconds\"}",
         OUTCOME_THROTTLED, CODE_RATE_LIMITED, 120000},
        {429, "HTTP/1.1 429\r\nRetry-After: 5\r\n", "{\"message\":\"after 120 seconds\"}",
         OUTCOME_THROTTLED, CODE_RATE_LIMITED, 5000},
        {500, NULL, "", OUTCOME_RETRY, CODE_PROVIDER_ERROR, 0},
    };
    struct fixture f;

    (void)state;
    init(&f);
    EXPECT_REFUSALS(&f, all);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_mail),
        cmocka_unit_test(test_full_mail),
        cmocka_unit_test(test_a_file_name_stays_in_its_quotes),
        cmocka_unit_test(test_the_boundary_depends_on_the_key),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

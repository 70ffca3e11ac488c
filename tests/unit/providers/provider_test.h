/* What the tests of the providers share: a sender, a message, and short ways to build and judge. */
#ifndef SENDQ_TESTS_UNIT_PROVIDERS_PROVIDER_TEST_H
#define SENDQ_TESTS_UNIT_PROVIDERS_PROVIDER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry.h"

#include <stdio.h>
#include <string.h>

#define NOW_MS INT64_C(1614265330123) /* 2021-02-25T15:02:10.123Z */

struct fixture {
    struct sender sender;
    struct message m;
    struct progress progress;
    struct build_ctx ctx;
    struct request r;
    struct err_text e;
};

static inline void fixture_init(struct fixture *f, const char *provider, const char *endpoint)
{
    memset(f, 0, sizeof(*f));
    f->sender.id = "main";
    f->sender.provider = provider_find(provider);
    f->sender.endpoint = endpoint;
    assert_non_null(f->sender.provider);
    snprintf(f->m.id, sizeof(f->m.id), "0190a5b0-0000-7000-8000-000000000001");
    f->m.text[MSG_SENDER] = "main";
    f->ctx = (struct build_ctx){.sender = &f->sender,
                                .progress = &f->progress,
                                .now_ms = NOW_MS,
                                .message_id = f->m.id,
                                .message = &f->m};
}

static inline void fixture_free(struct fixture *f)
{
    request_free(&f->r);
    message_clear(&f->m);
}

/* Sets a credential or option; NULL takes it away. */
static inline void set_value(struct fixture *f, const char *name, const char *value)
{
    for (unsigned i = 0; i < f->sender.value_count; i++) {
        if (strcmp(f->sender.values[i].name, name) == 0) {
            f->sender.values[i].value = value;
            return;
        }
    }
    f->sender.values[f->sender.value_count++] = (struct sender_value){.name = name, .value = value};
}

static inline void build_ok(struct fixture *f)
{
    enum sq_err err;

    request_reset(&f->r);
    memset(&f->e, 0, sizeof(f->e));
    err = f->sender.provider->build(&f->ctx, &f->m, &f->r, &f->e);
    if (err)
        print_error("build failed: %s\n", f->e.text);
    assert_int_equal(err, SQ_OK);
}

static inline void build_fails(struct fixture *f, const char *text)
{
    request_reset(&f->r);
    memset(&f->e, 0, sizeof(f->e));
    assert_int_not_equal(f->sender.provider->build(&f->ctx, &f->m, &f->r, &f->e), SQ_OK);
    assert_string_equal(f->e.text, text);
}

static inline void check_ok(struct fixture *f)
{
    memset(&f->e, 0, sizeof(f->e));
    if (f->sender.provider->check(&f->sender, &f->e))
        fail_msg("check failed: %s", f->e.text);
}

static inline void check_fails(struct fixture *f, const char *text)
{
    memset(&f->e, 0, sizeof(f->e));
    assert_int_equal(f->sender.provider->check(&f->sender, &f->e), SQ_ERR_INVALID);
    assert_string_equal(f->e.text, text);
}

static inline struct response make_response(int status, const char *head, const char *body)
{
    return (struct response){.transport = TRANSPORT_OK,
                             .status = status,
                             .head = head,
                             .body = body,
                             .body_len = strlen(body),
                             .now_ms = NOW_MS};
}

static inline struct outcome judge(struct fixture *f, int status, const char *head,
                                   const char *body)
{
    struct response r = make_response(status, head, body);
    struct outcome o;

    memset(&o, 0, sizeof(o));
    f->sender.provider->classify(&f->ctx, &r, &o);
    if (f->progress.delivered)
        outcome_fail_midway(&o); /* as the daemon does */
    return o;
}

static inline void expect_outcome(struct outcome o, enum outcome_kind kind, enum error_code code)
{
    assert_string_equal(outcome_kind_name(o.kind), outcome_kind_name(kind));
    assert_string_equal(error_code_name(o.code), error_code_name(code));
}

/* A documented answer and what it means. */
struct answer_row {
    int status;
    const char *body;
    enum outcome_kind kind;
    enum error_code code;
};

static inline void expect_answers(struct fixture *f, const struct answer_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct outcome o =
            judge(f, rows[i].status, "HTTP/1.1 x\r\nRetry-After: 4\r\n", rows[i].body);

        if (o.kind != rows[i].kind || o.code != rows[i].code)
            print_error("row %zu: %d %s\n", i, rows[i].status, rows[i].body);
        expect_outcome(o, rows[i].kind, rows[i].code);
    }
}

#define EXPECT_ANSWERS(f, rows) expect_answers((f), (rows), sizeof(rows) / sizeof((rows)[0]))

/* Goes to the step that the outcome names, as the daemon does. */
static inline void go_on(struct fixture *f, const struct outcome *o)
{
    expect_outcome(*o, OUTCOME_NEXT, CODE_NONE);
    assert_true(o->next.step > f->progress.step);
    f->progress = o->next;
}

static inline void expect_url(struct fixture *f, const char *url)
{
    assert_string_equal(buf_str(&f->r.url), url);
}

static inline void expect_request(struct fixture *f, const char *body)
{
    assert_string_equal(buf_str(&f->r.body), body);
}

static inline struct attachment *add_file(struct fixture *f, const char *name, const char *base64)
{
    struct attachment *a = message_attachment_add(&f->m);

    a->filename = name;
    a->content_base64 = base64;
    return a;
}

#endif

/* What the tests of the formats share: bodies in a short spelling, and tables of refusals.
 *
 * In a table ' stands for ", and <<N:x>> for N times x (any text), so that a body reads as one. */
#ifndef SENDQ_TESTS_FORMAT_TEST_H
#define SENDQ_TESTS_FORMAT_TEST_H

#include "model_test.h"

#include "job.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795252211123)

#define IDENT "must hold only letters, digits and . _ : -"
#define CONTROL "must not hold control characters"
#define ASCII "must hold only printable ASCII characters"
#define URL "must be an http or https URL"
#define STRING "must be a string"
#define STRINGS "must be a list of strings"
#define REQUIRED "is required"
#define EMPTY "must not be empty"
#define UNKNOWN "is not a known member"
#define E164 "must be an E.164 number like +14155550100"
#define NO_AT "holds an address without @"

struct bad_case {
    const char *raw, *field, *text;
};

static inline char *spelled_out(const char *s)
{
    struct buf b = {.max = 0};

    for (; *s; s++) {
        const char *unit, *end;
        long n;

        if (strncmp(s, "<<", 2) != 0) {
            buf_addc(&b, *s == '\'' ? '"' : *s);
            continue;
        }
        n = strtol(s + 2, (char **)&unit, 10);
        unit++;
        end = strstr(unit, ">>");
        for (; n > 0; n--)
            for (const char *p = unit; p < end; p++)
                buf_addc(&b, *p == '\'' ? '"' : *p);
        s = end + 1;
    }
    return b.data;
}

static inline enum sq_err parse_short(const char *s, const struct job_limits *limits, struct job *j,
                                      struct err_text *e)
{
    char *raw = spelled_out(s);
    enum sq_err err = job_parse(raw, strlen(raw), PRIORITY_NORMAL, NOW, limits, j, e);

    free(raw);
    return err;
}

static inline void parse_ok(const char *s, struct job *j)
{
    struct err_text e = {.text = ""};

    if (parse_short(s, NULL, j, &e) != SQ_OK)
        fail_msg("%s: %s", s, e.text);
}

/* A file of the test data, as it stands. */
static inline enum sq_err parse_file(const char *name, struct job *j, struct err_text *e)
{
    char path[1024], raw[8192];
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", TEST_DATA_DIR, name);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(raw, 1, sizeof raw, f);
    fclose(f);
    assert_true(n < sizeof raw);
    return job_parse(raw, n, PRIORITY_NORMAL, NOW, NULL, j, e);
}

static inline void parse_file_ok(const char *name, struct job *j)
{
    struct err_text e = {.text = ""};

    if (parse_file(name, j, &e) != SQ_OK)
        fail_msg("%s: %s", name, e.text);
}

/* False, with a word about it, if the body is not refused as it should be. */
static inline bool is_refused(const struct bad_case *c, const char *format)
{
    char expected[400];
    struct err_text e = {.text = ""};
    struct job j;
    bool ok = parse_short(c->raw, NULL, &j, &e) != SQ_OK;

    snprintf(expected, sizeof expected, "%s: %s", c->field, c->text);
    ok = ok && strcmp(e.text, expected) == 0 && strcmp(e.field, c->field) == 0 &&
         strcmp(e.code, "validation_error") == 0 && j.message.text[MSG_FORMAT] &&
         strcmp(j.message.text[MSG_FORMAT], format) == 0;
    if (!ok)
        print_error("%s\n  expected: %s\n  got:      %s\n", c->raw, expected, e.text);
    job_clear(&j);
    return ok;
}

/* Tries all, so that one run shows all that is wrong. */
static inline void check_bad(const struct bad_case *cases, unsigned count, const char *format)
{
    bool ok = true;

    for (unsigned i = 0; i < count; i++)
        ok &= is_refused(&cases[i], format);
    assert_true(ok);
}

static inline void check_text(const struct job *j, enum msg_text f, const char *expected)
{
    if (!expected) {
        if (j->message.text[f])
            fail_msg("%s is %s", msg_text_name(f), j->message.text[f]);
        return;
    }
    assert_non_null(j->message.text[f]);
    assert_string_equal(j->message.text[f], expected);
}

/* The answer of a format, compared to the short spelling of what is expected. */
static inline void check_answer(const char *format, const struct answer_in *in,
                                const char *expected)
{
    struct buf out = {.max = 0};
    char *text = spelled_out(expected);

    job_answer(format, in, &out);
    assert_string_equal(buf_str(&out), text);
    free(text);
    buf_free(&out);
}

#endif

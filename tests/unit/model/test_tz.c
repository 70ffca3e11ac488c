/* Zone files, whole and damaged, and POSIX rules. */
#include "model_test.h"

#include "buf.h"
#include "tz.h"
#include <stdlib.h>
#include <string.h>

/* --- building a TZif file --- */

struct spec {
    char version;
    unsigned times, types, leaps;
    int64_t time[4];
    unsigned char index[4];
    int32_t offset[4];
    const char *footer; /* with its newlines */
};

static void add_be(struct buf *b, uint64_t v, unsigned bytes)
{
    while (bytes-- > 0)
        buf_addc(b, (char)(bytes < 8 ? v >> (8 * bytes) : 0));
}

static void add_head(struct buf *b, const struct spec *s, unsigned times, unsigned types,
                     unsigned leaps)
{
    buf_adds(b, "TZif");
    buf_addc(b, s->version);
    add_be(b, 0, 8);
    add_be(b, 0, 7);
    add_be(b, 0, 4);
    add_be(b, 0, 4);
    add_be(b, leaps, 4);
    add_be(b, times, 4);
    add_be(b, types, 4);
    add_be(b, 4, 4);
}

static void build(struct buf *b, const struct spec *s)
{
    add_head(b, s, 0, 1, 0);
    add_be(b, 0, 6);
    buf_add(b, "UTC", 4);
    add_head(b, s, s->times, s->types, s->leaps);
    for (unsigned i = 0; i < s->times; i++)
        add_be(b, (uint64_t)s->time[i], 8);
    for (unsigned i = 0; i < s->times; i++)
        buf_addc(b, (char)s->index[i]);
    for (unsigned i = 0; i < s->types; i++) {
        add_be(b, (uint32_t)s->offset[i], 4);
        add_be(b, 0, 2);
    }
    buf_add(b, "LMT", 4);
    for (unsigned i = 0; i < s->leaps; i++)
        add_be(b, 0, 12);
    buf_adds(b, s->footer);
}

static enum sq_err load(const struct spec *s, struct tz *ret)
{
    struct buf b = {.max = 0};
    enum sq_err err;

    build(&b, s);
    err = tz_parse(b.data, b.len, ret);
    buf_free(&b);
    return err;
}

static int offset_at(const struct tz *z, int64_t t)
{
    int64_t next;

    return tz_offset(z, t, &next);
}

/* --- files --- */

static const struct spec good = {
    .version = '2',
    .times = 2,
    .types = 3,
    .time = {1000, 2000},
    .index = {1, 2},
    .offset = {60, 3600, 7200},
    .footer = "\n\n",
};

static void test_table(void **state)
{
    struct tz z;
    int64_t next;

    (void)state;
    assert_int_equal(load(&good, &z), SQ_OK);
    assert_int_equal(tz_offset(&z, -5000, &next), 60);
    assert_int_equal(next, 1000);
    assert_int_equal(tz_offset(&z, 999, &next), 60);
    assert_int_equal(tz_offset(&z, 1000, &next), 3600);
    assert_int_equal(next, 2000);
    assert_int_equal(tz_offset(&z, 2000, &next), 7200);
    assert_true(next == TZ_NEVER);
    tz_free(&z);
    tz_free(NULL);
}

static void test_footer_takes_over(void **state)
{
    struct spec s = good;
    struct tz z;

    (void)state;
    s.footer = "\nXXX-5\n";
    assert_int_equal(load(&s, &z), SQ_OK);
    assert_int_equal(offset_at(&z, 1999), 3600);
    assert_int_equal(offset_at(&z, 2000), 18000);
    tz_free(&z);
}

static void test_refused_files(void **state)
{
    struct spec bad[8];
    struct tz z;

    (void)state;
    for (unsigned i = 0; i < COUNT(bad); i++)
        bad[i] = good;
    bad[0].version = 0;             /* version 1: 32-bit times only */
    bad[1].index[1] = 3;            /* no such type */
    bad[2].time[1] = 1000;          /* not ascending */
    bad[3].types = 0;               /* no type at all */
    bad[4].offset[0] = 27 * 3600;   /* absurd offset */
    bad[5].leaps = 1;               /* counts leap seconds */
    bad[6].footer = "\nnonsense\n"; /* not a rule */
    bad[7].footer = "";             /* no footer */
    for (unsigned i = 0; i < COUNT(bad); i++)
        if (load(&bad[i], &z) != SQ_ERR_INVALID)
            fail_msg("case %u", i);
    assert_int_equal(tz_parse("", 0, &z), SQ_ERR_INVALID);
}

/* Cut anywhere, and with any byte changed: refused or read, never out of bounds. */
static void test_damaged_files(void **state)
{
    struct spec s = good;
    struct buf b = {.max = 0};
    struct tz z;

    (void)state;
    s.footer = "\nCET-1CEST,M3.5.0,M10.5.0/3\n";
    build(&b, &s);
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(tz_parse(b.data, len, &z), SQ_ERR_INVALID);
    for (size_t at = 0; at < b.len; at++) {
        for (unsigned v = 0; v < 256; v += 5) {
            char was = b.data[at];

            b.data[at] = (char)v;
            if (tz_parse(b.data, b.len, &z) == SQ_OK) {
                tz_day_start(&z, 20000);
                tz_free(&z);
            }
            b.data[at] = was;
        }
    }
    buf_free(&b);
}

/* --- rules --- */

static const struct {
    const char *rule;
    int64_t at;
    int offset;
} rule_cases[] = {
    {"UTC0", 0, 0},
    {"EST5", 0, -18000},
    {"<+0545>-5:45", 0, 20700},
    {"<-03>3", 0, -10800},
    {"LMT0:00:01", 0, -1},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1774745999, 3600},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, 7200},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1792889999, 7200},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1792890000, 3600},
    {"EST5EDT,M3.2.0,M11.1.0", 1772953199, -18000},
    {"EST5EDT,M3.2.0,M11.1.0", 1772953200, -14400},
    /* South of the equator: summer spans the year's end. */
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", 1767225600, 39600},
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", 1782864000, 36000},
    /* Dublin's negative summer time: winter is the exception. */
    {"IST-1GMT0,M10.5.0,M3.5.0/1", 1767225600, 0},
    {"IST-1GMT0,M10.5.0,M3.5.0/1", 1782864000, 3600},
    /* Half an hour, and hours beyond the day. */
    {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1767225600, 39600},
    {"EET-2EEST,M3.4.4/50,M10.4.4/50", 1774569599, 7200},
    {"EET-2EEST,M3.4.4/50,M10.4.4/50", 1774656000, 10800},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1774745999, -7200},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1774746000, -3600},
    /* Days by number: J60 is March 1 in every year, 59 is February 29 in a leap year. */
    {"AAA0BBB,J60/0,J300/0", 1709164800, 0},    /* 2024-02-29 */
    {"AAA0BBB,J60/0,J300/0", 1709251200, 3600}, /* 2024-03-01 */
    {"AAA0BBB,J60/0,J300/0", 1740787200, 3600}, /* 2025-03-01 */
    {"AAA0BBB,J59/0,J300/0", 1709078399, 0},    /* 2024-02-28 begins a second later */
    {"AAA0BBB,J59/0,J300/0", 1709078400, 3600},
    {"AAA0BBB,59/0,300/0", 1709164800, 3600}, /* 2024-02-29 */
    {"AAA0BBB,59/0,300/0", 1740787200, 3600}, /* 2025-03-01 */
    {"AAA0BBB,59/0,300/0", 1740787199, 0},
    /* Summer time all the year. */
    {"EST5EDT,0/0,J365/25", 1767225600, -14400},
    {"EST5EDT,0/0,J365/25", 1767243600, -14400},
    {"EST5EDT,0/0,J365/25", 1782864000, -14400},
};

static void test_rules(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(rule_cases); i++) {
        struct spec s = {.version = '2', .types = 1};
        char footer[80] = "\n";
        struct tz z;

        strcat(footer, rule_cases[i].rule);
        strcat(footer, "\n");
        s.footer = footer;
        assert_int_equal(load(&s, &z), SQ_OK);
        if (offset_at(&z, rule_cases[i].at) != rule_cases[i].offset)
            fail_msg("%s at %lld: %d", rule_cases[i].rule, (long long)rule_cases[i].at,
                     offset_at(&z, rule_cases[i].at));
        tz_free(&z);
    }
}

static const char *const bad_rules[] = {
    "X0",
    "ABC",
    "ABC25",
    "<ABC0",
    "ABC0D",
    "ABC0DEF",
    "ABC0DEF,",
    "ABC0DEF,M3.2.0",
    "ABC0DEF,M3.2.0,",
    "ABC0DEF,M13.2.0,M11.1.0",
    "ABC0DEF,M0.2.0,M11.1.0",
    "ABC0DEF,M3.6.0,M11.1.0",
    "ABC0DEF,M3.2.7,M11.1.0",
    "ABC0DEF,M3.2,M11.1.0",
    "ABC0DEF,J0,J300",
    "ABC0DEF,J366,J300",
    "ABC0DEF,366,300",
    "ABC0DEF,M3.2.0/168,M11.1.0",
    "ABC0DEF,M3.2.0/,M11.1.0",
    "ABC0DEF,M3.2.0,M11.1.0 ",
    "ABC0DEF,M3.2.0,M11.1.0,M1.1.1",
    "ABC0:60",
    "ABC99999999999",
};

static void test_bad_rules(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(bad_rules); i++) {
        struct spec s = {.version = '2', .types = 1};
        char footer[80] = "\n";
        struct tz z;

        strcat(footer, bad_rules[i]);
        strcat(footer, "\n");
        s.footer = footer;
        if (load(&s, &z) != SQ_ERR_INVALID)
            fail_msg("%s", bad_rules[i]);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_true(tz_name_is_valid("UTC"));
    assert_true(tz_name_is_valid("America/Argentina/Buenos_Aires"));
    assert_true(tz_name_is_valid("Etc/GMT-14"));
    assert_false(tz_name_is_valid("."));
    assert_false(tz_name_is_valid("a/../b"));
    assert_false(tz_name_is_valid("a//b"));
    assert_false(tz_name_is_valid("/a"));
    assert_false(tz_name_is_valid("a/"));
    assert_false(tz_name_is_valid("a b"));
    assert_false(tz_name_is_valid("a\n"));
}

/* Without any files UTC still works. */
static void test_utc_needs_no_file(void **state)
{
    struct tz z;

    (void)state;
    setenv("TZDIR", "/nonexistent", 1);
    assert_int_equal(tz_load("Europe/Berlin", &z), SQ_ERR_NOT_FOUND);
    assert_int_equal(tz_load("UTC", &z), SQ_OK);
    assert_int_equal(offset_at(&z, 1795215600), 0);
    tz_free(&z);
    unsetenv("TZDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_footer_takes_over),
        cmocka_unit_test(test_refused_files), cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_rules),         cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_utc_needs_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

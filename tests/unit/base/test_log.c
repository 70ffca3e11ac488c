/* Log lines, read back from a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json.h"
#include "log.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_ROOM = 32768 };

struct sink {
    struct log log;
    int fds[2];
    char text[LINE_ROOM];
};

static void sink_open(struct sink *s, enum log_level level, bool json, bool journald)
{
    memset(s, 0, sizeof(*s));
    assert_int_equal(pipe(s->fds), 0);
    log_init(&s->log, level, json);
    s->log.fd = s->fds[1];
    s->log.journald = journald;
}

/* What one read gives: one line if it was one write. "" if nothing was written. */
static const char *sink_line(struct sink *s)
{
    ssize_t n;

    assert_int_equal(write(s->fds[1], "#", 1), 1); /* so that the read never waits */
    n = read(s->fds[0], s->text, sizeof(s->text) - 1);
    assert_true(n > 0 && s->text[n - 1] == '#');
    s->text[n - 1] = '\0';
    return s->text;
}

static void sink_close(struct sink *s)
{
    log_done(&s->log);
    close(s->fds[0]);
    close(s->fds[1]);
}

static void test_key_value_line(void **state)
{
    struct sink s;

    (void)state;
    sink_open(&s, LOG_LVL_INFO, false, true);
    assert_true(log_begin(&s.log, LOG_LVL_INFO, "sent"));
    log_str(&s.log, "to", "a b>");
    log_str(&s.log, "none", NULL);
    log_str(&s.log, "empty", "");
    log_str(&s.log, "mark", "x>");
    log_int(&s.log, "ms", -12);
    log_end(&s.log);
    assert_string_equal(sink_line(&s), "<6>level=info event=sent to=\"a b>\" mark=x> ms=-12\n");
    sink_close(&s);
}

static void test_priorities_and_levels(void **state)
{
    static const struct {
        enum log_level level;
        const char *line;
    } cases[] = {
        {LOG_LVL_ERROR, "<3>level=error event=e msg=m\n"},
        {LOG_LVL_WARN, "<4>level=warn event=e msg=m\n"},
        {LOG_LVL_INFO, "<6>level=info event=e msg=m\n"},
        {LOG_LVL_DEBUG, "<7>level=debug event=e msg=m\n"},
    };
    struct sink s;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        sink_open(&s, cases[i].level, false, true);
        log_line(&s.log, cases[i].level, "e", "%s", "m");
        assert_string_equal(sink_line(&s), cases[i].line);
        if (i < 3) {
            log_line(&s.log, cases[i + 1].level, "e", "%s", "m");
            assert_string_equal(sink_line(&s), "");
        }
        sink_close(&s);
    }
}

static void test_time_without_journald(void **state)
{
    struct sink s;
    const char *line;

    (void)state;
    sink_open(&s, LOG_LVL_INFO, false, false);
    log_line(&s.log, LOG_LVL_INFO, "e", "x");
    line = sink_line(&s);
    assert_int_equal(line[10], 'T');
    assert_string_equal(line + 23, "Z level=info event=e msg=x\n");
    sink_close(&s);
}

static void test_json_line_is_json(void **state)
{
    struct sink s;
    struct err_text e = {0};
    const char *line;
    cJSON *j = NULL;

    (void)state;
    sink_open(&s, LOG_LVL_INFO, true, false);
    log_begin(&s.log, LOG_LVL_WARN, "odd");
    log_str(&s.log, "text", "a\"\\\n\xff\xe2\x80\xae caf\xc3\xa9");
    log_int(&s.log, "n", 7);
    log_end(&s.log);
    line = sink_line(&s);
    assert_int_equal(line[strlen(line) - 1], '\n');
    assert_int_equal(json_parse(line, strlen(line), NULL, &j, &e), SQ_OK);
    assert_string_equal(json_str(j, "level"), "warn");
    assert_string_equal(json_str(j, "text"), "a\"\\\n\xef\xbf\xbd\xe2\x80\xae caf\xc3\xa9");
    assert_null(strstr(line, "\xe2\x80\xae"));
    assert_non_null(json_str(j, "time"));
    json_free(j);
    sink_close(&s);
}

static void test_input_cannot_forge_a_line(void **state)
{
    struct sink s;
    const char *line;

    (void)state;
    sink_open(&s, LOG_LVL_INFO, false, true);
    log_line(&s.log, LOG_LVL_INFO, "e", "x\n<3>level=error");
    line = sink_line(&s);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    sink_close(&s);
}

static void test_too_many_fields_leave_a_whole_line(void **state)
{
    struct sink s;
    struct err_text e = {0};
    char value[5000], key[] = "k00";
    const char *line;
    cJSON *j = NULL;

    (void)state;
    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    sink_open(&s, LOG_LVL_INFO, true, false);
    log_begin(&s.log, LOG_LVL_INFO, "big");
    for (int i = 0; i < 50; i++) {
        key[1] = (char)('0' + i / 10);
        key[2] = (char)('0' + i % 10);
        log_str(&s.log, key, value);
    }
    log_end(&s.log);
    line = sink_line(&s);
    assert_int_equal(json_parse(line, strlen(line), NULL, &j, &e), SQ_OK);
    assert_int_equal(strlen(json_str(j, "k00")), 1024 + 3);
    assert_null(json_str(j, "k49"));
    json_free(j);
    log_line(&s.log, LOG_LVL_INFO, "next", "fine");
    assert_non_null(strstr(sink_line(&s), "fine"));
    sink_close(&s);
}

/* Four-byte fields after events of four lengths: one of the lines is full to the last byte. */
static void test_full_line_still_ends(void **state)
{
    static const char *const events[] = {"e", "ev", "eve", "even"};
    struct sink s;

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
        const char *line;

        sink_open(&s, LOG_LVL_INFO, false, true);
        log_begin(&s.log, LOG_LVL_INFO, events[i]);
        for (int n = 0; n < 5000; n++)
            log_int(&s.log, "a", 1);
        log_end(&s.log);
        line = sink_line(&s);
        assert_string_equal(line + strlen(line) - 5, " a=1\n");
        sink_close(&s);
    }
}

static void test_level_names(void **state)
{
    enum log_level level = LOG_LVL_WARN;

    (void)state;
    assert_int_equal(log_level_parse("verbose", &level), SQ_ERR_INVALID);
    assert_int_equal(log_level_parse(NULL, &level), SQ_ERR_INVALID);
    assert_int_equal(level, LOG_LVL_WARN);
    assert_int_equal(log_level_parse("debug", &level), SQ_OK);
    assert_int_equal(level, LOG_LVL_DEBUG);
}

static void test_journal_is_told_by_the_stream(void **state)
{
    struct log l = {0};
    struct stat st;
    char text[64];

    (void)state;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", text, 1);
    log_init(&l, LOG_LVL_INFO, false);
    assert_true(l.journald);
    setenv("JOURNAL_STREAM", "1:2", 1); /* inherited, but stderr went elsewhere */
    log_init(&l, LOG_LVL_INFO, false);
    assert_false(l.journald);
    unsetenv("JOURNAL_STREAM");
    log_init(&l, LOG_LVL_INFO, false);
    assert_false(l.journald);
    log_done(&l);
    log_done(NULL);
}

/* Nobody reads: nothing waits, what fits is kept in order, the rest is counted and told of. */
static void test_a_reader_that_stands_still(void **state)
{
    enum { LINES = 6000 };
    struct buf all = {0};
    struct sink s;
    ssize_t n;

    (void)state;
    sink_open(&s, LOG_LVL_INFO, false, true);
    for (int i = 0; i < LINES; i++)
        log_line(&s.log, LOG_LVL_INFO, "busy", "%064d", i);
    assert_true(s.log.lost > 0);
    while (s.log.gathered.len > 0) {
        n = read(s.fds[0], s.text, sizeof(s.text));
        assert_true(n > 0);
        buf_add(&all, s.text, (size_t)n);
        log_flush(&s.log);
    }
    close(s.fds[1]);
    while ((n = read(s.fds[0], s.text, sizeof(s.text))) > 0)
        buf_add(&all, s.text, (size_t)n);
    assert_memory_equal(all.data, "<6>level=info event=busy msg=000", 32);
    assert_non_null(strstr(all.data, "\n<4>level=warn event=log_lost lines="));
    assert_int_equal(all.data[all.len - 1], '\n');
    buf_free(&all);
    log_done(&s.log);
    close(s.fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reader_that_stands_still),
        cmocka_unit_test(test_key_value_line),
        cmocka_unit_test(test_priorities_and_levels),
        cmocka_unit_test(test_time_without_journald),
        cmocka_unit_test(test_json_line_is_json),
        cmocka_unit_test(test_input_cannot_forge_a_line),
        cmocka_unit_test(test_too_many_fields_leave_a_whole_line),
        cmocka_unit_test(test_full_line_still_ends),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_journal_is_told_by_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

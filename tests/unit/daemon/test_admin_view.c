/* The admin texts: what hostile names become, and what is said while Redis is away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin_view.h"
#include "json.h"
#include <stdlib.h>
#include <string.h>

struct sight {
    struct admin_view view;
    struct metrics metrics;
    struct overview overview;
    struct overview_sender sender;
    struct overview_failure failure;
    struct buf out;
};

static int setup(void **state)
{
    struct sight *s = mem_zalloc(sizeof(*s));

    s->sender = (struct overview_sender){
        .id = "a\"b\\c\nd", .state = "ok", .until = "", .error = "", .day_cap = 10};
    s->failure = (struct overview_failure){.id = "m",
                                           .failed_at = "",
                                           .sender = "s",
                                           .channel = "email",
                                           .error_code = "provider_error",
                                           .error = "</script>\xff<b>\x01"};
    s->overview = (struct overview){
        .senders = &s->sender, .sender_count = 1, .failures = &s->failure, .failure_count = 1};
    s->view = (struct admin_view){.status = {.state = "running"},
                                  .metrics = &s->metrics,
                                  .overview = &s->overview,
                                  .ns = "t",
                                  .worker = "w"};
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct sight *s = *state;

    buf_free(&s->out);
    free(s);
    return 0;
}

static void assert_has(const struct buf *b, const char *text)
{
    if (strstr(buf_str(b), text) == NULL)
        fail_msg("%s is not in:\n%s", text, buf_str(b));
}

static void test_labels_are_escaped(void **state)
{
    struct sight *s = *state;

    admin_print_metrics(&s->view, &s->out);
    assert_has(&s->out, "sendq_sender_day_cap{sender=\"a\\\"b\\\\c\\nd\"} 10\n");
}

static void test_status_is_json_whatever_it_holds(void **state)
{
    struct sight *s = *state;
    struct err_text e = {0};
    cJSON *j;

    admin_print_status(&s->view, &s->out);
    assert_int_equal(json_parse(s->out.data, s->out.len, NULL, &j, &e), SQ_OK);
    assert_non_null(json_get(j, "senders"));
    json_free(j);
}

static void test_without_redis(void **state)
{
    struct sight *s = *state;

    s->view.overview = NULL;
    admin_print_status(&s->view, &s->out);
    assert_null(strstr(buf_str(&s->out), "senders"));
    assert_has(&s->out, "\"redis\":false");
    buf_clear(&s->out);
    admin_print_metrics(&s->view, &s->out);
    assert_has(&s->out, "sendq_redis_up 0\n");
    assert_null(strstr(buf_str(&s->out), "sendq_queue_jobs"));
}

static void test_a_histogram_adds_up(void **state)
{
    struct sight *s = *state;

    metrics_wait(&s->metrics, PRIORITY_HIGH, 1);
    metrics_wait(&s->metrics, PRIORITY_HIGH, metrics_bounds_us[METRICS_BOUNDS - 1] + 1);
    admin_print_metrics(&s->view, &s->out);
    assert_has(&s->out, "sendq_queue_wait_seconds_bucket{priority=\"high\",le=\"0.005\"} 1\n");
    assert_has(&s->out, "sendq_queue_wait_seconds_bucket{priority=\"high\",le=\"3600\"} 1\n");
    assert_has(&s->out, "sendq_queue_wait_seconds_bucket{priority=\"high\",le=\"+Inf\"} 2\n");
    assert_has(&s->out, "sendq_queue_wait_seconds_count{priority=\"high\"} 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_labels_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_status_is_json_whatever_it_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_histogram_adds_up, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

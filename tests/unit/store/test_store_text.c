/* Large jobs: read piece by piece, and kept as long as their message where that refers to them. */
#include "store_rig.h"

#define LARGE (STORE_LARGE + STORE_TEXT_PIECE / 2)

/* What take brought. */
struct taken {
    struct worker *w;
    size_t count, len;
    enum priority list;
    char first[8], begin[8], end[8];
    bool has_text;
};

static void push_large(struct store_rig *r, const char *list)
{
    char n[24];

    snprintf(n, sizeof(n), "%zu", LARGE - 10);
    REDIS(r->g, "EVAL",
          "return redis.call('LPUSH', KEYS[1], 'begin' .. string.rep('x', ARGV[1]) .. '--end')",
          "1", list, n);
}

static void on_taken(enum store_status st, const struct store_raw *jobs, size_t n, void *arg)
{
    struct taken *t = arg;
    const struct store_raw *last = n > 0 ? &jobs[n - 1] : NULL;

    t->count = n;
    if (last != NULL) {
        t->list = last->list;
        t->len = last->len;
        t->has_text = last->text != NULL;
        snprintf(t->first, sizeof(t->first), "%.*s", (int)(n > 1 ? jobs[0].len : 0), jobs[0].raw);
        snprintf(t->begin, sizeof(t->begin), "%.5s", last->raw);
        snprintf(t->end, sizeof(t->end), "%.5s", last->raw + last->len - 5);
    }
    worker_done(t->w, st);
}

static struct taken take(struct worker *w, enum store_status expected)
{
    struct taken t = {.w = w};
    enum sq_err sent = store_take(w->store, 1, 8, 8u << 20, 40u << 20, on_taken, &t);

    assert_int_equal(worker_wait(w, sent), expected);
    return t;
}

#define READING(r, w) key_of(r, "t:reading:", store_worker_id((w)->store))

static void test_is_read_whole(void **state)
{
    struct store_rig *r = *state;
    struct taken t;

    REDIS(r->g, "LPUSH", "t:jobs:high", "small");
    push_large(r, "t:jobs");
    REDIS(r->g, "LPUSH", "t:jobs", "behind");
    t = take(r->a, STORE_OK);
    assert_int_equal(t.count, 2); /* it is the last of its batch */
    assert_true(t.has_text);
    assert_int_equal(t.list, PRIORITY_NORMAL);
    assert_int_equal(t.len, LARGE);
    assert_string_equal(t.first, "small");
    assert_string_equal(t.begin, "begin");
    assert_string_equal(t.end, "--end");
    assert_in_range(REDIS_INT(r->g, "PTTL", READING(r, r->a)), 1, 600000);
    assert_string_equal(REDIS(r->g, "LLEN", CLAIMED(r, r->a)), "3");
    assert_string_equal(REDIS(r->g, "LRANGE", "t:jobs", "0", "-1"), "behind");
}

static void test_small_ones_have_no_text(void **state)
{
    struct store_rig *r = *state;
    struct taken t;

    REDIS(r->g, "LPUSH", "t:jobs", "begin--end");
    t = take(r->a, STORE_OK);
    assert_int_equal(t.count, 1);
    assert_false(t.has_text);
    assert_string_equal(REDIS(r->g, "EXISTS", READING(r, r->a)), "0");
}

/* The answer comes before the piece is asked for: whoever takes the key away first wins. */
static void test_goes_while_it_is_read(void **state)
{
    struct store_rig *r = *state;
    struct taken t = {.w = r->a};

    push_large(r, "t:jobs");
    assert_int_equal(store_take(r->a->store, 1, 8, 8u << 20, 40u << 20, on_taken, &t), SQ_OK);
    r->a->answered = false;
    while (strcmp(REDIS(r->g, "DEL", READING(r, r->a)), "1") != 0 && !r->a->answered)
        rig_turn(r->g);
    while (!r->a->answered)
        loop_run(r->g->loop);
    if (r->a->status == STORE_OK)
        return; /* it was read before that */
    assert_int_equal(r->a->status, STORE_ERROR);
    assert_string_equal(store_error(r->a->store), "a job went while it was read");
    t = take(r->a, STORE_OK);
    assert_int_equal(t.len, LARGE);
}

/* The k-th job of the batch is the large one. */
static void accept_large(struct store_rig *r, unsigned k, bool keeps_text)
{
    struct store_accept *j = a_job(r, k, k == 0 ? "m1" : "m2");

    r->a->large = true;
    j->keeps_text = keeps_text;
    j->explicit_id = true;
    j->body_hash = "h";
    if (keeps_text)
        r->fields[k][j->field_count++] = (struct store_field){"_text", "1"};
    assert_int_equal(worker_accept(r->a, 1, r->jobs, k + 1), STORE_OK);
}

static void test_its_message_keeps_it(void **state)
{
    struct store_rig *r = *state;

    REDIS(r->g, "LPUSH", "t:jobs", "small");
    push_large(r, "t:jobs");
    take(r->a, STORE_OK);
    a_job(r, 0, "m1");
    accept_large(r, 1, true);
    assert_string_equal(REDIS(r->g, "EXISTS", READING(r, r->a), "t:text:m1"), "0");
    assert_int_equal(REDIS_INT(r->g, "STRLEN", "t:text:m2"), LARGE);
    assert_string_equal(REDIS(r->g, "TTL", "t:text:m2"), "-1");
}

static void test_nothing_refers_to_it(void **state)
{
    struct store_rig *r = *state;

    push_large(r, "t:jobs");
    take(r->a, STORE_OK);
    accept_large(r, 0, false);
    assert_string_equal(REDIS(r->g, "EXISTS", READING(r, r->a), "t:text:m1"), "0");
}

/* A second job of the same id: the first one's text is not touched. */
static void test_repeated(void **state)
{
    struct store_rig *r = *state;

    for (int i = 0; i < 2; i++) {
        push_large(r, "t:jobs");
        take(r->a, STORE_OK);
        accept_large(r, 0, true);
        assert_int_equal(r->a->duplicates, i);
        REDIS(r->g, "SETRANGE", "t:text:m1", "0", "first");
    }
    assert_string_equal(REDIS(r->g, "GETRANGE", "t:text:m1", "0", "4"), "first");
    assert_string_equal(REDIS(r->g, "EXISTS", READING(r, r->a)), "0");
}

static void test_gone_before_it_is_accepted(void **state)
{
    struct store_rig *r = *state;
    struct store_accept *j;

    push_large(r, "t:jobs");
    take(r->a, STORE_OK);
    REDIS(r->g, "DEL", READING(r, r->a));
    j = a_job(r, 0, "m1");
    r->a->large = j->keeps_text = true;
    assert_int_equal(worker_accept(r->a, 1, r->jobs, 1), STORE_GONE);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:message:m1", "t:content:m1"), "0");
    assert_int_equal(take(r->a, STORE_OK).len, LARGE); /* and comes again */
}

static void leased(struct store_rig *r)
{
    push_large(r, "t:jobs");
    take(r->a, STORE_OK);
    accept_large(r, 0, true);
    assert_int_equal(worker_claim(r->a, 1), STORE_OK);
    assert_int_equal(r->a->claim_count, 1);
}

static void test_ends_with_its_message(void **state)
{
    struct store_rig *r = *state;

    leased(r);
    assert_int_equal(worker_finish(r->a, FINISH_SENT, "m1", 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "EXISTS", "t:text:m1", "t:content:m1"), "0");
}

static void test_stays_for_the_next_attempt(void **state)
{
    struct store_rig *r = *state;

    leased(r);
    assert_int_equal(worker_finish(r->a, FINISH_RETRY, "m1", 1), STORE_OK);
    assert_string_equal(REDIS(r->g, "TTL", "t:text:m1"), "-1");
}

static void test_stays_with_the_dead_letter(void **state)
{
    struct store_rig *r = *state;

    leased(r);
    assert_int_equal(worker_finish(r->a, FINISH_FAILED, "m1", 1), STORE_OK);
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:text:m1"), 1, 7 * 86400000);
}

static void test_can_be_kept(void **state)
{
    struct store_rig *r = *state;

    r->settings.keep_content = true;
    store_set_settings(r->a->store, &r->settings);
    leased(r);
    assert_int_equal(worker_finish(r->a, FINISH_SENT, "m1", 1), STORE_OK);
    assert_in_range(REDIS_INT(r->g, "PTTL", "t:text:m1"), 1, 7 * 86400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_is_read_whole),
        STORE_TEST(test_small_ones_have_no_text),
        STORE_TEST(test_goes_while_it_is_read),
        STORE_TEST(test_its_message_keeps_it),
        STORE_TEST(test_nothing_refers_to_it),
        STORE_TEST(test_repeated),
        STORE_TEST(test_gone_before_it_is_accepted),
        STORE_TEST(test_ends_with_its_message),
        STORE_TEST(test_stays_for_the_next_attempt),
        STORE_TEST(test_stays_with_the_dead_letter),
        STORE_TEST(test_can_be_kept),
    };

    return STORE_TESTS_RUN(tests);
}

/* Contents in the text of a large job: whatever their spelling, and wherever a piece ends. */
#include "store_rig.h"

#include "stored.h"

struct read {
    struct worker *w;
    struct buf content;
    bool whole;
};

static void on_read(enum store_status st, bool whole, void *arg)
{
    struct read *d = arg;

    d->whole = whole;
    worker_done(d->w, st);
}

/* The text: `before` bytes, then a string of `n` times the unit. */
static void put_text(struct store_rig *r, size_t before, const char *unit, size_t n)
{
    char a[24], b[24];

    snprintf(a, sizeof(a), "%zu", before);
    snprintf(b, sizeof(b), "%zu", n);
    REDIS(
        r->g, "EVAL",
        "return redis.call('SET', KEYS[1], string.rep('x', ARGV[1]) .. string.rep(ARGV[3], ARGV[2])"
        " .. '\",\"more\":\"AA\"')",
        "1", "t:text:m1", a, b, unit);
}

static bool read_whole(struct store_rig *r, struct read *d, size_t offset, size_t size)
{
    char ref[48];

    snprintf(ref, sizeof(ref), "%zu %zu", offset, size);
    assert_int_equal(stored_size(ref), size);
    *d = (struct read){.w = r->a};
    assert_int_equal(
        worker_wait(r->a, stored_read(r->a->store, "m1", ref, &d->content, on_read, d)), STORE_OK);
    return d->whole;
}

static void check(struct store_rig *r, size_t before, const char *unit, const char *meant, size_t n)
{
    size_t size = strlen(meant);
    struct read d;

    put_text(r, before, unit, n);
    assert_true(read_whole(r, &d, before, n * size));
    assert_int_equal(d.content.len, n * size);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(d.content.data + i * size, meant, size);
    buf_free(&d.content);
}

static void test_plain(void **state)
{
    check(*state, 5, "QUJD", "QUJD", 10);
    check(*state, 0, "QUJD", "QUJD", STORE_TEXT_PIECE / 4);
    check(*state, 1000000, "QUJD", "QUJD", STORE_TEXT_PIECE);
}

/* Units of 7 and of 13 bytes meet every place of a piece's end. */
static void test_escaped(void **state)
{
    for (size_t before = 0; before < 7; before++)
        check(*state, before, "Q\\/\\/JD", "Q//JD", STORE_TEXT_PIECE / 3);
    for (size_t before = 0; before < 13; before++)
        check(*state, before, "\\u0051\\u002F=", "Q/=", STORE_TEXT_PIECE / 5);
}

static void test_what_is_not_there(void **state)
{
    struct store_rig *r = *state;
    struct read d;

    assert_false(read_whole(r, &d, 0, 4));
    buf_free(&d.content);
    put_text(r, 0, "QUJD", 2);
    assert_false(read_whole(r, &d, 0, 12)); /* the string ends before */
    buf_free(&d.content);
    assert_false(read_whole(r, &d, 500, 4));
    buf_free(&d.content);
    REDIS(r->g, "SET", "t:text:m1", "QU\\");
    assert_false(read_whole(r, &d, 0, 4));
    buf_free(&d.content);
    REDIS(r->g, "DEL", "t:text:m1");
    REDIS(r->g, "RPUSH", "t:text:m1", "QUJD");
    assert_false(read_whole(r, &d, 0, 4));
    buf_free(&d.content);
}

static void test_bad_references(void **state)
{
    struct store_rig *r = *state;
    struct buf content = {0};
    struct read d = {.w = r->a};

    assert_int_equal(stored_read(r->a->store, "m1", "5 x", &content, on_read, &d), SQ_ERR_INVALID);
    assert_int_equal(stored_size("5 x"), 0);
    store_close(r->a->store);
    assert_int_equal(stored_read(r->a->store, "m1", "5 4", &content, on_read, &d), SQ_ERR_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_plain),
        STORE_TEST(test_escaped),
        STORE_TEST(test_what_is_not_there),
        STORE_TEST(test_bad_references),
    };

    return STORE_TESTS_RUN(tests);
}

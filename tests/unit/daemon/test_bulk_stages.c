/* Render and expand on a real store: a selection's leads queue, their slices become attempts with
 * texts of their own, or say why not. */
#include "daemon_rig.h"

#include "bulk.h"
#include "expand.h"
#include "refusal.h"
#include "render.h"

#define BULK "b1"

struct stage {
    struct daemon_rig *d;
    struct directory *directory;
    struct render_stage *render;
    struct expand_stage *expand;
    struct attempt *made[16]; /* in the order they came */
    unsigned count, released, adopted, problems;
    int queued;
    unsigned want; /* attempts to wait for */
};

/* --- what the stages call --- */

static void took(struct stage *s, struct attempt *t)
{
    assert_true(s->count < 16);
    s->made[s->count++] = t;
    if (s->count == s->want)
        loop_stop(s->d->g->loop);
}

static void on_ready(struct attempt *t, int64_t slot_us, void *arg)
{
    assert_true(slot_us > 0);
    took(arg, t);
}

static void on_release(struct attempt *t, void *arg)
{
    struct stage *s = arg;

    s->released++;
    took(s, t);
}

static void on_adopted(struct attempt *t, void *arg)
{
    struct stage *s = arg;

    s->adopted++;
    took(s, t);
}

static void on_problem(const char *what, void *arg)
{
    struct stage *s = arg;

    assert_string_not_equal(what, "");
    s->problems++;
    loop_stop(s->d->g->loop);
}

static void on_queued(void *arg)
{
    struct stage *s = arg;

    s->queued++;
}

/* --- fixture --- */

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));
    const struct render_ops render_ops = {on_ready, on_release, on_adopted, on_problem, s};
    const struct expand_ops expand_ops = {on_queued, on_problem, s};

    daemon_rig_setup(state);
    s->d = *state;
    s->directory = directory_redis_new(s->d->a->store);
    s->render = render_new(s->d->a->store, s->directory, &s->d->attempts, &render_ops);
    s->expand = expand_new(s->d->g->loop, s->d->a->store, s->directory, &expand_ops);
    render_set_config(s->render, s->d->live);
    expand_set_config(s->expand, s->d->live);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;

    store_close(s->d->a->store);
    for (unsigned i = 0; i < s->count; i++)
        attempt_free(&s->d->attempts, s->made[i]);
    render_free(s->render);
    expand_free(s->expand);
    directory_free(s->directory);
    *state = s->d;
    free(s);
    return daemon_rig_teardown(state);
}

static void put_lead(struct stage *s, const char *id, const char *email, const char *name)
{
    char key[64];

    snprintf(key, sizeof(key), "t:lead:%s", id);
    REDIS(s->d->g, "HSET", key, "email", email, "first_name", name);
    REDIS(s->d->g, "SADD", "t:leads", id);
}

/* Accepts a bulk that greets its leads. */
static void accept_bulk(struct stage *s, const char *selection, const char *cursor)
{
    struct message m;
    struct store_accept *j;

    a_message(&m, BULK);
    m.type = TYPE_MARKETING;
    message_set(&m, MSG_SUBJECT, "The same");
    message_set(&m, MSG_CONTENT, "Dear {{first_name|friend}}");
    j = job_of(s->d, 0, &m);
    j->is_bulk = true;
    j->selection = selection;
    j->cursor = cursor;
    accept_n(s->d->r, 1);
}

/* Takes a slice of these leads ("a b c") into the render stage, and waits for its attempts. */
static void render(struct stage *s, const char *leads, unsigned n, bool check_suppressed)
{
    char packed[128];
    size_t len = strlen(leads) + 1;
    const struct store_claimed c = {.bulk = BULK,
                                    .packed = packed,
                                    .packed_len = len,
                                    .fence = 7,
                                    .attempts = 2,
                                    .slots = "1000,2000",
                                    .check_suppressed = check_suppressed};

    memcpy(packed, leads, len);
    for (size_t i = 0; i < len; i++)
        packed[i] = (char)(packed[i] == ' ' ? '\0' : packed[i]);
    s->want = s->count + n;
    render_slice(s->render, &c);
    assert_int_equal(render_waiting(s->render), n);
    while (s->count < s->want)
        loop_run(s->d->g->loop);
    assert_int_equal(render_waiting(s->render), 0);
}

static enum error_code refusal(const struct attempt *t)
{
    const char *why;

    return refusal_get(&t->message, &why);
}

/* --- render --- */

static void test_a_slice_becomes_attempts(void **state)
{
    struct stage *s = *state;
    const struct message *m;

    put_lead(s, "a", "a@example.com", "Ana");
    put_lead(s, "b", "b@example.com", "");
    accept_bulk(s, "{\"search_keyword\":\"x\"}", "all 0");
    render(s, "a b", 2, false);
    m = &s->made[0]->message;
    assert_string_equal(m->text[MSG_RECIPIENT], "a@example.com");
    assert_string_equal(m->text[MSG_SUBJECT], "The same");
    assert_string_equal(m->text[MSG_CONTENT], "Dear Ana");
    assert_string_equal(m->text[MSG_LEAD_ID], "a");
    assert_string_equal(m->text[MSG_BULK_ID], BULK);
    assert_int_equal(m->attempts, 2);
    assert_int_equal(s->made[0]->fence, 7);
    assert_int_equal(s->made[0]->place, 1);
    assert_int_equal(s->made[1]->place, 2);
    assert_ptr_equal(s->made[0]->bulk, s->made[1]->bulk);
    assert_string_equal(s->made[1]->message.text[MSG_CONTENT], "Dear friend");
    assert_string_not_equal(m->id, s->made[1]->message.id);
    render(s, "a", 1, false); /* again: the same id, from the bulk that is kept */
    assert_string_equal(s->made[2]->message.id, m->id);
    assert_ptr_equal(s->made[2]->bulk, s->made[0]->bulk);
}

static void test_who_cannot_be_sent_to(void **state)
{
    struct stage *s = *state;

    put_lead(s, "a", "", "Ana");
    put_lead(s, "b", "b@example.com", "");
    REDIS(s->d->g, "HSET", "t:lead:b", "opted_out", "[\"email\"]");
    REDIS(s->d->g, "SET", "t:lead:c", "no hash");
    put_lead(s, "d", "d@example.com", "");
    put_lead(s, "e", "e@example.com", "");
    REDIS(s->d->g, "SADD", "t:suppressed:email", "d@example.com");
    accept_bulk(s, "{\"search_keyword\":\"x\"}", "all 0");
    render(s, "a b c nobody d e", 6, true);
    assert_int_equal(refusal(s->made[0]), CODE_RECIPIENT_NOT_FOUND);
    assert_int_equal(refusal(s->made[1]), CODE_SUPPRESSED);
    assert_int_equal(refusal(s->made[2]), CODE_RECIPIENT_NOT_FOUND);
    assert_int_equal(refusal(s->made[3]), CODE_RECIPIENT_NOT_FOUND);
    assert_int_equal(refusal(s->made[4]), CODE_NONE);
    assert_true(s->made[4]->suppressed);
    assert_false(s->made[5]->suppressed);
    assert_int_equal(s->released, 0);
}

static void test_a_bulk_that_is_gone(void **state)
{
    struct stage *s = *state;

    put_lead(s, "a", "a@example.com", "Ana");
    render(s, "a", 1, false);
    assert_true(s->made[0]->unreadable);
}

/* An operator stopped some bulk: what is still looked up goes back unsent. */
static void test_given_back(void **state)
{
    struct stage *s = *state;
    const struct store_claimed c = {
        .bulk = BULK, .packed = "a", .packed_len = 2, .fence = 7, .slots = "1000"};

    put_lead(s, "a", "a@example.com", "Ana");
    accept_bulk(s, "{\"search_keyword\":\"x\"}", "all 0");
    s->want = 1;
    render_slice(s->render, &c);
    render_give_back(s->render);
    while (s->count < 1)
        loop_run(s->d->g->loop);
    assert_int_equal(s->released, 1);
    render(s, "a", 1, false);
    assert_int_equal(s->released, 1); /* not what comes later */
}

static void test_an_adopted_one_is_not_looked_up(void **state)
{
    struct stage *s = *state;
    const struct store_adopted a = {
        .id = "@" BULK, .packed = "5:gone", .packed_len = 6, .fence = 9, .attempts = 1};

    accept_bulk(s, "{\"search_keyword\":\"x\"}", "all 0");
    s->want = 1;
    render_adopt(s->render, &a);
    while (s->count < 1)
        loop_run(s->d->g->loop);
    assert_int_equal(s->adopted, 1);
    assert_int_equal(s->made[0]->place, 5);
    assert_string_equal(s->made[0]->message.text[MSG_LEAD_ID], "gone");
    assert_int_equal(refusal(s->made[0]), CODE_NONE);
}

/* --- expand --- */

static void on_look(void *arg)
{
    loop_stop(arg);
}

static const char *status_when_expanded(struct stage *s)
{
    struct loop *loop = s->d->g->loop;
    struct timer *look = timer_new(loop, on_look, loop);
    const char *status;

    expand_set_open(s->expand, true);
    do {
        timer_set_us(look, 5000);
        loop_run(loop);
        status = REDIS(s->d->g, "HGET", "t:bulk:" BULK, "status");
    } while (strcmp(status, "expanding") == 0);
    expand_set_open(s->expand, false);
    timer_free(look);
    return status;
}

static void test_expand_by_keyword(void **state)
{
    struct stage *s = *state;
    char id[16], email[32];

    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof(id), "l%d", i);
        snprintf(email, sizeof(email), "%d@%s.com", i % 30, i % 2 ? "one" : "two");
        put_lead(s, id, email, "N");
    }
    accept_bulk(s, "{\"search_keyword\":\"one\"}", "all 0");
    assert_string_equal(status_when_expanded(s), "sending");
    /* 20 are meant, of which 5 share an address with another one. */
    assert_string_equal(
        REDIS(s->d->g, "HMGET", "t:bulk:" BULK, "total_leads", "messages_queued", "duplicates"),
        "15 15 5");
    while (s->queued == 0) /* what Redis has done is still to be told */
        rig_turn(s->d->g);
}

static void test_expand_a_selection_that_cannot_be_read(void **state)
{
    struct stage *s = *state;

    put_lead(s, "a", "a@example.com", "Ana");
    accept_bulk(s, "{\"filters\":7}", "all 0");
    assert_string_equal(status_when_expanded(s), "failed");
    assert_string_not_equal(REDIS(s->d->g, "HGET", "t:bulk:" BULK, "error_message"), "(nil)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DAEMON_TEST(test_a_slice_becomes_attempts, setup, teardown),
        DAEMON_TEST(test_who_cannot_be_sent_to, setup, teardown),
        DAEMON_TEST(test_a_bulk_that_is_gone, setup, teardown),
        DAEMON_TEST(test_given_back, setup, teardown),
        DAEMON_TEST(test_an_adopted_one_is_not_looked_up, setup, teardown),
        DAEMON_TEST(test_expand_by_keyword, setup, teardown),
        DAEMON_TEST(test_expand_a_selection_that_cannot_be_read, setup, teardown),
    };

    return STORE_TESTS_RUN(tests);
}

/* A dispatch stage on a real store, between counting stubs of its neighbours. */
#ifndef SENDQ_TESTS_UNIT_DAEMON_DISPATCH_RIG_H
#define SENDQ_TESTS_UNIT_DAEMON_DISPATCH_RIG_H

#include "daemon_rig.h"

#include "dispatch.h"
#include "quota.h"
#include "timefmt.h"

struct stage {
    struct daemon_rig *d;
    struct dispatch_stage *dispatch;
    unsigned room, begun, released, settled, unknown, problems;
    unsigned fetches;         /* so many more have something to fetch */
    struct attempt *fetching; /* the last of them */
    bool shut;                /* the first to begin takes all places */
    unsigned wanted;          /* begun, released and settled together: then the loop stops */
    struct attempt *kept[64];
    unsigned kept_count;
    char begun_ids[256];
    int64_t begun_at[64], slot_at[64], spin_us;
    struct outcome outcome; /* of the last one settled */
    bool refund;
};

static inline void count_one(struct stage *s)
{
    if (s->begun + s->released + s->settled == s->wanted)
        loop_stop(s->d->g->loop);
}

static inline unsigned on_room(void *arg)
{
    return ((struct stage *)arg)->room;
}

static inline bool on_prepare(struct attempt *t, void *arg)
{
    struct stage *s = arg;

    if (s->fetches == 0)
        return false; /* nothing to fetch */
    s->fetches--;
    s->fetching = t;
    loop_stop(s->d->g->loop);
    return true;
}

static inline void on_begin(struct attempt *t, void *arg)
{
    struct stage *s = arg;
    size_t used = strlen(s->begun_ids);

    assert_true(s->room > 0);
    s->room = s->shut ? 0 : s->room - 1;
    s->begun_at[s->begun] = clock_mono_us();
    s->slot_at[s->begun] = t->slot.key;
    s->begun++;
    snprintf(s->begun_ids + used, sizeof(s->begun_ids) - used, "%s%s", used > 0 ? " " : "",
             t->message.id);
    s->kept[s->kept_count++] = t;
    while (clock_mono_us() - s->begun_at[s->begun - 1] < s->spin_us)
        ; /* a turn that takes long */
    count_one(s);
}

static inline void on_release(struct attempt *t, void *arg)
{
    struct stage *s = arg;

    s->released++;
    attempt_free(&s->d->attempts, t);
    count_one(s);
}

static inline void on_settled(struct attempt *t, void *arg)
{
    struct stage *s = arg;

    s->settled++;
    s->outcome = t->outcome;
    s->refund = t->refund;
    attempt_free(&s->d->attempts, t);
    count_one(s);
}

static inline void on_slice(const struct store_claimed *c, void *arg)
{
    (void)arg;
    fail_msg("a slice of %s: there is no bulk here", c->bulk);
}

static inline unsigned on_rendering(void *arg)
{
    (void)arg;
    return 0;
}

static inline void on_unknown_senders(void *arg)
{
    struct stage *s = arg;

    s->unknown++;
    loop_stop(s->d->g->loop);
}

static inline void on_problem(const char *what, void *arg)
{
    struct stage *s = arg;

    assert_non_null(strstr(what, "WRONGTYPE"));
    s->problems++;
    loop_stop(s->d->g->loop);
}

static inline void use_config(struct stage *s, const char *text)
{
    struct config *c = config_from(text);

    live_config_unref(s->d->live);
    s->d->live = live_config_new(c);
    dispatch_set_config(s->dispatch, s->d->live);
    quota_publish(s->d->a->store, c, on_worker_simple, s->d->a);
    while (!s->d->a->answered)
        loop_run(s->d->g->loop);
}

static inline int setup(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));
    const struct dispatch_ops ops = {.room = on_room,
                                     .begin = on_begin,
                                     .prepare = on_prepare,
                                     .release = on_release,
                                     .settled = on_settled,
                                     .slice = on_slice,
                                     .rendering = on_rendering,
                                     .unknown_senders = on_unknown_senders,
                                     .problem = on_problem,
                                     .arg = s};

    daemon_rig_setup(state);
    s->d = *state;
    s->room = 64;
    s->dispatch = dispatch_new(s->d->g->loop, s->d->a->store, &s->d->attempts, &ops);
    dispatch_set_config(s->dispatch, s->d->live);
    dispatch_set_lease(s->dispatch, INT64_MAX);
    *state = s;
    return 0;
}

static inline int teardown(void **state)
{
    struct stage *s = *state;
    struct daemon_rig *d = s->d;

    store_close(d->a->store);
    for (unsigned i = 0; i < s->kept_count; i++)
        attempt_free(&d->attempts, s->kept[i]);
    dispatch_free(s->dispatch);
    *state = d;
    free(s);
    return daemon_rig_teardown(state);
}

static inline void run_until(struct stage *s, unsigned count)
{
    s->wanted = count;
    while (s->begun + s->released + s->settled < count)
        loop_run(s->d->g->loop);
}

static inline void some_turns(struct stage *s, int n)
{
    for (int i = 0; i < n; i++)
        rig_turn(s->d->g);
}

static inline long long scripts_called(struct stage *s)
{
    const char *info = REDIS(s->d->g, "INFO", "commandstats");
    const char *at = strstr(info, "cmdstat_evalsha:calls=");

    return at != NULL ? strtoll(at + strlen("cmdstat_evalsha:calls="), NULL, 10) : 0;
}

static inline void open_now(struct stage *s)
{
    dispatch_set_open(s->dispatch, true);
}

#endif

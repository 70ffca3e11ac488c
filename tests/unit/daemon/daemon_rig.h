/* A stage on a real store: the store rig, a configuration with the sender "s", the attempts. */
#ifndef SENDQ_TESTS_UNIT_DAEMON_DAEMON_RIG_H
#define SENDQ_TESTS_UNIT_DAEMON_DAEMON_RIG_H

#include "store_rig.h"

#include "attempt.h"
#include "config.h"

#define DAEMON_RIG_CONFIG                                                                          \
    "senders:\n"                                                                                   \
    "- id: s\n"                                                                                    \
    "  provider: sandbox\n"                                                                        \
    "  channels: [email]\n"                                                                        \
    "  retry: { attempts: 3, base: 1s, max: 1m, max_age: 1h }\n"

struct daemon_rig {
    struct store_rig *r;
    struct rig *g;
    struct worker *a;
    struct live_config *live;
    struct attempts attempts;
    struct buf packed[8];
    unsigned packed_count;
    void *stage; /* the test's own */
};

static inline void on_config_line(bool fatal, const char *line, void *arg)
{
    (void)arg;
    if (fatal)
        fail_msg("%s", line);
}

static inline struct config *config_from(const char *text)
{
    struct config *c = config_load_text("test", text, strlen(text), NULL, on_config_line, NULL);

    assert_non_null(c);
    return c;
}

static inline int daemon_rig_setup(void **state)
{
    struct daemon_rig *d = calloc(1, sizeof(*d));

    store_rig_setup(state);
    d->r = *state;
    d->g = d->r->g;
    d->a = d->r->a;
    d->live = live_config_new(config_from(DAEMON_RIG_CONFIG));
    attempts_init(&d->attempts);
    *state = d;
    return 0;
}

static inline int daemon_rig_teardown(void **state)
{
    struct daemon_rig *d = *state;

    attempts_done(&d->attempts);
    live_config_unref(d->live);
    for (size_t i = 0; i < sizeof(d->packed) / sizeof(d->packed[0]); i++)
        buf_free(&d->packed[i]);
    *state = d->r;
    free(d);
    return store_rig_teardown(state);
}

/* A message of sender "s", as a producer's job would make it; the test may change it. */
static inline void a_message(struct message *m, const char *id)
{
    *m = (struct message){.channel = CHANNEL_EMAIL, .priority = PRIORITY_NORMAL};
    snprintf(m->id, sizeof(m->id), "%s", id);
    m->queued_at = 1;
    message_set(m, MSG_SENDER, "s");
    message_set(m, MSG_RECIPIENT, "to@x");
    message_set(m, MSG_FORMAT, "email");
}

/* Packs it, and frees it. */
static inline struct buf *pack(struct daemon_rig *d, struct message *m)
{
    struct buf *b = &d->packed[d->packed_count++ % (sizeof(d->packed) / sizeof(d->packed[0]))];

    buf_clear(b);
    message_pack(m, b);
    message_clear(m);
    return b;
}

/* The k-th job of the next batch is this message. */
static inline struct store_accept *job_of(struct daemon_rig *d, unsigned k, struct message *m)
{
    struct store_accept *j = a_job(d->r, k, m->id);
    struct buf *b;

    if (m->priority != PRIORITY_NORMAL)
        set_priority(d->r, k, m->priority);
    b = pack(d, m);
    j->packed = b->data;
    j->packed_len = b->len;
    return j;
}

/* Queues plain messages <prefix>1.. */
static inline void queue_messages(struct daemon_rig *d, const char *prefix, unsigned n)
{
    struct message m;
    char id[32];

    for (unsigned k = 0; k < n; k++) {
        snprintf(id, sizeof(id), "%s%u", prefix, k + 1);
        a_message(&m, id);
        job_of(d, k, &m);
    }
    accept_n(d->r, n);
}

#define DAEMON_TEST(name, up, down) cmocka_unit_test_setup_teardown(name, up, down)

#endif

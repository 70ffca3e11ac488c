/* Consent: contacts of messages that have waited are read again, one look-up at a time with all
 * that came meanwhile: a burst costs few round trips, and a lone message one. */
#include "consent.h"

#include "fill.h"
#include <stdlib.h>

/* What was seen so long ago is not believed any more. */
#define FRESH_MS 60000
/* Redis refused, or is gone: the message comes again after this. */
#define AGAIN_MS 1000

struct consent_stage {
    struct loop *loop;
    struct store *store;
    struct directory *directory;
    struct after *after;
    struct list waiting, asked; /* attempts; in the order asked, which is the answers' */
    const char **ids;           /* of those asked; scratch */
    size_t waiting_count, cap;
    bool asking;
    void (*done)(struct attempt *t, bool ok, void *arg);
    void *arg;
};

/* --- answers --- */

static void judge(struct attempt *t, const struct directory_found *found)
{
    const struct fill_contact who = {found->lead, found->problem};

    fill_opt_outs(&t->message, &who);
    t->consent_seen = true;
}

/* Nothing was learned: the message waits, without having been tried. */
static void put_off(struct attempt *t)
{
    outcome_set(&t->outcome, OUTCOME_THROTTLED, CODE_RATE_LIMITED,
                "the contact's opt-outs could not be read");
    t->outcome.throttle = THROTTLE_RECIPIENT; /* this message, not its sender */
    t->outcome.retry_after_ms = AGAIN_MS;
    t->refund = true;
}

static void deliver(struct consent_stage *s, const struct directory_found *found)
{
    struct list *node;
    size_t i = 0;

    while ((node = list_pop(&s->asked)) != NULL) {
        struct attempt *t = LIST_ENTRY(node, struct attempt, node);

        if (found != NULL)
            judge(t, &found[i++]);
        else
            put_off(t);
        s->done(t, found != NULL, s->arg);
    }
}

static void on_found(enum store_status st, const struct directory_found *found, size_t count,
                     void *arg)
{
    struct consent_stage *s = arg;

    (void)count;
    s->asking = false;
    deliver(s, st == STORE_OK ? found : NULL);
    if (s->waiting_count > 0)
        after_request(s->after);
}

/* --- the turn's work --- */

/* Moves all that wait to `asked`; returns how many. */
static size_t collect(struct consent_stage *s)
{
    size_t count = s->waiting_count;
    struct list *node;

    if (count > s->cap) {
        s->cap = count;
        s->ids = mem_realloc(s->ids, count * sizeof(*s->ids));
    }
    for (size_t i = 0; (node = list_pop(&s->waiting)) != NULL; i++) {
        s->ids[i] = LIST_ENTRY(node, struct attempt, node)->message.text[MSG_CONTACT_ID];
        list_add_tail(&s->asked, node);
    }
    s->waiting_count = 0;
    return count;
}

static void ask(void *arg)
{
    struct consent_stage *s = arg;
    size_t count;

    if (s->asking || s->waiting_count == 0)
        return;
    count = collect(s);
    s->asking = directory_get(s->directory, s->ids, count, on_found, s) == SQ_OK;
    if (!s->asking)
        deliver(s, NULL);
}

/* --- interface --- */

bool consent_begin(struct consent_stage *s, struct attempt *t)
{
    const struct message *m = &t->message;

    if (t->consent_seen || !fill_watches_opt_outs(m))
        return false;
    if (m->scheduled_at <= m->queued_at && store_now_ms(s->store) - m->queued_at <= FRESH_MS)
        return false;
    list_add_tail(&s->waiting, &t->node);
    s->waiting_count++;
    after_request(s->after);
    return true;
}

struct consent_stage *consent_new(struct loop *loop, struct store *store,
                                  struct directory *directory,
                                  void (*done)(struct attempt *t, bool ok, void *arg), void *arg)
{
    struct consent_stage *s = mem_zalloc(sizeof(*s));

    s->loop = loop;
    s->store = store;
    s->directory = directory;
    s->after = after_new(loop, ask, s);
    list_init(&s->waiting);
    list_init(&s->asked);
    s->done = done;
    s->arg = arg;
    return s;
}

void consent_free(struct consent_stage *s)
{
    if (s == NULL)
        return;
    while (list_pop(&s->waiting) != NULL || list_pop(&s->asked) != NULL)
        ; /* out of these lists: they are freed with all attempts */
    after_free(s->after);
    free(s->ids);
    free(s);
}

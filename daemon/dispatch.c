/* Dispatch: claims as much as can start, and starts it when its slot comes.
 *
 * Two places hold what is claimed: `queues` (no rate applies: start as soon as there is room; a
 * small stock is claimed ahead so that transfers never wait for Redis) and the heap `slots` (a rate
 * applies: start at its time, within the jitter, or give it back - a late send could break the
 * cap's promise at the provider). At most one claim is under way. */
#include "dispatch.h"

#include "refuse.h"
#include "text.h"
#include "timefmt.h"
#include "verdict.h"
#include "zones.h"
#include <stdlib.h>
#include <string.h>

/* A claim that brought nothing although something was due (another worker was faster, or a free
 * place is awaited) is not repeated at once. */
#define EMPTY_PAUSE_US 5000
/* Where two batches and more begin in this time the stock is so many batches: what a call costs
 * Redis besides its messages is divided by more of them. */
#define FAST_US 50000
#define FAST_BATCHES 2
#define FAST_STOCK 8
/* After Redis refused: not at once again. */
#define ERROR_PAUSE_US 500000

struct dispatch_stage {
    struct loop *loop;
    struct store *store;
    struct attempts *attempts;
    struct dispatch_ops ops;
    struct live_config *live;
    struct after *after;
    struct timer *timer;
    struct list queues[2]; /* of high priority, and others: each in the order claimed */
    struct heap slots;
    unsigned queued;
    unsigned marking;  /* start marks under way: they will need room */
    unsigned fetching; /* attempts being prepared: likewise */
    bool open, claiming, poked;
    bool fast;
    bool full;       /* the last claim had no place to offer, and got nothing for the stock */
    int64_t next_us; /* Redis time of the next due work; 0 = none known */
    int64_t pause_until_us, lease_until_us, wake_us;
    int64_t pace_us; /* since when `begun` counts */
    unsigned begun;
    struct zones zones;
    struct buf channels; /* served by any sender, as words */
    struct quiet_zones quiet;
};

/* --- beginning --- */

struct mark {
    struct dispatch_stage *stage;
    struct attempt *attempt;
};

static void on_marked(enum store_status st, bool ok, void *arg)
{
    struct mark *m = arg;
    struct dispatch_stage *d = m->stage;

    d->marking--;
    if (st == STORE_OK && ok)
        d->ops.begin(m->attempt, d->ops.arg);
    else
        d->ops.release(m->attempt, d->ops.arg);
    free(m);
    dispatch_poke(d);
}

/* Its crash must be told from one before the request left: the mark comes first. */
static void mark(struct dispatch_stage *d, struct attempt *t)
{
    struct mark *m = mem_alloc(sizeof(*m));

    char id[ATTEMPT_LEASE + 1] = "@";
    const char *lease = attempt_lease(t, id + 1);

    *m = (struct mark){.stage = d, .attempt = t};
    t->state = ATTEMPT_MARKING;
    d->marking++;
    if (store_start(d->store, t->bulk != NULL ? id : lease, t->fence, on_marked, m) != SQ_OK) {
        d->marking--;
        free(m);
        d->ops.release(t, d->ops.arg);
    }
}

static void begin(struct dispatch_stage *d, struct attempt *t)
{
    d->begun++;
    if (refuse_attempt(t, &d->quiet, store_now_ms(d->store))) {
        t->state = ATTEMPT_DONE;
        d->ops.settled(t, d->ops.arg);
        return;
    }
    if (d->ops.prepare(t, d->ops.arg)) {
        t->state = ATTEMPT_FETCHING;
        d->fetching++;
        return;
    }
    if (verdict_is_cautious(&t->message, t->sender))
        mark(d, t);
    else
        d->ops.begin(t, d->ops.arg);
}

static unsigned room(const struct dispatch_stage *d)
{
    unsigned free_transfers = d->ops.room(d->ops.arg), reserved = d->marking + d->fetching;

    return free_transfers > reserved ? free_transfers - reserved : 0;
}

/* How late a capped send may begin. Redis' clock may be later than we take it to be, which counts
 * as lateness; but a Redis so far away that this is all of it must not stop the sending. */
static int64_t jitter_us(const struct dispatch_stage *d)
{
    int64_t jitter = d->live->config->slot_jitter_ms * 1000;
    int64_t spread = store_clock_spread_us(d->store);

    return jitter - (spread < jitter / 2 ? spread : jitter / 2);
}

/* True if what was claimed may not start any more: the time for it has passed meanwhile. */
static bool has_passed(const struct dispatch_stage *d, const struct attempt *t)
{
    int64_t now = clock_mono_us();

    return !d->open || now >= d->lease_until_us || (t->capped && now - t->slot.key > jitter_us(d));
}

void dispatch_prepared(struct dispatch_stage *d, struct attempt *t, bool ok)
{
    d->fetching--;
    if (!ok)
        d->ops.settled(t, d->ops.arg);
    else if (has_passed(d, t))
        d->ops.release(t, d->ops.arg);
    else
        begin(d, t);
    after_request(d->after);
}

/* Begins every slot that has come; gives back those that were missed. */
static void begin_slots(struct dispatch_stage *d)
{
    struct heap_node *node;
    int64_t now; /* read for each: the turn's time does not see how long the turn takes */

    while ((node = heap_min(&d->slots)) != NULL && node->key <= (now = clock_mono_us())) {
        struct attempt *t = LIST_ENTRY(node, struct attempt, slot);
        bool late = now - node->key > jitter_us(d);

        if (!late && room(d) == 0)
            return;
        heap_remove(&d->slots, node);
        if (late)
            d->ops.release(t, d->ops.arg);
        else
            begin(d, t);
    }
}

/* The next one without a rate, taken out; NULL when there is none. */
static struct attempt *next_queued(struct dispatch_stage *d)
{
    struct list *node = list_pop(&d->queues[0]);

    if (node == NULL)
        node = list_pop(&d->queues[1]);
    if (node == NULL)
        return NULL;
    d->queued--;
    return LIST_ENTRY(node, struct attempt, node);
}

static void begin_queue(struct dispatch_stage *d)
{
    while (d->queued > 0 && room(d) > 0)
        begin(d, next_queued(d));
}

static void release_all(struct dispatch_stage *d)
{
    struct heap_node *node;
    struct attempt *t;

    while ((node = heap_min(&d->slots)) != NULL) {
        heap_remove(&d->slots, node);
        d->ops.release(LIST_ENTRY(node, struct attempt, slot), d->ops.arg);
    }
    while ((t = next_queued(d)) != NULL)
        d->ops.release(t, d->ops.arg);
}

void dispatch_give_back(struct dispatch_stage *d)
{
    release_all(d);
    after_request(d->after);
}

/* --- claiming --- */

/* The one of lower priority, by the same sender, that has the earliest slot before `slot`. Each is
 * overtaken once at most, lest a stream of urgent ones holds it up for ever. */
static struct attempt *overtaken(const struct dispatch_stage *d, const struct attempt *t,
                                 int64_t slot)
{
    struct attempt *found = NULL;

    for (size_t i = 1; i <= d->slots.count; i++) {
        struct attempt *other = LIST_ENTRY(d->slots.nodes[i], struct attempt, slot);

        if (other->slot.key < slot && other->sender == t->sender && !other->overtaken &&
            other->message.priority > t->message.priority && other->message.units <= 1) {
            slot = other->slot.key;
            found = other;
        }
    }
    return found;
}

/* Slots are granted some way ahead: what is urgent takes the next one of its sender, whose message
 * takes the one that was granted now. */
static int64_t overtake(struct dispatch_stage *d, const struct attempt *t, int64_t slot)
{
    struct attempt *other = NULL;
    int64_t earlier;

    if (t->message.priority == PRIORITY_HIGH && t->message.type != TYPE_MARKETING &&
        t->message.units <= 1 && t->bulk == NULL && t->sender != NULL &&
        t->sender->recipient_rate.count == 0)
        other = overtaken(d, t, slot);
    if (other == NULL)
        return slot;
    earlier = other->slot.key;
    other->overtaken = true;
    heap_remove(&d->slots, &other->slot);
    heap_push(&d->slots, &other->slot, slot);
    return earlier;
}

/* Its place until it may begin. */
static void queue(struct dispatch_stage *d, struct attempt *t, int64_t slot_us)
{
    t->state = ATTEMPT_WAITING;
    if (t->capped) {
        /* Not the turn's time, which is older: a slot must not begin early by a turn's length. */
        int64_t slot = slot_us - store_now_us(d->store) + clock_mono_us();

        heap_push(&d->slots, &t->slot, overtake(d, t, slot));
        return;
    }
    list_add_tail(&d->queues[t->message.priority != PRIORITY_HIGH], &t->node);
    d->queued++;
}

static void hold(struct dispatch_stage *d, const struct store_claimed *c)
{
    struct attempt *t;

    if (c->bulk != NULL)
        d->ops.slice(c, d->ops.arg);
    if (c->id == NULL || c->packed == NULL)
        return;
    t = attempt_new(d->attempts, d->live, c->id, c->packed, c->packed_len);
    t->fence = c->fence;
    t->message.attempts = c->attempts;
    t->suppressed = c->suppressed;
    t->limited = c->limited;
    t->left = (struct answer_limit){c->left.limit, c->left.remaining, c->left.reset_s};
    t->capped = c->capped;
    queue(d, t, c->slot_us);
}

void dispatch_hold(struct dispatch_stage *d, struct attempt *t, int64_t slot_us)
{
    if (!d->open) {
        d->ops.release(t, d->ops.arg);
        return;
    }
    queue(d, t, slot_us);
    after_request(d->after);
}

static void on_claimed(enum store_status st, const struct store_claims *c, void *arg)
{
    struct dispatch_stage *d = arg;

    d->claiming = false;
    if (st == STORE_AGAIN)
        d->poked = true;
    if (st == STORE_ERROR)
        d->ops.problem(store_error(d->store), d->ops.arg);
    if (st == STORE_ERROR || st == STORE_FENCED) { /* fenced: the next beat registers anew */
        d->pause_until_us = loop_now_us(d->loop) + ERROR_PAUSE_US;
        d->poked = true;
    }
    if (st == STORE_OK) {
        for (size_t i = 0; i < c->count; i++)
            hold(d, &c->items[i]);
        d->next_us = c->next_us;
        d->full = d->full && c->count == 0;
        if (c->count == 0 && c->next_us != 0 && c->next_us <= c->now_us)
            d->pause_until_us = loop_now_us(d->loop) + EMPTY_PAUSE_US;
        for (size_t i = 0; i < STORE_COMPLAINTS && c->complaints[i]; i++)
            d->ops.problem(c->complaints[i], d->ops.arg);
        if (c->unknown_senders)
            d->ops.unknown_senders(d->ops.arg);
    }
    if (!d->open)
        release_all(d);
    after_request(d->after);
}

static void claim(struct dispatch_stage *d, unsigned want, unsigned prefetch)
{
    const struct config *c = d->live->config;
    struct store_claim req = {
        .want = want < c->claim_batch ? want : c->claim_batch,
        .prefetch = prefetch,
        .quantum = c->quantum,
        .horizon_us = c->grant_horizon_ms * 1000,
        .channels = buf_str(&d->channels),
        .zones = d->zones.items,
        .zone_count = d->zones.count,
    };

    zones_refresh(&d->zones, store_now_ms(d->store));
    d->full = want == 0;
    d->claiming = store_claim(d->store, &req, on_claimed, d) == SQ_OK;
    d->poked = false;
}

/* The one timer, set to the earliest of what is awaited this turn. */
static void wake_at(struct dispatch_stage *d, int64_t mono_us)
{
    if (d->wake_us != 0 && d->wake_us <= mono_us)
        return;
    d->wake_us = mono_us;
    timer_set_us(d->timer, mono_us - loop_now_us(d->loop));
}

static void see_pace(struct dispatch_stage *d, int64_t now)
{
    int64_t took = now - d->pace_us;

    if (took < FAST_US)
        return;
    d->fast = (int64_t)d->begun * FAST_US >= took * FAST_BATCHES * d->live->config->claim_batch;
    d->pace_us = now;
    d->begun = 0;
}

/* Claims when something is due and there is a place for it, else arms the one timer. */
static void claim_if_due(struct dispatch_stage *d)
{
    int64_t now = loop_now_us(d->loop);
    int64_t due = d->poked          ? now
                  : d->next_us == 0 ? INT64_MAX
                                    : d->next_us - store_now_us(d->store) + now;
    unsigned most = d->live->config->claim_batch * (d->fast ? FAST_STOCK : 1);
    unsigned stock = d->queued + d->ops.rendering(d->ops.arg), free_transfers = room(d);
    unsigned held = stock + (unsigned)d->slots.count;
    unsigned want = free_transfers > held ? free_transfers - held : 0;
    unsigned prefetch = stock <= most / 2 ? most - stock : 0;

    if (due < d->pause_until_us)
        due = d->pause_until_us;
    if (due > now) {
        if (due != INT64_MAX)
            wake_at(d, due);
    } else if (want > 0 || (prefetch > 0 && (d->poked || !d->full))) {
        claim(d, want, prefetch);
    }
}

/* --- the turn's work --- */

static void run(void *arg)
{
    struct dispatch_stage *d = arg;
    struct heap_node *first;

    if (!d->open)
        return;
    if (loop_now_us(d->loop) >= d->lease_until_us) {
        release_all(d);
        return; /* the next beat that succeeds opens the door again */
    }
    timer_cancel(d->timer);
    d->wake_us = 0;
    begin_slots(d);
    begin_queue(d);
    see_pace(d, loop_now_us(d->loop));
    if (!d->claiming)
        claim_if_due(d);
    first = heap_min(&d->slots);
    if (first != NULL && first->key > loop_now_us(d->loop))
        wake_at(d, first->key);
}

static void on_timer(void *arg)
{
    run(arg);
}

/* --- interface --- */

struct dispatch_stage *dispatch_new(struct loop *loop, struct store *store,
                                    struct attempts *attempts, const struct dispatch_ops *ops)
{
    struct dispatch_stage *d = mem_zalloc(sizeof(*d));

    d->loop = loop;
    d->store = store;
    d->attempts = attempts;
    d->ops = *ops;
    d->after = after_new(loop, run, d);
    d->timer = timer_new(loop, on_timer, d);
    list_init(&d->queues[0]);
    list_init(&d->queues[1]);
    return d;
}

void dispatch_free(struct dispatch_stage *d)
{
    if (d == NULL)
        return;
    while (next_queued(d) != NULL)
        ; /* out of these lists: they are freed with all attempts */
    timer_free(d->timer);
    after_free(d->after);
    heap_free(&d->slots);
    buf_free(&d->channels);
    quiet_zones_free(&d->quiet);
    zones_free(&d->zones);
    live_config_unref(d->live);
    free(d);
}

void dispatch_set_config(struct dispatch_stage *d, struct live_config *live)
{
    struct live_config *old = d->live;
    unsigned channels = 0;

    d->live = live_config_ref(live);
    live_config_unref(old);
    zones_set(&d->zones, live->config);
    for (unsigned i = 0; i < live->config->sender_count; i++)
        channels |= live->config->senders[i].channels;
    buf_clear(&d->channels);
    for (int c = 0; c < CHANNEL_COUNT; c++)
        if (channels & CHANNEL_BIT(c))
            buf_addf(&d->channels, "%s ", channel_name((enum channel)c));
}

void dispatch_set_open(struct dispatch_stage *d, bool open)
{
    d->open = open;
    if (!open)
        release_all(d);
    else
        dispatch_poke(d);
}

void dispatch_set_lease(struct dispatch_stage *d, int64_t until_us)
{
    d->lease_until_us = until_us;
}

void dispatch_poke(struct dispatch_stage *d)
{
    d->poked = true;
    after_request(d->after);
}

void dispatch_due_at(struct dispatch_stage *d, int64_t redis_us)
{
    if (redis_us != 0 && (d->next_us == 0 || redis_us < d->next_us))
        d->next_us = redis_us;
    after_request(d->after);
}

unsigned dispatch_waiting(const struct dispatch_stage *d)
{
    return d->queued + (unsigned)d->slots.count + d->marking + d->fetching;
}

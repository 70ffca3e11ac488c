/* Render: a slice's bulk (kept in a small cache), then its leads, all at once, then the suppression
 * list where there is one, then what its recipients cost where limits ask for more than a claim
 * knows. Two to four round trips for a slice, whatever its size. */
#include "render.h"

#include "bulk.h"
#include "choice.h"
#include "refusal.h"
#include "text.h"
#include "zones.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_MAX 16

/* Recipients under way, in the order of their places. */
struct slice {
    struct list node; /* in render_stage.slices */
    struct render_stage *stage;
    char bulk_id[65];
    struct bulk *bulk; /* NULL: being read */
    int64_t fence;
    unsigned attempts, first_place;
    bool capped, check_suppressed, charge, is_adopted, give_back;
    char *text; /* what ids point into */
    const char **ids;
    int64_t *slots;
    struct attempt **made;
    size_t count;
    size_t *asked; /* which of `made` the call under way is about */
    size_t asked_count;
};

struct cached {
    struct bulk *bulk;
    uint64_t used;
};

struct render_stage {
    struct store *store;
    struct directory *directory;
    struct attempts *all;
    struct render_ops ops;
    struct live_config *live;
    struct zones zones;
    struct list slices;
    unsigned waiting;
    struct cached cache[CACHE_MAX];
    uint64_t clock;
};

/* --- slices --- */

static size_t count_leads(const char *leads, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += leads[i] == '\0';
    return n;
}

/* Times with commas between; the last one holds for all that follow. */
static void read_slots(struct slice *s, const char *text)
{
    int64_t slot = 0;

    for (size_t i = 0; i < s->count; i++) {
        char *end;
        int64_t next = text != NULL ? strtoll(text, &end, 10) : 0;

        if (text != NULL) {
            slot = next;
            text = *end == ',' ? end + 1 : NULL;
        }
        s->slots[i] = slot;
    }
}

static struct slice *slice_new(struct render_stage *r, const char *bulk, const char *leads,
                               size_t len)
{
    struct slice *s = mem_zalloc(sizeof(*s));
    char *at;

    s->stage = r;
    snprintf(s->bulk_id, sizeof(s->bulk_id), "%s", bulk);
    s->count = count_leads(leads, len);
    s->text = at = mem_strndup(leads, len);
    s->ids = mem_zalloc((s->count + 1) * sizeof(*s->ids));
    s->slots = mem_zalloc((s->count + 1) * sizeof(*s->slots));
    s->made = mem_zalloc((s->count + 1) * sizeof(struct attempt *));
    s->asked = mem_zalloc((s->count + 1) * sizeof(*s->asked));
    for (size_t i = 0; i < s->count; i++, at += strlen(at) + 1)
        s->ids[i] = at;
    list_add_tail(&r->slices, &s->node);
    r->waiting += (unsigned)s->count;
    return s;
}

/* The end of a slice; its attempts, if they were made, are somebody else's by now. */
static void slice_free(struct slice *s)
{
    list_del(&s->node);
    s->stage->waiting -= (unsigned)s->count;
    bulk_unref(s->bulk);
    free(s->text);
    free(s->ids);
    free(s->slots);
    free(s->made);
    free(s->asked);
    free(s);
}

static void make_attempts(struct slice *s)
{
    struct render_stage *r = s->stage;

    for (size_t i = 0; i < s->count; i++) {
        struct attempt *t = attempt_new_empty(r->all, r->live);

        bulk_begin(s->bulk, s->ids[i], t);
        t->fence = s->fence;
        t->place = s->first_place + (unsigned)i;
        t->message.attempts = s->attempts;
        t->capped = s->capped;
        s->made[i] = t;
    }
}

/* All that was made goes on its way. */
static void give_out(struct slice *s, bool ok)
{
    struct render_stage *r = s->stage;

    for (size_t i = 0; i < s->count; i++) {
        if (s->is_adopted)
            r->ops.adopted(s->made[i], r->ops.arg);
        else if (ok && !s->give_back)
            r->ops.ready(s->made[i], s->slots[i], r->ops.arg);
        else
            r->ops.release(s->made[i], r->ops.arg);
    }
    slice_free(s);
}

/* The connection broke: what was made is dropped too. */
static void drop(struct slice *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->made[i] != NULL)
            attempt_free(s->stage->all, s->made[i]);
    slice_free(s);
}

/* True if the call failed, and what follows from that was done. */
static bool has_failed(struct slice *s, enum store_status st)
{
    struct render_stage *r = s->stage;

    if (st == STORE_OK)
        return false;
    if (st != STORE_ERROR) {
        drop(s);
        return true;
    }
    r->ops.problem(store_error(r->store), r->ops.arg);
    if (s->count > 0 && s->made[0] == NULL)
        make_attempts(s);
    give_out(s, false);
    return true;
}

/* --- limits that only now can be looked at --- */

static void on_charged(enum store_status st, const int64_t *times, void *arg)
{
    struct slice *s = arg;

    if (has_failed(s, st))
        return;
    for (size_t i = 0; i < s->asked_count; i++) {
        struct attempt *t = s->made[s->asked[i]];

        if (times[i] > 0) {
            s->slots[s->asked[i]] = times[i];
            t->charged = (int)t->message.units;
        } else {
            t->charged = -1;
            t->wait_until_ms = -times[i] / 1000 + 1;
        }
    }
    give_out(s, true);
}

/* Those that are going to be sent. */
static void add_costs(struct slice *s, struct store_cost *costs)
{
    struct err_text e;

    s->asked_count = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct attempt *t = s->made[i];
        struct message *m = &t->message;

        if (t->suppressed || t->sender == NULL || m->text[MSG_REFUSAL] != NULL)
            continue;
        if (choice_count(t->sender, m, &e) != SQ_OK) {
            refusal_set(m, CODE_RATE_LIMITED, "%s", e.text);
            continue;
        }
        costs[s->asked_count] = (struct store_cost){s->slots[i], m->units, m->text[MSG_RECIPIENT]};
        s->asked[s->asked_count++] = i;
    }
}

static void charge(struct slice *s)
{
    struct render_stage *r = s->stage;
    struct store_cost *costs = mem_zalloc((s->count + 1) * sizeof(*costs));
    struct store_claim req = {.horizon_us = r->live->config->grant_horizon_ms * 1000};

    add_costs(s, costs);
    zones_refresh(&r->zones, store_now_ms(r->store));
    req.zones = r->zones.items;
    req.zone_count = r->zones.count;
    if (s->asked_count == 0)
        give_out(s, true);
    else if (store_charge(r->store, s->made[s->asked[0]]->sender->id, &req, costs, s->asked_count,
                          on_charged, s) != SQ_OK)
        drop(s);
    free(costs);
}

static void go_on(struct slice *s)
{
    if (s->charge && !s->give_back && s->bulk->is_readable)
        charge(s);
    else
        give_out(s, true);
}

/* --- suppressions --- */

static void on_suppressed(enum store_status st, const bool *suppressed, void *arg)
{
    struct slice *s = arg;

    if (has_failed(s, st))
        return;
    for (size_t i = 0; i < s->asked_count; i++)
        s->made[s->asked[i]]->suppressed = suppressed[i];
    go_on(s);
}

static void ask_suppressed(struct slice *s)
{
    const char **recipients = mem_alloc((s->count + 1) * sizeof(*recipients));
    enum sq_err err;

    for (size_t i = 0; i < s->count; i++) {
        const struct message *m = &s->made[i]->message;

        if (m->text[MSG_REFUSAL] != NULL || m->text[MSG_RECIPIENT] == NULL)
            continue;
        recipients[s->asked_count] = m->text[MSG_RECIPIENT];
        s->asked[s->asked_count++] = i;
    }
    if (s->asked_count == 0) {
        go_on(s);
    } else {
        err = store_suppressed(s->stage->store, s->bulk->message.channel, recipients,
                               s->asked_count, on_suppressed, s);
        if (err != SQ_OK)
            drop(s);
    }
    free(recipients);
}

/* --- leads --- */

static void fill_all(struct slice *s, const struct directory_found *found)
{
    const struct config *c = s->stage->live->config;

    for (size_t i = 0; i < s->count; i++) {
        const struct fill_bulk_in in = {
            .id = s->ids[i],
            .who = {found[i].lead, found[i].problem},
            .letter = &s->bulk->letter,
            .missing = (enum template_missing)c->template_missing,
            .limits = &c->job,
        };

        fill_bulk(&s->made[i]->message, &in);
    }
}

static void on_found(enum store_status st, const struct directory_found *found, size_t count,
                     void *arg)
{
    struct slice *s = arg;

    (void)count;
    if (has_failed(s, st))
        return;
    make_attempts(s);
    if (s->bulk->is_readable)
        fill_all(s, found);
    if (s->check_suppressed && s->bulk->is_readable)
        ask_suppressed(s);
    else
        go_on(s);
}

static void look_up(struct slice *s)
{
    struct render_stage *r = s->stage;

    if (s->is_adopted) {
        make_attempts(s);
        give_out(s, true);
    } else if (directory_get(r->directory, s->ids, s->count, on_found, s) != SQ_OK) {
        drop(s);
    }
}

/* --- bulks --- */

static struct bulk *cached(struct render_stage *r, const char *id)
{
    for (size_t i = 0; i < CACHE_MAX; i++) {
        if (r->cache[i].bulk != NULL && text_eq(r->cache[i].bulk->id, id)) {
            r->cache[i].used = ++r->clock;
            return r->cache[i].bulk;
        }
    }
    return NULL;
}

/* In the place of the one that was not used for longest. */
static void keep(struct render_stage *r, struct bulk *b)
{
    struct cached *oldest = &r->cache[0];

    for (size_t i = 1; i < CACHE_MAX; i++)
        if (r->cache[i].used < oldest->used)
            oldest = &r->cache[i];
    bulk_unref(oldest->bulk);
    *oldest = (struct cached){.bulk = bulk_ref(b), .used = ++r->clock};
}

static void on_bulk(enum store_status st, const struct store_bulk *stored, void *arg)
{
    struct slice *s = arg;
    struct bulk *known = cached(s->stage, s->bulk_id);

    if (st == STORE_LOST) {
        drop(s);
        return;
    }
    s->bulk = known != NULL ? bulk_ref(known) : bulk_new(s->bulk_id, stored);
    if (has_failed(s, st))
        return;
    if (known == NULL && s->bulk->is_readable)
        keep(s->stage, s->bulk);
    look_up(s);
}

static void start(struct slice *s)
{
    struct render_stage *r = s->stage;
    struct bulk *b = cached(r, s->bulk_id);

    if (s->count == 0) {
        slice_free(s);
    } else if (b != NULL) {
        s->bulk = bulk_ref(b);
        look_up(s);
    } else if (store_bulk_get(r->store, s->bulk_id, on_bulk, s) != SQ_OK) {
        drop(s);
    }
}

/* --- interface --- */

void render_slice(struct render_stage *r, const struct store_claimed *c)
{
    struct slice *s;

    if (c->packed == NULL)
        return;
    s = slice_new(r, c->bulk, c->packed, c->packed_len);
    s->fence = c->fence;
    s->attempts = c->attempts;
    s->first_place = 1;
    s->capped = c->capped;
    s->check_suppressed = c->check_suppressed;
    s->charge = c->charge;
    read_slots(s, c->slots);
    start(s);
}

void render_adopt(struct render_stage *r, const struct store_adopted *a)
{
    const char *colon = a->packed != NULL ? strchr(a->packed, ':') : NULL;
    struct slice *s;

    if (colon == NULL)
        return;
    s = slice_new(r, a->id + 1, colon + 1, strlen(colon + 1) + 1);
    s->fence = a->fence;
    s->attempts = a->attempts;
    s->first_place = (unsigned)strtoul(a->packed, NULL, 10);
    s->is_adopted = true;
    start(s);
}

void render_give_back(struct render_stage *r)
{
    LIST_EACH(node, &r->slices)
    {
        LIST_ENTRY(node, struct slice, node)->give_back = true;
    }
}

unsigned render_waiting(const struct render_stage *r)
{
    return r->waiting;
}

struct render_stage *render_new(struct store *store, struct directory *directory,
                                struct attempts *attempts, const struct render_ops *ops)
{
    struct render_stage *r = mem_zalloc(sizeof(*r));

    r->store = store;
    r->directory = directory;
    r->all = attempts;
    r->ops = *ops;
    list_init(&r->slices);
    return r;
}

void render_free(struct render_stage *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < CACHE_MAX; i++)
        bulk_unref(r->cache[i].bulk);
    zones_free(&r->zones);
    live_config_unref(r->live);
    free(r);
}

void render_set_config(struct render_stage *r, struct live_config *live)
{
    struct live_config *old = r->live;

    r->live = live_config_ref(live);
    live_config_unref(old);
    zones_set(&r->zones, live->config);
}

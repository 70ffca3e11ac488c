/* Resolve: the batch's templates, then its contacts, each id once; then every job is completed
 * (fill.h) while what was found is at hand.
 *
 * Two round trips at most for a batch, whatever its size. When Redis refuses, the batch is looked
 * up again from the start: nothing was changed in the jobs by then. */
#include "resolve.h"

#include "fill.h"
#include "map.h"
#include "template_store.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_PAUSE_US 500000

/* Ids to look up, each once. */
struct ids {
    struct map index; /* id -> its place, counted from 1 */
    const char **items;
    size_t count, cap;
};

/* A template, ready to be filled. */
struct ready {
    bool is_found;
    struct letter letter;
    struct err_text problem; /* text "" = none */
};

struct resolve_stage {
    struct loop *loop;
    struct store *store;
    struct directory *directory;
    struct resolve_ops ops;
    struct live_config *live;
    struct timer *again;
    struct job **jobs;
    size_t count, cap; /* count 0: no batch */
    struct ids contacts, templates;
    struct ready *ready; /* one per template */
    struct arena arena;  /* of the templates */
};

/* --- ids --- */

static void ids_add(struct ids *s, const char *id)
{
    if (id == NULL || map_get(&s->index, id) != NULL)
        return;
    if (s->count == s->cap) {
        s->cap = s->cap * 2 + 64;
        s->items = mem_realloc(s->items, s->cap * sizeof(*s->items));
    }
    s->items[s->count++] = id;
    map_set(&s->index, id, (void *)(uintptr_t)s->count);
}

/* The place of an id, from 1; 0 if it is not there. */
static size_t ids_place(const struct ids *s, const char *id)
{
    return id != NULL ? (size_t)(uintptr_t)map_get(&s->index, id) : 0;
}

static void ids_clear(struct ids *s)
{
    map_free(&s->index);
    memset(&s->index, 0, sizeof(s->index));
    s->count = 0;
}

static void collect(struct resolve_stage *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct job *j = r->jobs[i];

        if (fill_needs_template(j))
            ids_add(&r->templates, j->message.text[MSG_TEMPLATE_ID]);
        if (fill_needs_contact(j)) {
            ids_add(&r->contacts, j->message.text[MSG_CONTACT_ID]);
            ids_add(&r->contacts, j->recipient_contact);
        }
    }
}

/* --- the end of a batch --- */

static void forget(struct resolve_stage *r)
{
    timer_cancel(r->again);
    ids_clear(&r->contacts);
    ids_clear(&r->templates);
    free(r->ready);
    r->ready = NULL;
    arena_clear(&r->arena);
    r->count = 0;
}

static void end(struct resolve_stage *r, bool ok)
{
    forget(r);
    r->ops.done(ok, r->ops.arg);
}

/* True if the look-up failed, and what follows from that was done. */
static bool has_failed(struct resolve_stage *r, enum store_status st)
{
    if (st == STORE_OK)
        return false;
    if (st == STORE_ERROR) {
        r->ops.problem(store_error(r->store), r->ops.arg);
        timer_set_us(r->again, ERROR_PAUSE_US);
    } else {
        end(r, false);
    }
    return true;
}

/* --- completing --- */

static struct fill_contact contact_of(const struct resolve_stage *r,
                                      const struct directory_found *found, const char *id)
{
    size_t place = ids_place(&r->contacts, id);

    if (place == 0)
        return (struct fill_contact){NULL, NULL};
    return (struct fill_contact){found[place - 1].lead, found[place - 1].problem};
}

static void complete(const struct resolve_stage *r, const struct directory_found *found,
                     struct job *j)
{
    size_t place = ids_place(&r->templates, j->message.text[MSG_TEMPLATE_ID]);
    const struct ready *t = place > 0 ? &r->ready[place - 1] : NULL;
    const struct config *c = r->live->config;
    const struct fill_in in = {
        .contact = contact_of(r, found, j->message.text[MSG_CONTACT_ID]),
        .recipient = contact_of(r, found, j->recipient_contact),
        .letter = t != NULL && t->is_found ? &t->letter : NULL,
        .letter_problem = t != NULL && t->problem.text[0] != '\0' ? t->problem.text : NULL,
        .missing = (enum template_missing)c->template_missing,
        .limits = &c->job,
    };

    fill_job(j, &in);
}

static void complete_all(struct resolve_stage *r, const struct directory_found *found)
{
    for (size_t i = 0; i < r->count; i++)
        complete(r, found, r->jobs[i]);
    end(r, true);
}

/* --- looking up --- */

static void on_contacts(enum store_status st, const struct directory_found *found, size_t count,
                        void *arg)
{
    struct resolve_stage *r = arg;

    (void)count;
    if (r->count > 0 && !has_failed(r, st))
        complete_all(r, found);
}

static void get_contacts(struct resolve_stage *r)
{
    if (r->contacts.count == 0)
        complete_all(r, NULL);
    else if (directory_get(r->directory, r->contacts.items, r->contacts.count, on_contacts, r) !=
             SQ_OK)
        end(r, false);
}

static void prepare(struct resolve_stage *r, const struct template_source *s, struct ready *ret)
{
    ret->is_found = s->is_found;
    ret->problem.text[0] = '\0';
    if (s->is_found &&
        letter_compile(s->subject, s->text, s->html, &r->arena, &ret->letter, &ret->problem))
        ret->is_found = false;
}

static void on_templates(enum store_status st, const struct template_source *sources, size_t count,
                         void *arg)
{
    struct resolve_stage *r = arg;

    if (r->count == 0 || has_failed(r, st))
        return;
    r->ready = mem_zalloc(count * sizeof(*r->ready));
    for (size_t i = 0; i < count; i++)
        prepare(r, &sources[i], &r->ready[i]);
    get_contacts(r);
}

static void look_up(struct resolve_stage *r)
{
    if (r->templates.count == 0)
        get_contacts(r);
    else if (template_get(r->store, r->templates.items, r->templates.count, on_templates, r) !=
             SQ_OK)
        end(r, false);
}

static void on_again(void *arg)
{
    struct resolve_stage *r = arg;

    free(r->ready);
    r->ready = NULL;
    arena_clear(&r->arena);
    if (r->count > 0)
        look_up(r);
}

/* --- interface --- */

bool resolve_is_needed(const struct job *j)
{
    return !j->is_bulk && (fill_needs_contact(j) || fill_needs_template(j));
}

void resolve_jobs(struct resolve_stage *r, struct job *const *jobs, size_t count)
{
    if (count > r->cap) {
        r->cap = count;
        r->jobs = mem_realloc(r->jobs, count * sizeof(struct job *));
    }
    memcpy(r->jobs, jobs, count * sizeof(struct job *));
    r->count = count;
    collect(r);
    look_up(r);
}

void resolve_abandon(struct resolve_stage *r)
{
    forget(r);
}

struct resolve_stage *resolve_new(struct loop *loop, struct store *store,
                                  struct directory *directory, const struct resolve_ops *ops)
{
    struct resolve_stage *r = mem_zalloc(sizeof(*r));

    r->loop = loop;
    r->store = store;
    r->directory = directory;
    r->ops = *ops;
    r->again = timer_new(loop, on_again, r);
    return r;
}

void resolve_free(struct resolve_stage *r)
{
    if (r == NULL)
        return;
    forget(r);
    free(r->contacts.items);
    free(r->templates.items);
    free(r->jobs);
    arena_free(&r->arena);
    timer_free(r->again);
    live_config_unref(r->live);
    free(r);
}

void resolve_set_config(struct resolve_stage *r, struct live_config *live)
{
    struct live_config *old = r->live;

    r->live = live_config_ref(live);
    live_config_unref(old);
}

/* Resolve: the batch's templates, then its contacts, each id once; then every job is completed
 * (fill.h) while what was found is at hand. Last come the mails of ours that others answer or
 * forward (original.h): they need the texts that templates made.
 *
 * A few round trips at most for a batch, whatever its size. When Redis refuses, what was being
 * looked up is looked up again; nothing was changed in the jobs since. */
#include "resolve.h"

#include "choice.h"
#include "fill.h"
#include "map.h"
#include "original.h"
#include "original_store.h"
#include "provider.h"
#include "template_store.h"
#include "text.h"
#include "timefmt.h"
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
    bool filled;       /* the jobs are complete but for their originals */
    struct ids contacts, templates, originals;
    struct ready *ready; /* one per template */
    struct arena arena;  /* of the templates, and of the originals' ids */
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
    ids_clear(&r->originals);
    free(r->ready);
    r->ready = NULL;
    arena_clear(&r->arena);
    r->count = 0;
    r->filled = false;
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

/* --- originals --- */

/* The sender of a mail whose original we have to put in; NULL if there is no such. */
static const struct sender *quoting_sender(const struct resolve_stage *r, const struct message *m)
{
    struct err_text e;
    const struct sender *s;

    if (m->text[MSG_REFUSAL] || !original_is_named(m))
        return NULL;
    s = choice_sender(r->live->config, m, &e);
    return s != NULL && s->provider->wants_original ? s : NULL;
}

static void collect_originals(struct resolve_stage *r)
{
    struct original_ids ids;

    for (size_t i = 0; i < r->count; i++) {
        if (quoting_sender(r, &r->jobs[i]->message) == NULL)
            continue;
        original_ids(&r->jobs[i]->message, &ids);
        for (unsigned k = 0; k < ids.count; k++)
            ids_add(&r->originals, arena_strdup(&r->arena, ids.id[k]));
    }
}

static const char *either(const char *own, const char *senders)
{
    return text_is_empty(own) ? senders : own;
}

static const char *tenant_of(const struct message *m, const struct sender *s)
{
    return either(m->text[MSG_TENANT], s != NULL ? s->tenant : NULL);
}

/* What is stored, seen by a mail that this sender is to send. False if it cannot be read. */
static bool read_original(const struct resolve_stage *r, const struct original_source *src,
                          const struct sender *s, struct original *ret)
{
    const char *const *text = ret->message.text;
    const struct sender *by;

    *ret = (struct original){.provider_message_id = src->provider_message_id};
    if (message_unpack(src->packed, src->packed_len, &ret->message) != SQ_OK)
        return false;
    by = config_sender(r->live->config, text[MSG_SENDER]);
    ret->from.addr = either(text[MSG_FROM], by != NULL ? by->from_address : NULL);
    ret->from.name = either(text[MSG_FROM_NAME], by != NULL ? by->from_name : NULL);
    ret->tenant = tenant_of(&ret->message, by);
    ret->same_sender = by == s;
    if (src->sent_at == NULL || time_parse(src->sent_at, &ret->date_ms) != SQ_OK)
        ret->date_ms = ret->message.queued_at;
    return true;
}

/* True if the mail is done with: it has its original, or cannot have it. */
static bool put_original(const struct resolve_stage *r, const struct original_source *src,
                         const struct sender *s, struct message *m)
{
    struct original o;
    bool done = false;

    if (!src->is_found)
        return false;
    if (src->is_too_large) {
        original_refuse_size(m);
        return true;
    }
    if (read_original(r, src, s, &o) && original_is_meant(&o, m, tenant_of(m, s))) {
        original_put(&o, &r->live->config->job, m);
        done = true;
    }
    message_clear(&o.message);
    return done;
}

static void quote(const struct resolve_stage *r, const struct original_source *sources,
                  struct message *m)
{
    const struct sender *s = quoting_sender(r, m);
    struct original_ids ids = {.count = 0};
    bool done = false;

    if (s != NULL)
        original_ids(m, &ids);
    for (unsigned i = 0; i < ids.count && !done; i++) {
        size_t place = ids_place(&r->originals, ids.id[i]);

        done = place > 0 && put_original(r, &sources[place - 1], s, m);
    }
}

static void on_originals(enum store_status st, const struct original_source *sources, size_t count,
                         void *arg)
{
    struct resolve_stage *r = arg;

    (void)count;
    if (r->count == 0 || has_failed(r, st))
        return;
    for (size_t i = 0; i < r->count; i++)
        quote(r, sources, &r->jobs[i]->message);
    end(r, true);
}

static void get_originals(struct resolve_stage *r)
{
    if (r->originals.count == 0)
        end(r, true);
    else if (original_get(r->store, r->originals.items, r->originals.count, on_originals, r) !=
             SQ_OK)
        end(r, false);
}

static void complete_all(struct resolve_stage *r, const struct directory_found *found)
{
    for (size_t i = 0; i < r->count; i++)
        complete(r, found, r->jobs[i]);
    r->filled = true;
    collect_originals(r);
    get_originals(r);
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

    if (r->filled) {
        get_originals(r);
        return;
    }
    free(r->ready);
    r->ready = NULL;
    arena_clear(&r->arena);
    if (r->count > 0)
        look_up(r);
}

/* --- interface --- */

bool resolve_is_needed(const struct job *j)
{
    return !j->is_bulk &&
           (fill_needs_contact(j) || fill_needs_template(j) || original_is_named(&j->message));
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
    free(r->originals.items);
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

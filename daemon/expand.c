/* Expand: asks which page of which bulk is wanted, reads it, and hands in what the selection meant.
 *
 * A page is read at a cursor, "<source> <place>": `ids <n>`, the n-th page of the job's own lead
 * ids; `assignee <n> <cursor>`, of the n-th assignee's leads; `all <cursor>`, of all leads. Only
 * the script moves a bulk on, from the cursor that the page was read at: so a page read by two
 * workers, or by one that then died, counts once. One page at a time in a process. */
#include "expand.h"

#include "bulk.h"
#include "recipient.h"
#include "selection.h"
#include "siphash.h"
#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_PAUSE_US 500000

/* A bulk's selection, kept from page to page. */
struct plan {
    char bulk[65];
    bool is_ready;
    struct selection selection;
    enum channel channel;
    struct err_text problem; /* why it cannot be read; "" = it can */
    struct arena arena;
};

/* The page being read. */
struct page {
    char cursor[256], next[256];
    int64_t size;
    char *text; /* what ids point into */
    const char **ids;
    uint64_t *marks;
    size_t count;     /* ids read */
    size_t met_count; /* those of them that the selection means: the first ones, in the end */
};

struct expand_stage {
    struct store *store;
    struct directory *directory;
    struct expand_ops ops;
    struct live_config *live;
    struct timer *timer;
    struct plan plan;
    struct page page;
    bool open, busy, poked;
};

static void ask(struct expand_stage *x);

/* --- the end of a step --- */

static void page_clear(struct page *p)
{
    free(p->text);
    free(p->ids);
    free(p->marks);
    *p = (struct page){.size = 0};
}

static void pause_after_error(struct expand_stage *x, const char *what)
{
    if (what != NULL)
        x->ops.problem(what, x->ops.arg);
    page_clear(&x->page);
    x->busy = false;
    timer_set_us(x->timer, ERROR_PAUSE_US);
}

/* True if a call failed; the page is then wanted again later, by whoever asks first. */
static bool has_failed(struct expand_stage *x, enum store_status st)
{
    if (st == STORE_OK)
        return false;
    pause_after_error(x, st == STORE_ERROR ? store_error(x->store) : NULL);
    return true;
}

static void check_sent(struct expand_stage *x, enum sq_err err)
{
    if (err != SQ_OK)
        pause_after_error(x, NULL);
}

/* --- handing in --- */

static void begin_page(struct expand_stage *x, const char *bulk, const char *cursor);

static void on_expanded(enum store_status st, const struct store_wanted *w, void *arg)
{
    struct expand_stage *x = arg;
    bool had_page = x->page.met_count > 0;
    int64_t now_us = store_now_us(x->store);

    if (has_failed(x, st))
        return;
    page_clear(&x->page);
    x->busy = false;
    if (had_page)
        x->ops.queued(x->ops.arg);
    if (w->bulk != NULL && w->cursor != NULL)
        begin_page(x, w->bulk, w->cursor);
    else if (x->poked)
        ask(x);
    else if (w->next_us != 0)
        timer_set_us(x->timer, w->next_us > now_us ? w->next_us - now_us : 0);
}

static void hand_in(struct expand_stage *x)
{
    const struct config *c = x->live->config;
    const struct page *p = &x->page;
    const char *problem = x->plan.problem.text;
    const struct store_page page = {
        .bulk = x->plan.bulk,
        .cursor = p->cursor,
        .next = p->next,
        .size = p->size,
        .looked_at = (int64_t)p->count,
        .why = problem[0] != '\0' ? problem : NULL,
        .leads = p->ids,
        .marks = p->marks,
        .count = p->met_count,
    };

    check_sent(x, store_expand(x->store, c->bulk_ready, c->bulk_chunk, &page, on_expanded, x));
}

static void ask(struct expand_stage *x)
{
    const struct config *c = x->live->config;

    if (!x->open || x->busy)
        return;
    x->poked = false;
    x->busy = true;
    timer_cancel(x->timer);
    check_sent(x, store_expand(x->store, c->bulk_ready, c->bulk_chunk, NULL, on_expanded, x));
}

/* --- selecting --- */

/* Two recipients with one mark are one: an address that two leads have, or the same lead again. */
static uint64_t mark_of(const struct expand_stage *x, const char *lead, const char *address)
{
    unsigned char seed[16] = {0};
    struct buf text = {0};
    uint64_t mark;

    memcpy(seed, x->plan.bulk, strnlen(x->plan.bulk, sizeof(seed)));
    buf_addf(&text, "%c%s", address != NULL ? 'a' : 'l', address != NULL ? address : lead);
    mark = siphash13(buf_str(&text), text.len, seed);
    buf_free(&text);
    return mark;
}

/* The address as the message will have it, so that spellings of one are the same. */
static uint64_t mark_lead(const struct expand_stage *x, const char *id, struct lead *lead)
{
    struct message m = {.channel = x->plan.channel};
    const char *address =
        lead != NULL && x->live->config->bulk_dedupe ? lead_address(lead, x->plan.channel) : NULL;
    uint64_t mark;

    if (address != NULL && recipient_set(&m, address, 1, NULL) != SQ_OK)
        address = NULL;
    mark = mark_of(x, id, address != NULL ? m.text[MSG_RECIPIENT] : NULL);
    message_clear(&m);
    return mark;
}

static bool has_conditions(const struct selection *s)
{
    return s->filter != NULL || s->search_keyword != NULL || s->assignees.count > 0;
}

static bool is_met(const struct expand_stage *x, struct lead *lead)
{
    struct filter_lead view;

    if (!has_conditions(&x->plan.selection))
        return true;
    if (lead == NULL)
        return false;
    view = lead_view(lead);
    return selection_match(&x->plan.selection, &view);
}

static void meet(struct expand_stage *x, size_t i, struct lead *lead)
{
    struct page *p = &x->page;

    if (!is_met(x, lead))
        return;
    p->marks[p->met_count] = mark_lead(x, p->ids[i], lead);
    p->ids[p->met_count++] = p->ids[i];
}

static void on_found(enum store_status st, const struct directory_found *found, size_t count,
                     void *arg)
{
    struct expand_stage *x = arg;

    if (has_failed(x, st))
        return;
    for (size_t i = 0; i < count; i++)
        meet(x, i, found[i].lead);
    hand_in(x);
}

/* Leads are looked at only where something depends on them. */
static void select_leads(struct expand_stage *x)
{
    struct page *p = &x->page;

    p->marks = mem_zalloc((p->count + 1) * sizeof(*p->marks));
    if (p->count == 0) {
        hand_in(x);
    } else if (has_conditions(&x->plan.selection) || x->live->config->bulk_dedupe) {
        check_sent(x, directory_get(x->directory, p->ids, p->count, on_found, x));
    } else {
        for (size_t i = 0; i < p->count; i++)
            meet(x, i, NULL);
        hand_in(x);
    }
}

/* --- reading a page --- */

static void on_ids(enum store_status st, const char *ids, size_t len, void *arg)
{
    struct expand_stage *x = arg;
    struct page *p = &x->page;
    long long at = strtoll(p->cursor + strlen("ids "), NULL, 10);

    if (has_failed(x, st))
        return;
    p->text = mem_strndup(ids != NULL ? ids : "", len);
    p->ids = mem_alloc((len + 1) * sizeof(*p->ids));
    for (size_t i = 0; i < len; i += strlen(p->text + i) + 1)
        p->ids[p->count++] = p->text + i;
    p->size = (int64_t)p->count; /* as far as known: the script keeps what is larger */
    if (len > 0)
        snprintf(p->next, sizeof(p->next), "ids %lld", at + 1);
    select_leads(x);
}

static void copy_ids(struct page *p, const struct directory_page *in)
{
    size_t len = 0;
    char *at;

    for (size_t i = 0; i < in->count; i++)
        len += strlen(in->ids[i]) + 1;
    p->text = at = mem_alloc(len + 1);
    p->ids = mem_alloc((in->count + 1) * sizeof(*p->ids));
    for (size_t i = 0; i < in->count; i++) {
        size_t n = strlen(in->ids[i]) + 1;

        p->ids[p->count++] = memcpy(at, in->ids[i], n);
        at += n;
    }
    p->size = in->size;
}

static void on_page(enum store_status st, const struct directory_page *in, void *arg)
{
    struct expand_stage *x = arg;
    struct page *p = &x->page;
    const struct str_list *assignees = &x->plan.selection.assignees;
    unsigned n = 0;

    if (has_failed(x, st))
        return;
    copy_ids(p, in);
    if (assignees->count == 0) {
        if (in->next[0] != '\0')
            snprintf(p->next, sizeof(p->next), "all %s", in->next);
    } else {
        n = (unsigned)strtoul(p->cursor + strlen("assignee "), NULL, 10);
        if (in->next[0] != '\0')
            snprintf(p->next, sizeof(p->next), "assignee %u %s", n, in->next);
        else if (n + 1 < assignees->count)
            snprintf(p->next, sizeof(p->next), "assignee %u 0", n + 1);
        p->size *= assignees->count; /* as if all had as many */
    }
    select_leads(x);
}

static void read_page(struct expand_stage *x)
{
    const struct str_list *assignees = &x->plan.selection.assignees;
    const char *cursor = x->page.cursor, *assignee = NULL, *place = strrchr(cursor, ' ');
    unsigned page = x->live->config->bulk_page;

    if (x->plan.problem.text[0] != '\0' || place == NULL) {
        hand_in(x);
    } else if (text_starts(cursor, "ids ")) {
        check_sent(x, store_bulk_ids(x->store, x->plan.bulk, strtoll(place, NULL, 10), on_ids, x));
    } else {
        if (text_starts(cursor, "assignee ")) {
            unsigned long n = strtoul(cursor + strlen("assignee "), NULL, 10);

            assignee = n < assignees->count ? assignees->items[n] : "";
        }
        check_sent(x, directory_page(x->directory, assignee, place + 1, page, on_page, x));
    }
}

/* --- a bulk's selection --- */

static void read_plan(struct expand_stage *x, const struct store_bulk *stored)
{
    struct plan *p = &x->plan;
    struct bulk *b = bulk_new(p->bulk, stored);

    if (!b->is_readable || stored->selection == NULL)
        err_set(&p->problem, SQ_ERR_INVALID, "what is stored of the bulk cannot be read");
    else if (selection_parse(stored->selection, stored->selection_len, &x->live->config->job,
                             &p->arena, &p->selection, &p->problem) != SQ_OK &&
             p->problem.text[0] == '\0')
        err_set(&p->problem, SQ_ERR_INVALID, "its selection cannot be read");
    p->channel = b->message.channel;
    p->is_ready = true;
    bulk_unref(b);
}

static void on_bulk(enum store_status st, const struct store_bulk *stored, void *arg)
{
    struct expand_stage *x = arg;

    if (has_failed(x, st))
        return;
    read_plan(x, stored);
    read_page(x);
}

static void begin_page(struct expand_stage *x, const char *bulk, const char *cursor)
{
    struct plan *p = &x->plan;

    if (!x->open)
        return;
    x->busy = true;
    snprintf(x->page.cursor, sizeof(x->page.cursor), "%s", cursor);
    if (p->is_ready && text_eq(p->bulk, bulk)) {
        read_page(x);
        return;
    }
    arena_clear(&p->arena);
    p->is_ready = false;
    p->problem = (struct err_text){.text = ""};
    memset(&p->selection, 0, sizeof(p->selection));
    snprintf(p->bulk, sizeof(p->bulk), "%s", bulk);
    check_sent(x, store_bulk_get(x->store, p->bulk, on_bulk, x));
}

/* --- interface --- */

static void on_timer(void *arg)
{
    ask(arg);
}

struct expand_stage *expand_new(struct loop *loop, struct store *store, struct directory *directory,
                                const struct expand_ops *ops)
{
    struct expand_stage *x = mem_zalloc(sizeof(*x));

    x->store = store;
    x->directory = directory;
    x->ops = *ops;
    x->timer = timer_new(loop, on_timer, x);
    return x;
}

void expand_free(struct expand_stage *x)
{
    if (x == NULL)
        return;
    page_clear(&x->page);
    arena_free(&x->plan.arena);
    timer_free(x->timer);
    live_config_unref(x->live);
    free(x);
}

void expand_set_config(struct expand_stage *x, struct live_config *live)
{
    struct live_config *old = x->live;

    x->live = live_config_ref(live);
    live_config_unref(old);
}

void expand_set_open(struct expand_stage *x, bool open)
{
    x->open = open;
    if (open)
        expand_poke(x);
    else
        timer_cancel(x->timer);
}

void expand_poke(struct expand_stage *x)
{
    x->poked = true;
    ask(x);
}

/* Accept: parse, find the sender, and replace the batch by what it became.
 *
 * Each job is written into the batch's call as soon as it is understood, and forgotten: a batch of
 * parsed jobs would be more than a processor's cache holds. Where one needs a look-up first
 * (resolve), it and those behind it are held until that is done: the batch is replaced in one step.
 * The call is kept until Redis has answered, so that a refusal (out of memory, script cache empty)
 * is tried again with the very same ids. */
#include "accept.h"

#include "bulk.h"
#include "choice.h"
#include "job.h"
#include "keys.h"
#include "provider.h"
#include "selection.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_PAUSE_US 500000
#define FIELDS_MAX 20
/* Of a job's packed form after its batch: one with an attachment must not stay in memory. */
#define KEEP_BYTES (64u << 10)

/* One job of the batch, and all that its store_accept points to. */
struct item {
    unsigned index; /* in the batch, from 1 */
    struct job job;
    struct err_text error;
    enum sq_err err;
    struct buf packed, answer, conflict;
    struct store_field fields[FIELDS_MAX];
    char units[12], queue[KEY_QUEUE_SIZE], lane[24];
    struct buf *id_pages; /* of a bulk: its lead ids */
    size_t id_page_count;
};

struct accept_stage {
    struct loop *loop;
    struct store *store;
    struct log *log;
    struct accept_ops ops;
    struct live_config *live;
    struct live_config *batch_live; /* the batch's senders are this one's, across a reload */
    struct timer *again;
    struct item *items;      /* those that are held, and one more to work with */
    struct job **unresolved; /* scratch */
    size_t held, cap;
    struct resp call;
    unsigned bulks; /* among the batch */
    bool busy;      /* there is a batch */
    bool resolving;
    struct accept_counters counters;
};

/* --- one job --- */

static enum error_code code_of(const struct err_text *e)
{
    enum error_code code = error_code_parse(e->code);

    return code != CODE_NONE ? code : CODE_VALIDATION_ERROR;
}

static void make_answer(const struct accept_stage *a, struct item *it, enum error_code code,
                        const struct err_text *e, struct buf *out)
{
    const struct answer_in in = {
        .message = it->job.message.id[0] != '\0' ? &it->job.message : NULL,
        .provider = "",
        .code = code,
        .error = e,
        .now_ms = store_now_ms(a->store),
    };

    buf_clear(out);
    if (it->job.message.text[MSG_REPLY_QUEUE] != NULL)
        job_answer(it->job.message.text[MSG_FORMAT], &in, out);
}

static void reject(const struct accept_stage *a, struct item *it, struct store_accept *out)
{
    enum error_code code = code_of(&it->error);

    make_answer(a, it, code, &it->error, &it->answer);
    out->rejected = true;
    out->error_code = error_code_name(code);
    out->error_message = it->error.text;
    out->field = it->error.field;
    out->answer = it->answer.data;
    out->answer_len = it->answer.len;
    if (log_begin(a->log, LOG_LVL_WARN, "rejected")) {
        log_str(a->log, "error_code", out->error_code);
        log_str(a->log, "error", it->error.text);
        log_end(a->log);
    }
}

static void add_field(struct item *it, struct store_accept *out, const char *name,
                      const char *value)
{
    if (!text_is_empty(value) && out->field_count < FIELDS_MAX)
        it->fields[out->field_count++] = (struct store_field){name, value};
}

/* Its job names a tenant, and its sender is not that tenant's alone. */
static bool is_of_other_tenant(const struct message *m, const struct sender *s)
{
    return m->text[MSG_TENANT] != NULL && !text_eq(m->text[MSG_TENANT], s->tenant);
}

/* What shares its sender with others takes turns with them: each tenant, and a bulk on one of the
 * sender's channels, which may have a limit of its own. */
static const char *lane_of(struct item *it, const struct sender *s)
{
    const struct message *m = &it->job.message;
    bool one_channel = (s->channels & (s->channels - 1)) == 0;

    if (is_of_other_tenant(m, s))
        return m->text[MSG_TENANT];
    snprintf(it->lane, sizeof(it->lane), "@%s", channel_name(m->channel));
    return it->job.is_bulk && !one_channel ? it->lane : NULL;
}

/* The public fields of NS:message:<id> (contract.md section 2), and the scripts' own. */
static void add_fields(struct item *it, const struct sender *s, struct store_accept *out)
{
    static const enum msg_text copied[] = {MSG_RECIPIENT, MSG_SUBJECT, MSG_CONTACT_ID,
                                           MSG_DEAL_ID,   MSG_BULK_ID, MSG_THREAD_ID,
                                           MSG_METADATA};
    const struct message *m = &it->job.message;
    size_t from = it->job.is_bulk ? 1 : 0; /* its recipient is but a placeholder */
    bool cautious = m->uncertain == UNCERTAIN_FAIL ||
                    (m->uncertain == UNCERTAIN_DEFAULT && s->uncertain == UNCERTAIN_FAIL);

    add_field(it, out, "id", m->id);
    add_field(it, out, "channel", channel_name(m->channel));
    add_field(it, out, "provider", s->provider->name);
    add_field(it, out, "sender", s->id);
    add_field(it, out, "message_type", message_type_name(m->type));
    add_field(it, out, "priority", priority_name(m->priority));
    for (size_t i = from; i < sizeof(copied) / sizeof(copied[0]); i++)
        add_field(it, out, msg_text_name(copied[i]), m->text[copied[i]]);
    if (!text_eq(it->queue, "2"))
        add_field(it, out, "_priority", it->queue);
    if (is_of_other_tenant(m, s))
        add_field(it, out, "_tenant", m->text[MSG_TENANT]);
    if (m->units > 1)
        add_field(it, out, "_units", it->units);
    if (cautious)
        add_field(it, out, "_uncertain", "fail");
    if (out->keeps_text)
        add_field(it, out, "_text", "1");
    out->fields = it->fields;
}

/* Lead ids are stored in pages, each as long as what is expanded in one step. */
static void make_id_pages(const struct accept_stage *a, struct item *it, struct store_accept *out)
{
    const struct str_list *ids = &it->job.selection->lead_ids;
    unsigned per_page = a->batch_live->config->bulk_page;

    it->id_page_count = (ids->count + per_page - 1) / per_page;
    it->id_pages = mem_zalloc((it->id_page_count + 1) * sizeof(*it->id_pages));
    for (unsigned i = 0; i < ids->count; i++)
        buf_add(&it->id_pages[i / per_page], ids->items[i], strlen(ids->items[i]) + 1);
    out->id_pages = it->id_pages;
    out->id_page_count = it->id_page_count;
}

static void free_id_pages(struct item *it)
{
    for (size_t i = 0; i < it->id_page_count; i++)
        buf_free(&it->id_pages[i]);
    free(it->id_pages);
    it->id_pages = NULL;
    it->id_page_count = 0;
}

static void add_bulk(const struct accept_stage *a, struct item *it, struct store_accept *out)
{
    const struct selection *s = it->job.selection;

    out->is_bulk = true;
    out->selection = s->text;
    out->cursor = s->lead_ids.count > 0    ? "ids 0"
                  : s->assignees.count > 0 ? "assignee 0 0"
                                           : "all 0";
    make_id_pages(a, it, out);
}

/* A bulk's texts are templates: what is wrong with them is told now, not with every recipient. */
static bool check_texts(struct item *it)
{
    struct letter letter;
    struct err_text why = {.text = ""};

    if (!it->job.is_bulk ||
        bulk_compile(&it->job.message, &it->job.message.arena, &letter, &why) == SQ_OK)
        return true;
    err_set(&it->error, SQ_ERR_INVALID, "message_data: %s", why.text);
    return false;
}

static void make_conflict(const struct accept_stage *a, struct item *it, struct store_accept *out)
{
    struct err_text e = {0};

    if (!it->job.explicit_id && it->job.idempotency_key[0] == '\0')
        return;
    err_set(&e, SQ_ERR_INVALID, "the same idempotency key or id came before with another body");
    make_answer(a, it, CODE_IDEMPOTENCY_CONFLICT, &e, &it->conflict);
    out->conflict_answer = it->conflict.data;
    out->conflict_len = it->conflict.len;
}

static bool refers_to_text(const struct message *m)
{
    for (unsigned i = 0; i < m->attachment_count; i++)
        if (m->attachments[i].stored != NULL)
            return true;
    return false;
}

static void admit(const struct accept_stage *a, struct item *it, struct store_accept *out)
{
    struct message *m = &it->job.message;
    const struct sender *s = choice_sender(a->batch_live->config, m, &it->error);

    if (s == NULL || choice_count(s, m, &it->error) != SQ_OK || !check_texts(it)) {
        reject(a, it, out);
        return;
    }
    message_set(m, MSG_SENDER, s->id);
    snprintf(it->units, sizeof(it->units), "%u", m->units);
    buf_clear(&it->packed);
    message_pack(m, &it->packed);
    out->id = m->id;
    out->idempotency_key = it->job.idempotency_key;
    out->body_hash = it->job.body_hash;
    out->explicit_id = it->job.explicit_id;
    out->sender = s->id;
    out->priority = m->priority;
    out->marketing = m->type == TYPE_MARKETING;
    out->fail_on_limit = it->job.fail_on_limit && !it->job.is_bulk; /* a bulk always waits */
    key_queue_lane(key_queue(out->priority, out->marketing, out->fail_on_limit), lane_of(it, s),
                   it->queue);
    out->queue = it->queue;
    out->due_ms = m->scheduled_at;
    out->packed = it->packed.data;
    out->packed_len = it->packed.len;
    out->keeps_text = refers_to_text(m);
    add_fields(it, s, out);
    if (it->job.is_bulk)
        add_bulk(a, it, out);
    make_conflict(a, it, out);
}

static void understand(struct accept_stage *a, struct item *it, const struct store_raw *raw)
{
    memset(&it->error, 0, sizeof(it->error));
    if (raw->text != NULL)
        it->err = job_parse_kept(raw->text, raw->len, raw->list, store_now_ms(a->store),
                                 &a->batch_live->config->job, &it->job, &it->error);
    else
        it->err = job_parse(raw->raw, raw->len, raw->list, store_now_ms(a->store),
                            &a->batch_live->config->job, &it->job, &it->error);
    if (it->err == SQ_ERR_NOMEM)
        mem_gone(); /* nothing is wrong with the job */
}

/* Nothing of the job is needed any more. */
static void forget(struct item *it)
{
    free_id_pages(it);
    job_clear(&it->job);
    if (it->packed.cap > KEEP_BYTES)
        buf_free(&it->packed);
}

static void judge(struct accept_stage *a, struct item *it)
{
    struct store_accept out = {.index = it->index};

    if (it->err == SQ_OK)
        admit(a, it, &out);
    else
        reject(a, it, &out);
    out.reply_queue = it->job.message.text[MSG_REPLY_QUEUE];
    store_accept_add(&a->call, &out);
    a->bulks += it->job.is_bulk;
    forget(it);
}

/* --- the batch --- */

static void finish(struct accept_stage *a, unsigned accepted)
{
    while (a->held > 0)
        forget(&a->items[--a->held]);
    resp_trim(&a->call);
    a->busy = false;
    live_config_unref(a->batch_live);
    a->batch_live = NULL;
    a->ops.done(accepted, a->bulks, a->ops.arg);
}

static void send(struct accept_stage *a);

static void on_accepted(enum store_status st, unsigned accepted, unsigned duplicates,
                        unsigned rejected, void *arg)
{
    struct accept_stage *a = arg;

    switch (st) {
    case STORE_OK:
        a->counters.accepted += accepted;
        a->counters.duplicates += duplicates;
        a->counters.rejected += rejected;
        finish(a, accepted);
        break;
    case STORE_AGAIN:
        send(a);
        break;
    case STORE_ERROR:
        a->ops.problem(store_error(a->store), a->ops.arg);
        timer_set_us(a->again, ERROR_PAUSE_US);
        break;
    default: /* gone: another worker has the batch; lost: the next registration puts it back */
        finish(a, 0);
        break;
    }
}

static void send(struct accept_stage *a)
{
    if (store_accept_send(a->store, &a->call, on_accepted, a) != SQ_OK)
        finish(a, 0);
}

static void on_again(void *arg)
{
    struct accept_stage *a = arg;

    if (a->busy)
        send(a);
}

static void judge_held(struct accept_stage *a)
{
    for (size_t i = 0; i < a->held; i++)
        judge(a, &a->items[i]);
    a->held = 0;
    send(a);
}

static void reserve(struct accept_stage *a, size_t count)
{
    if (count <= a->cap)
        return;
    a->items = mem_realloc(a->items, count * sizeof(*a->items));
    a->unresolved = mem_realloc(a->unresolved, count * sizeof(struct job *));
    memset(a->items + a->cap, 0, (count - a->cap) * sizeof(*a->items));
    a->cap = count;
}

void accept_batch(struct accept_stage *a, uint64_t tag, const struct store_raw *jobs, size_t count)
{
    size_t unresolved = 0;

    reserve(a, count);
    a->busy = true;
    a->bulks = 0;
    a->batch_live = live_config_ref(a->live);
    store_accept_begin(a->store, &a->call, tag, count, count > 0 && jobs[count - 1].text != NULL);
    for (size_t i = 0; i < count; i++) {
        struct item *it = &a->items[a->held];

        it->index = (unsigned)i + 1;
        understand(a, it, &jobs[i]);
        if (it->err == SQ_OK && a->ops.needs_resolving(&it->job))
            a->unresolved[unresolved++] = &it->job;
        if (unresolved > 0)
            a->held++;
        else
            judge(a, it);
    }
    a->resolving = unresolved > 0;
    if (a->resolving)
        a->ops.resolve(a->unresolved, unresolved, a->ops.arg);
    else
        send(a);
}

void accept_resolved(struct accept_stage *a, bool ok)
{
    if (!a->resolving)
        return;
    a->resolving = false;
    if (ok)
        judge_held(a);
    else
        finish(a, 0);
}

void accept_abandon(struct accept_stage *a)
{
    timer_cancel(a->again);
    a->resolving = false;
    if (a->busy)
        finish(a, 0);
}

struct accept_stage *accept_new(struct loop *loop, struct store *store, struct log *log,
                                const struct accept_ops *ops)
{
    struct accept_stage *a = mem_zalloc(sizeof(*a));

    a->loop = loop;
    a->store = store;
    a->log = log;
    a->ops = *ops;
    a->again = timer_new(loop, on_again, a);
    return a;
}

void accept_free(struct accept_stage *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->cap; i++) {
        job_clear(&a->items[i].job);
        free_id_pages(&a->items[i]);
        buf_free(&a->items[i].packed);
        buf_free(&a->items[i].answer);
        buf_free(&a->items[i].conflict);
    }
    free(a->items);
    free(a->unresolved);
    resp_free(&a->call);
    timer_free(a->again);
    live_config_unref(a->batch_live);
    live_config_unref(a->live);
    free(a);
}

void accept_set_config(struct accept_stage *a, struct live_config *live)
{
    struct live_config *old = a->live;

    a->live = live_config_ref(live);
    live_config_unref(old);
}

const struct accept_counters *accept_counts(const struct accept_stage *a)
{
    return &a->counters;
}

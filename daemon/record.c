/* Record: outcomes become one `finish` call per batch; at most one call is under way, so batches
 * grow by themselves under load and a lone outcome is recorded at once. A bulk's recipients that
 * were sent may wait for some more, since most of what a call costs Redis is the call: as long as
 * fewer wait than are still under way, and not long. */
#include "record.h"

#include "bulk.h"
#include "choice.h"
#include "job.h"
#include "provider.h"
#include "text.h"
#include "timefmt.h"
#include "uuid.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_US 200000
#define BATCH_MAX 256
#define HOLD_US 5000
#define MESSAGE_COST 4 /* of recording one, where a bulk's recipient is 1 */

/* What was decided for one attempt, kept until Redis has it. */
struct entry {
    struct list node;
    struct attempt *attempt;
    bool release;
    struct verdict verdict;
    struct buf answer;
    char units[12];
    char postponed[48];
    const struct sender *next; /* who tries instead; NULL = nobody */
    struct buf repacked;       /* the message for it */
    unsigned next_units;
    bool broken; /* and the sender's credentials were refused */
};

struct record_stage {
    struct loop *loop;
    struct store *store;
    struct attempts *attempts;
    struct log *log;
    struct record_ops ops;
    struct after *after;
    struct timer *again, *held;
    struct list waiting, flying, spare;
    unsigned waiting_count, flying_count, batch;
    bool busy;
    bool patient;                         /* all that waits may wait for more */
    struct store_finish items[BATCH_MAX]; /* the batch being sent */
    struct record_counters counters;
};

/* --- entries --- */

static struct entry *entry_get(struct record_stage *r, struct attempt *t)
{
    struct list *node = list_pop(&r->spare);
    struct entry *e = node != NULL ? LIST_ENTRY(node, struct entry, node) : mem_zalloc(sizeof(*e));

    e->attempt = t;
    e->release = e->broken = false;
    e->next = NULL;
    buf_clear(&e->answer);
    return e;
}

static void entry_put(struct record_stage *r, struct entry *e)
{
    attempt_free(r->attempts, e->attempt);
    e->attempt = NULL;
    if (e->answer.cap > 16384)
        buf_free(&e->answer);
    buf_free(&e->repacked);
    list_add_head(&r->spare, &e->node);
}

static const char *provider_name(const struct attempt *t)
{
    return t->sender != NULL ? t->sender->provider->name : "none";
}

/* --- deciding --- */

static void make_answer(struct record_stage *r, struct entry *e)
{
    const struct attempt *t = e->attempt;
    const struct answer_in in = {
        .message = &t->message,
        .provider = provider_name(t),
        .outcome = &t->outcome,
        .code = e->verdict.kind == VERDICT_SENT ? CODE_NONE : e->verdict.code,
        .now_ms = store_now_ms(r->store),
        .limit = t->left,
    };

    job_answer(t->message.text[MSG_FORMAT], &in, &e->answer);
}

/* Hands the message over to the next sender: as it was stored, without what was fetched for it. */
static void fall_back(struct entry *e)
{
    const struct attempt *t = e->attempt;
    const struct sender *next = choice_fallback(t->live->config, &t->message);
    const char *origin = t->message.text[MSG_ORIGIN];
    struct message m = {.id = ""};
    struct err_text ignored;

    if (next == NULL || message_unpack(buf_str(&t->packed), t->packed.len, &m) != SQ_OK)
        return;
    message_set(&m, MSG_ORIGIN, origin != NULL ? origin : t->message.text[MSG_SENDER]);
    message_set(&m, MSG_SENDER, next->id);
    if (choice_count(next, &m, &ignored) == SQ_OK) {
        message_pack(&m, &e->repacked);
        e->next = next;
        e->next_units = m.units;
        e->broken = e->verdict.kind == VERDICT_BROKEN;
        e->verdict.kind = VERDICT_FALLBACK;
    }
    message_clear(&m);
}

/* The one line per attempt. The provider's words are cut and escaped by the log. */
static void log_result(struct record_stage *r, const struct entry *e)
{
    const struct attempt *t = e->attempt;
    bool good = e->verdict.kind == VERDICT_SENT || e->verdict.kind == VERDICT_POSTPONED;
    int64_t now = loop_now_us(r->loop);

    if (!log_begin(r->log, good ? LOG_LVL_INFO : LOG_LVL_WARN, "attempt"))
        return;
    log_str(r->log, "id", t->message.id);
    if (t->bulk != NULL) {
        log_str(r->log, "bulk", t->bulk->id);
        log_str(r->log, "lead", t->message.text[MSG_LEAD_ID]);
    }
    log_str(r->log, "result", verdict_name(e->verdict.kind));
    log_str(r->log, "sender", t->message.text[MSG_SENDER]);
    log_str(r->log, "provider", provider_name(t));
    log_str(r->log, "channel", channel_name(t->message.channel));
    log_int(r->log, "attempt", t->message.attempts);
    if (t->begun_us != 0)
        log_int(r->log, "took_ms", (now - t->begun_us) / 1000);
    if (e->verdict.delay_ms > 0)
        log_int(r->log, "delay_ms", e->verdict.delay_ms);
    if (good) {
        log_str(r->log, "provider_message_id", t->outcome.provider_message_id);
    } else {
        log_str(r->log, "error_code", error_code_name(e->verdict.code));
        log_str(r->log, "error", t->outcome.text);
    }
    if (e->next != NULL)
        log_str(r->log, "next_sender", e->next->id);
    log_end(r->log);
}

static void count(struct record_stage *r, enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_SENT:
        r->counters.sent++;
        break;
    case VERDICT_FAILED:
        r->counters.failed++;
        break;
    case VERDICT_RETRY:
        r->counters.retried++;
        break;
    default:
        r->counters.throttled++;
        break;
    }
}

/* Not where a place is awaited that the record gives back, nor where a crash would leave people in
 * doubt. */
static bool may_wait(const struct entry *e)
{
    const struct attempt *t = e->attempt;

    return t->bulk != NULL && !e->release && e->verdict.kind == VERDICT_SENT && t->sender != NULL &&
           t->sender->concurrency == 0 && !verdict_is_cautious(&t->message, t->sender);
}

static void add(struct record_stage *r, struct entry *e)
{
    r->patient = may_wait(e) && (r->patient || r->waiting_count == 0);
    if (r->patient && r->waiting_count == 0)
        timer_set_us(r->held, HOLD_US);
    list_add_tail(&r->waiting, &e->node);
    r->waiting_count++;
    after_request(r->after);
}

void record_outcome(struct record_stage *r, struct attempt *t)
{
    struct entry *e = entry_get(r, t);

    t->state = ATTEMPT_DONE;
    verdict_reach(t, store_now_ms(r->store), random_below(UINT64_MAX), &e->verdict);
    if (t->bulk == NULL && (e->verdict.kind == VERDICT_SENT || e->verdict.kind == VERDICT_FAILED))
        make_answer(r, e);
    if (t->bulk == NULL && verdict_may_fall_back(t, &e->verdict))
        fall_back(e);
    log_result(r, e);
    count(r, e->verdict.kind);
    r->ops.decided(t, e->verdict.kind, r->ops.arg);
    add(r, e);
}

void record_release(struct record_stage *r, struct attempt *t)
{
    struct entry *e = entry_get(r, t);

    t->state = ATTEMPT_DONE;
    e->release = true;
    r->counters.released++;
    add(r, e);
}

/* --- sending --- */

static enum store_finish_kind finish_kind(const struct entry *e)
{
    static const enum store_finish_kind kinds[] = {
        [VERDICT_SENT] = FINISH_SENT,           [VERDICT_FAILED] = FINISH_FAILED,
        [VERDICT_RETRY] = FINISH_RETRY,         [VERDICT_WAIT] = FINISH_WAIT,
        [VERDICT_THROTTLED] = FINISH_THROTTLED, [VERDICT_BROKEN] = FINISH_BROKEN,
        [VERDICT_FALLBACK] = FINISH_FALLBACK,   [VERDICT_POSTPONED] = FINISH_LATER,
    };

    return e->release ? FINISH_RELEASE : kinds[e->verdict.kind];
}

/* Segments, where the provider or its file counted them. */
static const char *units_text(struct entry *e)
{
    unsigned units = e->attempt->outcome.units;

    e->units[0] = '\0';
    if (units > 0)
        snprintf(e->units, sizeof(e->units), "%u", units);
    return e->units;
}

/* Why nothing was tried, and by which lease: of a later one it says nothing. */
static const char *postponed_text(struct entry *e)
{
    snprintf(e->postponed, sizeof(e->postponed), "%lld %.20s", (long long)e->attempt->fence,
             e->attempt->outcome.text);
    return e->postponed;
}

static void add_field(struct store_finish *f, const char *name, const char *value)
{
    if (!text_is_empty(value))
        f->fields[f->field_count++] = (struct store_field){name, value};
}

static void fill_ref(const struct attempt *t, struct store_finish *f)
{
    f->bulk = t->bulk->id;
    f->lead = t->message.text[MSG_LEAD_ID];
    f->place = t->place;
    f->shard = bulk_shard(t->bulk, f->lead);
    f->attempts = t->message.attempts;
    f->units = t->charged;
}

/* What the attempt says of its provider, whatever becomes of the message. */
static int health(const struct entry *e)
{
    const struct attempt *t = e->attempt;

    if (e->release || t->begun_us == 0)
        return 0;
    return t->outcome.kind == OUTCOME_RETRY || t->outcome.kind == OUTCOME_UNKNOWN ? -1 : 1;
}

static void fill(struct entry *e, struct store_finish *f)
{
    const struct attempt *t = e->attempt;
    const struct message *m = &t->message;

    *f = (struct store_finish){
        .kind = finish_kind(e),
        .refund = t->refund || e->release,
        .health = health(e),
        .id = m->id,
        .sender = m->text[MSG_SENDER],
        .provider = provider_name(t),
        .channel = channel_name(m->channel),
        .contact = m->text[MSG_CONTACT_ID],
        .deal = m->text[MSG_DEAL_ID],
        .fence = t->fence,
        .delay_ms = e->verdict.delay_ms,
        .answer = e->answer.data,
        .answer_len = e->answer.len,
        .reply_queue = m->text[MSG_REPLY_QUEUE],
    };
    if (t->bulk != NULL)
        fill_ref(t, f);
    if (e->release)
        return;
    if (e->next != NULL)
        f->next = (struct store_next){e->next->id,      e->next->provider->name, e->next_units,
                                      e->repacked.data, e->repacked.len,         e->broken};
    if (t->bulk != NULL && e->verdict.kind == VERDICT_SENT) {
        add_field(f, "provider_message_id", t->outcome.provider_message_id);
    } else if (e->verdict.kind == VERDICT_SENT) {
        add_field(f, "provider_message_id", t->outcome.provider_message_id);
        add_field(f, "thread_id", t->outcome.thread_id);
        add_field(f, "cost", t->outcome.cost);
        add_field(f, "units", units_text(e));
    } else if (e->verdict.kind == VERDICT_POSTPONED) {
        add_field(f, "_postponed", postponed_text(e));
    } else {
        add_field(f, "error_code", error_code_name(e->verdict.code));
        add_field(f, "error_message", t->outcome.text);
    }
}

static void take_flying_back(struct record_stage *r)
{
    struct list *node;

    while ((node = r->flying.prev) != &r->flying) {
        list_del(node);
        list_add_head(&r->waiting, node);
    }
    r->waiting_count += r->flying_count;
    r->flying_count = 0;
    r->patient = false;
}

static void forget_flying(struct record_stage *r)
{
    struct list *node;

    while ((node = list_pop(&r->flying)) != NULL)
        entry_put(r, LIST_ENTRY(node, struct entry, node));
    r->flying_count = 0;
}

static void on_finished(enum store_status st, const struct store_finished *f, void *arg)
{
    struct record_stage *r = arg;

    r->busy = false;
    if (st == STORE_OK) {
        r->counters.stale += f->stale;
        forget_flying(r);
        r->ops.recorded(f->next_us, r->ops.arg);
        after_request(r->after);
        return;
    }
    take_flying_back(r);
    if (st == STORE_AGAIN) {
        after_request(r->after);
    } else if (st == STORE_ERROR) {
        r->ops.problem(store_error(r->store), r->ops.arg);
        timer_set_us(r->again, RETRY_US);
    } /* lost: record_resume comes when a connection stands */
}

static void on_held(void *arg)
{
    struct record_stage *r = arg;

    r->patient = false;
    after_request(r->after);
}

static bool is_held(const struct record_stage *r)
{
    return r->patient && r->waiting_count < BATCH_MAX &&
           r->waiting_count < r->ops.under_way(r->ops.arg);
}

static void flush(void *arg)
{
    struct record_stage *r = arg;
    struct store_finish *items = r->items;
    unsigned n = 0, cost = 0;

    if (r->busy || r->waiting_count == 0 || !store_is_up(r->store) || is_held(r))
        return;
    while (n < BATCH_MAX && cost < r->batch * MESSAGE_COST && !list_is_empty(&r->waiting)) {
        struct list *node = list_pop(&r->waiting);
        struct entry *e = LIST_ENTRY(node, struct entry, node);

        cost += e->attempt->bulk != NULL ? 1 : MESSAGE_COST;
        fill(e, &items[n++]);
        list_add_tail(&r->flying, node);
    }
    r->waiting_count -= n;
    r->flying_count = n;
    r->busy = store_finish(r->store, items, n, on_finished, r) == SQ_OK;
    if (!r->busy)
        take_flying_back(r);
}

/* --- interface --- */

struct record_stage *record_new(struct loop *loop, struct store *store, struct attempts *attempts,
                                struct log *log, const struct record_ops *ops)
{
    struct record_stage *r = mem_zalloc(sizeof(*r));

    r->loop = loop;
    r->store = store;
    r->attempts = attempts;
    r->log = log;
    r->ops = *ops;
    r->batch = 64;
    r->after = after_new(loop, flush, r);
    r->again = timer_new(loop, flush, r);
    r->held = timer_new(loop, on_held, r);
    list_init(&r->waiting);
    list_init(&r->flying);
    list_init(&r->spare);
    return r;
}

void record_free(struct record_stage *r)
{
    struct list *node;

    if (r == NULL)
        return;
    take_flying_back(r);
    while ((node = list_pop(&r->waiting)) != NULL)
        entry_put(r, LIST_ENTRY(node, struct entry, node));
    while ((node = list_pop(&r->spare)) != NULL) {
        struct entry *e = LIST_ENTRY(node, struct entry, node);

        buf_free(&e->answer);
        buf_free(&e->repacked);
        free(e);
    }
    timer_free(r->again);
    timer_free(r->held);
    after_free(r->after);
    free(r);
}

void record_resume(struct record_stage *r)
{
    after_request(r->after);
}

void record_set_batch(struct record_stage *r, unsigned batch)
{
    r->batch = batch < 1 ? 1 : batch > BATCH_MAX ? BATCH_MAX : batch;
}

unsigned record_held(const struct record_stage *r)
{
    return r->patient ? r->waiting_count : 0;
}

unsigned record_pending(const struct record_stage *r)
{
    return r->waiting_count + r->flying_count;
}

const struct record_counters *record_counts(const struct record_stage *r)
{
    return &r->counters;
}

/* sendqctl bulk preview: whom a job would reach and what they would get. Nothing is written: leads
 * are read and judged as expansion and sending would, by the same functions. */
#include "ctl_bulk.h"
#include "ctl_leads.h"

#include "bulk.h"
#include "choice.h"
#include "ctl_input.h"
#include "map.h"
#include "rate.h"
#include "recipient.h"
#include "refusal.h"
#include "segments.h"
#include "selection.h"
#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <string.h>

#define PAGE "500"
#define DAY_MS INT64_C(86400000)

struct preview {
    struct ctl *c;
    struct job job;
    const struct sender *sender;
    struct letter letter;
    struct arena arena;       /* of letter and sample */
    struct map ids, together; /* leads looked at; what two of them must not share */
    bool any_suppressed;
    int64_t leads, duplicates, without_address, opted_out, suppressed, errors, messages, segments,
        units;
    const char *sample_lead, *sample[4]; /* recipient, subject, content, html */
    int64_t waiting, finish_ms;          /* 0 = no limit says when */
    enum ctl_exit status;
};

static const enum msg_text sampled[] = {MSG_RECIPIENT, MSG_SUBJECT, MSG_CONTENT, MSG_HTML};
static const char *const sampled_names[] = {"recipient", "subject", "content", "html"};

/* --- one lead --- */

/* True if another lead has the address already (or this very lead was met). */
static bool is_duplicate(struct preview *p, const char *id, struct lead *lead)
{
    enum channel channel = p->job.message.channel;
    struct message m = {.channel = channel};
    const char *address = p->c->config->bulk_dedupe && lead ? lead_address(lead, channel) : NULL;
    struct buf key = {0};
    bool there;

    if (address != NULL && recipient_set(&m, address, 1, NULL) == SQ_OK)
        buf_addf(&key, "a%s", m.text[MSG_RECIPIENT]);
    else
        buf_addf(&key, "l%s", id);
    there = map_set(&p->together, buf_str(&key), p) != NULL;
    buf_free(&key);
    message_clear(&m);
    return there;
}

static bool is_suppressed(struct preview *p, const struct message *m)
{
    const char *key = ctl_key(p->c, KEY_SUPPRESSED, channel_name(m->channel));

    return p->any_suppressed &&
           reply_int(ctl_call(p->c, "SISMEMBER", key, m->text[MSG_RECIPIENT]), 0) == 1;
}

static void take_sample(struct preview *p, const char *id, const struct message *m)
{
    p->sample_lead = arena_strdup(&p->arena, id);
    for (size_t i = 0; i < 4; i++)
        if (m->text[sampled[i]] != NULL)
            p->sample[i] = arena_strdup(&p->arena, m->text[sampled[i]]);
}

static void count_message(struct preview *p, const char *id, struct message *m)
{
    struct err_text over;

    if (choice_count(p->sender, m, &over) != SQ_OK) {
        p->errors++;
        return;
    }
    p->messages++;
    p->units += m->units;
    if (m->channel == CHANNEL_SMS)
        p->segments += sms_measure(m->text[MSG_CONTENT]).segments;
    if (p->sample_lead == NULL)
        take_sample(p, id, m);
}

static void judge(struct preview *p, const char *id, struct message *m)
{
    const char *why;

    switch (refusal_get(m, &why)) {
    case CODE_NONE:
        if (is_suppressed(p, m))
            p->suppressed++;
        else
            count_message(p, id, m);
        break;
    case CODE_RECIPIENT_NOT_FOUND:
        p->without_address++;
        break;
    case CODE_SUPPRESSED:
        p->opted_out++;
        break;
    default:
        p->errors++;
        break;
    }
}

static void fill(struct preview *p, const char *id, const struct fill_contact *who)
{
    const struct fill_bulk_in in = {
        .id = id,
        .who = *who,
        .letter = &p->letter,
        .missing = (enum template_missing)p->c->config->template_missing,
        .limits = &p->c->config->job,
    };
    struct message m = p->job.message;

    m.arena = (struct arena){0};
    for (size_t i = 0; i < 4; i++)
        m.text[sampled[i]] = NULL;
    m.text[MSG_TO] = NULL;
    fill_bulk(&m, &in);
    judge(p, id, &m);
    message_clear(&m);
}

static bool is_meant(const struct preview *p, struct lead *lead)
{
    const struct selection *s = p->job.selection;
    struct filter_lead view;

    if (s->filter == NULL && s->search_keyword == NULL && s->assignees.count == 0)
        return true;
    if (lead == NULL)
        return false;
    view = lead_view(lead);
    return selection_match(s, &view);
}

static void look_at(struct preview *p, const char *id, struct lead *lead)
{
    struct err_text e;
    enum sq_err err = ctl_lead_read(p->c, id, lead, &e);
    const struct fill_contact who = {
        .lead = err == SQ_OK ? lead : NULL,
        .problem = err != SQ_OK && err != SQ_ERR_NOT_FOUND ? e.text : NULL,
    };

    if (!is_meant(p, who.lead))
        return;
    if (is_duplicate(p, id, who.lead)) {
        p->duplicates++;
        return;
    }
    p->leads++;
    fill(p, id, &who);
}

/* --- all leads --- */

static void look_at_set(struct preview *p, const char *key, struct lead *lead)
{
    char cursor[32] = "0";

    do {
        const struct redisReply *page = ctl_call(p->c, "SSCAN", key, cursor, "COUNT", PAGE);
        const struct redisReply *ids = reply_at(page, 1);
        const char *next = reply_str(reply_at(page, 0), NULL);

        for (size_t i = 0; i < reply_count(ids); i++) {
            const char *id = reply_str(reply_at(ids, i), NULL);

            /* A scan may name one twice. */
            if (id != NULL && map_set(&p->ids, id, p) == NULL)
                look_at(p, id, lead);
        }
        snprintf(cursor, sizeof(cursor), "%s", next != NULL ? next : "0");
        ctl_forget(p->c);
    } while (!text_eq(cursor, "0") && !p->c->failed);
}

static void look_at_all(struct preview *p)
{
    const struct selection *s = p->job.selection;
    struct lead lead = {.id = NULL};
    struct buf key = {0};

    if (s->lead_ids.count > 0) {
        for (unsigned i = 0; i < s->lead_ids.count && !p->c->failed; i++) {
            look_at(p, s->lead_ids.items[i], &lead);
            ctl_forget(p->c);
        }
    } else if (s->assignees.count > 0) {
        for (unsigned i = 0; i < s->assignees.count; i++) {
            buf_clear(&key);
            key_make(&key, p->c->ns, KEY_ASSIGNEE, s->assignees.items[i]);
            look_at_set(p, buf_str(&key), &lead);
        }
    } else {
        key_make(&key, p->c->ns, KEY_LEADS, NULL);
        look_at_set(p, buf_str(&key), &lead);
    }
    buf_free(&key);
    lead_free(&lead);
}

/* --- when it would be over --- */

static int64_t number_at(const struct redisReply *list, size_t i)
{
    const char *text = reply_str(reply_at(list, i), NULL);
    int64_t n;

    return text != NULL && text_to_i64(text, &n) == SQ_OK ? n : 0;
}

/* When a day's cap lets the last of n go: today's rest, then whole days. 0: there is none. */
static int64_t day_end(const struct redisReply *b, int64_t n, int64_t now_ms)
{
    int64_t cap = number_at(b, 1), used = number_at(b, 2);
    int64_t bounds[4] = {0, now_ms, now_ms + DAY_MS, 0};
    const char *zone = reply_str(reply_at(b, 4), NULL);
    bool rolling = text_eq(zone, "rolling");

    if (cap <= 0 || (!rolling && (zone == NULL || day_bounds(zone, now_ms, bounds) != SQ_OK)))
        return 0;
    if (!rolling && number_at(b, 3) != bounds[1])
        used = 0; /* of another day */
    n -= cap > used ? cap - used : 0;
    return n > 0 ? bounds[2] + (n - 1) / cap * DAY_MS : 0;
}

/* The latest time that one limit's bucket says. */
static void add_bucket(struct preview *p, const char *name, int64_t now_ms)
{
    struct ctl *c = p->c;
    const struct redisReply *b = ctl_call(c, "HMGET", ctl_key(c, KEY_BUCKET, name), "interval",
                                          "day_cap", "used", "day_start", "zone");
    int64_t n = p->waiting + p->units, at = 0, interval = number_at(b, 0);

    if (interval > 0)
        at = now_ms + (int64_t)((double)n * (double)interval / 1000);
    if (at > p->finish_ms)
        p->finish_ms = at;
    at = day_end(b, n, now_ms);
    if (at > p->finish_ms)
        p->finish_ms = at;
}

/* By what the daemons published: the sender's buckets, and its channel's. What waits there already
 * goes first. */
static void estimate(struct preview *p)
{
    struct ctl *c = p->c;
    const struct redisReply *s =
        ctl_call(c, "HMGET", ctl_key(c, KEY_SENDER, p->sender->id), "_buckets", "waiting");
    const char *names = reply_str(reply_at(s, 0), NULL);
    int64_t now_ms = ctl_now_ms(c);

    p->waiting = number_at(s, 1);
    for (size_t n; names != NULL && *names != '\0'; names += n + (names[n] == ' ')) {
        n = strcspn(names, " ");
        add_bucket(p, arena_strndup(&c->arena, names, n), now_ms);
    }
    add_bucket(p, arena_printf(&c->arena, "channel:%s", channel_name(p->job.message.channel)),
               now_ms);
}

/* --- saying it --- */

struct count {
    const char *name;
    int64_t n;
};

static void print_json(struct preview *p, const struct count *counts, const char *finish)
{
    struct buf *line = &p->c->line;

    json_open(line, '{');
    json_key_str(line, "channel", channel_name(p->job.message.channel));
    json_key_str(line, "sender", p->sender->id);
    for (; counts->name != NULL; counts++)
        json_key_int(line, counts->name, counts->n);
    json_opt_str(line, "estimated_finish", finish);
    if (p->sample_lead != NULL) {
        json_key(line, "sample");
        json_open(line, '{');
        json_key_str(line, "lead", p->sample_lead);
        for (size_t i = 0; i < 4; i++)
            json_opt_str(line, sampled_names[i], p->sample[i]);
        json_close(line, '}');
    }
    json_close(line, '}');
    ctl_end_line(p->c);
}

static void add_row(struct table *t, const char *name, const char *value)
{
    table_add(t, name);
    table_add(t, value);
}

static void print_table(struct preview *p, const struct count *counts, const char *finish)
{
    struct table t = {0};

    table_begin(&t, "|");
    add_row(&t, "channel", channel_name(p->job.message.channel));
    add_row(&t, "sender", p->sender->id);
    for (; counts->name != NULL; counts++)
        add_row(&t, counts->name, ctl_text(p->c, counts->n));
    if (finish != NULL)
        add_row(&t, "estimated_finish", finish);
    if (p->sample_lead != NULL)
        add_row(&t, "sample for", p->sample_lead);
    for (size_t i = 0; i < 4; i++)
        if (p->sample[i] != NULL)
            add_row(&t, sampled_names[i], p->sample[i]);
    ctl_end_table(p->c, &t, NULL);
}

static void print(struct preview *p)
{
    const struct count counts[] = {
        {"leads", p->leads},
        {"duplicates", p->duplicates},
        {"without_address", p->without_address},
        {"opted_out", p->opted_out},
        {"suppressed", p->suppressed},
        {"errors", p->errors},
        {"messages", p->messages},
        {p->job.message.channel == CHANNEL_SMS ? "segments" : NULL, p->segments},
        {NULL, 0},
    };
    char finish[TIME_TEXT];

    time_format(p->finish_ms, finish);
    if (p->c->json)
        print_json(p, counts, p->finish_ms > 0 ? finish : NULL);
    else
        print_table(p, counts, p->finish_ms > 0 ? finish : NULL);
}

/* --- the verb --- */

static bool understand(struct preview *p, const char *raw, size_t len, struct err_text *e)
{
    const struct config *c = p->c->config;
    struct job *j = &p->job;

    if (job_parse(raw, len, PRIORITY_NORMAL, clock_wall_ms(), &c->job, j, e) != SQ_OK)
        return false;
    if (!j->is_bulk || j->selection == NULL)
        err_set(e, SQ_ERR_INVALID, "it is for one recipient: bulk_settings are what makes a bulk");
    else if ((p->sender = choice_sender(c, &j->message, e)) != NULL)
        return bulk_compile(&j->message, &p->arena, &p->letter, e) == SQ_OK;
    return false;
}

static bool on_job(const char *raw, size_t len, void *arg)
{
    struct preview *p = arg;
    struct ctl *c = p->c;
    struct err_text e = {.text = ""};

    if (!understand(p, raw, len, &e)) {
        ctl_error("preview: %s", e.text);
        p->status = CTL_NEGATIVE;
        return false;
    }
    p->any_suppressed =
        !p->sender->ignore_suppressed &&
        ctl_int(c, "SCARD", ctl_key(c, KEY_SUPPRESSED, channel_name(p->job.message.channel))) > 0;
    look_at_all(p);
    estimate(p);
    print(p);
    return true;
}

enum ctl_exit ctl_bulk_preview(struct ctl *c)
{
    struct preview p = {.c = c, .status = CTL_OK};
    const struct input_opts opts = {
        .path = c->arg_count > 0 ? c->args[0] : "-",
        .max_job = c->config->job.max_bulk_bytes,
    };
    struct err_text e;

    if (input_each_job(&opts, on_job, &p, &e) != SQ_OK) {
        ctl_error("preview: %s", e.text);
        p.status = CTL_USAGE;
    }
    job_clear(&p.job);
    arena_free(&p.arena);
    map_free(&p.ids);
    map_free(&p.together);
    return p.status;
}

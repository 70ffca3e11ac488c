/* sendqctl bulk watch: one bulk until it is over: a line that is redrawn on a terminal, else a line
 * whenever something changed. */
#include "ctl_bulk.h"
#include "ctl_keys.h"

#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LOOKS 10 /* the rate is that of so many looks */
#define BAR 20   /* characters */

struct look {
    int64_t at_ms, final;
};

struct watch {
    struct ctl *c;
    const char *id;
    struct look looks[LOOKS];
    size_t count;
    struct buf last; /* what was printed */
    bool tty, over, done, gone;
};

/* What one look found. */
struct view {
    const char *status, *reason; /* reason: why it waits; NULL = it does not */
    int64_t total, queued, sent, failed, cancelled, eta;
    double rate;
};

/* --- one look --- */

static double rate_of(struct watch *w, int64_t now_ms, int64_t final)
{
    const struct look *first = &w->looks[w->count < LOOKS ? 0 : w->count % LOOKS];
    struct look now = {now_ms, final};
    double rate = 0;

    if (w->count > 0 && now.at_ms > first->at_ms && now.final > first->final)
        rate = (double)(now.final - first->final) * 1000 / (double)(now.at_ms - first->at_ms);
    w->looks[w->count++ % LOOKS] = now;
    return rate;
}

static bool look(struct watch *w, struct view *p)
{
    struct ctl *c = w->c;
    const struct redisReply *hash = ctl_bulk_read(c, w->id);
    int64_t now_ms = ctl_now_ms(c);

    if (c->failed || reply_count(hash) == 0)
        return false;
    *p = (struct view){
        .status = reply_field(hash, "status"),
        .reason = ctl_explain_words(c, hash, now_ms),
        .total = ctl_bulk_number(hash, "total_leads"),
        .queued = ctl_bulk_number(hash, "messages_queued"),
        .sent = ctl_bulk_number(hash, "messages_sent"),
        .failed = ctl_bulk_number(hash, "messages_failed"),
        .cancelled = ctl_bulk_number(hash, "messages_cancelled"),
    };
    p->rate = rate_of(w, now_ms, p->sent + p->failed);
    p->eta = ctl_bulk_eta(hash, p->rate);
    w->over = reply_field(hash, "finished_at") != NULL;
    w->done = text_eq(p->status, "done");
    return true;
}

/* --- showing it --- */

static void add_bar(const struct view *p, struct buf *out)
{
    int64_t final = p->total - p->queued;
    int filled = p->total > 0 ? (int)(BAR * final / p->total) : 0;

    buf_addc(out, '[');
    for (int i = 0; i < BAR; i++)
        buf_addc(out, i < filled ? '#' : '.');
    buf_addf(out, "] %5.1f %%  ", p->total > 0 ? 100.0 * (double) final / (double)p->total : 0.0);
}

static void add_numbers(const struct view *p, struct buf *out)
{
    buf_addf(out, "%s  sent %lld  failed %lld  queued %lld", p->status != NULL ? p->status : "",
             (long long)p->sent, (long long)p->failed, (long long)p->queued);
    if (p->cancelled > 0)
        buf_addf(out, "  cancelled %lld", (long long)p->cancelled);
    if (p->rate > 0)
        buf_addf(out, "  %.1f/s", p->rate);
    /* While it is expanded nobody knows how many there will be. */
    if (p->eta > 0 && !text_eq(p->status, "expanding"))
        buf_addf(out, "  ETA %lld s", (long long)p->eta);
    if (p->reason != NULL)
        buf_addf(out, "  %s", p->reason);
}

static void show_json(struct watch *w, const struct view *p)
{
    struct buf *line = &w->c->line;

    json_open(line, '{');
    json_key_str(line, "id", w->id);
    json_key_str(line, "status", p->status != NULL ? p->status : "");
    json_key_int(line, "total_leads", p->total);
    json_key_int(line, "messages_queued", p->queued);
    json_key_int(line, "messages_sent", p->sent);
    json_key_int(line, "messages_failed", p->failed);
    json_key_int(line, "messages_cancelled", p->cancelled);
    json_key(line, "rate");
    json_val_num(line, (double)(int64_t)(p->rate * 10) / 10);
    if (p->eta >= 0)
        json_key_int(line, "eta_seconds", p->eta);
    json_opt_str(line, "reason", p->reason);
    json_close(line, '}');
    ctl_end_line(w->c);
}

static void show_text(struct watch *w, const struct view *p)
{
    struct ctl *c = w->c;
    struct winsize size = {0};
    struct buf line = {0};
    size_t room;

    if (w->tty)
        add_bar(p, &line);
    add_numbers(p, &line);
    if (w->tty) {
        room =
            ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79;
        buf_adds(&c->out, "\r\033[K");
        text_add_visible(&c->out, buf_str(&line), text_cut(buf_str(&line), room));
        if (w->over)
            buf_addc(&c->out, '\n');
    } else if (!text_eq(buf_str(&line), buf_str(&w->last)) || w->over) {
        text_add_visible(&c->out, buf_str(&line), line.len);
        buf_addc(&c->out, '\n');
    }
    buf_free(&w->last);
    w->last = line;
}

/* False when there is nothing more to see, or nobody sees it. */
static bool step(struct watch *w)
{
    struct view p;

    if (!look(w, &p)) {
        w->gone = true;
        return false;
    }
    if (w->c->json)
        show_json(w, &p);
    else
        show_text(w, &p);
    ctl_forget(w->c);
    return ctl_flush(w->c) && !w->over;
}

/* --- the verb --- */

enum ctl_exit ctl_bulk_watch(struct ctl *c)
{
    struct watch w = {.c = c, .id = c->args[0], .tty = isatty(STDOUT_FILENO) && !c->json};
    int64_t pause_ms = ctl_opt_int(c, "interval", 1) * 1000;
    struct ctl_keys keys;

    ctl_keys_begin(&keys);
    while (step(&w) && ctl_keys_wait(&keys, pause_ms))
        ;
    if (w.tty && !w.over && w.count > 0) {
        buf_addc(&c->out, '\n');
        (void)ctl_flush(c);
    }
    ctl_keys_end(&keys);
    buf_free(&w.last);
    if (w.gone)
        return ctl_negative(c, "bulk %s: not found", w.id);
    if (!w.over)
        return ctl_negative(c, "bulk %s: is not over yet", w.id);
    return w.done ? CTL_OK : ctl_negative(c, "bulk %s: it did not end as done", w.id);
}

/* sendqctl top: the namespace live, on one screen: rates, senders and why they wait, workers,
 * errors. Plain terminal sequences on the alternate screen, which any end restores. */
#include "ctl_keys.h"

#include "ctl_day.h"
#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SCREEN_ON "\033[?1049h\033[?25l"
#define SCREEN_OFF "\033[?25h\033[?1049l"
#define HOME_CLEAR "\033[H\033[2J"
#define LINES_DEFAULT 24
#define ERRORS_SHOWN "5"

/* The counts of one look, for the rates of the next. */
struct look {
    int64_t at_ms, sent, failed;
    char day[11];
};

struct top {
    struct ctl *ctl;
    struct look last;
    struct ctl_keys keys;
};

/* --- one screen --- */

static double per_second(int64_t now, int64_t before, int64_t ms)
{
    return ms > 0 && now > before ? (double)(now - before) * 1000 / (double)ms : 0;
}

static void head(struct top *t)
{
    struct ctl *c = t->ctl;
    int64_t now = ctl_now_ms(c), ms = now - t->last.at_ms, jobs = 0;
    struct ctl_depths d;
    struct ctl_day day;
    double sent, failed;
    char at[TIME_TEXT];

    ctl_read_depths(c, &d);
    for (int p = 0; p < PRIORITY_COUNT; p++)
        jobs += d.jobs[p];
    ctl_read_day(c, now, &day);
    /* The first look has nothing to compare with; a new day begins at nothing. */
    if (!text_eq(day.day, t->last.day))
        ms = 0;
    sent = per_second(day.total.sent, t->last.sent, ms);
    failed = per_second(day.total.failed, t->last.failed, ms);
    t->last = (struct look){now, day.total.sent, day.total.failed, ""};
    memcpy(t->last.day, day.day, sizeof(day.day));
    time_format_seconds(now, at);
    buf_addf(&c->out, "%s  %s\n", c->ns, at);
    buf_addf(&c->out, "sent %.1f/s  failed %.1f/s  today %lld sent, %lld failed\n", sent, failed,
             (long long)day.total.sent, (long long)day.total.failed);
    buf_addf(&c->out, "jobs %lld  in flight %lld  delayed %lld  dead %lld  rejected %lld\n\n",
             (long long)jobs, (long long)d.in_flight, (long long)d.delayed,
             (long long)ctl_int(c, "ZCARD", ctl_key(c, KEY_DEAD, NULL)),
             (long long)ctl_int(c, "XLEN", ctl_key(c, KEY_REJECTED, NULL)));
}

static void errors(struct ctl *c)
{
    const struct redisReply *ids =
        ctl_call(c, "ZREVRANGE", ctl_key(c, KEY_DEAD, NULL), "0", ERRORS_SHOWN);
    struct table t = {0};

    table_begin(&t, "FAILED (UTC)|~SENDER|ERROR|~");
    for (size_t i = 0; i < reply_count(ids); i++) {
        const struct redisReply *m =
            ctl_call(c, "HMGET", ctl_key(c, KEY_MESSAGE, reply_str(reply_at(ids, i), NULL)),
                     "failed_at", "sender", "error_code", "error_message");

        table_add_time(&t, reply_str(reply_at(m, 0), NULL));
        for (size_t k = 1; k < 4; k++)
            table_add(&t, reply_str(reply_at(m, k), NULL));
    }
    ctl_end_table(c, &t, "no failures");
}

static void screen(struct top *t)
{
    struct ctl *c = t->ctl;
    struct table table = {0};

    head(t);
    ctl_table_workers(c, &table);
    ctl_end_table(c, &table, "no worker");
    buf_addc(&c->out, '\n');
    ctl_table_senders(c, &table);
    ctl_end_table(c, &table, "no sender has been configured");
    buf_addc(&c->out, '\n');
    errors(c);
    ctl_forget(c);
}

/* --- the terminal --- */

static void cut_to(struct buf *text, unsigned lines)
{
    char *at = text->data;

    for (unsigned i = 1; at != NULL && i < lines; i++) {
        at = memchr(at, '\n', text->len - (size_t)(at - text->data));
        if (at != NULL)
            at++;
    }
    if (at != NULL)
        text->len = (size_t)(at - text->data);
}

/* Composed whole and written at once: it does not flicker. */
static bool draw(struct top *t)
{
    struct ctl *c = t->ctl;
    struct winsize size = {0};
    struct buf frame = {0};
    bool good;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        c->paper.width = size.ws_col;
    if (!ctl_goes_on(c))
        return false;
    screen(t);
    if (c->failed) {
        buf_clear(&c->out);
        return c->lost;
    }
    cut_to(&c->out, size.ws_row > 0 ? size.ws_row : LINES_DEFAULT);
    buf_adds(&frame, HOME_CLEAR);
    buf_add(&frame, c->out.data, c->out.len);
    buf_clear(&c->out);
    buf_add(&c->out, frame.data, frame.len);
    buf_free(&frame);
    good = ctl_flush(c);
    return good;
}

/* Says what was on the screen's behalf: nothing of it may be left behind. */
static void say_now(struct ctl *c, const char *sequence)
{
    buf_clear(&c->out);
    buf_adds(&c->out, sequence);
    (void)ctl_flush(c);
}

static enum ctl_exit run(struct ctl *c)
{
    int64_t seconds = ctl_opt_int(c, "interval", 2);
    struct top t = {.ctl = c};

    if (c->json) /* the same numbers, for programs */
        return ctl_status.verbs->run(c);
    if (ctl_opt(c, "once")) {
        if (c->paper.width == 0)
            c->paper.width = 80;
        screen(&t);
        return CTL_OK;
    }
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
        return ctl_negative(c, "top needs a terminal, or --once");
    ctl_keys_begin(&t.keys);
    say_now(c, SCREEN_ON);
    while (draw(&t) && ctl_keys_wait(&t.keys, seconds * 1000))
        ;
    say_now(c, SCREEN_OFF);
    ctl_keys_end(&t.keys);
    if (c->failed) /* what was said of it went with the screen */
        ctl_error("the connection to Redis broke");
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {NULL, NULL, 0, 0, run, "rates, workers, senders, errors; q ends it"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "interval", .value = "N", .help = "seconds between looks (2)", .min = 1, .max = 3600},
    {.name = "once", .help = "one look, without a terminal"},
    {.name = NULL},
};

const struct ctl_noun ctl_top = {"top", "the namespace live", verbs, options};

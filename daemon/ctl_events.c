/* sendqctl events: the event stream, once or as it comes. */
#include "ctl.h"

#include "text.h"
#include <poll.h>
#include <string.h>

#define FOLLOW_MS 1000 /* one blocking read: well below any sane redis.timeout */
#define FOLLOW_PAGE "100"
#define VALUE_MAX 256 /* bytes of one value in a line for people */

static void json_event(struct ctl *c, const char *id, const struct redisReply *fields)
{
    json_open(&c->line, '{');
    json_key_str(&c->line, "entry", id);
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2) {
        const char *name = reply_str(reply_at(fields, i), NULL);

        if (name)
            json_key_str(&c->line, name, reply_str(reply_at(fields, i + 1), NULL));
    }
    json_close(&c->line, '}');
    ctl_end_line(c);
}

static void text_event(struct ctl *c, const struct redisReply *fields)
{
    const char *at = reply_field(fields, "at"), *type = reply_field(fields, "type");

    text_add_logsafe(&c->out, at ? at : "", VALUE_MAX);
    buf_addc(&c->out, ' ');
    text_add_logsafe(&c->out, type ? type : "", VALUE_MAX);
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2) {
        const char *name = reply_str(reply_at(fields, i), NULL);
        const char *value = reply_str(reply_at(fields, i + 1), NULL);

        if (!name || text_eq(name, "at") || text_eq(name, "type"))
            continue;
        buf_addc(&c->out, ' ');
        text_add_logsafe(&c->out, name, VALUE_MAX);
        buf_addc(&c->out, '=');
        text_add_logsafe(&c->out, value ? value : "", VALUE_MAX);
    }
    buf_addc(&c->out, '\n');
}

/* Prints one entry and notes that it was. */
static void show_entry(struct ctl *c, const struct redisReply *entry, struct buf *last)
{
    const char *id = reply_str(reply_at(entry, 0), NULL);

    if (!id)
        return;
    if (c->json)
        json_event(c, id, reply_at(entry, 1));
    else
        text_event(c, reply_at(entry, 1));
    buf_clear(last);
    buf_adds(last, id);
}

/* The newest ones, oldest first. `last` becomes the id to go on from. */
static void show_newest(struct ctl *c, int64_t count, struct buf *last)
{
    const struct redisReply *r = ctl_call(c, "XREVRANGE", ctl_key(c, KEY_EVENTS, NULL), "+", "-",
                                          "COUNT", ctl_text(c, count > 0 ? count : 1));
    const char *newest = reply_str(reply_at(reply_at(r, 0), 0), NULL);

    buf_adds(last, newest ? newest : "0-0");
    for (size_t i = reply_count(r); count > 0 && i-- > 0;)
        show_entry(c, reply_at(r, i), last);
}

/* Until nobody reads, or Redis refuses it. */
static void follow(struct ctl *c, struct buf *last)
{
    int64_t half = c->config->redis_timeout_ms / 2, wait = half < FOLLOW_MS ? half : FOLLOW_MS;

    while (ctl_flush(c) && ctl_goes_on(c)) {
        const struct redisReply *r =
            ctl_call(c, "XREAD", "COUNT", FOLLOW_PAGE, "BLOCK", ctl_text(c, wait), "STREAMS",
                     ctl_key(c, KEY_EVENTS, NULL), buf_str(last));
        const struct redisReply *entries = reply_at(reply_at(r, 0), 1);

        for (size_t i = 0; i < reply_count(entries); i++)
            show_entry(c, reply_at(entries, i), last);
        ctl_forget(c);
        if (c->failed)
            poll(NULL, 0, FOLLOW_MS);
    }
}

static enum ctl_exit show(struct ctl *c)
{
    struct buf last = {0};

    show_newest(c, ctl_opt_int(c, "count", 20), &last);
    if (ctl_opt(c, "follow"))
        follow(c, &last);
    buf_free(&last);
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {NULL, NULL, 0, 0, show, "the newest events, oldest first"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "count", .value = "N", .help = "at most N of those there (20)", .max = 100000},
    {.name = "follow", .help = "then every further one, as it comes"},
    {.name = NULL},
};

const struct ctl_noun ctl_events = {"events", "what happened", verbs, options};

/* sendqctl rejected: jobs that could not be accepted, with their untouched bytes. */
#include "ctl.h"

#include "crypto.h"
#include "text.h"
#include <string.h>

/* An entry of the stream; lives as long as the reply it came in. */
struct entry {
    const char *id;
    const struct redisReply *fields;
    const char *raw;
    size_t raw_len;
};

/* "<ms>-<seq>": the whole id, so that one entry is meant. */
static bool is_entry_id(const char *s)
{
    size_t first = strspn(s, "0123456789"), second;

    if (first == 0 || first > 20 || s[first] != '-')
        return false;
    second = strspn(s + first + 1, "0123456789");
    return second > 0 && second <= 20 && s[first + 1 + second] == '\0';
}

/* The n-th entry of a range reply; false if there is none. */
static bool read_entry(const struct redisReply *range, size_t n, struct entry *ret)
{
    const struct redisReply *entry = reply_at(range, n);

    *ret = (struct entry){.id = reply_str(reply_at(entry, 0), NULL), .fields = reply_at(entry, 1)};
    for (size_t i = 0; i + 1 < reply_count(ret->fields); i += 2)
        if (text_eq(reply_str(reply_at(ret->fields, i), NULL), "raw"))
            ret->raw = reply_str(reply_at(ret->fields, i + 1), &ret->raw_len);
    return ret->id != NULL;
}

/* --- ls --- */

static void json_head(struct ctl *c, const struct entry *e)
{
    json_open(&c->line, '{');
    json_key_str(&c->line, "id", e->id);
    json_opt_str(&c->line, "at", reply_field(e->fields, "at"));
    json_opt_str(&c->line, "error_code", reply_field(e->fields, "error_code"));
    json_opt_str(&c->line, "error_message", reply_field(e->fields, "error_message"));
    json_opt_str(&c->line, "field", reply_field(e->fields, "field"));
    json_key_int(&c->line, "bytes", (int64_t)e->raw_len);
}

static void list_entry(struct ctl *c, const struct entry *e, struct table *t)
{
    if (c->json) {
        json_head(c, e);
        json_close(&c->line, '}');
        ctl_end_line(c);
        return;
    }
    table_add(t, e->id);
    table_add_time(t, reply_field(e->fields, "at"));
    table_add_int(t, (int64_t)e->raw_len);
    table_add(t, reply_field(e->fields, "error_code"));
    table_add(t, reply_field(e->fields, "error_message"));
}

/* One entry a call: a page of them could hold gigabytes. */
static enum ctl_exit list(struct ctl *c)
{
    int64_t left = ctl_opt_int(c, "count", 50);
    struct table t = {0};
    struct buf before = {0};
    struct entry e;

    table_begin(&t, "ID|AT (UTC)|>BYTES|~ERROR|~REASON");
    buf_adds(&before, "+");
    for (; left > 0; left--) {
        if (!read_entry(ctl_call(c, "XREVRANGE", ctl_key(c, KEY_REJECTED, NULL), buf_str(&before),
                                 "-", "COUNT", "1"),
                        0, &e))
            break;
        list_entry(c, &e, &t);
        buf_clear(&before);
        buf_addf(&before, "(%s", e.id);
        ctl_forget(c);
    }
    buf_free(&before);
    ctl_end_table(c, &t, c->json ? NULL : "nothing was rejected");
    return CTL_OK;
}

/* --- show --- */

static void json_raw(struct ctl *c, const struct entry *e)
{
    struct buf text = {.max = c->line.max};

    if (text_is_utf8(e->raw, e->raw_len)) {
        json_key(&c->line, "raw");
        json_val_strn(&c->line, e->raw, e->raw_len);
    } else {
        base64_encode(&text, e->raw, e->raw_len);
        json_key_str(&c->line, "raw_base64", buf_str(&text));
    }
    buf_free(&text);
}

static void add(struct table *t, const char *name, const char *value)
{
    if (text_is_empty(value))
        return;
    table_add(t, name);
    table_add(t, value);
}

static void table_entry(struct ctl *c, const struct entry *e)
{
    struct table t = {0};

    table_begin(&t, "|");
    add(&t, "id", e->id);
    add(&t, "at", reply_field(e->fields, "at"));
    add(&t, "error_code", reply_field(e->fields, "error_code"));
    add(&t, "error_message", reply_field(e->fields, "error_message"));
    add(&t, "field", reply_field(e->fields, "field"));
    add(&t, "bytes", ctl_text(c, (int64_t)e->raw_len));
    ctl_end_table(c, &t, NULL);
    buf_addc(&c->out, '\n');
    text_add_visible(&c->out, e->raw, e->raw_len);
    buf_addc(&c->out, '\n');
}

static enum ctl_exit show(struct ctl *c)
{
    const char *id = c->args[0];
    struct entry e;

    if (!is_entry_id(id) ||
        !read_entry(ctl_call(c, "XRANGE", ctl_key(c, KEY_REJECTED, NULL), id, id), 0, &e) || !e.raw)
        return ctl_negative(c, "rejected %s: not found", id);
    if (ctl_opt(c, "raw")) {
        buf_add(&c->out, e.raw, e.raw_len);
    } else if (c->json) {
        json_head(c, &e);
        json_raw(c, &e);
        json_close(&c->line, '}');
        ctl_end_line(c);
    } else {
        table_entry(c, &e);
    }
    return CTL_OK;
}

/* --- requeue --- */

static void report(struct ctl *c, const char *id, bool queued)
{
    if (c->json) {
        json_open(&c->line, '{');
        json_key_str(&c->line, "id", id);
        json_key_str(&c->line, "result", queued ? "queued" : "not_found");
        json_close(&c->line, '}');
        ctl_end_line(c);
    } else if (queued) {
        buf_addf(&c->out, "%s: queued\n", id);
    }
    if (!queued)
        ctl_negative(c, "rejected %s: not found", id);
}

static enum ctl_exit requeue(struct ctl *c)
{
    enum ctl_exit status = CTL_OK;

    for (int i = 0; i < c->arg_count; i++) {
        const char *argv[] = {"jobs", c->args[i]};
        bool queued = is_entry_id(c->args[i]) &&
                      reply_int(reply_at(ctl_script(c, CTL_SCRIPT_REQUEUE, argv, 2), 1), 0) == 1;

        if (c->failed) /* those before it are done: say which */
            break;
        report(c, c->args[i], queued);
        ctl_flush(c);
        if (!queued)
            status = CTL_NEGATIVE;
        ctl_forget(c);
    }
    return status;
}

static const struct ctl_verb verbs[] = {
    {"ls", NULL, 0, 0, list, "the newest first"},
    {"show", "ID", 1, 1, show, "one entry with its job"},
    {"requeue", "ID...", 1, -1, requeue, "push the job again, byte for byte"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    CTL_OPTION_COUNT,
    {.name = "raw", .help = "the job's untouched bytes, nothing else", .verb = "show"},
    {.name = NULL},
};

const struct ctl_noun ctl_rejected = {"rejected", "jobs that could not be accepted", verbs,
                                      options};

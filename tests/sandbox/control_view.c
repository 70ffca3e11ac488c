/* Showing what was kept and counted. */
#include "control_view.h"

#include "crypto.h"
#include "json.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define REQUESTS_LIMIT 10000
/* A page of requests ends early once it is this long: the next page follows by `since`. */
#define PAGE_BYTES ((size_t)64 << 20)

/* Which records a call asks for. */
struct selection {
    bool any_dialect;
    unsigned dialect;
    const char *recipient; /* NULL = all */
};

static enum sq_err read_selection(const struct control_call *call, struct selection *ret,
                                  struct err_text *e)
{
    const char *name = form_get(call->query, "dialect");
    struct selection s = {.any_dialect = text_is_empty(name)};

    if (!s.any_dialect) {
        s.dialect = dialect_by_name(name);
        if (s.dialect == DIALECT_NONE && strcmp(name, dialect_name(DIALECT_NONE)) != 0)
            return err_set_field(e, SQ_ERR_INVALID, "dialect", "there is no \"%.40s\"", name);
    }
    s.recipient = form_get(call->query, "recipient");
    *ret = s;
    return SQ_OK;
}

static bool selects(const struct selection *s, const struct record *r)
{
    if (!s->any_dialect && r->dialect != s->dialect)
        return false;
    return !s->recipient || text_eq(s->recipient, r->recipient);
}

static enum sq_err read_number(const struct control_call *call, const char *name, int64_t fallback,
                               int64_t *ret, struct err_text *e)
{
    const char *text = form_get(call->query, name);
    int64_t n = fallback;

    if (!text_is_empty(text) && (text_to_i64(text, &n) || n < 0))
        return err_set_field(e, SQ_ERR_INVALID, name, "must be a whole number");
    *ret = n;
    return SQ_OK;
}

static void print_body(const struct record *r, struct buf *out)
{
    struct buf text = {.max = 2 * EXCHANGE_BODY_MAX};

    if (text_is_utf8(r->body, r->body_len)) {
        json_key(out, "body");
        json_val_strn(out, r->body, r->body_len);
        return;
    }
    base64_encode(&text, r->body, r->body_len);
    json_key_str(out, "body_base64", buf_str(&text));
    buf_free(&text);
}

/* Pairs, not an object: a header may come twice. */
static void print_headers(const struct record *r, struct buf *out)
{
    const char *name, *value;
    size_t pos = 0;

    json_key(out, "headers");
    json_open(out, '[');
    while (record_next_header(r, &pos, &name, &value)) {
        json_open(out, '[');
        json_val_str(out, name);
        json_val_str(out, value);
        json_close(out, ']');
    }
    json_close(out, ']');
}

static void print_request(const struct record *r, bool compact, struct buf *out)
{
    json_open(out, '{');
    json_key_int(out, "seq", (int64_t)r->seq);
    json_key_int(out, "time_us", r->mono_us);
    json_key_str(out, "dialect", dialect_name(r->dialect));
    json_key_str(out, "id", r->id);
    json_key_str(out, "recipient", r->recipient);
    json_key_int(out, "status", r->status);
    if (!compact) {
        json_key_bool(out, "accepted", r->accepted);
        json_key_int(out, "wall_us", r->wall_us);
        json_key_str(out, "method", r->method);
        json_key_str(out, "path", r->uri);
        print_headers(r, out);
        print_body(r, out);
    }
    json_close(out, '}');
}

/* "last" is the seq to ask from next; "more" says whether anything is behind it. */
enum sq_err control_view_requests(struct server *s, const struct control_call *call,
                                  struct buf *out, struct err_text *e)
{
    bool compact = text_eq(form_get(call->query, "fields"), "compact");
    struct selection sel = {0};
    int64_t since = 0, limit = 0;
    size_t i;
    enum sq_err err = read_selection(call, &sel, e);

    if (!err)
        err = read_number(call, "since", 0, &since, e);
    if (!err)
        err = read_number(call, "limit", REQUESTS_LIMIT, &limit, e);
    if (err)
        return err;
    json_open(out, '{');
    json_key(out, "requests");
    json_open(out, '[');
    for (i = record_log_after(&s->log, (uint64_t)since); i < s->log.count; i++) {
        const struct record *r = record_log_at(&s->log, i);

        if (limit == 0 || out->len > PAGE_BYTES)
            break;
        since = (int64_t)r->seq;
        if (!selects(&sel, r))
            continue;
        print_request(r, compact, out);
        limit--;
    }
    json_close(out, ']');
    json_key_int(out, "last", since);
    json_key_bool(out, "more", i < s->log.count);
    json_key_int(out, "dropped", (int64_t)s->log.dropped);
    json_close(out, '}');
    return SQ_OK;
}

enum sq_err control_view_stats(struct server *s, const struct control_call *call, struct buf *out,
                               struct err_text *e)
{
    uint64_t requests = 0, accepted = 0, duplicates = 0;

    (void)call;
    (void)e;
    json_open(out, '{');
    json_key(out, "dialects");
    json_open(out, '{');
    for (unsigned i = 0; i <= DIALECT_NONE; i++) {
        const struct tally *t = &s->tallies[i];

        json_key(out, dialect_name(i));
        json_open(out, '{');
        tally_print(t, out);
        json_close(out, '}');
        requests += t->requests;
        accepted += t->accepted;
        duplicates += tally_duplicates(t);
    }
    json_close(out, '}');
    json_key_int(out, "requests", (int64_t)requests);
    json_key_int(out, "accepted", (int64_t)accepted);
    json_key_int(out, "duplicates", (int64_t)duplicates);
    json_key_int(out, "in_flight", (int64_t)s->in_flight);
    json_key_int(out, "in_flight_max", (int64_t)s->in_flight_max);
    json_key_int(out, "kept", (int64_t)s->log.count);
    json_key_int(out, "dropped", (int64_t)s->log.dropped);
    json_close(out, '}');
    return SQ_OK;
}

enum sq_err control_view_ids(struct server *s, const struct control_call *call, struct buf *out,
                             struct err_text *e)
{
    struct selection sel = {0};
    enum sq_err err = read_selection(call, &sel, e);

    if (err)
        return err;
    if (sel.any_dialect)
        return err_set_field(e, SQ_ERR_INVALID, "dialect", "is required");
    json_open(out, '{');
    tally_print_ids(&s->tallies[sel.dialect], out);
    json_close(out, '}');
    return SQ_OK;
}

/* Arrival times of the accepted requests selected, in order. */
static int64_t *accepted_times(const struct record_log *log, const struct selection *sel,
                               size_t *ret_count)
{
    int64_t *times = mem_alloc((log->count + 1) * sizeof(*times));
    size_t count = 0;

    for (size_t i = 0; i < log->count; i++) {
        const struct record *r = record_log_at(log, i);

        if (r->accepted && selects(sel, r))
            times[count++] = r->mono_us;
    }
    *ret_count = count;
    return times;
}

/* The most that any half-open window [t, t + span) holds: such a window can begin at one of the
 * times, so two fingers over them see all that matter. */
static size_t densest_window(const int64_t *times, size_t count, int64_t span_us)
{
    size_t first = 0, most = 0;

    for (size_t i = 0; i < count; i++) {
        while (times[i] - times[first] >= span_us)
            first++;
        if (i - first + 1 > most)
            most = i - first + 1;
    }
    return most;
}

enum sq_err control_view_window(struct server *s, const struct control_call *call, struct buf *out,
                                struct err_text *e)
{
    struct selection sel = {0};
    int64_t ms = 0, *times;
    size_t count;
    enum sq_err err = read_selection(call, &sel, e);

    if (!err)
        err = read_number(call, "ms", 1000, &ms, e);
    if (!err && (ms == 0 || ms > INT64_MAX / 1000))
        err = err_set_field(e, SQ_ERR_INVALID, "ms", "is out of range");
    if (err)
        return err;
    times = accepted_times(&s->log, &sel, &count);
    json_open(out, '{');
    json_key_int(out, "ms", ms);
    json_key_int(out, "max", (int64_t)densest_window(times, count, ms * 1000));
    json_key_int(out, "total", (int64_t)count);
    json_key_int(out, "first_us", count > 0 ? times[0] : 0);
    json_key_int(out, "last_us", count > 0 ? times[count - 1] : 0);
    json_key_int(out, "dropped", (int64_t)s->log.dropped);
    json_close(out, '}');
    free(times);
    return SQ_OK;
}

/* sendqctl fsck: bulks with their ledgers, and the counters of the days, against the records. */
#include "ctl_fsck.h"

#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEDGERS 64 /* per call */
#define TRIES 3
#define DAY_MS INT64_C(86400000)
#define DAYS_MAX 400

/* --- bulks --- */

/* What its hash says is final. */
struct finals {
    bool there,
        moving; /* moving: failed ones are being tried again, their lines leave the ledger */
    int64_t sent, failed, shards;
};

static struct finals finals_of(struct ctl *c, const char *id)
{
    const struct redisReply *r = ctl_call(c, "HMGET", ctl_key(c, KEY_BULK, id), "status", "_cursor",
                                          "messages_sent", "messages_failed", "shards");
    const char *cursor = reply_str(reply_at(r, 1), NULL);

    return (struct finals){.there = reply_str(reply_at(r, 0), NULL) != NULL,
                           .moving = cursor && strncmp(cursor, "failed", 6) == 0,
                           .sent = reply_int(reply_at(r, 2), 0),
                           .failed = reply_int(reply_at(r, 3), 0),
                           .shards = reply_int(reply_at(r, 4), 0)};
}

/* Reads all ledgers; with `count` they are added to the tally. */
static void read_ledgers(struct fsck *f, const char *id, int64_t shards, bool count,
                         struct finals *ret)
{
    *ret = (struct finals){0};
    for (int64_t first = 0; first < shards && !f->c->failed; first += LEDGERS) {
        int64_t last = first + LEDGERS < shards ? first + LEDGERS - 1 : shards - 1;
        const char *args[] = {id, ctl_text(f->c, first), ctl_text(f->c, last)};
        struct fsck_answer a = fsck_look(f, CTL_SCRIPT_FSCK_COUNTS, "ledgers", args, 3);

        ret->sent += reply_int(reply_at(a.first, 0), 0);
        ret->failed += reply_int(reply_at(a.first, 1), 0);
        if (count)
            fsck_tally_add(f, a.second);
        ctl_forget(f->c);
    }
}

/* Lines and counts move in one step, and both only grow (unless failures are tried again): what the
 * ledgers hold lies between the counts before and after. */
static void check_ledgers(struct fsck *f, const char *id)
{
    struct finals before, after = {0}, lines = {0};
    bool good = false;

    for (int i = 0; i < TRIES && !good && !f->c->failed; i++) {
        before = finals_of(f->c, id);
        read_ledgers(f, id, before.shards, i == 0, &lines);
        after = finals_of(f->c, id);
        good = !after.there || before.moving || after.moving ||
               (lines.sent >= before.sent && lines.sent <= after.sent &&
                lines.failed >= before.failed && lines.failed <= after.failed);
    }
    if (!good && !f->c->failed)
        fsck_finding(
            f, "bad_ledger", ctl_key(f->c, KEY_BULK, id),
            arena_printf(&f->c->arena,
                         "counts %lld sent and %lld failed, its ledgers hold %lld and %lld",
                         (long long)after.sent, (long long)after.failed, (long long)lines.sent,
                         (long long)lines.failed),
            false);
    ctl_forget(f->c);
}

/* References that were set aside when it was paused: "*<bulk>" NUL <attempts> NUL <how many> ... */
static int64_t count_held(struct fsck *f, const char *id)
{
    const char *part = arena_printf(&f->c->arena, "%s:held", id);
    const struct redisReply *all =
        ctl_call(f->c, "LRANGE", ctl_key(f->c, KEY_BULK, part), "0", "-1");
    int64_t sum = 0;

    for (size_t i = 0; i < reply_count(all); i++)
        sum += fsck_reference_count(reply_at(all, i));
    return sum;
}

static void check_bulk(struct fsck *f, const char *id, const struct fsck_bulk *b)
{
    const char *args[] = {id, ctl_text(f->c, b->ready),
                          ctl_text(f->c, b->other + count_held(f, id)), ctl_text(f->c, b->leased)};

    f->unchecked += reply_int(fsck_look(f, CTL_SCRIPT_FSCK_COUNTS, "bulk", args, 4).first, 0);
    f->bulk_count++;
    ctl_forget(f->c);
}

void fsck_check_bulks(struct fsck *f)
{
    const char *id;
    void *b;

    for (size_t pos = 0; map_next(&f->bulks, &pos, &id, &b);) {
        if (!f->again)
            check_bulk(f, id, b);
        check_ledgers(f, id);
    }
}

/* --- counters of days --- */

static struct fsck_tally *tally_named(struct fsck *f, const char *name)
{
    struct fsck_tally *t = map_get(&f->tally, name);

    if (t == NULL) {
        t = mem_zalloc(sizeof(*t));
        map_set(&f->tally, name, t);
    }
    return t;
}

/* What all days within the retention say now. */
static void read_days(struct fsck *f, bool after)
{
    int64_t now = ctl_now_ms(f->c), first = now - f->c->config->retention_ms;

    if (first < now - DAYS_MAX * DAY_MS)
        first = now - DAYS_MAX * DAY_MS;
    for (int64_t at = first; at < now + DAY_MS && !f->c->failed; at += DAY_MS) {
        char day[TIME_TEXT];
        const struct redisReply *hash;

        time_format(at, day);
        day[10] = '\0';
        hash = ctl_call(f->c, "HGETALL", ctl_key(f->c, KEY_STATS, day));
        for (size_t i = 0; i + 1 < reply_count(hash); i += 2) {
            struct fsck_tally *t = tally_named(
                f, arena_printf(&f->c->arena, "%s %s", day, reply_str(reply_at(hash, i), NULL)));

            *(after ? &t->after : &t->before) = reply_int(reply_at(hash, i + 1), 0);
        }
        ctl_forget(f->c);
    }
}

void fsck_tally_open(struct fsck *f)
{
    const char *name;
    void *t;

    for (size_t pos = 0; map_next(&f->tally, &pos, &name, &t);)
        *(struct fsck_tally *)t = (struct fsck_tally){0};
    read_days(f, false);
}

void fsck_tally_close(struct fsck *f)
{
    read_days(f, true);
}

void fsck_tally_add(struct fsck *f, const struct redisReply *counts)
{
    for (size_t i = 0; i + 1 < reply_count(counts); i += 2) {
        const char *name = reply_str(reply_at(counts, i), NULL);

        if (name && strlen(name) > 11) /* "<day> " */
            tally_named(f, name)->records += reply_int(reply_at(counts, i + 1), 0);
    }
}

/* All records of a day are there if the retention reaches behind it, which only the daemon's own
 * configuration tells. What failed may have been tried again since, and is no longer a record. */
static bool is_whole(const struct fsck *f, const char *name, int64_t now)
{
    char midnight[TIME_TEXT];
    int64_t start = 0;
    size_t len = strlen(name);

    if (f->c->config_path == NULL || len < 5 || strcmp(name + len - 5, ":sent") != 0)
        return false;
    snprintf(midnight, sizeof(midnight), "%.10sT00:00:00.000Z", name);
    return time_parse(midnight, &start) == SQ_OK && start > now - f->c->config->retention_ms;
}

/* Records are counted while workers go on: they lie between the counters before and after. */
static bool differs(const struct fsck *f, const char *name, const struct fsck_tally *t, int64_t now)
{
    if (t->records > t->after)
        return true;
    return t->records < t->before && is_whole(f, name, now);
}

bool fsck_tally_differs(const struct fsck *f)
{
    int64_t now = ctl_now_ms(f->c);
    const char *name;
    void *t;

    for (size_t pos = 0; map_next(&f->tally, &pos, &name, &t);)
        if (differs(f, name, t, now))
            return !f->c->failed;
    return false;
}

void fsck_tally_tell(struct fsck *f)
{
    int64_t now = ctl_now_ms(f->c);
    const char *name;
    void *value;

    for (size_t pos = 0; map_next(&f->tally, &pos, &name, &value) && !f->c->failed;) {
        const struct fsck_tally *t = value;
        const char *day = arena_strndup(&f->c->arena, name, 10);

        if (differs(f, name, t, now))
            fsck_finding(f, "bad_count", ctl_key(f->c, KEY_STATS, day),
                         arena_printf(&f->c->arena, "%s is %lld, there are %lld records", name + 11,
                                      (long long)t->after, (long long)t->records),
                         false);
    }
}

/* sendqctl fsck: proves from the keys alone that every message is in exactly one place and that
 * all counts add up.
 *
 * Keys are read page by page while workers go on. So nothing that this reading shows is a finding
 * yet: each suspicion goes to ctl_fsck.lua, which looks at that one message, queue or bulk at one
 * moment, tells what is wrong, and mends it in the same step if asked to. */
#include "ctl_fsck.h"

#include "text.h"
#include <stdlib.h>
#include <string.h>

/* --- findings --- */

void fsck_finding(struct fsck *f, const char *kind, const char *key, const char *what,
                  bool repaired)
{
    struct ctl *c = f->c;

    if (f->again)
        return;
    f->findings++;
    f->repaired += repaired;
    if (!c->json) {
        buf_adds(&c->out, repaired ? "repaired " : "finding  ");
        buf_adds(&c->out, kind ? kind : "");
        buf_addc(&c->out, ' ');
        text_add_visible(&c->out, key ? key : "", key ? strlen(key) : 0);
        buf_adds(&c->out, ": ");
        text_add_visible(&c->out, what ? what : "", what ? strlen(what) : 0);
        buf_addc(&c->out, '\n');
    } else {
        json_open(&c->line, '{');
        json_key_str(&c->line, "kind", kind ? kind : "");
        json_key_str(&c->line, "key", key ? key : "");
        json_key_str(&c->line, "what", what ? what : "");
        json_key_bool(&c->line, "repaired", repaired);
        json_close(&c->line, '}');
        ctl_end_line(c);
    }
    ctl_flush(c);
}

struct fsck_answer fsck_look(struct fsck *f, enum ctl_script s, const char *look,
                             const char *const *args, size_t count)
{
    const char **all = arena_alloc(&f->c->arena, (count + 3) * sizeof(*all));
    const struct redisReply *r, *found;

    all[0] = look;
    all[1] = f->mend;
    all[2] = f->retention;
    if (count > 0)
        memcpy(all + 3, args, count * sizeof(*all));
    r = ctl_script(f->c, s, all, count + 3);
    found = reply_at(r, 1);
    for (size_t i = 0; i + 3 < reply_count(found); i += 4)
        fsck_finding(f, reply_str(reply_at(found, i), NULL),
                     reply_str(reply_at(found, i + 1), NULL),
                     reply_str(reply_at(found, i + 2), NULL),
                     text_eq(reply_str(reply_at(found, i + 3), NULL), "1"));
    return (struct fsck_answer){reply_at(r, 2), reply_at(r, 3)};
}

/* --- batches --- */

void fsck_batch_end(struct fsck *f, struct fsck_batch *b, fsck_on_answer done)
{
    struct fsck_answer a;

    if (b->count == 0)
        return;
    b->names[0] = b->fixed;
    a = b->fixed ? fsck_look(f, CTL_SCRIPT_FSCK, b->look, b->names, b->count + 1)
                 : fsck_look(f, CTL_SCRIPT_FSCK, b->look, b->names + 1, b->count);
    b->count = 0;
    if (done)
        done(f, a);
}

void fsck_batch_add(struct fsck *f, struct fsck_batch *b, const char *name, fsck_on_answer done)
{
    if (b->count >= FSCK_BATCH)
        fsck_batch_end(f, b, done);
    b->names[++b->count] = name;
}

/* --- the whole --- */

static void tell_summary(struct fsck *f)
{
    struct ctl *c = f->c;

    if (!c->json) {
        buf_addf(&c->out, "%lld messages, %lld bulks: ", (long long)f->messages,
                 (long long)f->bulk_count);
        if (f->findings == 0)
            buf_adds(&c->out, "clean\n");
        else
            buf_addf(&c->out, "%lld findings, %lld repaired\n", (long long)f->findings,
                     (long long)f->repaired);
        if (f->unchecked > 0)
            buf_addf(&c->out, "%lld counts were in motion and too large to look at in one step\n",
                     (long long)f->unchecked);
        return;
    }
    json_open(&c->line, '{');
    json_key_int(&c->line, "messages", f->messages);
    json_key_int(&c->line, "bulks", f->bulk_count);
    json_key_int(&c->line, "findings", f->findings);
    json_key_int(&c->line, "repaired", f->repaired);
    json_key_int(&c->line, "unchecked", f->unchecked);
    json_close(&c->line, '}');
    ctl_end_line(c);
}

/* The records, and what was counted of them. What differs is counted a second time, knowing each
 * one: SCAN may show a key twice. */
static void check_records(struct fsck *f)
{
    fsck_tally_open(f);
    fsck_check_bulks(f);
    fsck_scan_messages(f);
    fsck_tally_close(f);
    if (!f->again && fsck_tally_differs(f)) {
        f->again = true;
        check_records(f);
        f->again = false;
        fsck_tally_tell(f);
    }
}

static void free_values(struct map *m)
{
    const char *key;
    void *value;

    for (size_t pos = 0; map_next(m, &pos, &key, &value);)
        free(value);
    map_free(m);
}

static enum ctl_exit run(struct ctl *c)
{
    struct buf retention = {0};
    struct fsck f = {.c = c, .mend = ctl_opt(c, "repair") ? "1" : "0"};

    buf_add_i64(&retention, c->config->retention_ms);
    f.retention = buf_str(&retention);
    c->spares_types = true;
    fsck_scan_keys(&f);
    fsck_read_places(&f);
    check_records(&f);
    fsck_check_senders(&f);
    tell_summary(&f);
    seen_clear(&f.queued);
    seen_clear(&f.final);
    map_free(&f.queues);
    map_free(&f.workers);
    map_free(&f.others);
    free_values(&f.bulks);
    free_values(&f.senders);
    free_values(&f.tally);
    buf_free(&retention);
    return f.findings > f.repaired ? CTL_NEGATIVE : CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {NULL, NULL, 0, 0, run, "whether every message is in one place, and all counts add up"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "repair", .help = "mend what is safe; else nothing is written"},
    {.name = NULL},
};

const struct ctl_noun ctl_fsck = {"fsck", "look for what is lost, doubled or miscounted", verbs,
                                  options};

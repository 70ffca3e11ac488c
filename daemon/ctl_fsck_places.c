/* sendqctl fsck: reads every place in which a message or a bulk's recipients can wait. */
#include "ctl_fsck.h"

#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 500

/* --- references of bulks (refs.lua) --- */

static struct fsck_bulk *bulk_named(struct fsck *f, const char *id)
{
    struct fsck_bulk *b = map_get(&f->bulks, id);

    if (b == NULL) {
        b = mem_zalloc(sizeof(*b));
        map_set(&f->bulks, id, b);
    }
    return b;
}

int64_t fsck_reference_count(const struct redisReply *element)
{
    size_t len = 0, at = 0;
    const char *s = reply_str(element, &len);

    if (s == NULL || (s[0] != '*' && s[0] != '+'))
        return -1;
    for (int skip = 0; skip < 2 && at < len; skip++)
        at += strlen(s + at) + 1; /* a NUL stands behind the last byte, too */
    return at < len ? strtoll(s + at, NULL, 10) : 0;
}

/* The bulk that an element refers to, and how often; NULL if it is a message's id. */
static struct fsck_bulk *open_reference(struct fsck *f, const struct redisReply *element,
                                        int64_t *ret_count)
{
    int64_t n = fsck_reference_count(element);

    if (n < 0)
        return NULL;
    *ret_count = n;
    return bulk_named(f, reply_str(element, NULL) + 1);
}

/* --- queues --- */

struct queue_walk {
    struct fsck_batch batch;
    int64_t *extra; /* of its sender */
};

static void read_element(struct fsck *f, struct queue_walk *w, const struct redisReply *element)
{
    int64_t n = 0;
    struct fsck_bulk *b = open_reference(f, element, &n);
    const char *id = reply_str(element, NULL);

    if (b) {
        b->ready += n;
        *w->extra += n - 1;
    } else if (id) {
        seen_add(&f->queued, id);
        fsck_batch_add(f, &w->batch, id, NULL);
    }
}

static int64_t *extra_of(struct fsck *f, const char *queue)
{
    const char *end = strchr(queue, ':'); /* a lane's name may hold more of them */
    char *sender = mem_strndup(queue, end ? (size_t)(end - queue) : strlen(queue));
    int64_t *extra = map_get(&f->senders, sender);

    if (extra == NULL) {
        extra = mem_zalloc(sizeof(*extra));
        map_set(&f->senders, sender, extra);
    }
    free(sender);
    return extra;
}

/* From the tail to the head: what is claimed leaves at the head and what comes is added at the
 * tail, so that nothing that stays can be missed; what is met twice is looked at again. */
static void read_queue(struct fsck *f, const char *queue)
{
    struct queue_walk w = {.batch = {.look = "ready", .fixed = queue}, .extra = extra_of(f, queue)};
    size_t count = PAGE;

    for (int64_t last = -1; count == PAGE && !f->c->failed; last -= PAGE) {
        const struct redisReply *page =
            ctl_call(f->c, "LRANGE", ctl_key(f->c, KEY_READY, queue),
                     ctl_text(f->c, last - PAGE + 1), ctl_text(f->c, last));

        count = reply_count(page);
        for (size_t i = 0; i < count; i++)
            read_element(f, &w, reply_at(page, i));
        fsck_batch_end(f, &w.batch, NULL);
        ctl_forget(f->c);
    }
}

/* --- sets --- */

/* The members of a set of messages, by the look that judges them. */
static void read_set(struct fsck *f, const char *command, const char *key_name, const char *look,
                     const char *fixed)
{
    struct fsck_batch batch = {.look = look, .fixed = fixed};
    size_t step = strcmp(command, "ZSCAN") == 0 ? 2 : 1; /* with scores */
    char cursor[32] = "0";

    do {
        const struct redisReply *r =
            ctl_call(f->c, command, arena_printf(&f->c->arena, "%s:%s", f->c->ns, key_name), cursor,
                     "COUNT", "500");
        const struct redisReply *page = reply_at(r, 1);
        const char *next = reply_str(reply_at(r, 0), NULL);

        for (size_t i = 0; i < reply_count(page); i += step) {
            int64_t n = 0;
            struct fsck_bulk *b = open_reference(f, reply_at(page, i), &n);
            const char *id = reply_str(reply_at(page, i), NULL);

            if (b)
                b->other += n;
            else if (id && id[0] != '~') /* a sender, whose turn comes then */
                fsck_batch_add(f, &batch, id, NULL);
        }
        fsck_batch_end(f, &batch, NULL);
        snprintf(cursor, sizeof(cursor), "%s", next ? next : "0");
        ctl_forget(f->c);
    } while (strcmp(cursor, "0") != 0 && !f->c->failed);
}

/* --- slices --- */

static int64_t held_places(const char *places)
{
    int64_t n = 0;

    for (; places && *places; places++)
        n += *places != '0';
    return n;
}

/* <sender> NUL <priority> NUL <bulk> NUL ...: the bulk, or NULL. */
static const char *bulk_of_slice(const struct redisReply *value)
{
    size_t len = 0, at = 0;
    const char *s = reply_str(value, &len);

    for (int skip = 0; s && skip < 2 && at < len; skip++)
        at += strlen(s + at) + 1;
    return s && at < len ? s + at : NULL;
}

static void read_slices(struct fsck *f, const char *worker)
{
    const struct redisReply *hash = ctl_call(f->c, "HGETALL", ctl_key(f->c, KEY_REFS, worker));

    for (size_t i = 0; i + 1 < reply_count(hash); i += 2) {
        const char *name = reply_str(reply_at(hash, i), NULL);
        const char *bulk = bulk_of_slice(reply_at(hash, i + 1));

        if (name && strchr(name, '.') == NULL && bulk)
            bulk_named(f, bulk)->leased +=
                held_places(reply_field(hash, arena_printf(&f->c->arena, "%s.", name)));
    }
    ctl_forget(f->c);
}

/* --- all --- */

void fsck_read_places(struct fsck *f)
{
    const char *name;
    char *lease;
    void *value;

    for (size_t pos = 0; map_next(&f->queues, &pos, &name, &value);)
        read_queue(f, name);
    read_set(f, "ZSCAN", "delayed", "delayed", "");
    read_set(f, "ZSCAN", "dead", "dead", "");
    for (size_t pos = 0; map_next(&f->workers, &pos, &name, &value);) {
        struct buf key = {0};

        buf_addf(&key, "lease:%s", name);
        lease = mem_strdup(buf_str(&key));
        read_set(f, "SSCAN", lease, "lease", name);
        read_slices(f, name);
        free(lease);
        buf_free(&key);
    }
}

void fsck_check_senders(struct fsck *f)
{
    const char *name;
    void *extra;

    for (size_t pos = 0; map_next(&f->senders, &pos, &name, &extra);) {
        const char *args[] = {name, ctl_text(f->c, *(int64_t *)extra)};

        f->unchecked += reply_int(fsck_look(f, CTL_SCRIPT_FSCK_COUNTS, "sender", args, 2).first, 0);
        ctl_forget(f->c);
    }
    f->unchecked += reply_int(fsck_look(f, CTL_SCRIPT_FSCK_COUNTS, "buckets", NULL, 0).first, 0);
}

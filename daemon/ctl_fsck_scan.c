/* sendqctl fsck: walks over all keys of the namespace, and knows each by its name. */
#include "ctl_fsck.h"

#include "siphash.h"
#include "text.h"
#include "uuid.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- ids seen --- */

static struct seen_slot *find(const struct seen *s, uint64_t hash)
{
    size_t at = hash & (s->cap - 1);

    while (s->slots[at].times > 0 && s->slots[at].hash != hash)
        at = (at + 1) & (s->cap - 1);
    return &s->slots[at];
}

static void grow(struct seen *s)
{
    struct seen old = *s;

    s->cap = old.cap ? 2 * old.cap : 1024;
    s->slots = mem_zalloc(s->cap * sizeof(*s->slots));
    if (old.cap == 0)
        random_bytes(s->seed, sizeof(s->seed));
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].times > 0)
            *find(s, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

uint32_t seen_add(struct seen *s, const char *id)
{
    struct seen_slot *slot;

    if (2 * (s->count + 1) > s->cap)
        grow(s);
    slot = find(s, siphash13(id, strlen(id), s->seed));
    if (slot->times == 0) {
        slot->hash = siphash13(id, strlen(id), s->seed);
        s->count++;
    }
    return slot->times++;
}

uint32_t seen_times(const struct seen *s, const char *id)
{
    return s->cap ? find(s, siphash13(id, strlen(id), s->seed))->times : 0;
}

void seen_clear(struct seen *s)
{
    free(s->slots);
    *s = (struct seen){0};
}

/* --- walking --- */

typedef void (*on_key)(struct fsck *f, const char *name, void *arg);
typedef void (*on_page)(struct fsck *f, void *arg);

/* SCAN with MATCH over <prefix>*; what a page's keys were gathered for is done at its end, since
 * the replies are freed then. */
static void walk(struct fsck *f, const char *prefix, on_key key, on_page page, void *arg)
{
    size_t skip = strlen(f->c->ns) + 1;
    char cursor[32] = "0";

    do {
        const char *match = arena_printf(&f->c->arena, "%s:%s*", f->c->ns, prefix);
        const struct redisReply *r = ctl_call(f->c, "SCAN", cursor, "MATCH", match, "COUNT", "500");
        const char *next = reply_str(reply_at(r, 0), NULL);

        for (size_t i = 0; i < reply_count(reply_at(r, 1)); i++) {
            const char *name = reply_str(reply_at(reply_at(r, 1), i), NULL);

            if (name && strlen(name) > skip)
                key(f, name + skip, arg);
        }
        page(f, arg);
        snprintf(cursor, sizeof(cursor), "%s", next ? next : "0");
        ctl_forget(f->c);
    } while (strcmp(cursor, "0") != 0 && !f->c->failed);
}

/* --- all but messages --- */

enum key_family {
    FAMILY_KNOWN,    /* any number of them, for as long as somebody wants */
    FAMILY_EXPIRING, /* must have an end of life */
    FAMILY_QUEUE,
    FAMILY_WORKER,
    FAMILY_BULK,
    FAMILY_CONTENT,
};

/* Names that end with ':' are the beginning of names. */
struct key_shape {
    const char *name, *type;
    enum key_family family;
};

static const struct key_shape shapes[] = {
    {"message:", "hash", FAMILY_KNOWN},       {"content:", "string", FAMILY_CONTENT},
    {"text:", "string", FAMILY_KNOWN},        {"reading:", "string", FAMILY_EXPIRING},
    {"ready:", "list", FAMILY_QUEUE},         {"lanes:", "zset", FAMILY_KNOWN},
    {"lease:", "set", FAMILY_WORKER},         {"refs:", "hash", FAMILY_WORKER},
    {"claimed:", "list", FAMILY_WORKER},      {"bulk:", "hash", FAMILY_BULK},
    {"reply:", "list", FAMILY_EXPIRING},      {"idem:", "string", FAMILY_EXPIRING},
    {"pair:", "string", FAMILY_EXPIRING},     {"stats:", "hash", FAMILY_EXPIRING},
    {"timeline:", "stream", FAMILY_EXPIRING}, {"minutes:", "hash", FAMILY_EXPIRING},
    {"worker:", "hash", FAMILY_EXPIRING},     {"bucket:", "hash", FAMILY_KNOWN},
    {"sender:", "hash", FAMILY_KNOWN},        {"waiters:", "zset", FAMILY_KNOWN},
    {"parked:", "zset", FAMILY_EXPIRING},     {"lead:", "hash", FAMILY_KNOWN},
    {"leads", "set", FAMILY_KNOWN},           {"leads:assignee:", "set", FAMILY_KNOWN},
    {"template:", "hash", FAMILY_KNOWN},      {"suppressed:", "set", FAMILY_KNOWN},
    {"jobs", "list", FAMILY_KNOWN},           {"jobs:high", "list", FAMILY_KNOWN},
    {"jobs:low", "list", FAMILY_KNOWN},       {"events", "stream", FAMILY_KNOWN},
    {"rejected", "stream", FAMILY_KNOWN},     {"dead", "zset", FAMILY_KNOWN},
    {"workers", "zset", FAMILY_KNOWN},        {"senders", "set", FAMILY_KNOWN},
    {"worker_names", "zset", FAMILY_KNOWN},   {"delayed", "zset", FAMILY_KNOWN},
    {"turn", "zset", FAMILY_KNOWN},           {"suspects", "hash", FAMILY_EXPIRING},
    {"healed", "string", FAMILY_EXPIRING},    {"expand", "zset", FAMILY_KNOWN},
    {"shared_buckets", "set", FAMILY_KNOWN},  {"bulks", "zset", FAMILY_KNOWN},
#ifdef SENDQ_CRASH_POINTS
    {"test_clock", "string", FAMILY_KNOWN},
#endif
};

/* NULL = no key of sendq's has such a name. */
static const struct key_shape *shape_of(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        size_t len = strlen(shapes[i].name);

        if (shapes[i].name[len - 1] == ':' ? strncmp(name, shapes[i].name, len) == 0
                                           : strcmp(name, shapes[i].name) == 0)
            return &shapes[i];
    }
    return NULL;
}

struct key_walk {
    struct fsck_batch types, expiring, contents, owners, parts, lanes;
};

/* "<id>:content", "<id>:ledger:7": where the part begins; NULL = it is a bulk's own hash. */
static const char *part_of(const char *name)
{
    static const char *const parts[] = {"content", "ids", "held"};
    const char *last = strrchr(name, ':'), *before;

    if (last == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcmp(last + 1, parts[i]) == 0)
            return last;
    if (last[1] == '\0' || strspn(last + 1, "0123456789") != strlen(last + 1))
        return NULL;
    for (before = last; before > name && before[-1] != ':';)
        before--;
    if (before > name && (strncmp(before, "ledger:", 7) == 0 || strncmp(before, "seen:", 5) == 0))
        return before - 1;
    return NULL;
}

/* The type of "<id>", "<id>:content", "<id>:ledger:7". */
static const char *type_in_bulk(const char *name)
{
    const char *part = part_of(name);

    switch (part ? part[1] : 'h') {
    case 'i': /* ids */
        return "list";
    case 's': /* seen */
        return "set";
    case 'h': /* held, or its own hash */
        return part ? "list" : "hash";
    default: /* content, ledger */
        return "hash";
    }
}

static void note_bulk(struct fsck *f, struct key_walk *w, const char *name)
{
    const char *part = part_of(name);

    if (part == NULL) {
        if (map_get(&f->bulks, name) == NULL)
            map_set(&f->bulks, name, mem_zalloc(sizeof(struct fsck_bulk)));
        return;
    }
    fsck_batch_add(f, &w->parts, arena_strndup(&f->c->arena, name, (size_t)(part - name)), NULL);
    fsck_batch_add(f, &w->parts, part + 1, NULL);
}

/* A name that is none of this namespace's: of another one that begins with this one's name
 * ("sendq:eu" beside "sendq"), which then has senders of its own. */
static bool is_of_other(struct fsck *f, const char *name)
{
    for (const char *end = strchr(name, ':'); end; end = strchr(end + 1, ':')) {
        const char *other = arena_strndup(&f->c->arena, name, (size_t)(end - name));
        const char *key = arena_printf(&f->c->arena, "%s:%s:senders", f->c->ns, other);

        if (shape_of(end + 1) == NULL)
            continue;
        if (map_get(&f->others, other) == NULL) {
            bool is_set = text_eq(reply_str(ctl_call(f->c, "TYPE", key), NULL), "set");

            map_set(&f->others, other, is_set ? f : (void *)f->c);
        }
        if (map_get(&f->others, other) == f)
            return true;
    }
    return false;
}

static void note_key(struct fsck *f, const char *name, void *arg)
{
    const struct key_shape *shape = shape_of(name);
    struct key_walk *w = arg;
    const char *rest;

    if (shape == NULL) {
        if (!is_of_other(f, name))
            fsck_finding(f, "unknown_key", arena_printf(&f->c->arena, "%s:%s", f->c->ns, name),
                         "is none of sendq's", false);
        return;
    }
    rest = name + strlen(shape->name);
    fsck_batch_add(f, &w->types, name, NULL);
    fsck_batch_add(f, &w->types, shape->family == FAMILY_BULK ? type_in_bulk(rest) : shape->type,
                   NULL);
    if (shape->family == FAMILY_EXPIRING)
        fsck_batch_add(f, &w->expiring, name, NULL);
    else if (shape->family == FAMILY_CONTENT)
        fsck_batch_add(f, &w->contents, rest, NULL);
    else if (shape->family == FAMILY_BULK)
        note_bulk(f, w, rest);
    else if (shape->family == FAMILY_QUEUE && !map_set(&f->queues, rest, f))
        fsck_batch_add(f, &w->lanes, rest, NULL);
    else if (shape->family == FAMILY_WORKER && !map_set(&f->workers, rest, f))
        fsck_batch_add(f, &w->owners, rest, NULL);
}

static void end_keys(struct fsck *f, void *arg)
{
    struct key_walk *w = arg;

    fsck_batch_end(f, &w->types, NULL);
    fsck_batch_end(f, &w->expiring, NULL);
    fsck_batch_end(f, &w->contents, NULL);
    fsck_batch_end(f, &w->owners, NULL);
    fsck_batch_end(f, &w->parts, NULL);
    fsck_batch_end(f, &w->lanes, NULL);
}

void fsck_scan_keys(struct fsck *f)
{
    struct key_walk w = {.types.look = "types",
                         .expiring.look = "expiring",
                         .contents.look = "contents",
                         .owners.look = "owners",
                         .parts.look = "parts",
                         .lanes.look = "lanes"};

    walk(f, "", note_key, end_keys, &w);
}

/* --- messages --- */

/* Those that are queued were seen in a queue; how often, `queued` knows. */
static void on_messages(struct fsck *f, struct fsck_answer a)
{
    struct fsck_batch odd = {.look = "queued"};

    for (size_t i = 0; i < reply_count(a.first) && !f->again; i++) {
        const char *id = reply_str(reply_at(a.first, i), NULL);
        uint32_t times = id ? seen_times(&f->queued, id) : 1;

        if (times == 1)
            continue;
        fsck_batch_add(f, &odd, id, NULL);
        fsck_batch_add(f, &odd, times ? "1" : "0", NULL);
    }
    fsck_batch_end(f, &odd, NULL);
    fsck_tally_add(f, a.second);
}

static void note_message(struct fsck *f, const char *name, void *arg)
{
    const char *id = name + strlen("message:");

    if (f->again && seen_add(&f->final, id) > 0)
        return;
    f->messages += !f->again;
    fsck_batch_add(f, arg, id, on_messages);
}

static void end_messages(struct fsck *f, void *arg)
{
    fsck_batch_end(f, arg, on_messages);
}

void fsck_scan_messages(struct fsck *f)
{
    struct fsck_batch batch = {.look = "messages"};

    walk(f, "message:", note_message, end_messages, &batch);
}

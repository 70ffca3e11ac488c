/* sendqctl fsck: walks over all keys of the namespace, and knows each by its name. */
#include "ctl_fsck.h"

#include "siphash.h"
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
static const struct {
    const char *name;
    enum key_family family;
} families[] = {
    {"message:", FAMILY_KNOWN},       {"content:", FAMILY_CONTENT},  {"ready:", FAMILY_QUEUE},
    {"lease:", FAMILY_WORKER},        {"refs:", FAMILY_WORKER},      {"claimed:", FAMILY_WORKER},
    {"bulk:", FAMILY_BULK},           {"reply:", FAMILY_EXPIRING},   {"idem:", FAMILY_EXPIRING},
    {"pair:", FAMILY_EXPIRING},       {"stats:", FAMILY_EXPIRING},   {"timeline:", FAMILY_EXPIRING},
    {"minutes:", FAMILY_EXPIRING},    {"worker:", FAMILY_EXPIRING},  {"bucket:", FAMILY_KNOWN},
    {"sender:", FAMILY_KNOWN},        {"waiters:", FAMILY_KNOWN},    {"parked:", FAMILY_EXPIRING},
    {"lead:", FAMILY_KNOWN},          {"leads:", FAMILY_KNOWN},      {"template:", FAMILY_KNOWN},
    {"suppressed:", FAMILY_KNOWN},    {"jobs", FAMILY_KNOWN},        {"jobs:high", FAMILY_KNOWN},
    {"jobs:low", FAMILY_KNOWN},       {"events", FAMILY_KNOWN},      {"rejected", FAMILY_KNOWN},
    {"dead", FAMILY_KNOWN},           {"workers", FAMILY_KNOWN},     {"senders", FAMILY_KNOWN},
    {"worker_names", FAMILY_KNOWN},   {"delayed", FAMILY_KNOWN},     {"turn", FAMILY_KNOWN},
    {"suspects", FAMILY_EXPIRING},    {"healed", FAMILY_EXPIRING},   {"expand", FAMILY_KNOWN},
    {"shared_buckets", FAMILY_KNOWN}, {"bulks", FAMILY_KNOWN},       {"leads", FAMILY_KNOWN},
    {"text:", FAMILY_KNOWN},          {"reading:", FAMILY_EXPIRING},
#ifdef SENDQ_CRASH_POINTS
    {"test_clock", FAMILY_KNOWN},
#endif
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

struct key_walk {
    struct fsck_batch expiring, contents, owners, parts;
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

static void note_key(struct fsck *f, const char *name, void *arg)
{
    struct key_walk *w = arg;
    size_t i = 0, len = 0;

    for (; i < FAMILIES; i++) {
        len = strlen(families[i].name);
        if (families[i].name[len - 1] == ':' ? strncmp(name, families[i].name, len) == 0
                                             : strcmp(name, families[i].name) == 0)
            break;
    }
    if (i == FAMILIES)
        fsck_finding(f, "unknown_key", arena_printf(&f->c->arena, "%s:%s", f->c->ns, name),
                     "is none of sendq's", false);
    else if (families[i].family == FAMILY_EXPIRING)
        fsck_batch_add(f, &w->expiring, name, NULL);
    else if (families[i].family == FAMILY_CONTENT)
        fsck_batch_add(f, &w->contents, name + len, NULL);
    else if (families[i].family == FAMILY_QUEUE)
        map_set(&f->queues, name + len, f);
    else if (families[i].family == FAMILY_BULK)
        note_bulk(f, w, name + len);
    else if (families[i].family == FAMILY_WORKER && !map_set(&f->workers, name + len, f))
        fsck_batch_add(f, &w->owners, name + len, NULL);
}

static void end_keys(struct fsck *f, void *arg)
{
    struct key_walk *w = arg;

    fsck_batch_end(f, &w->expiring, NULL);
    fsck_batch_end(f, &w->contents, NULL);
    fsck_batch_end(f, &w->owners, NULL);
    fsck_batch_end(f, &w->parts, NULL);
}

void fsck_scan_keys(struct fsck *f)
{
    struct key_walk w = {.expiring.look = "expiring",
                         .contents.look = "contents",
                         .owners.look = "owners",
                         .parts.look = "parts"};

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

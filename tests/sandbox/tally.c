/* Counting what was answered, and which messages were accepted how often. */
#include "tally.h"

#include "json.h"

#include <stdio.h>

void tally_arrive(struct tally *t)
{
    t->in_flight++;
    if (t->in_flight > t->in_flight_max)
        t->in_flight_max = t->in_flight;
}

void tally_leave(struct tally *t)
{
    t->in_flight--;
}

static void count_id(struct tally *t, const char *key)
{
    uint64_t *n = map_get(&t->ids, key);

    if (!n && t->ids.count >= TALLY_IDS_MAX) {
        t->untracked++;
        return;
    }
    if (!n) {
        n = arena_alloc(&t->counts, sizeof(*n));
        *n = 0;
        map_set(&t->ids, key, n);
    }
    ++*n;
}

void tally_count(struct tally *t, const struct record *r)
{
    t->requests++;
    t->by_status[r->status]++;
    if (!r->accepted)
        return;
    t->accepted++;
    count_id(t, record_key(r));
}

void tally_clear(struct tally *t)
{
    uint64_t in_flight = t->in_flight;

    map_free(&t->ids);
    arena_free(&t->counts);
    *t = (struct tally){.in_flight = in_flight, .in_flight_max = in_flight};
}

uint64_t tally_duplicates(const struct tally *t)
{
    return t->accepted - t->untracked - t->ids.count;
}

static void print_statuses(const struct tally *t, struct buf *out)
{
    char name[16];

    json_key(out, "status");
    json_open(out, '{');
    for (unsigned i = 0; i < TALLY_STATUS_END; i++) {
        if (t->by_status[i] == 0)
            continue;
        snprintf(name, sizeof(name), "%u", i);
        json_key_int(out, name, (int64_t)t->by_status[i]);
    }
    json_close(out, '}');
}

void tally_print(const struct tally *t, struct buf *out)
{
    json_key_int(out, "requests", (int64_t)t->requests);
    json_key_int(out, "accepted", (int64_t)t->accepted);
    json_key_int(out, "distinct", (int64_t)t->ids.count);
    json_key_int(out, "duplicates", (int64_t)tally_duplicates(t));
    json_key_int(out, "untracked", (int64_t)t->untracked);
    json_key_int(out, "in_flight", (int64_t)t->in_flight);
    json_key_int(out, "in_flight_max", (int64_t)t->in_flight_max);
    print_statuses(t, out);
}

void tally_print_ids(const struct tally *t, struct buf *out)
{
    const char *id;
    void *count;
    size_t pos = 0;

    while (map_next(&t->ids, &pos, &id, &count))
        json_key_int(out, id, (int64_t) * (const uint64_t *)count);
}

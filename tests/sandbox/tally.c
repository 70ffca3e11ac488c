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
    uintptr_t n = (uintptr_t)map_get(&t->ids, key);

    if (n == 0 && t->ids.count >= TALLY_IDS_MAX) {
        t->untracked++;
        return;
    }
    /* The count itself is the value: no allocation per identity beside the map's key. */
    map_set(&t->ids, key, (void *)(n + 1));
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
    void *n;
    size_t pos = 0;

    while (map_next(&t->ids, &pos, &id, &n))
        json_key_int(out, id, (int64_t)(uintptr_t)n);
}

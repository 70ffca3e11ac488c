/* Quiet hours of messages. */
#include "quiet_zones.h"

#include <stdlib.h>

/* tzdata has some 600; leads may name what is none. */
#define ZONES_MAX 1000

/* What is in the map; a zone that this system does not know is remembered, too. */
struct zone {
    bool known;
    struct tz tz;
};

static const struct tz *zone_find(struct quiet_zones *z, const char *name)
{
    struct zone *zone;

    if (name == NULL || !tz_name_is_valid(name))
        return NULL;
    zone = map_get(&z->loaded, name);
    if (zone == NULL) {
        if (z->loaded.count >= ZONES_MAX)
            quiet_zones_free(z);
        zone = mem_zalloc(sizeof(*zone));
        zone->known = tz_load(name, &zone->tz) == SQ_OK;
        (void)map_set(&z->loaded, name, zone);
    }
    return zone->known ? &zone->tz : NULL;
}

int64_t quiet_until(struct quiet_zones *z, const struct sender *s, const struct message *m,
                    int64_t now_ms)
{
    const struct quiet_hours *q = m->type == TYPE_MARKETING      ? &s->quiet_marketing
                                  : m->type == TYPE_NOTIFICATION ? &s->quiet_notification
                                                                 : NULL;
    const struct tz *tz;

    if (q == NULL || q->from == q->to)
        return now_ms;
    tz = zone_find(z, m->text[MSG_TIMEZONE]);
    if (tz == NULL)
        tz = zone_find(z, s->quiet_zone);
    return tz != NULL ? quiet_end(q, tz, now_ms) : now_ms;
}

void quiet_zones_free(struct quiet_zones *z)
{
    const char *name;
    void *zone;
    size_t pos = 0;

    while (map_next(&z->loaded, &pos, &name, &zone)) {
        tz_free(&((struct zone *)zone)->tz);
        free(zone);
    }
    map_free(&z->loaded);
    z->loaded = (struct map){0};
}

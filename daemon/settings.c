/* From the configuration to the store. */
#include "settings.h"

#include "text.h"
#include <stdio.h>
#include <unistd.h>

static const char *const event_modes[] = {
    [EVENTS_FINAL] = "final", [EVENTS_ALL] = "all", [EVENTS_OFF] = "off"};

void settings_apply(const struct config *c, struct store *s)
{
    const struct store_settings settings = {
        .events = event_modes[c->events],
        .events_max = c->events_max,
        .timeline_max = c->timeline_max,
        .retention_ms = c->retention_ms,
        .idempotency_ms = c->idempotency_ms,
        .reply_ms = c->reply_ttl_ms,
        .stats_ms = c->stats_retention_ms,
        .rejected_ms = c->rejected_retention_ms,
        .max_deaths = c->max_deaths,
        .lease_ms = c->lease_ms,
        .keep_content = c->keep_content,
    };

    store_set_settings(s, &settings);
}

const char *settings_worker_name(const struct config *c, char scratch[SETTINGS_NAME])
{
    char host[256];

    if (!text_is_empty(c->worker_name))
        return c->worker_name;
    if (gethostname(host, sizeof(host)) != 0)
        snprintf(host, sizeof(host), "unknown");
    host[sizeof(host) - 1] = '\0';
    snprintf(scratch, SETTINGS_NAME, "%s-%d", host, (int)getpid());
    return scratch;
}

/* The channels, message types and priorities: enums and their spellings. */
#ifndef SENDQ_MODEL_CHANNEL_H
#define SENDQ_MODEL_CHANNEL_H

#include <stdbool.h>

enum channel {
    CHANNEL_EMAIL,
    CHANNEL_SMS,
    CHANNEL_RCS,
    CHANNEL_WHATSAPP,
    CHANNEL_SLACK,
    CHANNEL_TEAMS,
    CHANNEL_TELEGRAM,
    CHANNEL_INSTAGRAM,
    CHANNEL_FACEBOOK,
    CHANNEL_TIKTOK,
    CHANNEL_LIVE_CHAT,
    CHANNEL_GMB, /* shut down by its provider: known by name, always refused */
    CHANNEL_CUSTOM,
    CHANNEL_COUNT
};

#define CHANNEL_BIT(c) (1u << (c))
#define CHANNEL_ALL (CHANNEL_BIT(CHANNEL_COUNT) - 1u)

enum message_type { TYPE_TRANSACTIONAL, TYPE_MARKETING, TYPE_NOTIFICATION, TYPE_COUNT };
enum priority { PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW, PRIORITY_COUNT };

const char *channel_name(enum channel c);       /* "email", as in the configuration */
const char *channel_name_upper(enum channel c); /* "EMAIL", as messaging's channel_used */
/* Any case; also the APIs' own spellings: instagram_dm, ig, fb, messenger, livechat, ... */
bool channel_parse(const char *s, enum channel *ret);

const char *message_type_name(enum message_type t);             /* "TRANSACTIONAL" */
bool message_type_parse(const char *s, enum message_type *ret); /* any case */

const char *priority_name(enum priority p); /* "HIGH" */
/* HIGH|NORMAL|LOW in any case, or 1|2|3 (1 = HIGH, 2 = NORMAL, 3 = LOW). */
bool priority_parse(const char *s, enum priority *ret);

#endif

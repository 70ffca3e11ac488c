/* Spellings of channels, message types and priorities. */
#include "channel.h"

#include "text.h"

#define ALIAS_MAX 6

struct channel_names {
    const char *name, *upper;
    const char *alias[ALIAS_MAX]; /* what the send APIs and people also call it */
};

static const struct channel_names channels[CHANNEL_COUNT] = {
    [CHANNEL_EMAIL] = {"email", "EMAIL", {"mail", "e_mail"}},
    [CHANNEL_SMS] = {"sms", "SMS", {"text"}},
    [CHANNEL_RCS] = {"rcs", "RCS", {NULL}},
    [CHANNEL_WHATSAPP] = {"whatsapp", "WHATSAPP", {"wa", "whats_app"}},
    [CHANNEL_SLACK] = {"slack", "SLACK", {"slack_dm"}},
    [CHANNEL_TEAMS] = {"teams", "TEAMS", {"ms_teams", "msteams", "microsoft_teams"}},
    [CHANNEL_TELEGRAM] = {"telegram", "TELEGRAM", {"tg"}},
    [CHANNEL_INSTAGRAM] = {"instagram", "INSTAGRAM", {"instagram_dm", "ig", "ig_dm"}},
    [CHANNEL_FACEBOOK] = {"facebook",
                          "FACEBOOK",
                          {"fb", "messenger", "facebook_messenger", "fb_messenger", "facebook_dm"}},
    [CHANNEL_TIKTOK] = {"tiktok", "TIKTOK", {"tik_tok", "tiktok_dm"}},
    [CHANNEL_LIVE_CHAT] = {"live_chat", "LIVE_CHAT", {"livechat", "webchat", "web_chat"}},
    [CHANNEL_GMB] = {"gmb", "GMB", {"google_my_business", "google_business"}},
    [CHANNEL_CUSTOM] = {"custom", "CUSTOM", {"webhook"}},
};

static const char *const type_names[TYPE_COUNT] = {
    [TYPE_TRANSACTIONAL] = "TRANSACTIONAL",
    [TYPE_MARKETING] = "MARKETING",
    [TYPE_NOTIFICATION] = "NOTIFICATION",
};

static const char *const priority_names[PRIORITY_COUNT] = {
    [PRIORITY_HIGH] = "HIGH",
    [PRIORITY_NORMAL] = "NORMAL",
    [PRIORITY_LOW] = "LOW",
};

const char *channel_name(enum channel c)
{
    return (unsigned)c < CHANNEL_COUNT ? channels[c].name : "";
}

const char *channel_name_upper(enum channel c)
{
    return (unsigned)c < CHANNEL_COUNT ? channels[c].upper : "";
}

/* "-" is read as "_", so that "live-chat" needs no alias of its own. */
static bool spelled(const char *s, const char *name)
{
    for (; *s && *name; s++, name++) {
        char c = *s == '-' ? '_' : *s;

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c != *name)
            return false;
    }
    return *s == *name;
}

static bool channel_is_called(const struct channel_names *n, const char *s)
{
    if (spelled(s, n->name))
        return true;
    for (unsigned i = 0; i < ALIAS_MAX && n->alias[i]; i++)
        if (spelled(s, n->alias[i]))
            return true;
    return false;
}

bool channel_parse(const char *s, enum channel *ret)
{
    for (unsigned i = 0; s && i < CHANNEL_COUNT; i++) {
        if (channel_is_called(&channels[i], s)) {
            *ret = (enum channel)i;
            return true;
        }
    }
    return false;
}

const char *message_type_name(enum message_type t)
{
    return (unsigned)t < TYPE_COUNT ? type_names[t] : "";
}

bool message_type_parse(const char *s, enum message_type *ret)
{
    for (unsigned i = 0; s && i < TYPE_COUNT; i++) {
        if (text_ieq(s, type_names[i])) {
            *ret = (enum message_type)i;
            return true;
        }
    }
    return false;
}

const char *priority_name(enum priority p)
{
    return (unsigned)p < PRIORITY_COUNT ? priority_names[p] : "";
}

bool priority_parse(const char *s, enum priority *ret)
{
    if (!s)
        return false;
    if (s[0] >= '1' && s[0] <= '3' && !s[1]) {
        *ret = (enum priority)(s[0] - '1');
        return true;
    }
    for (unsigned i = 0; i < PRIORITY_COUNT; i++) {
        if (text_ieq(s, priority_names[i])) {
            *ret = (enum priority)i;
            return true;
        }
    }
    return false;
}

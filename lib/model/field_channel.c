/* What a channel can express, beyond recipient and text. */
#include "field.h"

#define MAIL (CHANNEL_BIT(CHANNEL_EMAIL))
/* Whoever receives a custom channel's messages gets every field and may do as he likes. */
#define CUSTOM (CHANNEL_BIT(CHANNEL_CUSTOM))
#define PHONE (CHANNEL_BIT(CHANNEL_SMS) | CHANNEL_BIT(CHANNEL_RCS))

/* The channels of a text that not all have; 0 = all have it. A provider may still refuse one that
 * its channel has, but it does not itself. */
static const unsigned text_channels[MSG_TEXT_COUNT] = {
    [MSG_SUBJECT] = MAIL | CUSTOM,
    [MSG_HTML] = MAIL | CUSTOM,
    [MSG_FROM_NAME] = MAIL | CUSTOM | CHANNEL_BIT(CHANNEL_SLACK) | CHANNEL_BIT(CHANNEL_LIVE_CHAT),
    [MSG_REPLY_TO] = MAIL | CUSTOM,
    [MSG_REPLY_ID] = CHANNEL_ALL & ~PHONE,
    [MSG_REPLY_MODE] = MAIL | CUSTOM,
    [MSG_SUBTYPE_ID] = MAIL | CUSTOM,
    [MSG_FORWARD] = MAIL | CUSTOM,
};

static const unsigned list_channels[MSG_LIST_COUNT] = {
    [MSG_CC] = MAIL | CUSTOM,
    [MSG_BCC] = MAIL | CUSTOM,
    [MSG_MEDIA] = CHANNEL_ALL,
};

enum sq_err field_check_channel(const struct field_at *at, const struct message *m,
                                const struct field_name *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool is_text = names[i].text != MSG_TEXT_COUNT;
        bool has = is_text ? m->text[names[i].text] != NULL : m->list[names[i].list].count > 0;
        unsigned channels = is_text ? text_channels[names[i].text] : list_channels[names[i].list];

        if (has && channels && !(channels & CHANNEL_BIT(m->channel)))
            return field_fail(at, SQ_ERR_INVALID, names[i].name, "cannot be sent over %s",
                              channel_name(m->channel));
    }
    return SQ_OK;
}

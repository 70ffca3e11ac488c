/* Choosing senders. */
#include "choice.h"

#include "provider.h"
#include "text.h"
#include <stdio.h>

const struct sender *choice_sender(const struct config *c, const struct message *m,
                                   struct err_text *e)
{
    const char *id = m->text[MSG_SENDER];
    const char *channel = channel_name(m->channel);
    const struct sender *s =
        id != NULL ? config_sender(c, id) : config_default_sender(c, m->channel);

    if (s == NULL && id != NULL)
        err_set_field(e, SQ_ERR_NOT_FOUND, "sender", "no sender has this id");
    else if (s == NULL)
        err_set_field(e, SQ_ERR_NOT_FOUND, "sender", "none is named and channel %s has no default",
                      channel);
    else if ((s->channels & CHANNEL_BIT(m->channel)) == 0)
        err_set_field(e, SQ_ERR_NOT_FOUND, "sender", "it does not serve channel %s", channel);
    else
        return s;
    snprintf(e->code, sizeof(e->code), "%s", error_code_name(CODE_INSUFFICIENT_PERMISSIONS));
    return NULL;
}

enum sq_err choice_count(const struct sender *s, struct message *m, struct err_text *e)
{
    const struct provider_limits *l = s->provider->limits;
    enum limit_unit day = l != NULL ? l->day_unit : LIMIT_MESSAGES;
    enum limit_unit rate = l != NULL ? l->rate_unit : LIMIT_MESSAGES;

    m->units = units_count(m, rate != LIMIT_MESSAGES ? rate : day);
    if (s->day.count == 0 || day == LIMIT_MESSAGES || m->units <= s->day.count)
        return SQ_OK;
    err_set_field(e, SQ_ERR_INVALID, "recipient",
                  "it counts as %u and its sender may send %lld a day", m->units,
                  (long long)s->day.count);
    snprintf(e->code, sizeof(e->code), "%s", error_code_name(CODE_RATE_LIMITED));
    return SQ_ERR_INVALID;
}

const struct sender *choice_fallback(const struct config *c, const struct message *m)
{
    const char *origin = m->text[MSG_ORIGIN] != NULL ? m->text[MSG_ORIGIN] : m->text[MSG_SENDER];
    const struct sender *first = origin != NULL ? config_sender(c, origin) : NULL;
    bool passed = m->text[MSG_ORIGIN] == NULL; /* the one in hand, in the list */

    for (unsigned i = 0; first != NULL && i < first->fallback_count; i++) {
        const struct sender *s = config_sender(c, first->fallback[i]);

        if (passed && s != NULL && (s->channels & CHANNEL_BIT(m->channel)) != 0)
            return s;
        passed = passed || text_eq(first->fallback[i], m->text[MSG_SENDER]);
    }
    return NULL;
}

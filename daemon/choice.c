/* Choosing senders. */
#include "choice.h"

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

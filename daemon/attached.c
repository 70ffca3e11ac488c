/* Attachments of an attempt, by where they come from. */
#include "attached.h"

#include "provider.h"
#include "stored.h"
#include <string.h>

static bool wants_bytes(const struct provider *p, enum channel c)
{
    return p->attachments == ATTACHMENTS_BYTES ||
           (p->attachments == ATTACHMENTS_MAIL && c == CHANNEL_EMAIL);
}

/* No provider can read our storage; a URL is as good as bytes for some. */
bool attached_is_missing(const struct attempt *t, const struct attachment *a)
{
    if (a->content_base64 != NULL)
        return false;
    return a->stored != NULL || a->storage_path != NULL ||
           (a->url != NULL && wants_bytes(t->sender->provider, t->message.channel));
}

bool attached_any_missing(const struct attempt *t)
{
    for (unsigned i = 0; i < t->message.attachment_count; i++)
        if (attached_is_missing(t, &t->message.attachments[i]))
            return true;
    return false;
}

size_t attached_bytes(const struct attempt *t)
{
    const struct config *c = t->live->config;
    size_t here = 0, coming = 0;

    for (unsigned i = 0; i < t->message.attachment_count; i++) {
        const struct attachment *a = &t->message.attachments[i];

        if (a->content_base64 != NULL)
            here += strlen(a->content_base64) / 4 * 3;
        else if (a->stored != NULL)
            here += stored_size(a->stored) / 4 * 3;
        else if (attached_is_missing(t, a))
            coming += (size_t)c->attachments_max;
    }
    return here + (coming < c->attachments_total ? coming : (size_t)c->attachments_total);
}

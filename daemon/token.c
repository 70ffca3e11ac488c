/* From a sender's settings to its account at the token cache. */
#include "token.h"

#include "provider.h"
#include "text.h"

/* Where a new refresh token is to be written: the setting knows its file. */
static const char *file_of(const struct sender *s, const char *value)
{
    for (unsigned i = 0; value && i < s->value_count; i++)
        if (s->values[i].value == value)
            return s->values[i].file;
    return NULL;
}

struct oauth_account *token_account(struct oauth *o, const struct sender *s)
{
    struct provider_oauth spec = {.scope = NULL};
    const char *url = s->token_endpoint;

    if (!s->provider->oauth || !s->provider->oauth(s, &spec))
        return NULL;
    return oauth_account(o, &spec, text_is_empty(url) ? spec.token_url : url,
                         file_of(s, spec.refresh_token));
}

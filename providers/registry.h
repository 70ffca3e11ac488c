/* All providers by name. */
#ifndef SENDQ_PROVIDERS_REGISTRY_H
#define SENDQ_PROVIDERS_REGISTRY_H

#include "provider.h"

/* Every provider: file <name>.c defines provider_<name>, and its name stands here. */
#define PROVIDER_LIST(X)                                                                           \
    X(gmail)                                                                                       \
    X(mailgun)                                                                                     \
    X(microsoft)                                                                                   \
    X(postmark)                                                                                    \
    X(resend)                                                                                      \
    X(sandbox)                                                                                     \
    X(sendgrid)                                                                                    \
    X(ses)                                                                                         \
    X(smtp)                                                                                        \
    X(twilio)                                                                                      \
    X(webhook)                                                                                     \
    X(vonage)                                                                                      \
    X(telnyx)                                                                                      \
    X(whatsapp)                                                                                    \
    X(messenger)                                                                                   \
    X(instagram)                                                                                   \
    X(slack)                                                                                       \
    X(teams)                                                                                       \
    X(telegram)                                                                                    \
    X(tiktok)

#define PROVIDER_DECLARE(name) extern const struct provider provider_##name;
PROVIDER_LIST(PROVIDER_DECLARE)
#undef PROVIDER_DECLARE

const struct provider *provider_find(const char *name); /* or NULL */
const struct provider *provider_at(unsigned i);         /* NULL past the end */

#endif

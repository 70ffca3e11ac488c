/* All providers by name. */
#ifndef SENDQ_PROVIDERS_REGISTRY_H
#define SENDQ_PROVIDERS_REGISTRY_H

#include "provider.h"

const struct provider *provider_find(const char *name); /* or NULL */
const struct provider *provider_at(unsigned i);         /* NULL past the end */

#endif

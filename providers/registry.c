/* The table of all providers. */
#include "registry.h"

#include "text.h"

#define PROVIDER_ENTRY(name) &provider_##name,

static const struct provider *const providers[] = {PROVIDER_LIST(PROVIDER_ENTRY)};

#define PROVIDER_COUNT (sizeof(providers) / sizeof(providers[0]))

const struct provider *provider_at(unsigned i)
{
    return i < PROVIDER_COUNT ? providers[i] : NULL;
}

const struct provider *provider_find(const char *name)
{
    for (unsigned i = 0; i < PROVIDER_COUNT; i++) {
        if (text_eq(providers[i]->name, name))
            return providers[i];
    }
    return NULL;
}

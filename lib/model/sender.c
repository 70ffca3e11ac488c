/* Looking up a sender's settings. */
#include "sender.h"

#include <string.h>

const char *sender_value(const struct sender *s, const char *name)
{
    for (unsigned i = 0; i < s->value_count; i++)
        if (strcmp(s->values[i].name, name) == 0)
            return s->values[i].value;
    return NULL;
}

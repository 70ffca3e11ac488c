/* Counting a message in the unit of its provider. */
#include "units.h"

#include "segments.h"

static unsigned recipients(const struct message *m)
{
    unsigned n = 1 + m->list[MSG_CC].count + m->list[MSG_BCC].count;

    for (const char *p = m->text[MSG_RECIPIENT]; m->channel == CHANNEL_EMAIL && p && *p; p++)
        n += *p == ',';
    return n;
}

unsigned units_count(const struct message *m, enum limit_unit unit)
{
    if (unit == LIMIT_RECIPIENTS)
        return recipients(m);
    if (unit == LIMIT_SEGMENTS && m->channel == CHANNEL_SMS)
        return sms_measure(m->text[MSG_CONTENT]).segments;
    return 1;
}

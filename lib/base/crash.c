/* The crash hook of test builds; this file is empty in any other. */
#include "crash.h"

#ifdef SENDQ_CRASH_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often the point asked for was passed. A static, since the points are spread over all floors
 * and test builds alone have it. */
static unsigned passed;

void crash_point(const char *prefix, const char *suffix)
{
    const char *spec = getenv("SENDQ_CRASH");
    size_t prefix_len = strlen(prefix), len = prefix_len + strlen(suffix);
    unsigned long nth = 1;

    if (!spec || strncmp(spec, prefix, prefix_len) != 0 ||
        strncmp(spec + prefix_len, suffix, len - prefix_len) != 0)
        return;
    if (spec[len] == ':')
        nth = strtoul(spec + len + 1, NULL, 10);
    else if (spec[len])
        return;
    if (++passed == nth)
        kill(getpid(), SIGKILL);
}
#endif

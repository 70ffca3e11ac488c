/* The crash hook of test builds: the process dies at the n-th passing of a named point.
 *
 * SENDQ_CRASH="finish.before:2" kills the process (SIGKILL) when the point finish.before is passed
 * for the second time. Compiled out unless SENDQ_CRASH_POINTS is set (CMake option), so a release
 * has no such switch. */
#ifndef SENDQ_BASE_CRASH_H
#define SENDQ_BASE_CRASH_H

#ifdef SENDQ_CRASH_POINTS
/* Counts this passing of prefix+suffix and dies if it is the one asked for. */
void crash_point(const char *prefix, const char *suffix);
#define CRASH_POINT(prefix, suffix) crash_point(prefix, suffix)
#else
#define CRASH_POINT(prefix, suffix) ((void)0)
#endif

#endif

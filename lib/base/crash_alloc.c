/* The allocation hook of test builds; this file is empty in any other.
 *
 * SENDQ_CRASH="alloc:N": the N-th allocation finds no memory. The linker leads those of sendqd's
 * own code here (--wrap in daemon/CMakeLists.txt); other programs do not take this file in. */
#ifdef SENDQ_CRASH_POINTS
#include <stdlib.h>
#include <string.h>

/* A static for the reason that crash.c gives. */
static unsigned long allocated;

static int no_memory(void)
{
    const char *spec = getenv("SENDQ_CRASH");

    return spec && strncmp(spec, "alloc:", 6) == 0 && ++allocated == strtoul(spec + 6, NULL, 10);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
    return no_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return no_memory() ? NULL : __real_realloc(p, size);
}
#endif

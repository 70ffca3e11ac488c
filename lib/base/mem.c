/* Allocation that aborts: for small fixed sizes, where nothing useful could be done without. */
#include "buf.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mem_gone(void)
{
    static const char text[] = "sendq: out of memory\n";
    ssize_t n;

    /* The last words of the process, not a log line: whoever finds the core wants the reason. */
    n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n;
    abort();
}

static void *mem_check(void *p)
{
    if (p == NULL)
        mem_gone();
    return p;
}

void *mem_alloc(size_t size)
{
    return mem_check(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return mem_check(calloc(1, size ? size : 1));
}

void *mem_realloc(void *p, size_t size)
{
    return mem_check(realloc(p, size ? size : 1));
}

char *mem_strdup(const char *s)
{
    return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);

    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

/* What the fuzz targets share. */
#ifndef SENDQ_TESTS_FUZZ_H
#define SENDQ_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A broken promise is no crash of its own, so make it one. */
static inline void check(bool ok)
{
    if (!ok)
        abort();
}

/* The input with a NUL behind it, in a block of its own; free it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    check(text != NULL);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif

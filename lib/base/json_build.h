/* Builds a cJSON tree from text that json_check found good; private to this floor. */
#ifndef SENDQ_BASE_JSON_BUILD_H
#define SENDQ_BASE_JSON_BUILD_H

#include <stddef.h>

typedef struct cJSON cJSON;

/* The tree of s[0..len), which holds `values` values. One block of memory, freed by json_free alone
 * (never cJSON_Delete). A number's valuestring is its spelling. NULL when there is no memory.
 * stay: s itself, where long strings are unescaped; or NULL, then all are copied. */
cJSON *json_build(const char *s, size_t len, size_t values, char *stay);

#endif

/* What gcc's analyzer cannot see, since libcjson is compiled already: NULL is of no type. Included
 * before every source that `tools/lint.sh` lets it read. */
#ifndef SENDQ_TOOLS_ANALYZER_H
#define SENDQ_TOOLS_ANALYZER_H

#include <cjson/cJSON.h>
#include <stddef.h>

#define cJSON_IsArray(j) ((j) != NULL && cJSON_IsArray(j))
#define cJSON_IsNumber(j) ((j) != NULL && cJSON_IsNumber(j))
#define cJSON_IsObject(j) ((j) != NULL && cJSON_IsObject(j))
#define cJSON_IsString(j) ((j) != NULL && cJSON_IsString(j))

#endif

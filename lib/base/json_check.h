/* The check every JSON text passes before a parser sees it; private to this floor. */
#ifndef SENDQ_BASE_JSON_CHECK_H
#define SENDQ_BASE_JSON_CHECK_H

#include <stddef.h>

#define JSON_DEPTH_MAX 512 /* no limit may be set higher: trees are walked by recursion */

/* What is wrong in s[0..len) as one JSON value of at most max_depth open brackets, and where; NULL:
 * nothing, the text is well-formed by RFC 8259 and by the extra rules of json_parse, the
 * uniqueness of names excepted; *ret_values is then the number of values in it. */
const char *json_check(const char *s, size_t len, unsigned max_depth, size_t *ret_offset,
                       size_t *ret_values);

/* The text json_check returns for too many open brackets, to be compared by address. */
extern const char json_check_too_deep[];

#endif

/* Checks that several dialects make of paths and JSON bodies. */
#ifndef SENDQ_SANDBOX_SHAPE_H
#define SENDQ_SANDBOX_SHAPE_H

#include "exchange.h"

#define SHAPE_PARTS_MAX 8
#define SHAPE_PART_SIZE 512

/* A path by its parts, percent escapes decoded. */
struct shape_path {
    char part[SHAPE_PARTS_MAX][SHAPE_PART_SIZE];
    unsigned count;
};

/* "/v1/a%20b" -> "v1", "a b". False: an empty part, a broken escape, a raw character that a path
 * may not hold, or too many parts. */
bool shape_path(const char *path, struct shape_path *ret);
/* True if the parts are these; NULL in the pattern stands for any one part. */
bool shape_path_is(const struct shape_path *p, const char *const *pattern, unsigned count);

/* The first member of obj that is not in the NULL-terminated list, or NULL. */
const char *shape_unknown(const cJSON *obj, const char *const *names);
/* A string of min..max characters. */
bool shape_text(const cJSON *item, size_t min, size_t max);
bool shape_url(const char *s);    /* http or https, no white space; false for NULL */
bool shape_digits(const char *s); /* at least one digit, nothing else; false for NULL */
bool shape_e164(const char *s);   /* "+" and 7 to 15 digits; false for NULL */

#endif

/* The POSIX TZ rule at the end of a TZif file. Used by tz.c alone. */
#ifndef SENDQ_MODEL_TZ_RULE_H
#define SENDQ_MODEL_TZ_RULE_H

#include "tz.h"

/* Reads "CET-1CEST,M3.5.0,M10.5.0/3" into z's rule; false if it is not one. */
bool tz_rule_parse(const char *s, struct tz *z);
/* As tz_offset, by the rule alone. */
int tz_rule_offset(const struct tz *z, int64_t unix_s, int64_t *ret_next);

#endif

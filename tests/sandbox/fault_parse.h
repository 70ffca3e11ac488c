/* Rules of faults from JSON. */
#ifndef SENDQ_TESTS_SANDBOX_FAULT_PARSE_H
#define SENDQ_TESTS_SANDBOX_FAULT_PARSE_H

#include "fault.h"

/* Appends to s, which has room for FAULT_RULES_MAX; on failure it holds what was read so far. */
enum sq_err fault_parse(const cJSON *list, struct fault_set *s, struct err_text *e) SQ_MUST_CHECK;
const char *fault_kind_name(enum fault_kind kind);

#endif

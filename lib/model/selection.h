/* Whom a bulk is for: bulk_settings, read and checked. */
#ifndef SENDQ_MODEL_SELECTION_H
#define SENDQ_MODEL_SELECTION_H

#include "filter.h"

/* All that is given must apply (intersection); at least one thing is given. */
struct selection {
    struct str_list lead_ids;    /* none = any lead */
    struct str_list assignees;   /* none = anybody's */
    const char *search_keyword;  /* case-folded; NULL = none */
    const struct filter *filter; /* NULL = none */
    const char *text; /* all but the lead_ids, as JSON: what selection_parse reads back */
};

/* Reads at->obj, the bulk_settings; all memory is the arena's. */
enum sq_err selection_read(const struct field_at *at, struct arena *a,
                           struct selection *ret) SQ_MUST_CHECK;
/* Reads a stored text (it may hold nothing) again; all memory is the arena's. */
enum sq_err selection_parse(const char *text, size_t len, const struct job_limits *limits,
                            struct arena *a, struct selection *ret,
                            struct err_text *e) SQ_MUST_CHECK;
/* True if the lead meets filter, keyword and assignees; lead_ids are the caller's. */
bool selection_match(const struct selection *s, const struct filter_lead *lead);

#endif

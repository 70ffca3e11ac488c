/* A letter: subject, content and html of a message as templates, filled per lead. */
#ifndef SENDQ_MODEL_LETTER_H
#define SENDQ_MODEL_LETTER_H

#include "job.h"
#include "template.h"

/* Any may be NULL. */
struct letter {
    const struct template *subject, *content, *html;
};

/* Compiles what is not NULL; all memory is the arena's. e says which text is wrong, and where. */
enum sq_err letter_compile(const char *subject, const char *content, const char *html,
                           struct arena *a, struct letter *ret, struct err_text *e) SQ_MUST_CHECK;

/* Fills whichever of m's subject, content and html are NULL, as far as m's channel has such. Limits
 * without defaults, as configured. e's code is template_error, or too_large over a limit; texts
 * filled before the failure stay. */
enum sq_err letter_fill(const struct letter *l, const struct filter_lead *lead,
                        enum template_missing missing, const struct job_limits *limits,
                        struct message *m, struct err_text *e) SQ_MUST_CHECK;

#endif

/* Completes a job by what the directory and the templates had for it (job.h says what is left for
 * this): recipient, opt-outs, texts. */
#ifndef SENDQ_MODEL_FILL_H
#define SENDQ_MODEL_FILL_H

#include "job.h"
#include "lead.h"
#include "letter.h"

/* What a look-up of a contact gave: the lead, or why it cannot be used, or neither. */
struct fill_contact {
    struct lead *lead;
    const char *problem;
};

struct fill_in {
    struct fill_contact contact;   /* of MSG_CONTACT_ID */
    struct fill_contact recipient; /* of job->recipient_contact */
    const struct letter *letter;   /* of MSG_TEMPLATE_ID; NULL: there is none */
    const char *letter_problem;    /* why it cannot be used, or NULL */
    enum template_missing missing;
    const struct job_limits *limits;
};

/* True if the job needs its contact, or a template, before it can be accepted. */
bool fill_needs_contact(const struct job *j);
bool fill_needs_template(const struct job *j);

/* Completes the job, or notes in its message why it must not be sent (refusal.h): no such contact
 * or address (recipient_not_found), opted out (suppressed), the template (template_error,
 * too_large).
 *
 * An opt-out of the channel or the subtype holds for MARKETING and NOTIFICATION, and for whatever
 * names a subtype: what one can unsubscribe from is not transactional. */
void fill_job(struct job *j, const struct fill_in *in);

/* True if opt-outs of MSG_CONTACT_ID may forbid the message: they may come while it waits. */
bool fill_watches_opt_outs(const struct message *m);
/* Looks at them once more: notes in the message what now stands against sending it. */
void fill_opt_outs(struct message *m, const struct fill_contact *contact);
/* The same for one recipient of a bulk: m is the bulk's message for the lead `id`, with subject,
 * content and html left to the letter. */
struct fill_bulk_in {
    const char *id;
    struct fill_contact who;
    const struct letter *letter;
    enum template_missing missing;
    const struct job_limits *limits;
};

void fill_bulk(struct message *m, const struct fill_bulk_in *in);

#endif

/* The envelope around a body: what a producer says about the job, apart from its content. */
#ifndef SENDQ_MODEL_ENVELOPE_H
#define SENDQ_MODEL_ENVELOPE_H

#include "field.h"

/* Strings and objects live as long as the parsed JSON; NULL where absent. */
struct envelope {
    const cJSON *body, *metadata;
    const char *format, *id, *idempotency_key, *sender, *reply_to, *tenant;
    bool has_priority;
    enum priority priority;
    int64_t scheduled_at, expires_at; /* Unix ms; 0 = absent */
    enum uncertain uncertain;
    bool fail_on_limit;
};

/* Reads and checks an envelope; its body must be an object. */
enum sq_err envelope_read(const cJSON *root, const struct job_limits *limits, struct envelope *ret,
                          struct err_text *e) SQ_MUST_CHECK;
/* Lays the envelope over the job that its body made: where both say something, it wins;
 * metadata is merged. */
enum sq_err envelope_apply(const struct envelope *v, const struct job_limits *limits,
                           struct job *job, struct err_text *e) SQ_MUST_CHECK;
/* The reply_to of a job that may be broken elsewhere, or NULL if it cannot be used. */
const char *envelope_reply_to(const cJSON *root);

#endif

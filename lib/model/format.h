/* A format: one API document's bodies. One file format_<name>.c, one line in job.c's table. */
#ifndef SENDQ_MODEL_FORMAT_H
#define SENDQ_MODEL_FORMAT_H

#include "job.h"

struct format {
    const char *name;        /* "messaging" */
    const char *bulk_member; /* the member that makes a body a bulk, or NULL */
    /* True if the bare body looks like this format (contract.md section 1). */
    bool (*detect)(const cJSON *body);
    /* Fills job->message from the body; the first broken rule ends it with e->field set. */
    enum sq_err (*parse)(const cJSON *body, const struct job_limits *limits, struct job *job,
                         struct err_text *e);
    /* The document's answer for a final message: SENT when code is CODE_NONE, else its error. */
    void (*answer)(const struct answer_in *in, struct buf *out);
};

extern const struct format format_messaging;

/* For answers: what went wrong in words, without the field's name in front. */
const char *answer_text(const struct answer_in *in);

#endif

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
    /* Members, NULL at the end, of which any one tells this format where none is detected: a body
     * that lacks a required member is then refused for that, and not as unknown. */
    const char *const *hints;
};

extern const struct format format_messaging;
extern const struct format format_channel;
extern const struct format format_email;
extern const struct format format_conversation;

/* {"error":{"code","message","field"?},"status_code":N}: the error of documents that print codes
 * but no shape. */
void answer_error(const struct answer_in *in, struct buf *out);

/* For answers: what went wrong in words, without the field's name in front. */
const char *answer_text(const struct answer_in *in);

#endif

/* Jobs from a file: one whole, one a line, or the elements of one JSON array. */
#ifndef SENDQ_DAEMON_CTL_INPUT_H
#define SENDQ_DAEMON_CTL_INPUT_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

struct input_opts {
    const char *path; /* "-" = standard input */
    bool each;        /* many jobs */
    size_t max_job;   /* bytes of one */
};

/* Called for each job with its bytes as they stand in the file; false stops. */
typedef bool (*on_input_job)(const char *raw, size_t len, void *arg);

/* SQ_ERR_INVALID and SQ_ERR_TOO_LARGE for the file's faults, SQ_ERR_IO if it cannot be read. Jobs
 * before a fault were called. The bytes of a job are not judged, except that it must not be empty;
 * an array must be valid JSON. */
enum sq_err input_each_job(const struct input_opts *opts, on_input_job fn, void *arg,
                           struct err_text *e) SQ_MUST_CHECK;

#endif

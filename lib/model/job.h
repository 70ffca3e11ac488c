/* A job: what a producer pushed. The envelope, and the formats (format.h) behind one interface. */
#ifndef SENDQ_MODEL_JOB_H
#define SENDQ_MODEL_JOB_H

#include "json.h"
#include "message.h"
#include "outcome.h"

/* Caps on what a job may hold; from the configuration. Zero means the default. */
struct job_limits {
    size_t max_bytes, max_bulk_bytes; /* 1 MiB, 16 MiB; attachments make jobs large: 40 MiB */
    unsigned max_depth;               /* 32 */
    size_t max_subject;               /* 998 characters */
    size_t max_content;               /* bytes of content or html: 1 MiB */
    unsigned max_list;                /* cc, bcc, media, attachments: 100 each */
};

/* A parsed and validated job: one message (Engine), or a bulk (Bulk). Zero-initialise;
 * job_clear when done. */
struct job {
    struct message message;    /* sender is the requested one, or NULL: resolved at accept */
    bool explicit_id;          /* the envelope named the id: the same id twice is the same job */
    char idempotency_key[256]; /* "" = none */
    char body_hash[41];        /* hex SHA-1 of the canonical body, the format and the sender asked
                                  for; "" where neither key nor explicit id needs it */
    bool fail_on_limit;        /* on_limit: fail */
    bool is_bulk;
};

/* What an answer is made from. Any pointer may be NULL. */
struct answer_in {
    const struct message *message; /* NULL for a rejected job */
    const char *provider;          /* provider name */
    const struct outcome *outcome; /* ids, cost, text */
    enum error_code code;          /* CODE_NONE = sent */
    const struct err_text *error;  /* a rejected job: field and reason */
    int64_t now_ms;                /* sent_at / failed_at */
};

/* Parses raw bytes into a job. queued_at and a new UUIDv7 come from now_ms. On failure e holds
 * field, text and code ("validation_error" or "too_large"), and *ret holds what could be read
 * before the fault: MSG_FORMAT and MSG_REPLY_QUEUE, so that even a refused job is answered.
 * *ret is overwritten; job_clear it in either case. */
enum sq_err job_parse(const char *raw, size_t len, enum priority list_priority, int64_t now_ms,
                      const struct job_limits *limits, struct job *ret, struct err_text *e)
    SQ_MUST_CHECK;
void job_clear(struct job *j);

/* The format's answer by name; falls back to a plain {"error":{...}} for an unknown format. */
void job_answer(const char *format, const struct answer_in *in, struct buf *out);

#endif

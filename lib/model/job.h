/* A job: what a producer pushed. The envelope, and the formats (format.h) behind one interface. */
#ifndef SENDQ_MODEL_JOB_H
#define SENDQ_MODEL_JOB_H

#include "json.h"
#include "message.h"
#include "outcome.h"

struct selection;

/* Caps on what a job may hold; from the configuration. Zero means the default. */
struct job_limits {
    size_t max_bytes, max_bulk_bytes; /* 1 MiB, 16 MiB; attachments make jobs large: 40 MiB */
    unsigned max_depth;               /* 48 */
    size_t max_subject;               /* 998 characters */
    size_t max_content;               /* bytes of content or html: 1 MiB */
    unsigned max_list;                /* to, cc, bcc, media, attachments: 100 each */
    size_t max_attachment;            /* decoded bytes of one attachment: 25 MiB */
};

/* A parsed and validated job: one message, or a bulk. Zero-initialise; job_clear when done.
 *
 * What only the directory and the store know is left to the stage that resolves jobs, between
 * parsing and accepting. If needs_contact:
 * - MSG_CONTACT_ID is looked up for the template's fields and the opt-outs (MSG_SUBTYPE_ID); no
 *   such contact is an error only where the recipient depends on it;
 * - recipient_contact, if not NULL, is the contact (mostly the same one) whose address on the
 *   message's channel becomes the recipient (recipient_set of recipient.h); MSG_RECIPIENT is NULL
 *   until then. No such contact or address: recipient_not_found.
 * If MSG_TEMPLATE_ID is set, the template fills whichever of MSG_SUBJECT, MSG_CONTENT and MSG_HTML
 * the job left NULL; all three may be NULL until then. */
struct job {
    struct message message; /* sender is the requested one, or NULL: resolved at accept */
    bool needs_contact;
    const char *recipient_contact; /* lives in the message's arena */
    bool explicit_id;          /* the envelope named the id: the same id twice is the same job */
    char idempotency_key[256]; /* "" = none */
    char body_hash[41];        /* hex SHA-1 of the canonical body, the format and the sender asked
                                  for; "" where neither key nor explicit id needs it */
    bool fail_on_limit;        /* on_limit: fail */
    bool is_bulk;
    struct selection *selection; /* whom a bulk is for (selection.h), else NULL; arena's */
};

/* What the limits of a message's sender had left: the documents' X-RateLimit values. */
struct answer_limit {
    int64_t limit, remaining, reset_s; /* limit 0 = there is none; reset in Unix seconds */
};

/* What an answer is made from. Any pointer may be NULL. */
struct answer_in {
    const struct message *message; /* NULL for a rejected job */
    const char *provider;          /* provider name */
    const struct outcome *outcome; /* ids, cost, text */
    enum error_code code;          /* CODE_NONE = sent */
    const struct err_text *error;  /* a rejected job: field and reason */
    int64_t now_ms;                /* sent_at / failed_at */
    struct answer_limit limit;     /* added to the answer as `rate_limit` */
};

/* Parses raw bytes into a job. queued_at and a new UUIDv7 come from now_ms. On failure e holds
 * field, text and code ("validation_error" or "too_large"), and *ret holds what could be read
 * before the fault: MSG_FORMAT and MSG_REPLY_QUEUE, so that even a refused job is answered.
 * *ret is overwritten; job_clear it in either case. */
enum sq_err job_parse(const char *raw, size_t len, enum priority list_priority, int64_t now_ms,
                      const struct job_limits *limits, struct job *ret,
                      struct err_text *e) SQ_MUST_CHECK;
/* The same of a text that Redis keeps: contents of JSON_LONG bytes and more are not copied, but
 * become references into it (attachment.stored). The text is spoilt. */
enum sq_err job_parse_kept(char *text, size_t len, enum priority list_priority, int64_t now_ms,
                           const struct job_limits *limits, struct job *ret,
                           struct err_text *e) SQ_MUST_CHECK;
void job_clear(struct job *j);

/* The format's answer by name; falls back to a plain {"error":{...}} for an unknown format. */
void job_answer(const char *format, const struct answer_in *in, struct buf *out);

#endif

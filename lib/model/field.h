/* Readers of a body's members, shared by all formats: type, size and characters are checked here,
 * and every refusal names the field by its path. A null member counts as absent, and so does an
 * empty string where the member is optional. */
#ifndef SENDQ_MODEL_FIELD_H
#define SENDQ_MODEL_FIELD_H

#include "address.h"
#include "job.h"

/* Which object is being read. */
struct field_at {
    const cJSON *obj;
    const char *path; /* "message_data"; "" for the body itself */
    const struct job_limits *limits;
    struct err_text *e;
};

/* What a text must be. */
enum field_flag {
    FIELD_REQUIRED = 1 << 0,
    FIELD_LINE = 1 << 1,    /* no control characters: may end up in a header */
    FIELD_IDENT = 1 << 2,   /* [A-Za-z0-9._:-]: may end up in a key */
    FIELD_ASCII = 1 << 3,   /* printable ASCII */
    FIELD_EMAIL = 1 << 4,   /* one address, local@domain */
    FIELD_URL = 1 << 5,     /* http or https */
    FIELD_SUBJECT = 1 << 6, /* a line of at most limits->max_subject characters */
    FIELD_CONTENT = 1 << 7, /* any text of at most limits->max_content bytes, else too_large */
};

/* One text member: where it goes and what it must be. */
struct field_text {
    const char *name;
    enum msg_text into;
    unsigned flags; /* of enum field_flag */
    size_t max;     /* characters; not used with FIELD_SUBJECT and FIELD_CONTENT */
};

#define FIELD_ID_MAX 128
#define FIELD_URL_MAX 2048
#define FIELD_METADATA_MAX ((size_t)16 << 10)

/* Fails with the field `name` of at, and the formatted reason. */
enum sq_err field_fail(const struct field_at *at, enum sq_err err, const char *name,
                       const char *fmt, ...) SQ_PRINTF(4, 5) SQ_MUST_CHECK;

/* Refuses members that are not in names (which ends with NULL). */
enum sq_err field_check_known(const struct field_at *at, const char *const *names) SQ_MUST_CHECK;

/* The member, or NULL if it is absent or null. */
const cJSON *field_get(const struct field_at *at, const char *name);
/* Checks one value, a member or a list's item, that is called name in errors. */
enum sq_err field_check(const struct field_at *at, const char *name, const cJSON *j,
                        const struct field_text *f) SQ_MUST_CHECK;
/* The text, checked, or NULL if absent; it lives as long as the parsed JSON. */
enum sq_err field_str(const struct field_at *at, const struct field_text *f,
                      const char **ret) SQ_MUST_CHECK;
/* Reads texts into m. */
enum sq_err field_texts(const struct field_at *at, const struct field_text *table, unsigned count,
                        struct message *m) SQ_MUST_CHECK;
/* A list of texts, each as flags and max say, appended to m's list: at most limits->max_list. */
enum sq_err field_list(const struct field_at *at, const struct field_text *f, struct message *m,
                       enum msg_list into) SQ_MUST_CHECK;
/* An object, or NULL if absent. */
enum sq_err field_object(const struct field_at *at, const char *name, bool required,
                         const cJSON **ret) SQ_MUST_CHECK;
/* A bool; *ret is left alone if absent. */
enum sq_err field_bool(const struct field_at *at, const char *name, bool *ret) SQ_MUST_CHECK;
/* An object of at most FIELD_METADATA_MAX bytes, stored as JSON text. */
enum sq_err field_json(const struct field_at *at, const char *name, struct message *m,
                       enum msg_text into) SQ_MUST_CHECK;
/* HIGH, NORMAL or LOW in any case, 1|2|3 as number or text; *ret is left alone if absent. */
enum sq_err field_priority(const struct field_at *at, const char *name,
                           enum priority *ret) SQ_MUST_CHECK;
/* TRANSACTIONAL, ... in any case; *ret is left alone if absent. */
enum sq_err field_type(const struct field_at *at, const char *name,
                       enum message_type *ret) SQ_MUST_CHECK;
/* RFC 5322 addresses into MSG_RECIPIENT and MSG_TO: one string that holds a list, or an array of
 * such. At most limits->max_list in all; m->units becomes their number. */
enum sq_err field_recipients(const struct field_at *at, const char *name,
                             struct message *m) SQ_MUST_CHECK;
/* An array of RFC 5322 address lists into m's list, one printed mailbox per item; m->units grows
 * by their number. */
enum sq_err field_copies(const struct field_at *at, const char *name, struct message *m,
                         enum msg_list into) SQ_MUST_CHECK;
/* One RFC 5322 mailbox. Its address, and its display name or NULL, live in m's arena; both NULL if
 * absent. */
enum sq_err field_mailbox(const struct field_at *at, const char *name, struct message *m,
                          struct address *ret) SQ_MUST_CHECK;
/* An array of attachments: {filename, mime_type, content_base64 | url or storage_path}; `other` is
 * the member that may stand instead of content_base64, "url" or "storage_path". A storage_path is
 * relative, of plain segments: it cannot lead out of a root that it is appended to. */
enum sq_err field_attachments(const struct field_at *at, const char *name, const char *other,
                              struct message *m) SQ_MUST_CHECK;
/* Refuses the first text or list of m that its channel cannot express. names says what
 * the format calls them; what it does not name, the format does not have. */
struct field_name {
    const char *name;
    enum msg_text text;
    enum msg_list list; /* used where text is MSG_TEXT_COUNT */
};
enum sq_err field_check_channel(const struct field_at *at, const struct message *m,
                                const struct field_name *names, unsigned count) SQ_MUST_CHECK;

/* An RFC 3339 time or Unix seconds (number or text) as Unix ms; left alone if absent. */
enum sq_err field_time(const struct field_at *at, const char *name, int64_t *ret) SQ_MUST_CHECK;

#endif

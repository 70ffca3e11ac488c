/* One request as a dialect sees it, and the answer it gives. No sockets here. */
#ifndef SENDQ_TESTS_SANDBOX_EXCHANGE_H
#define SENDQ_TESTS_SANDBOX_EXCHANGE_H

#include "buf.h"
#include "form.h"
#include "record.h"

typedef struct cJSON cJSON;

#define EXCHANGE_BODY_MAX ((size_t)64 << 20)
#define EXCHANGE_HEADERS_MAX 8

struct answer_header {
    char name[64];
    char value[192];
};

struct exchange {
    struct record *record; /* method, headers, body; a dialect's read sets id and recipient */
    const char *path;      /* below the dialect's prefix, no query: "/v3/mail/send" */
    void *state;           /* what the dialect's open gave, or NULL */
    uint64_t *serial;      /* the dialect's counter of ids given */
    bool delivers; /* true unless read says that success here hands over no message (a draft) */
    /* the answer */
    int status;
    struct answer_header headers[EXCHANGE_HEADERS_MAX];
    unsigned header_count;
    struct buf body;
    /* the body as read, on demand */
    cJSON *json;
    struct form form;
    struct err_text json_error;
    bool json_tried, form_tried;
};

void exchange_clear(struct exchange *x); /* frees all but the record */

bool exchange_is(const struct exchange *x, const char *method);
/* True if the Content-Type is this media type, parameters aside. */
bool exchange_has_type(const struct exchange *x, const char *media_type);
/* The body as JSON, or NULL (reason in json_error). Parsed once. */
const cJSON *exchange_json(struct exchange *x);
/* The body as a form; NULL if it is not well-formed. Parsed once. */
const struct form *exchange_form(struct exchange *x);
uint64_t exchange_serial(struct exchange *x); /* 1, 2, ...: the same run gives the same ids */

/* The credential after "Bearer ", or NULL. A credential that contains "invalid" is refused by
 * every dialect (credential_is_good): that is how a test provokes an authentication error. */
const char *exchange_bearer(const struct exchange *x);
/* Splits Basic credentials: "user\0password" appended to out, *ret_password points behind the
 * user. False if the header is absent or malformed. */
bool exchange_basic(const struct exchange *x, struct buf *out, const char **ret_password);
bool credential_is_good(const char *credential);

void exchange_header(struct exchange *x, const char *name, const char *value);
/* Sets the status and a JSON body begun with {; the caller adds members and ends with
 * exchange_end. What was answered before is forgotten. */
struct buf *exchange_begin(struct exchange *x, int status);
void exchange_end(struct exchange *x);
void exchange_empty(struct exchange *x, int status); /* status without a body */
/* {"error":{"code":...,"message":...}}: the sandbox's own error shape. */
void exchange_error(struct exchange *x, int status, const char *code, const char *fmt, ...)
    SQ_PRINTF(4, 5);

#endif

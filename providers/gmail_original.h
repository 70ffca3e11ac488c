/* A mail of the mailbox, as users.messages.get gives it (format=full), for quoting it. Private to
 * gmail*.c. */
#ifndef SENDQ_PROVIDERS_GMAIL_ORIGINAL_H
#define SENDQ_PROVIDERS_GMAIL_ORIGINAL_H

#include "provider_util.h"
#include "quote.h"

#define GMAIL_ANSWER_MAX ((size_t)1 << 20) /* bytes of the answer: texts, no files */

/* Zero-initialise; gmail_original_clear when done. */
struct gmail_original {
    struct quote_original quote;
    bool has_files; /* besides images that its html shows */
    struct arena arena;
};

/* SQ_ERR_INVALID: it cannot be understood, or has no text in UTF-8. */
enum sq_err gmail_original_read(const cJSON *json, struct gmail_original *ret) SQ_MUST_CHECK;
void gmail_original_clear(struct gmail_original *o);
/* A header of the payload of a message or part; NULL if it has none. */
const char *gmail_header(const cJSON *payload, const char *name);

#endif

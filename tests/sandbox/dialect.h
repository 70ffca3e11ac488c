/* The providers' dialects. Adding one: write sandbox_<name>.c with a
 * `const struct dialect dialect_<name>`, add its line to the table in dialect.c. */
#ifndef SENDQ_TESTS_SANDBOX_DIALECT_H
#define SENDQ_TESTS_SANDBOX_DIALECT_H

#include "exchange.h"

struct dialect {
    const char *name;   /* "sendgrid": in records, rules and statistics */
    const char *prefix; /* "/sendgrid": what a sender's endpoint ends with; no trailing slash */
    /* Finds id, recipient and x->delivers, without judging the request: runs even where a fault
     * will answer. */
    void (*read)(struct exchange *x);
    /* Judges the request and answers as the provider documents. */
    void (*answer)(struct exchange *x);
    /* For a dialect that remembers something; all or none of the first three. */
    void *(*open)(void);
    void (*close)(void *state);
    void (*reset)(void *state); /* forgets what requests left; keeps what configure set */
    /* POST /_control/dialects/<name>. Changes nothing on failure. May be NULL. */
    enum sq_err (*configure)(void *state, const cJSON *settings, struct err_text *e);
};

#define DIALECT_MAX 32

extern const struct dialect dialect_gmail, dialect_mailgun, dialect_microsoft, dialect_oauth,
    dialect_postmark, dialect_resend, dialect_ses;
extern const struct dialect dialect_sendgrid, dialect_twilio, dialect_webhook, dialect_sandbox;
extern const struct dialect dialect_vonage, dialect_telnyx, dialect_whatsapp, dialect_messenger,
    dialect_instagram, dialect_slack, dialect_teams, dialect_telegram, dialect_tiktok;

unsigned dialect_count(void);
#define DIALECT_NONE dialect_count()          /* the number of requests that no dialect serves */
const struct dialect *dialect_at(unsigned i); /* NULL past the end */
const char *dialect_name(unsigned i);         /* "none" past the end */
/* The dialect of this path, dialect_count() if there is none. *ret_rest = the path below it. */
unsigned dialect_of_path(const char *path, const char **ret_rest);
unsigned dialect_by_name(const char *name); /* dialect_count() if unknown */

#endif

/* The mail that another one answers or forwards, where it is one of our own and still kept.
 *
 * A reply names it by MSG_REPLY_ID or, without that, MSG_THREAD_ID; a forward by messageId or
 * emailMessageId. The name is our id of it, or the Message-ID that it was sent with. */
#ifndef SENDQ_MODEL_ORIGINAL_H
#define SENDQ_MODEL_ORIGINAL_H

#include "address.h"
#include "job.h"

#define ORIGINAL_NAMES_MAX 2
#define ORIGINAL_NAME_SIZE 513 /* what the formats take as an id, and a NUL */

/* The ids that a forward has; "" = none. */
struct original_names {
    char message_id[ORIGINAL_NAME_SIZE], email_id[ORIGINAL_NAME_SIZE];
};

/* Our ids that m's names of its original may stand for. */
struct original_ids {
    char id[ORIGINAL_NAMES_MAX][MESSAGE_ID_MAX + 1];
    unsigned count;
};

/* The original and what its sender and its hash know of it. */
struct original {
    struct message message;
    struct address from; /* addr NULL = not known */
    int64_t date_ms;
    const char *provider_message_id; /* or NULL */
    const char *tenant;              /* or NULL */
    bool same_sender;                /* as the new mail's */
};

/* True if m is a mail that may have an original here. */
bool original_is_named(const struct message *m);
void original_ids(const struct message *m, struct original_ids *ret);
/* False if m forwards nothing. */
bool original_forwarded(const struct message *m, struct original_names *ret);

/* True if m, of that tenant, names this very message, and may show it. */
bool original_is_meant(const struct original *o, const struct message *m, const char *tenant);
/* Puts the original below m's texts, its files beside a forward's, and names it in MSG_QUOTED. A
 * reply gets the header ids of what it answers, and a subject where it has none. A reply that would
 * be too large stays without it; such a forward is refused (refusal.h). */
void original_put(const struct original *o, const struct job_limits *limits, struct message *m);
/* Refuses a forward whose original is too large to be had; a reply stays as it is. */
void original_refuse_size(struct message *m);

#endif

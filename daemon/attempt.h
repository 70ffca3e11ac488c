/* One attempt to send one message, from its claim until its outcome is recorded. */
#ifndef SENDQ_DAEMON_ATTEMPT_H
#define SENDQ_DAEMON_ATTEMPT_H

#include "config.h"
#include "files.h"
#include "heap.h"
#include "list.h"
#include "message.h"
#include "oauth.h"
#include "outcome.h"

/* A configuration in use. SIGHUP brings a new one; the old one lives until its last attempt ends.
 */
struct live_config {
    struct config *config;
    unsigned refs;
};

struct live_config *live_config_new(struct config *config); /* owns config; one reference */
struct live_config *live_config_ref(struct live_config *l);
void live_config_unref(struct live_config *l); /* NULL is fine */

/* In life order. A state is also the place that holds the attempt. */
enum attempt_state {
    ATTEMPT_WAITING,  /* claimed, not begun: in dispatch's queue or slot heap */
    ATTEMPT_FETCHING, /* its contact is looked at again, or its attachments are being fetched */
    ATTEMPT_MARKING,  /* its start mark is being written */
    ATTEMPT_SENDING,  /* in flight, between two steps, or waiting for an access token */
    ATTEMPT_DONE,     /* has an outcome: in record's hands */
};

struct bulk;

struct attempt {
    struct list all;       /* in attempts.all */
    struct list node;      /* in the list of whoever holds it */
    struct heap_node slot; /* in dispatch's heap; key = monotonic us when it may start */
    enum attempt_state state;
    struct live_config *live;
    const struct sender *sender; /* NULL: this configuration does not know it */
    struct message message;
    struct buf packed;   /* what message points into */
    struct files *files; /* contents of its attachments that were fetched; NULL = none */
    size_t weight;       /* bytes of attachments that it holds; see attempt_weigh */
    struct bulk *bulk;   /* whose recipient it is; NULL = a message of its own */
    unsigned place;      /* in the slice that was claimed, whose number is the fence */
    int64_t fence;
    bool overtaken; /* by a more urgent one, in its slot */
    bool capped;    /* must start within its slot's jitter */
    int charged;    /* of a bulk's recipient, once it is known: its units; -1 = over a limit */
    int64_t wait_until_ms; /* not to be sent before (Redis time): its recipient's rate, its units */
    bool suppressed;
    bool limited;             /* over a limit: fails */
    struct answer_limit left; /* of its sender's limits, for the answer */
    bool unreadable;          /* what is stored is not a message of ours */
    bool refund;              /* the request definitely never left */
    bool consent_seen;        /* its contact's opt-outs were looked at again */
    int64_t begun_us;         /* monotonic; 0 = not begun */
    struct progress progress;
    struct buf answer;          /* of a step before, where the provider keeps it */
    struct buf token;           /* access token of the step in hand, where the provider wants one */
    struct oauth_waiter waiter; /* for the next one */
    bool token_renewed;         /* one was refused already: the next refusal counts */
    bool idempotent;            /* its last request: a repeat does no harm */
    struct outcome outcome;
};

/* All attempts of this process, with a free list: the steady loop allocates nothing. */
struct attempts {
    struct list all;
    struct list free;
    unsigned count;
    size_t weight; /* of all */
};

void attempts_init(struct attempts *a);
void attempts_done(struct attempts *a); /* frees everything */

/* A fresh attempt of the packed message (copied). One that cannot be unpacked has only its id and
 * `unreadable` set. */
struct attempt *attempt_new(struct attempts *a, struct live_config *live, const char *id,
                            const char *packed, size_t len);
/* A fresh attempt without a message. */
struct attempt *attempt_new_empty(struct attempts *a, struct live_config *live);
/* What the attempt's lease is called by recover and start: the message's id, or
 * "<slice>:<place>" in scratch. */
#define ATTEMPT_LEASE 40
const char *attempt_lease(const struct attempt *t, char scratch[ATTEMPT_LEASE]);
/* Says how many bytes of attachments the attempt holds, or is going to, until it is freed. */
void attempt_weigh(struct attempts *a, struct attempt *t, size_t bytes);
/* Back to the free list; it must be in no other list or heap. */
void attempt_free(struct attempts *a, struct attempt *t);

#endif

/* Every key name of a namespace that C code uses. The scripts build the same names from the same
 * words; contract.md and the README list them. */
#ifndef SENDQ_STORE_KEYS_H
#define SENDQ_STORE_KEYS_H

#include "buf.h"
#include "channel.h"

/* The keys of one kind; those that hold a name take it as `part`. */
enum key_kind {
    KEY_PREFIX, /* "<ns>:": what every script gets */
    KEY_JOBS_HIGH,
    KEY_JOBS,
    KEY_JOBS_LOW,
    KEY_MESSAGE, /* <id> */
    KEY_CONTENT, /* <id> */
    KEY_TEXT,    /* <id>: the job's text, if that was large */
    KEY_READING, /* <worker id>: the same before it is accepted */
    KEY_REPLY,   /* <queue> */
    KEY_EVENTS,
    KEY_REJECTED,
    KEY_DEAD,
    KEY_STATS, /* <YYYY-MM-DD> */
    KEY_WORKERS,
    KEY_WORKER, /* <name> */
    KEY_WORKER_NAMES,
    KEY_SENDER, /* <id> */
    KEY_SENDERS,
    KEY_BUCKET, /* sender:<id> */
    KEY_SHARED_BUCKETS,
    KEY_READY, /* <sender>:<digit of key_queue>[/<lane>] */
    KEY_LANES, /* <sender>:<digit> */
    KEY_DELAYED,
    KEY_TURN,
    KEY_LEASE,      /* <worker id> */
    KEY_CLAIMED,    /* <worker id> */
    KEY_BELL,       /* pub/sub channel */
    KEY_LEAD,       /* <id> */
    KEY_LEADS,      /* set of all ids */
    KEY_ASSIGNEE,   /* <user>: set of ids */
    KEY_TEMPLATE,   /* <id> */
    KEY_BULK,       /* <id>: the hash; its other keys begin with it */
    KEY_BULKS,      /* zset of ids */
    KEY_REFS,       /* <worker id> */
    KEY_SUPPRESSED, /* <channel>: set of recipients */
};

/* Replaces b's content by the key's name. `part` is used by the kinds that take one. */
void key_make(struct buf *b, const char *ns, enum key_kind kind, const char *part);

/* The job list of a priority. */
enum key_kind key_jobs(enum priority p);

/* The digit behind a ready queue's name, which is also a message's field `_priority` ("2" is left
 * out there). MARKETING has queues of its own, and so has what fails rather than waits for a limit.
 */
const char *key_queue(enum priority p, bool marketing, bool fail_on_limit);

/* The same with a lane behind it, where there is one (NULL = none): "2/acme". */
#define KEY_QUEUE_SIZE 72
void key_queue_lane(const char *queue, const char *lane, char ret[KEY_QUEUE_SIZE]);

#endif

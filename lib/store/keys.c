/* Key names: one table. */
#include "keys.h"

#include <stdio.h>

static const char *const names[] = {
    [KEY_PREFIX] = "",
    [KEY_JOBS_HIGH] = "jobs:high",
    [KEY_JOBS] = "jobs",
    [KEY_JOBS_LOW] = "jobs:low",
    [KEY_MESSAGE] = "message:",
    [KEY_CONTENT] = "content:",
    [KEY_TEXT] = "text:",
    [KEY_READING] = "reading:",
    [KEY_REPLY] = "reply:",
    [KEY_EVENTS] = "events",
    [KEY_REJECTED] = "rejected",
    [KEY_DEAD] = "dead",
    [KEY_STATS] = "stats:",
    [KEY_WORKERS] = "workers",
    [KEY_WORKER] = "worker:",
    [KEY_WORKER_NAMES] = "worker_names",
    [KEY_SENDER] = "sender:",
    [KEY_SENDERS] = "senders",
    [KEY_BUCKET] = "bucket:",
    [KEY_SHARED_BUCKETS] = "shared_buckets",
    [KEY_READY] = "ready:",
    [KEY_LANES] = "lanes:",
    [KEY_DELAYED] = "delayed",
    [KEY_TURN] = "turn",
    [KEY_LEASE] = "lease:",
    [KEY_CLAIMED] = "claimed:",
    [KEY_BELL] = "bell",
    [KEY_LEAD] = "lead:",
    [KEY_LEADS] = "leads",
    [KEY_ASSIGNEE] = "leads:assignee:",
    [KEY_TEMPLATE] = "template:",
    [KEY_BULK] = "bulk:",
    [KEY_BULKS] = "bulks",
    [KEY_REFS] = "refs:",
    [KEY_SUPPRESSED] = "suppressed:",
};

void key_make(struct buf *b, const char *ns, enum key_kind kind, const char *part)
{
    buf_clear(b);
    buf_adds(b, ns);
    buf_addc(b, ':');
    buf_adds(b, names[kind]);
    buf_adds(b, part);
}

enum key_kind key_jobs(enum priority p)
{
    switch (p) {
    case PRIORITY_HIGH:
        return KEY_JOBS_HIGH;
    case PRIORITY_LOW:
        return KEY_JOBS_LOW;
    default:
        return KEY_JOBS;
    }
}

const char *key_queue(enum priority p, bool marketing, bool fail_on_limit)
{
    static const char *const queues[2][PRIORITY_COUNT] = {{"1", "2", "3"}, {"4", "5", "6"}};

    return fail_on_limit ? "0" : queues[marketing][p];
}

void key_queue_lane(const char *queue, const char *lane, char ret[KEY_QUEUE_SIZE])
{
    if (lane == NULL || queue[0] == '0') /* what does not wait needs no turns */
        snprintf(ret, KEY_QUEUE_SIZE, "%s", queue);
    else
        snprintf(ret, KEY_QUEUE_SIZE, "%s/%s", queue, lane);
}

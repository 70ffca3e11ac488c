/* What stands in Redis, over all workers, at one moment: for the admin pages and their metrics. */
#ifndef SENDQ_STORE_OVERVIEW_H
#define SENDQ_STORE_OVERVIEW_H

#include "buf.h"
#include "store.h"

/* The most of each kind that is read: they bound the cost of one call for Redis. */
enum {
    OVERVIEW_SENDERS = 500,
    OVERVIEW_WORKERS = 100,
    OVERVIEW_BULKS = 20,
    OVERVIEW_FAILURES = 20,
    OVERVIEW_MINUTES = 60,
};

struct overview_sender {
    const char *id, *state, *until, *error;
    int64_t waiting, in_flight, sent_today, day_cap;
    int64_t sent, failed; /* final today (UTC) */
};

struct overview_worker {
    const char *name, *state, *rate, *version, *started_at;
    int64_t in_flight;
};

struct overview_bulk {
    const char *id, *status, *success_rate, *created_at;
    int64_t total, queued, sent, failed, cancelled;
};

struct overview_failure {
    const char *id, *failed_at, *sender, *channel, *error_code, *error;
    int64_t attempts;
};

/* Messages of one provider that became final today (UTC); in the order of the names given. */
struct overview_day {
    const char *provider;
    int64_t sent, failed, cancelled;
};

/* Attempts that ended in one minute, by all workers. */
struct overview_minute {
    int64_t sent, errors;
};

struct overview {
    int64_t at_ms; /* Redis' clock */
    int64_t jobs_high, jobs, jobs_low, taken, ready, leased, delayed, dead, rejected;
    int64_t sender_total; /* configured ever; of them at most OVERVIEW_SENDERS are here */
    struct overview_day *days;
    struct overview_sender *senders; /* sorted by id */
    struct overview_worker *workers;
    struct overview_bulk *bulks;                   /* the newest first */
    struct overview_failure *failures;             /* the newest first */
    struct overview_minute hour[OVERVIEW_MINUTES]; /* the oldest first; the last has not ended */
    size_t day_count, sender_count, worker_count, bulk_count, failure_count;
    struct arena arena; /* holds all of it */
};

/* ret is the callee's to free, and NULL unless st is STORE_OK. */
typedef void (*overview_cb)(enum store_status st, struct overview *ret, void *arg);

/* One call; providers (names ending with NULL) must live until it ends. */
enum sq_err overview_read(struct store *s, const char *const *providers, overview_cb cb,
                          void *arg) SQ_MUST_CHECK;
void overview_free(struct overview *o); /* NULL is fine */

#endif

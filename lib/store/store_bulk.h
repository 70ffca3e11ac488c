/* Bulks in the store: taking pages of their selection in, and reading what is kept of them. */
#ifndef SENDQ_STORE_STORE_BULK_H
#define SENDQ_STORE_STORE_BULK_H

#include "store.h"

/* A page of a bulk's selection, read at `cursor`. */
struct store_page {
    const char *bulk, *cursor;
    const char *next;        /* "" = that was the last one */
    int64_t size, looked_at; /* leads in the source; leads of this page, before the selection */
    const char *why;         /* the selection cannot be read: the bulk fails; NULL = it can */
    const char *const *leads;
    const uint64_t *marks; /* what a lead must not share with another one of the bulk */
    size_t count;
};

struct store_wanted {
    int64_t next_us;           /* Redis time at which to ask again; 0 = there is no bulk */
    const char *bulk, *cursor; /* the page wanted next; NULL = none now */
};

typedef void (*store_expand_cb)(enum store_status st, const struct store_wanted *w, void *arg);

/* Takes a page in (NULL: none), and asks for the next one. `ready`: as many recipients of a bulk
 * may wait in queues; `chunk`: references per element there. */
enum sq_err store_expand(struct store *s, unsigned ready, unsigned chunk,
                         const struct store_page *page, store_expand_cb cb,
                         void *arg) SQ_MUST_CHECK;

/* What is kept of a bulk; texts that are not there are NULL. */
struct store_bulk {
    const char *content, *selection;
    size_t content_len, selection_len;
    unsigned shards; /* of its ledger; 0 = not known yet, or no such bulk */
};

typedef void (*store_bulk_cb)(enum store_status st, const struct store_bulk *b, void *arg);

enum sq_err store_bulk_get(struct store *s, const char *id, store_bulk_cb cb,
                           void *arg) SQ_MUST_CHECK;

/* One page of a bulk's lead ids, a NUL after each; len 0 past the last one. */
typedef void (*store_ids_cb)(enum store_status st, const char *ids, size_t len, void *arg);

enum sq_err store_bulk_ids(struct store *s, const char *id, int64_t page, store_ids_cb cb,
                           void *arg) SQ_MUST_CHECK;

struct store_cost {
    int64_t slot_us; /* granted by the claim; 0 = at once */
    unsigned units;
    const char *recipients; /* addresses with commas between */
};

/* Per recipient when it may start, or minus when it is to be tried again; Redis time, us. */
typedef void (*store_charge_cb)(enum store_status st, const int64_t *times, void *arg);

/* What recipients of a bulk cost besides the token of their claim. */
enum sq_err store_charge(struct store *s, const char *sender, const struct store_claim *req,
                         const struct store_cost *costs, size_t count, store_charge_cb cb,
                         void *arg) SQ_MUST_CHECK;

/* Which of these recipients are on the channel's suppression list. */
typedef void (*store_suppressed_cb)(enum store_status st, const bool *suppressed, void *arg);

enum sq_err store_suppressed(struct store *s, enum channel channel, const char *const *recipients,
                             size_t count, store_suppressed_cb cb, void *arg) SQ_MUST_CHECK;

#endif

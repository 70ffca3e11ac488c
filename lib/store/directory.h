/* The directory: where leads are looked up. One interface, a backend per kind of store.
 *
 * A backend is one file directory_<name>.c that fills struct directory_ops. */
#ifndef SENDQ_STORE_DIRECTORY_H
#define SENDQ_STORE_DIRECTORY_H

#include "lead.h"
#include "store.h"

/* What became of one id. */
struct directory_found {
    struct lead *lead;   /* NULL: there is none, or it cannot be used */
    const char *problem; /* why it cannot be used; NULL: it is there, or it is not there at all */
};

/* Once per call; found has one entry per id, in their order, and only with STORE_OK. STORE_ERROR:
 * the backend refused, store_error says why; STORE_LOST: the connection broke. All of it is valid
 * during the call only. */
typedef void (*directory_get_cb)(enum store_status st, const struct directory_found *found,
                                 size_t count, void *arg);

/* Ids of leads, in no order. */
struct directory_page {
    const char *const *ids;
    size_t count;
    const char *next; /* cursor of the page after this; "" = this was the last one */
    int64_t size;     /* about how many leads all pages have together */
};

/* As directory_get_cb. */
typedef void (*directory_page_cb)(enum store_status st, const struct directory_page *page,
                                  void *arg);

struct directory;

struct directory_ops {
    enum sq_err (*get)(struct directory *d, const char *const *ids, size_t count,
                       directory_get_cb cb, void *arg);
    enum sq_err (*page)(struct directory *d, const char *assignee, const char *cursor,
                        unsigned count, directory_page_cb cb, void *arg);
    void (*free)(struct directory *d);
};

/* The first member of every backend's own struct. */
struct directory {
    const struct directory_ops *ops;
};

/* Looks up leads by id, all at once; there is at least one. ids are copied or used before it
 * returns. SQ_ERR_STATE: no connection; cb is not called then, and never from inside. */
enum sq_err directory_get(struct directory *d, const char *const *ids, size_t count,
                          directory_get_cb cb, void *arg) SQ_MUST_CHECK;
/* A page of about `count` ids: of all leads, or of those assigned to somebody. The first cursor is
 * "0". Leads that are there all the time come at least once over all pages, seldom twice. */
enum sq_err directory_page(struct directory *d, const char *assignee, const char *cursor,
                           unsigned count, directory_page_cb cb, void *arg) SQ_MUST_CHECK;
void directory_free(struct directory *d); /* nothing may be under way; NULL is fine */

/* Leads in Redis: hashes NS:lead:<id>. The store must outlive it. */
struct directory *directory_redis_new(struct store *s);

#endif

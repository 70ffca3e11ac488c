/* Reads many hashes or strings in one go: a command for each, pipelined. Private to lib/store. */
#ifndef SENDQ_STORE_HASHES_H
#define SENDQ_STORE_HASHES_H

#include "keys.h"
#include "store.h"

struct redisReply;

/* Once per id, in their order: a flat field/value array, empty where there is no such hash, NULL
 * where the key holds something else. */
typedef void (*hashes_item_cb)(size_t index, const struct redisReply *hash, void *arg);
/* Once, after all items: STORE_OK, STORE_LOST or STORE_ERROR (then not every id had its item). */
typedef void (*hashes_done_cb)(enum store_status st, void *arg);

/* Reads NS:<kind><id> of all ids; there is at least one. SQ_ERR_STATE: the connection is down, and
 * nothing is called. */
enum sq_err hashes_read(struct store *s, enum key_kind kind, const char *const *ids, size_t count,
                        hashes_item_cb item, hashes_done_cb done, void *arg) SQ_MUST_CHECK;
/* The same of strings, at most max bytes of each: one that does not exist is empty. */
enum sq_err strings_read(struct store *s, enum key_kind kind, size_t max, const char *const *ids,
                         size_t count, hashes_item_cb item, hashes_done_cb done,
                         void *arg) SQ_MUST_CHECK;

#endif

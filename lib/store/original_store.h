/* Reading messages that mails answer or forward: what of them is still kept. */
#ifndef SENDQ_STORE_ORIGINAL_STORE_H
#define SENDQ_STORE_ORIGINAL_STORE_H

#include "store.h"

#define ORIGINAL_MAX ((size_t)2 << 20) /* bytes of its packed form; more is not read */

/* A message's hash and its content, as far as both are there. */
struct original_source {
    bool is_found, is_too_large;
    const char *packed; /* if found and not too large */
    size_t packed_len;
    const char *sent_at, *provider_message_id; /* NULL where the hash has none */
};

/* Once per call, with one source per id; all of it is valid during the call only. */
typedef void (*original_get_cb)(enum store_status st, const struct original_source *sources,
                                size_t count, void *arg);

/* Reads messages by id, all at once; there is at least one. SQ_ERR_STATE as directory_get. */
enum sq_err original_get(struct store *s, const char *const *ids, size_t count, original_get_cb cb,
                         void *arg) SQ_MUST_CHECK;

#endif

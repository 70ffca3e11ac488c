/* Stored templates: hashes NS:template:<id> of subject, text and html. They live in Redis, whatever
 * the directory is. */
#ifndef SENDQ_STORE_TEMPLATE_STORE_H
#define SENDQ_STORE_TEMPLATE_STORE_H

#include "store.h"

/* A template as stored; each text may be NULL. */
struct template_source {
    bool is_found;
    const char *subject, *text, *html;
};

/* Once per call, with one source per id; all of it is valid during the call only. */
typedef void (*template_get_cb)(enum store_status st, const struct template_source *sources,
                                size_t count, void *arg);

/* Reads templates by id, all at once; there is at least one. SQ_ERR_STATE as directory_get. */
enum sq_err template_get(struct store *s, const char *const *ids, size_t count, template_get_cb cb,
                         void *arg) SQ_MUST_CHECK;

#endif

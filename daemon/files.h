/* What was fetched of a message's attachments. */
#ifndef SENDQ_DAEMON_FILES_H
#define SENDQ_DAEMON_FILES_H

#include "message.h"

struct file {
    struct buf base64;   /* empty: not fetched, the attachment has its content itself */
    char mime_type[128]; /* as its server called it; "" = not known */
};

struct files {
    unsigned count; /* as many as the message has attachments */
    size_t bytes;   /* of their contents, before base64 */
    struct file items[];
};

struct files *files_new(unsigned count);
void files_free(struct files *f); /* NULL is fine */

/* Encodes content as the i-th file's. type: a Content-Type header's value, used if it is a plain
 * one. */
enum sq_err files_put(struct files *f, unsigned i, const char *content, size_t len,
                      const char *type, struct err_text *e) SQ_MUST_CHECK;
/* Where the i-th file's base64 is to be appended, of which there are len bytes; NULL = there is no
 * memory for it. */
struct buf *files_open(struct files *f, unsigned i, size_t len);
/* Gives the message's attachments their contents, instead of where they came from; f must outlive
 * the message. */
void files_lend(const struct files *f, struct message *m);

#endif

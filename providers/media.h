/* Files: what kind they are, and multipart/form-data to carry them in. */
#ifndef SENDQ_PROVIDERS_MEDIA_H
#define SENDQ_PROVIDERS_MEDIA_H

#include "message.h"

enum media_kind { MEDIA_IMAGE, MEDIA_AUDIO, MEDIA_VIDEO, MEDIA_FILE };

#define MEDIA_BIT(k) (1u << (k))

/* By the MIME type, else by the end of the name or URL; MEDIA_FILE when neither tells. */
enum media_kind media_kind_of(const char *mime_type, const char *name);
/* The MIME type: the given one, else by the end of the name; application/octet-stream if unknown.
 */
const char *media_type_of(const char *mime_type, const char *name);
/* The attachment's name: its own, else "file". */
const char *media_name(const struct attachment *a);

/* A multipart body being written. The boundary comes from a digest of the files, so that no file
 * can hold it. */
struct form_data {
    char content_type[96]; /* for the header */
    char boundary[48];
    struct buf *body;
};

void form_data_begin(struct form_data *f, const struct message *m, struct buf *body);
void form_data_text(struct form_data *f, const char *name, const char *value);
/* Adds the decoded file. SQ_ERR_INVALID where content_base64 is not base64. */
enum sq_err form_data_file(struct form_data *f, const char *name, const struct attachment *a,
                           struct err_text *e) SQ_MUST_CHECK;
void form_data_end(struct form_data *f);

#endif

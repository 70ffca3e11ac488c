/* What the files of MIME share. Nothing outside lib/model/mime*.c includes this. */
#ifndef SENDQ_MODEL_MIME_IMPL_H
#define SENDQ_MODEL_MIME_IMPL_H

#include "mime.h"

#include <gmime/gmime.h>

#define MIME_LINE_MAX 900       /* bytes; RFC 5322: 998. Longer lines are encoded */
#define MIME_MESSAGE_ID_MAX 900 /* bytes of one message id, brackets included */

struct composer {
    const struct mime_in *in;
    struct err_text *e;
    unsigned parts; /* multiparts made so far */
};

bool mime_is_alnum(char c); /* ASCII */
bool mime_is_header_text(const char *s);
/* A copy in which nothing looks like an encoded word: readers decode those even within quotes,
 * where they may not, and would show another name. To be freed; name is not empty. */
char *mime_plain_name(const char *name);

/* mime_body.c */
enum sq_err mime_check_attachments(struct composer *c) SQ_MUST_CHECK;
/* The body of checked input. The caller unrefs it. */
GMimeObject *mime_body(struct composer *c);

#endif

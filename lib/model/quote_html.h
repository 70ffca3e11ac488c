/* Foreign html made fit to stand inside a mail of ours. */
#ifndef SENDQ_MODEL_QUOTE_HTML_H
#define SENDQ_MODEL_QUOTE_HTML_H

#include "buf.h"

/* Appends html written anew: only elements and attributes of a list, every element closed within
 * it and none that it did not open, so that it can neither end what it stands in nor change what
 * stands beside it. Scripts, styles, forms, comments and handlers are left out; links go to http,
 * https, mailto and tel. without_cid leaves out images that stand in attachments. */
void quote_html_add(const char *html, bool without_cid, struct buf *out);

#endif

/* The two ends of GMime's streams: a text in memory, and a buf. Private to lib/model/mime*.c. */
#ifndef SENDQ_MODEL_MIME_STREAM_H
#define SENDQ_MODEL_MIME_STREAM_H

#include "buf.h"

typedef struct _GMimeStream GMimeStream;

enum mime_source {
    MIME_SOURCE_TEXT,   /* as it is, but with LF where it has CR LF */
    MIME_SOURCE_BASE64, /* base64 without line ends, given in lines of 76 characters */
};

/* Reads text[0..len), which must stay alive and unchanged; nothing of it is copied. */
GMimeStream *mime_source_new(const char *text, size_t len, enum mime_source kind);
/* Appends what is written to it, LF becoming CR LF. A buf that is full fails silently, as bufs do.
 */
GMimeStream *mime_sink_new(struct buf *out);

#endif

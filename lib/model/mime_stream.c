/* Streams over memory, since GMime's own would copy an attachment of tens of megabytes.
 *
 * A source gives its text out in lines as GMime and the wire want them, without a second copy
 * with those line ends ever existing. Each source is read from its start, at most twice. */
#include "mime_stream.h"

#include <gmime/gmime.h>
#include <string.h>

#define LINE 76 /* characters of base64, RFC 2045 6.8 */

typedef struct {
    GMimeStream parent;
    const char *text;
    size_t len, at;
    size_t column; /* base64: characters given of this line */
    enum mime_source kind;
    struct buf *out;
} MimeMemory;

typedef struct {
    GMimeStreamClass parent;
} MimeMemoryClass;

static GType mime_memory_get_type(void);
/* cppcheck-suppress unknownMacro */
G_DEFINE_TYPE(MimeMemory, mime_memory, GMIME_TYPE_STREAM)

static MimeMemory *self_of(GMimeStream *stream)
{
    return (MimeMemory *)stream;
}

/* Characters of base64 up to a line's end, then the line's end. */
static size_t read_base64(MimeMemory *m, char *to, size_t size)
{
    size_t n, done = 0;

    while (m->at < m->len && done < size) {
        if (m->column == LINE) {
            to[done++] = '\n';
            m->column = 0;
            continue;
        }
        n = LINE - m->column;
        if (n > m->len - m->at)
            n = m->len - m->at;
        if (n > size - done)
            n = size - done;
        memcpy(to + done, m->text + m->at, n);
        m->at += n;
        m->column += n;
        done += n;
    }
    return done;
}

static size_t read_text(MimeMemory *m, char *to, size_t size)
{
    size_t done = 0;

    for (; m->at < m->len && done < size; m->at++) {
        if (m->text[m->at] == '\r' && m->at + 1 < m->len && m->text[m->at + 1] == '\n')
            continue;
        to[done++] = m->text[m->at];
    }
    return done;
}

static ssize_t memory_read(GMimeStream *stream, char *to, size_t size)
{
    MimeMemory *m = self_of(stream);
    size_t n = m->kind == MIME_SOURCE_BASE64 ? read_base64(m, to, size) : read_text(m, to, size);

    stream->position += (gint64)n;
    return (ssize_t)n;
}

/* GMime writes LF, and its own filter for CR LF costs more than all the rest. */
static ssize_t memory_write(GMimeStream *stream, const char *from, size_t size)
{
    MimeMemory *m = self_of(stream);
    const char *p = from, *end = from + size, *line;

    if (!m->out)
        return -1;
    while ((line = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        buf_add(m->out, p, (size_t)(line - p));
        buf_add(m->out, "\r\n", 2);
        p = line + 1;
    }
    buf_add(m->out, p, (size_t)(end - p));
    stream->position += (gint64)size;
    return (ssize_t)size;
}

static int memory_flush(GMimeStream *stream)
{
    (void)stream;
    return 0;
}

static gboolean memory_eos(GMimeStream *stream)
{
    const MimeMemory *m = self_of(stream);

    return !m->out && m->at == m->len;
}

static int memory_reset(GMimeStream *stream)
{
    MimeMemory *m = self_of(stream);

    if (m->out)
        return -1;
    m->at = m->column = 0;
    stream->position = stream->bound_start;
    return 0;
}

/* Only what GMime needs: back to the start, or staying where it is. */
static gint64 memory_seek(GMimeStream *stream, gint64 offset, GMimeSeekWhence whence)
{
    if (whence == GMIME_STREAM_SEEK_SET && offset == stream->position)
        return offset;
    if (whence != GMIME_STREAM_SEEK_SET || offset != stream->bound_start ||
        memory_reset(stream) != 0)
        return -1;
    return offset;
}

static gint64 memory_tell(GMimeStream *stream)
{
    return stream->position;
}

static gint64 memory_length(GMimeStream *stream)
{
    (void)stream;
    return -1; /* not known before it is read */
}

static void mime_memory_class_init(MimeMemoryClass *class)
{
    GMimeStreamClass *c = (GMimeStreamClass *)class;

    c->read = memory_read;
    c->write = memory_write;
    c->flush = memory_flush;
    c->close = memory_flush;
    c->eos = memory_eos;
    c->reset = memory_reset;
    c->seek = memory_seek;
    c->tell = memory_tell;
    c->length = memory_length;
}

static void mime_memory_init(MimeMemory *m)
{
    (void)m;
}

static MimeMemory *memory_new(void)
{
    MimeMemory *m = g_object_new(mime_memory_get_type(), NULL);

    g_mime_stream_construct((GMimeStream *)m, 0, -1);
    return m;
}

GMimeStream *mime_source_new(const char *text, size_t len, enum mime_source kind)
{
    MimeMemory *m = memory_new();

    m->text = text;
    m->len = len;
    m->kind = kind;
    return (GMimeStream *)m;
}

GMimeStream *mime_sink_new(struct buf *out)
{
    MimeMemory *m = memory_new();

    m->out = out;
    return (GMimeStream *)m;
}

/* Contents in texts of large jobs: read piece by piece, and unescaped as they come.
 *
 * The text was checked when the job was accepted: a content is base64, so the next quote ends it,
 * and nothing in it is escaped but letters, digits, '+', '/' and '='. */
#include "stored.h"

#include "message.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct store *store;
    char id[MESSAGE_ID_MAX + 1];
    size_t offset, end; /* of the text; of into, when it is complete */
    struct buf *into;
    stored_cb cb;
    void *arg;
};

static bool parse(const char *ref, size_t *ret_offset, size_t *ret_size)
{
    char *end;

    *ret_offset = strtoull(ref, &end, 10);
    *ret_size = strtoull(end, &end, 10);
    return *end == '\0';
}

size_t stored_size(const char *ref)
{
    size_t offset, size;

    return parse(ref, &offset, &size) ? size : 0;
}

/* Bytes of the escape at s, in the text and of what is left of the piece; 0 = it is cut. */
static size_t put_escape(const char *s, size_t left, struct buf *out)
{
    size_t size = left > 1 && s[1] == 'u' ? 6 : 2;
    char hex[5] = "";

    if (left < size)
        return 0;
    if (size == 2) {
        buf_addc(out, s[1]);
        return size;
    }
    memcpy(hex, s + 2, 4);
    buf_addc(out, (char)strtoul(hex, NULL, 16));
    return size;
}

/* Appends what the piece has of the string it begins in. Returns how many bytes of it are done
 * with: not an escape that is cut. */
static size_t unescape(const char *piece, size_t len, struct buf *out)
{
    const char *quote = memchr(piece, '"', len), *end = quote != NULL ? quote : piece + len;
    const char *at = piece;

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        const char *stop = slash != NULL ? slash : end;
        size_t size;

        buf_add(out, at, (size_t)(stop - at));
        at = stop;
        if (slash == NULL)
            break;
        size = put_escape(at, (size_t)(end - at), out);
        if (size == 0)
            break;
        at += size;
    }
    return (size_t)(at - piece);
}

static void end(struct reading *r, enum store_status st)
{
    r->cb(st, st == STORE_OK && r->into->len == r->end && !r->into->failed, r->arg);
    free(r);
}

static void on_piece(enum store_status st, const char *piece, size_t len, void *arg)
{
    struct reading *r = arg;
    size_t done = st == STORE_OK && len > 0 ? unescape(piece, len, r->into) : 0;

    r->offset += done;
    if (done == 0 || r->into->len >= r->end || r->into->failed)
        end(r, st);
    else if (store_text(r->store, r->id, r->offset, on_piece, r) != SQ_OK)
        end(r, STORE_LOST);
}

enum sq_err stored_read(struct store *s, const char *id, const char *ref, struct buf *into,
                        stored_cb cb, void *arg)
{
    struct reading *r = mem_zalloc(sizeof(*r));
    size_t size = 0;
    enum sq_err err = SQ_ERR_INVALID;

    *r = (struct reading){.store = s, .into = into, .cb = cb, .arg = arg};
    snprintf(r->id, sizeof(r->id), "%s", id);
    if (parse(ref, &r->offset, &size))
        err = store_text(s, id, r->offset, on_piece, r);
    r->end = into->len + size;
    if (err != SQ_OK)
        free(r);
    return err;
}

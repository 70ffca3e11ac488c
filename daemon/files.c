/* Fetched attachments. */
#include "files.h"

#include "crypto.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct files *files_new(unsigned count)
{
    struct files *f = mem_zalloc(sizeof(*f) + count * sizeof(f->items[0]));

    f->count = count;
    return f;
}

void files_free(struct files *f)
{
    if (f == NULL)
        return;
    for (unsigned i = 0; i < f->count; i++)
        buf_free(&f->items[i].base64);
    free(f);
}

/* "text/plain; charset=x" -> "text/plain"; "" for what is no type. */
static void plain_type(const char *type, char *ret, size_t size)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$&^_.+-";
    size_t first = strspn(type, token), second;

    ret[0] = '\0';
    if (first == 0 || type[first] != '/')
        return;
    second = strspn(type + first + 1, token);
    if (second > 0 && strchr("; \t", type[first + 1 + second]) != NULL && first + 1 + second < size)
        snprintf(ret, size, "%.*s", (int)(first + 1 + second), type);
}

enum sq_err files_put(struct files *f, unsigned i, const char *content, size_t len,
                      const char *type, struct err_text *e)
{
    struct file *file = &f->items[i];

    file->base64.max = len / 3 * 4 + 8;
    base64_encode(&file->base64, content, len);
    plain_type(type, file->mime_type, sizeof(file->mime_type));
    if (file->base64.failed)
        return err_set(e, SQ_ERR_NOMEM, "not enough memory for it");
    f->bytes += len;
    return SQ_OK;
}

struct buf *files_open(struct files *f, unsigned i, size_t len)
{
    struct buf *b = &f->items[i].base64;

    b->max = len;
    if (buf_reserve(b, len) == NULL)
        return NULL;
    f->bytes += len / 4 * 3;
    return b;
}

void files_lend(const struct files *f, struct message *m)
{
    for (unsigned i = 0; i < f->count && i < m->attachment_count; i++) {
        const struct file *file = &f->items[i];
        struct attachment *a = &m->attachments[i];

        if (file->base64.len == 0)
            continue;
        a->content_base64 = buf_str(&file->base64);
        a->url = a->storage_path = a->stored = NULL;
        if (a->mime_type == NULL && file->mime_type[0] != '\0')
            a->mime_type = file->mime_type;
    }
}

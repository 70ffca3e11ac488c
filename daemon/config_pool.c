/* Memory that may hold secrets: everything taken from a pool is wiped before it is given back. */
#include "config_pool.h"

#include "buf.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pool_block {
    struct pool_block *next, *prev;
    size_t size; /* of data */
    _Alignas(16) unsigned char data[];
};

static struct pool_block *block_of(void *ptr)
{
    return (struct pool_block *)((unsigned char *)ptr - offsetof(struct pool_block, data));
}

void *pool_alloc(struct pool *p, size_t size)
{
    struct pool_block *b;

    /* An overflow here can only be a bug: every caller's size is capped far below it. */
    if (size > SIZE_MAX / 2)
        abort();
    b = mem_zalloc(sizeof(*b) + size);
    b->size = size;
    b->next = p->head;
    if (b->next)
        b->next->prev = b;
    p->head = b;
    return b->data;
}

void pool_release(struct pool *p, void *ptr)
{
    struct pool_block *b;

    if (!ptr)
        return;
    b = block_of(ptr);
    if (b->prev)
        b->prev->next = b->next;
    else
        p->head = b->next;
    if (b->next)
        b->next->prev = b->prev;
    explicit_bzero(b->data, b->size);
    free(b);
}

/* Doubles large blocks: libcyaml grows a list by one item at a time. */
void *pool_realloc(struct pool *p, void *old, size_t size)
{
    size_t had = old ? block_of(old)->size : 0;
    void *fresh;

    if (old && size <= had)
        return old;
    fresh = pool_alloc(p, had >= 1024 && size < had * 2 ? had * 2 : size);
    if (old) {
        memcpy(fresh, old, had);
        pool_release(p, old);
    }
    return fresh;
}

char *pool_strndup(struct pool *p, const char *s, size_t len)
{
    char *copy = pool_alloc(p, len + 1);

    memcpy(copy, s, len);
    return copy;
}

char *pool_strdup(struct pool *p, const char *s)
{
    return s ? pool_strndup(p, s, strlen(s)) : NULL;
}

char *pool_printf(struct pool *p, const char *fmt, ...)
{
    va_list args, again;
    char *text;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        abort();
    text = pool_alloc(p, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

void pool_free(struct pool *p)
{
    struct pool_block *next;

    for (struct pool_block *b = p->head; b; b = next) {
        next = b->next;
        explicit_bzero(b->data, b->size);
        free(b);
    }
    p->head = NULL;
}

/* Reads until the end of the file; one byte more than max is asked for to notice a larger one. */
static enum sq_err read_all(struct pool *p, int fd, size_t max, char **ret, size_t *ret_len,
                            struct err_text *e)
{
    size_t len = 0, cap = 4096;
    char *data = pool_alloc(p, cap + 1);

    for (;;) {
        ssize_t n = read(fd, data + len, cap - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            pool_release(p, data);
            return err_set(e, SQ_ERR_IO, "cannot read it: %s", strerror(errno));
        }
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max) {
            pool_release(p, data);
            return err_set(e, SQ_ERR_TOO_LARGE, "it holds more than %zu bytes", max);
        }
        if (len == cap) {
            cap *= 2;
            data = pool_realloc(p, data, cap + 1);
        }
    }
    data[len] = '\0';
    *ret = data;
    *ret_len = len;
    return SQ_OK;
}

enum sq_err pool_read_file(struct pool *p, const char *path, size_t max, bool only_regular,
                           char **ret, size_t *ret_len, bool *ret_world_readable,
                           struct err_text *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (only_regular ? O_NONBLOCK : 0));
    struct stat st;
    enum sq_err err;

    if (fd < 0)
        return err_set(e, SQ_ERR_IO, "cannot open it: %s", strerror(errno));
    if (fstat(fd, &st) < 0)
        err = err_set(e, SQ_ERR_IO, "cannot read it: %s", strerror(errno));
    else if (only_regular && !S_ISREG(st.st_mode))
        err = err_set(e, SQ_ERR_INVALID, "it is not a regular file");
    else
        err = read_all(p, fd, max, ret, ret_len, e);
    if (!err && ret_world_readable)
        *ret_world_readable = (st.st_mode & S_IROTH) != 0;
    close(fd);
    return err;
}

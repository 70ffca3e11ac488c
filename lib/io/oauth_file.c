/* A refresh token's file: read anew before each use, since another worker may have replaced it. */
#include "oauth_file.h"

#include "oauth_spec.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum sq_err oauth_file_read(const char *path, struct buf *ret, struct err_text *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *to = buf_reserve(ret, OAUTH_TOKEN_MAX + 2);
    ssize_t n = fd < 0 || !to ? -1 : read(fd, to, OAUTH_TOKEN_MAX + 2);
    int why = errno;

    if (fd >= 0)
        close(fd);
    if (n < 0)
        return err_set(e, SQ_ERR_IO, "cannot read %.120s: %s", path, strerror(why));
    while (n > 0 && (to[n - 1] == '\n' || to[n - 1] == '\r'))
        n--;
    to[n] = '\0';
    if (n == 0 || n > OAUTH_TOKEN_MAX || memchr(to, '\0', (size_t)n))
        return err_set(e, SQ_ERR_INVALID, "%.120s holds no token", path);
    ret->len += (size_t)n;
    return SQ_OK;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

static bool fill(int fd, const char *path, const char *token)
{
    struct stat st;
    mode_t mode = stat(path, &st) == 0 ? st.st_mode & 07777 : 0600;

    return fchmod(fd, mode) == 0 && write_all(fd, token, strlen(token)) && write_all(fd, "\n", 1) &&
           fsync(fd) == 0;
}

/* So that the new name itself survives a crash. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

enum sq_err oauth_file_write(const char *path, const char *token, struct err_text *e)
{
    struct buf temp = {0};
    enum sq_err err = SQ_OK;
    int fd;

    buf_addf(&temp, "%s.XXXXXX", path);
    fd = mkostemp(temp.data, O_CLOEXEC);
    if (fd < 0 || !fill(fd, path, token) || rename(temp.data, path) != 0) {
        err = err_set(e, SQ_ERR_IO, "cannot write %.120s: %s", path, strerror(errno));
        if (fd >= 0)
            unlink(temp.data);
    } else {
        sync_directory(path);
    }
    if (fd >= 0)
        close(fd);
    buf_free(&temp);
    return err;
}

/* Reading below a directory: a walk that opens one segment after the other and follows no link.
 *
 * openat2 with RESOLVE_BENEATH would do it in one call, but not on every kernel and not under every
 * sandbox; two ways would be two behaviours. */
#include "below.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum sq_err fail(struct err_text *e)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return err_set(e, SQ_ERR_NOT_FOUND, "there is no such file");
    case ELOOP:
        return err_set(e, SQ_ERR_INVALID, "a symbolic link is not followed");
    case ENAMETOOLONG:
        return err_set(e, SQ_ERR_INVALID, "the path is too long");
    case ENXIO: /* a socket, or a device without a driver */
        return err_set(e, SQ_ERR_INVALID, "it is not a regular file");
    case EACCES:
    case EPERM:
        return err_set(e, SQ_ERR_INVALID, "the file may not be read");
    default:
        return err_set(e, SQ_ERR_IO, "the file cannot be read: %s", strerror(errno));
    }
}

/* A name of one segment, not longer than the system allows. */
static bool is_name(const char *s, size_t len)
{
    return len > 0 && len <= 255 && !(len == 1 && s[0] == '.') &&
           !(len == 2 && s[0] == '.' && s[1] == '.');
}

/* Opens the next segment; takes over (closes) dir. O_NOFOLLOW on a directory gives ENOTDIR for a
 * link, which is told apart for the error's sake. */
static int step(int dir, const char *name, bool last)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = openat(dir, name, flags | (last ? 0 : O_DIRECTORY));
    struct stat st;
    int why = errno;

    if (fd < 0 && why == ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode))
        why = ELOOP;
    close(dir);
    errno = why;
    return fd;
}

static enum sq_err open_below(const char *root, const char *path, int *ret, struct err_text *e)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_set(e, SQ_ERR_IO, "the attachments' directory cannot be opened: %s",
                       strerror(errno));
    while (true) {
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        char name[256];

        if (!is_name(path, len)) {
            close(fd);
            return err_set(e, SQ_ERR_INVALID, "the path is not a plain relative one");
        }
        memcpy(name, path, len);
        name[len] = '\0';
        fd = step(fd, name, last);
        if (fd < 0)
            return fail(e);
        if (last)
            break;
        path += len + 1;
    }
    *ret = fd;
    return SQ_OK;
}

static enum sq_err read_all(int fd, size_t max, struct buf *out, struct err_text *e)
{
    char piece[65536];
    size_t total = 0;
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(e);
        total += (size_t)n;
        if (total > max)
            return err_set(e, SQ_ERR_TOO_LARGE, "the file is larger than %zu bytes", max);
        buf_add(out, piece, (size_t)n);
    }
    return out->failed ? err_set(e, SQ_ERR_TOO_LARGE, "the file is too large") : SQ_OK;
}

enum sq_err below_read(const char *root, const char *path, size_t max, struct buf *out,
                       struct err_text *e)
{
    struct stat st;
    int fd = -1;
    enum sq_err err = open_below(root, path, &fd, e);

    if (err != SQ_OK)
        return err;
    if (fstat(fd, &st) < 0)
        err = fail(e);
    else if (!S_ISREG(st.st_mode))
        err = err_set(e, SQ_ERR_INVALID, "it is not a regular file");
    else if ((uint64_t)st.st_size > max)
        err = err_set(e, SQ_ERR_TOO_LARGE, "the file is larger than %zu bytes", max);
    else
        err = read_all(fd, max, out, e);
    close(fd);
    return err;
}

/* The log sink: one line in a scratch buffer; whole lines in one write(2), so that they never mix.
 *
 * Nobody waits for the log's reader: a journal that hangs or a pipe that is full would stop the
 * sending of messages. What cannot be written now is kept for later, up to KEPT_BYTES; lines beyond
 * that are lost, and counted. */
#include "log.h"
#include "json.h"
#include "text.h"
#include "timefmt.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 16384, /* fields that do not fit any more are left out whole */
    VALUE_MAX_BYTES = 1024,
    PREFIX_BYTES = 3, /* "<6>" */
    TAIL_BYTES = 8,   /* room kept for the closing bracket and the newline */
    GATHER_BYTES = 32768,
    KEPT_BYTES = 262144,
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};
enum { LEVELS = sizeof(level_names) / sizeof(*level_names) };

/* True if stderr is the journal's own stream. The variable alone does not say so: it is inherited
 * by processes whose stderr was redirected since. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 || fstat(fd, &st) != 0)
        return false;
    return st.st_dev == dev && st.st_ino == ino;
}

void log_init(struct log *l, enum log_level level, bool json)
{
    l->level = level;
    l->json = json;
    l->fd = STDERR_FILENO;
    l->journald = is_journal(l->fd);
    l->line.max = LINE_MAX_BYTES;
}

/* How much of a pipe's text goes into one write that cannot wait: whole lines where it can be. */
static size_t piece(const char *p, size_t len)
{
    const char *end;

    if (len <= PIPE_BUF)
        return len;
    end = memrchr(p, '\n', PIPE_BUF);
    return end ? (size_t)(end + 1 - p) : PIPE_BUF;
}

/* write(2) that does not wait, whatever the descriptor is; its flags are shared with other
 * processes and stay as they are. A pipe that is ready takes PIPE_BUF bytes at least. */
static ssize_t write_now(int fd, const char *p, size_t len)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    struct stat st;

    if (fstat(fd, &st) != 0 || S_ISREG(st.st_mode))
        return write(fd, p, len);
    if (S_ISSOCK(st.st_mode))
        return send(fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (poll(&ready, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(fd, p, piece(p, len));
}

/* How many bytes are done with: written, or lost because the descriptor is broken or full. */
static size_t write_text(int fd, const char *p, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = write_now(fd, p + done, len - done);

        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return done;
        else if (n == 0 || errno != EINTR)
            return len;
    }
    return done;
}

static void tell_lost(struct log *l)
{
    int64_t lost = l->lost;

    l->lost = 0;
    if (!log_begin(l, LOG_LVL_WARN, "log_lost"))
        return;
    log_int(l, "lines", lost);
    log_end(l);
}

void log_flush(struct log *l)
{
    size_t done;

    if (l->gathered.len == 0)
        return;
    done = write_text(l->fd, l->gathered.data, l->gathered.len);
    l->gathered.len -= done;
    memmove(l->gathered.data, l->gathered.data + done, l->gathered.len + 1);
    if (l->gathered.len == 0 && l->lost > 0)
        tell_lost(l);
}

void log_done(struct log *l)
{
    if (!l)
        return;
    log_flush(l);
    buf_free(&l->line);
    buf_free(&l->gathered);
}

enum sq_err log_level_parse(const char *s, enum log_level *ret)
{
    for (int i = 0; i < LEVELS; i++) {
        if (text_eq(s, level_names[i])) {
            *ret = (enum log_level)i;
            return SQ_OK;
        }
    }
    return SQ_ERR_INVALID;
}

static void add_key(struct log *l, const char *key)
{
    if (l->json) {
        json_key(&l->line, key);
        return;
    }
    if (l->line.len > (l->journald ? PREFIX_BYTES : 0))
        buf_addc(&l->line, ' ');
    buf_adds(&l->line, key);
    buf_addc(&l->line, '=');
}

/* Takes a field back that did not fit, whose beginning is at len. */
static void drop_if_failed(struct log *l, size_t len)
{
    if (!l->line.failed)
        return;
    l->line.failed = false;
    l->line.len = len;
    if (l->line.data)
        l->line.data[len] = '\0';
}

bool log_begin(struct log *l, enum log_level level, const char *event)
{
    static const char priorities[LEVELS] = {'3', '4', '6', '7'}; /* sd-daemon(3) */
    char now[TIME_TEXT];

    if (level > l->level)
        return false;
    l->current = level;
    buf_clear(&l->line);
    if (l->journald)
        buf_addf(&l->line, "<%c>", priorities[level]);
    if (l->json)
        buf_addc(&l->line, '{');
    if (!l->journald) {
        time_format(clock_wall_ms(), now);
        if (l->json)
            log_str(l, "time", now);
        else
            buf_adds(&l->line, now);
    }
    log_str(l, "level", level_names[level]);
    log_str(l, "event", event);
    log_str(l, "ns", l->ns);
    return true;
}

/* " key=value" in one step where nothing has to be escaped: nearly always. False: not so. */
static bool add_plain(struct log *l, const char *key, const char *value)
{
    size_t n = strlen(key), len = strlen(value);
    char *to;

    if (l->json || len > VALUE_MAX_BYTES || l->line.len <= PREFIX_BYTES ||
        l->line.len + n + len + 2 > LINE_MAX_BYTES || text_needs_quotes(value, len))
        return false;
    to = buf_reserve(&l->line, n + len + 2);
    if (!to)
        return false;
    *to++ = ' ';
    memcpy(to, key, n);
    to += n;
    *to++ = '=';
    memcpy(to, value, len);
    l->line.len += n + len + 2;
    return true;
}

void log_str(struct log *l, const char *key, const char *value)
{
    size_t len = l->line.len;

    if (text_is_empty(value) || add_plain(l, key, value))
        return;
    add_key(l, key);
    if (l->json)
        text_add_quoted(&l->line, value, VALUE_MAX_BYTES);
    else
        text_add_logsafe(&l->line, value, VALUE_MAX_BYTES);
    drop_if_failed(l, len);
}

void log_int(struct log *l, const char *key, int64_t value)
{
    size_t len = l->line.len;

    add_key(l, key);
    buf_add_i64(&l->line, value);
    drop_if_failed(l, len);
}

void log_end(struct log *l)
{
    struct log *to = l->via != NULL ? l->via : l;

    l->line.max = LINE_MAX_BYTES + TAIL_BYTES;
    buf_adds(&l->line, l->json ? "}\n" : "\n");
    l->line.max = LINE_MAX_BYTES;
    if (to->gathered.len + l->line.len > KEPT_BYTES)
        to->lost++;
    else
        buf_add(&to->gathered, l->line.data, l->line.len);
    if (!to->wake || l->current == LOG_LVL_ERROR || to->gathered.len >= GATHER_BYTES)
        log_flush(to);
    else
        to->wake(to->wake_arg);
}

void log_line(struct log *l, enum log_level level, const char *event, const char *fmt, ...)
{
    char msg[VALUE_MAX_BYTES + 8]; /* longer than what is printed, so that a cut shows */
    va_list ap;

    if (!log_begin(l, level, event))
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    log_str(l, "msg", msg);
    log_end(l);
}

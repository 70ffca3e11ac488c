/* The log sink: key=value (or JSON) lines with a level, to stderr. Only the daemon floor calls it.
 *
 * A line: `<prefix>level=info event=started ns=sendq ...`. Under systemd (JOURNAL_STREAM set) the
 * prefix is a journald priority "<6>"; elsewhere it is the time. Values are escaped by
 * text_add_logsafe. Secrets and message content are never passed here. */
#ifndef SENDQ_BASE_LOG_H
#define SENDQ_BASE_LOG_H

#include "buf.h"

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

/* One log destination. Zero-initialise, then log_init. */
struct log {
    enum log_level level;
    bool json;       /* one JSON object a line instead of key=value */
    bool journald;   /* priority prefix instead of a time */
    int fd;          /* 2 unless a test says otherwise */
    struct buf line; /* scratch */
    /* With `wake` set, lines are gathered and wake is called: the owner calls log_flush soon (the
     * daemon: at the end of the loop's turn), so that a busy turn costs one write. Errors are
     * written at once, with all before them. NULL: every line is written at once. */
    void (*wake)(void *arg);
    void *wake_arg;
    const char *ns;         /* stands in every line, if not NULL */
    struct log *via;        /* lines are gathered and written by this one; NULL: by itself */
    enum log_level current; /* level of the line being built */
    struct buf gathered;
    int64_t lost; /* lines that found no room while the reader stood still */
};

void log_init(struct log *l, enum log_level level, bool json);
void log_done(struct log *l); /* writes what was gathered */
/* Writes what was gathered and can be written without waiting; the rest stays for the next flush,
 * and beyond 256 KiB lines are dropped, counted and told of by `event=log_lost`. */
void log_flush(struct log *l);
/* "error" "warn" "info" "debug"; SQ_ERR_INVALID else. */
enum sq_err log_level_parse(const char *s, enum log_level *ret) SQ_MUST_CHECK;

/* Builds one line: begin (false = the level is off, skip the rest), any number of fields, end. */
bool log_begin(struct log *l, enum log_level level, const char *event);
void log_str(struct log *l, const char *key, const char *value); /* NULL or "": left out */
void log_int(struct log *l, const char *key, int64_t value);
void log_end(struct log *l);

/* Begin, a `msg` field formatted printf-like, end. */
void log_line(struct log *l, enum log_level level, const char *event, const char *fmt, ...)
    SQ_PRINTF(4, 5);

#endif

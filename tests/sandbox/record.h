/* What one request was, and the bounded log of all of them. */
#ifndef SENDQ_TESTS_SANDBOX_RECORD_H
#define SENDQ_TESTS_SANDBOX_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request as it arrived and what became of it. Texts live behind the struct, in one block. */
struct record {
    uint64_t seq;             /* 1, 2, ... in order of arrival, never reused before a reset */
    int64_t mono_us, wall_us; /* when it had arrived whole */
    unsigned dialect;         /* index in the dialect table, or DIALECT_NONE */
    int status;               /* HTTP status answered; 0 = none (hang, reset) */
    bool accepted;            /* the provider took a message by it */
    const char *method;       /* static text */
    const char *uri;          /* path and query as sent */
    const char *heads;        /* "name\0value\0" pairs in order, names in lower case */
    size_t heads_len;
    char *body; /* body[body_len] is NUL */
    size_t body_len;
    char *id;        /* the message's identity, or NULL */
    char *recipient; /* or NULL */
};

/* The body is left for the caller to fill. */
struct record *record_new(const char *method, const char *uri, const char *heads, size_t heads_len,
                          size_t body_len);
void record_free(struct record *r);
/* The first header of that name (given in lower case), or NULL. */
const char *record_header(const struct record *r, const char *name);
/* Walks the headers: *pos starts at 0; false at the end. */
bool record_next_header(const struct record *r, size_t *pos, const char **ret_name,
                        const char **ret_value);
/* Keep a copy, cut to a sane length; NULL and "" keep nothing. */
void record_set_id(struct record *r, const char *id);
void record_set_recipient(struct record *r, const char *recipient);
/* The identity, else the recipient, else "". */
const char *record_key(const struct record *r);

/* A ring of the newest records, bounded by count and by bytes. */
struct record_log {
    struct record **ring;
    size_t cap, first, count;
    size_t bytes, max_bytes;
    uint64_t total, dropped;
};

void record_log_init(struct record_log *log, size_t cap, size_t max_bytes);
/* Takes r over and gives it its seq; drops the oldest where a bound is passed. */
void record_log_add(struct record_log *log, struct record *r);
const struct record *record_log_at(const struct record_log *log, size_t i); /* 0 = oldest */
/* Index of the first record with a seq above since. */
size_t record_log_after(const struct record_log *log, uint64_t since);
void record_log_clear(struct record_log *log); /* seq starts at 1 again */
void record_log_free(struct record_log *log);

#endif

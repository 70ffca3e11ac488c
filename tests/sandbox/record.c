/* Keeping requests: one block per request, a ring of blocks. Recording sits in the path of every
 * request of a load test, hence no per-header allocation and no formatting before somebody asks. */
#include "record.h"

#include "buf.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define KEY_MAX ((size_t)512) /* bytes kept of an id or a recipient */

static size_t record_size(const struct record *r)
{
    return sizeof(*r) + strlen(r->uri) + 1 + r->heads_len + r->body_len + 1;
}

struct record *record_new(const char *method, const char *uri, const char *heads, size_t heads_len,
                          size_t body_len)
{
    size_t uri_len = strlen(uri) + 1;
    struct record *r = mem_alloc(sizeof(*r) + uri_len + heads_len + body_len + 1);
    char *text = (char *)(r + 1);

    *r = (struct record){.method = method, .uri = text, .heads_len = heads_len};
    memcpy(text, uri, uri_len);
    text += uri_len;
    r->heads = text;
    if (heads_len > 0)
        memcpy(text, heads, heads_len);
    r->body = text + heads_len;
    r->body_len = body_len;
    r->body[body_len] = '\0';
    return r;
}

void record_free(struct record *r)
{
    if (!r)
        return;
    free(r->id);
    free(r->recipient);
    free(r);
}

bool record_next_header(const struct record *r, size_t *pos, const char **ret_name,
                        const char **ret_value)
{
    const char *name = r->heads + *pos;

    if (*pos >= r->heads_len)
        return false;
    *ret_name = name;
    *ret_value = name + strlen(name) + 1;
    *pos += strlen(name) + 1 + strlen(*ret_value) + 1;
    return true;
}

const char *record_header(const struct record *r, const char *name)
{
    const char *at, *value;
    size_t pos = 0;

    while (record_next_header(r, &pos, &at, &value)) {
        if (strcmp(at, name) == 0)
            return value;
    }
    return NULL;
}

static void keep(char **slot, const char *text)
{
    if (text_is_empty(text))
        return;
    free(*slot);
    *slot = mem_strndup(text, text_cut(text, KEY_MAX));
}

void record_set_id(struct record *r, const char *id)
{
    keep(&r->id, id);
}

void record_set_recipient(struct record *r, const char *recipient)
{
    keep(&r->recipient, recipient);
}

const char *record_key(const struct record *r)
{
    if (r->id)
        return r->id;
    return r->recipient ? r->recipient : "";
}

void record_log_init(struct record_log *log, size_t cap, size_t max_bytes)
{
    *log = (struct record_log){.cap = cap, .max_bytes = max_bytes};
    log->ring = mem_zalloc(cap * sizeof(struct record *));
}

static void drop_oldest(struct record_log *log)
{
    struct record *r = log->ring[log->first];

    log->bytes -= record_size(r);
    log->first = (log->first + 1) % log->cap;
    log->count--;
    record_free(r);
}

void record_log_add(struct record_log *log, struct record *r)
{
    size_t size = record_size(r);

    while (log->count == log->cap || (log->count > 0 && log->bytes + size > log->max_bytes)) {
        drop_oldest(log);
        log->dropped++;
    }
    r->seq = ++log->total;
    log->ring[(log->first + log->count) % log->cap] = r;
    log->count++;
    log->bytes += size;
}

const struct record *record_log_at(const struct record_log *log, size_t i)
{
    return log->ring[(log->first + i) % log->cap];
}

size_t record_log_after(const struct record_log *log, uint64_t since)
{
    uint64_t oldest = log->total - log->count; /* seq before the oldest kept */

    if (since <= oldest)
        return 0;
    return since - oldest < log->count ? (size_t)(since - oldest) : log->count;
}

void record_log_clear(struct record_log *log)
{
    while (log->count > 0)
        drop_oldest(log);
    log->total = log->dropped = 0;
}

void record_log_free(struct record_log *log)
{
    record_log_clear(log);
    free(log->ring);
    log->ring = NULL;
}

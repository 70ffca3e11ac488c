/* Reading many hashes or strings: one command each, one count of what is still to come. */
#include "hashes.h"

#include "store_impl.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct store *store;
    hashes_item_cb item;
    hashes_done_cb done;
    void *arg;
    size_t next;      /* index of the reply that comes next: replies keep the commands' order */
    size_t left;      /* replies to come */
    bool sending;     /* commands are still being sent: not done even if none is left */
    const char *last; /* of a string's bytes, while sending; NULL: hashes */
    enum store_status st;
};

static void end_if_last(struct reading *r)
{
    if (r->left > 0 || r->sending)
        return;
    r->done(r->st, r->arg);
    free(r);
}

static void take(struct reading *r, size_t index, const struct redisReply *reply)
{
    const char *error = reply_error(reply);

    if (reply == NULL) {
        r->st = STORE_LOST;
    } else if (!reply_is_error(reply)) {
        r->item(index, reply, r->arg);
    } else if (text_starts(error, "WRONGTYPE")) {
        r->item(index, NULL, r->arg);
    } else {
        if (r->st == STORE_OK)
            r->st = STORE_ERROR;
        snprintf(r->store->error, sizeof(r->store->error), "%s", error);
    }
}

static void on_value(struct redisReply *reply, void *arg)
{
    struct reading *r = arg;

    r->left--;
    take(r, r->next++, reply);
    end_if_last(r);
}

static enum sq_err ask(struct reading *r, const struct buf *key)
{
    const char *hash[] = {"HGETALL", buf_str(key)};
    const char *string[] = {"GETRANGE", buf_str(key), "0", r->last};
    const size_t lens[] = {r->last ? 8 : 7, key->len, 1, r->last ? strlen(r->last) : 0};

    return redis_link_command(r->store->link, on_value, r, r->last ? 4 : 2, r->last ? string : hash,
                              lens);
}

static enum sq_err read_all(const struct reading *what, enum key_kind kind, const char *const *ids,
                            size_t count)
{
    struct reading *r;
    struct buf key = {0};

    if (!store_is_up(what->store))
        return SQ_ERR_STATE;
    r = mem_alloc(sizeof(*r));
    *r = *what;
    r->sending = true;
    for (size_t i = 0; i < count && r->st == STORE_OK; i++) {
        key_make(&key, r->store->ns, kind, ids[i]);
        if (ask(r, &key) == SQ_OK)
            r->left++;
        else
            r->st = STORE_LOST;
    }
    buf_free(&key);
    r->sending = false;
    if (r->left == 0) { /* not one could be sent */
        free(r);
        return SQ_ERR_STATE;
    }
    return SQ_OK;
}

enum sq_err hashes_read(struct store *s, enum key_kind kind, const char *const *ids, size_t count,
                        hashes_item_cb item, hashes_done_cb done, void *arg)
{
    const struct reading r = {.store = s, .item = item, .done = done, .arg = arg};

    return read_all(&r, kind, ids, count);
}

enum sq_err strings_read(struct store *s, enum key_kind kind, size_t max, const char *const *ids,
                         size_t count, hashes_item_cb item, hashes_done_cb done, void *arg)
{
    char last[24];
    const struct reading r = {.store = s, .item = item, .done = done, .arg = arg, .last = last};

    snprintf(last, sizeof(last), "%zu", max - 1);
    return read_all(&r, kind, ids, count);
}

/* Reading many hashes: one command each, one count of what is still to come. */
#include "hashes.h"

#include "store_impl.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>

struct reading {
    struct store *store;
    hashes_item_cb item;
    hashes_done_cb done;
    void *arg;
    size_t next;  /* index of the reply that comes next: replies keep the commands' order */
    size_t left;  /* replies to come */
    bool sending; /* commands are still being sent: not done even if none is left */
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

static void on_hash(struct redisReply *reply, void *arg)
{
    struct reading *r = arg;

    r->left--;
    take(r, r->next++, reply);
    end_if_last(r);
}

enum sq_err hashes_read(struct store *s, enum key_kind kind, const char *const *ids, size_t count,
                        hashes_item_cb item, hashes_done_cb done, void *arg)
{
    struct reading *r;
    struct buf key = {0};

    if (!store_is_up(s))
        return SQ_ERR_STATE;
    r = mem_alloc(sizeof(*r));
    *r = (struct reading){.store = s, .item = item, .done = done, .arg = arg, .sending = true};
    for (size_t i = 0; i < count && r->st == STORE_OK; i++) {
        key_make(&key, s->ns, kind, ids[i]);
        if (redis_link_command(s->link, on_hash, r, 2, (const char *[]){"HGETALL", buf_str(&key)},
                               (const size_t[]){7, key.len}) == SQ_OK)
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

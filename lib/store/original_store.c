/* Reading the messages that mails answer or forward: the hashes, then the contents. */
#include "original_store.h"

#include "buf.h"
#include "hashes.h"
#include "redis_reply.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

struct lookup {
    struct store *store;
    original_get_cb cb;
    void *arg;
    const char **ids;
    size_t count;
    struct arena arena;
    struct original_source sources[];
};

static const char *copy_field(struct arena *a, const struct redisReply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(hash); i += 2)
        if (text_eq(reply_str(reply_at(hash, i), NULL), name))
            return arena_strdup(a, reply_str(reply_at(hash, i + 1), NULL));
    return NULL;
}

static void on_hash(size_t index, const struct redisReply *hash, void *arg)
{
    struct lookup *l = arg;
    struct original_source *s = &l->sources[index];

    s->is_found = reply_count(hash) > 0;
    s->sent_at = copy_field(&l->arena, hash, "sent_at");
    s->provider_message_id = copy_field(&l->arena, hash, "provider_message_id");
}

static void on_content(size_t index, const struct redisReply *content, void *arg)
{
    struct lookup *l = arg;
    struct original_source *s = &l->sources[index];
    size_t len = 0;
    const char *packed = content != NULL ? reply_str(content, &len) : NULL;

    s->is_found = s->is_found && packed != NULL && len > 0;
    s->is_too_large = s->is_found && len > ORIGINAL_MAX;
    if (s->is_found && !s->is_too_large) {
        s->packed = arena_strndup(&l->arena, packed, len);
        s->packed_len = len;
    }
}

static void end(struct lookup *l, enum store_status st)
{
    l->cb(st, st == STORE_OK ? l->sources : NULL, st == STORE_OK ? l->count : 0, l->arg);
    arena_free(&l->arena);
    free(l->ids);
    free(l);
}

static void on_contents(enum store_status st, void *arg)
{
    end(arg, st);
}

static void on_hashes(enum store_status st, void *arg)
{
    struct lookup *l = arg;

    if (st == STORE_OK && strings_read(l->store, KEY_CONTENT, ORIGINAL_MAX + 1, l->ids, l->count,
                                       on_content, on_contents, l) != SQ_OK)
        st = STORE_LOST;
    if (st != STORE_OK)
        end(l, st);
}

enum sq_err original_get(struct store *s, const char *const *ids, size_t count, original_get_cb cb,
                         void *arg)
{
    struct lookup *l = mem_zalloc(sizeof(*l) + count * sizeof(l->sources[0]));
    enum sq_err err;

    *l = (struct lookup){.store = s, .cb = cb, .arg = arg, .count = count};
    l->ids = mem_alloc(count * sizeof(*l->ids));
    for (size_t i = 0; i < count; i++)
        l->ids[i] = arena_strdup(&l->arena, ids[i]);
    err = hashes_read(s, KEY_MESSAGE, ids, count, on_hash, on_hashes, l);
    if (err != SQ_OK) {
        arena_free(&l->arena);
        free(l->ids);
        free(l);
    }
    return err;
}

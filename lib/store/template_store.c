/* Reading stored templates. */
#include "template_store.h"

#include "buf.h"
#include "hashes.h"
#include "redis_reply.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

struct lookup {
    template_get_cb cb;
    void *arg;
    size_t count;
    struct arena arena;
    struct template_source sources[];
};

/* NULL for what is empty, or no text that a message could hold. */
static const char *copy_field(struct arena *a, const struct redisReply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(hash); i += 2) {
        size_t len;
        const char *value;

        if (!text_eq(reply_str(reply_at(hash, i), NULL), name))
            continue;
        value = reply_str(reply_at(hash, i + 1), &len);
        if (value == NULL || len == 0 || strlen(value) != len || !text_is_utf8(value, len))
            return NULL;
        return arena_strndup(a, value, len);
    }
    return NULL;
}

static void on_hash(size_t index, const struct redisReply *hash, void *arg)
{
    struct lookup *l = arg;
    struct template_source *s = &l->sources[index];

    s->is_found = reply_count(hash) > 0;
    s->subject = copy_field(&l->arena, hash, "subject");
    s->text = copy_field(&l->arena, hash, "text");
    s->html = copy_field(&l->arena, hash, "html");
}

static void lookup_free(struct lookup *l)
{
    arena_free(&l->arena);
    free(l);
}

static void on_done(enum store_status st, void *arg)
{
    struct lookup *l = arg;

    l->cb(st, st == STORE_OK ? l->sources : NULL, st == STORE_OK ? l->count : 0, l->arg);
    lookup_free(l);
}

enum sq_err template_get(struct store *s, const char *const *ids, size_t count, template_get_cb cb,
                         void *arg)
{
    struct lookup *l = mem_zalloc(sizeof(*l) + count * sizeof(l->sources[0]));
    enum sq_err err;

    l->cb = cb;
    l->arg = arg;
    l->count = count;
    err = hashes_read(s, KEY_TEMPLATE, ids, count, on_hash, on_done, l);
    if (err != SQ_OK)
        lookup_free(l);
    return err;
}

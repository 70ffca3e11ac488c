/* Attempts and the configuration they were begun with. */
#include "attempt.h"

#include "bulk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Buffers larger than this are given back to the system between uses: one message with a big
 * attachment must not make every slot of the pool big. */
#define KEEP_BYTES (64u << 10)

struct live_config *live_config_new(struct config *config)
{
    struct live_config *l = mem_alloc(sizeof(*l));

    *l = (struct live_config){.config = config, .refs = 1};
    return l;
}

struct live_config *live_config_ref(struct live_config *l)
{
    l->refs++;
    return l;
}

void live_config_unref(struct live_config *l)
{
    if (l == NULL || --l->refs > 0)
        return;
    config_free(l->config);
    free(l);
}

void attempts_init(struct attempts *a)
{
    list_init(&a->all);
    list_init(&a->free);
    a->count = 0;
    a->weight = 0;
}

static void trim(struct buf *b)
{
    if (b->cap > KEEP_BYTES)
        buf_free(b);
    else
        buf_clear(b);
}

static struct attempt *attempt_get(struct attempts *a)
{
    struct list *node = list_pop(&a->free);
    struct attempt *t;

    if (node != NULL)
        return LIST_ENTRY(node, struct attempt, node);
    t = mem_zalloc(sizeof(*t));
    list_init(&t->node);
    return t;
}

struct attempt *attempt_new_empty(struct attempts *a, struct live_config *live)
{
    struct attempt *t = attempt_get(a);

    list_add_tail(&a->all, &t->all);
    a->count++;
    t->live = live_config_ref(live);
    return t;
}

const char *attempt_lease(const struct attempt *t, char scratch[ATTEMPT_LEASE])
{
    if (t->bulk == NULL)
        return t->message.id;
    snprintf(scratch, ATTEMPT_LEASE, "%lld:%u", (long long)t->fence, t->place);
    return scratch;
}

struct attempt *attempt_new(struct attempts *a, struct live_config *live, const char *id,
                            const char *packed, size_t len)
{
    struct attempt *t = attempt_new_empty(a, live);

    buf_add(&t->packed, packed, len);
    t->unreadable = t->packed.failed ||
                    message_unpack(buf_str(&t->packed), t->packed.len, &t->message) != SQ_OK;
    snprintf(t->message.id, sizeof(t->message.id), "%s", id);
    t->sender = config_sender(live->config, t->message.text[MSG_SENDER]);
    return t;
}

void attempt_weigh(struct attempts *a, struct attempt *t, size_t bytes)
{
    a->weight = a->weight - t->weight + bytes;
    t->weight = bytes;
}

void attempt_free(struct attempts *a, struct attempt *t)
{
    attempt_weigh(a, t, 0);
    list_del(&t->all);
    a->count--;
    live_config_unref(t->live);
    message_clear(&t->message);
    bulk_unref(t->bulk); /* from bulk_begin; the message borrowed from it */
    t->bulk = NULL;
    t->place = 0;
    files_free(t->files);
    t->files = NULL;
    trim(&t->packed);
    t->live = NULL;
    t->sender = NULL;
    t->fence = 0;
    t->capped = t->suppressed = t->limited = t->overtaken = t->unreadable = t->refund =
        t->consent_seen = t->idempotent = t->token_renewed = false;
    t->left = (struct answer_limit){0};
    t->charged = 0;
    t->wait_until_ms = 0;
    t->begun_us = 0;
    t->slot = (struct heap_node){0};
    progress_reset(&t->progress);
    outcome_reset(&t->outcome);
    buf_free(&t->answer);
    list_add_head(&a->free, &t->node);
}

void attempts_done(struct attempts *a)
{
    LIST_EACH(node, &a->all)
    {
        struct attempt *t = LIST_ENTRY(node, struct attempt, all);

        list_del(&t->node);
        attempt_free(a, t);
    }
    LIST_EACH(node, &a->free)
    {
        struct attempt *t = LIST_ENTRY(node, struct attempt, node);

        list_del(&t->node);
        buf_free(&t->packed);
        buf_free(&t->token);
        free(t);
    }
}
